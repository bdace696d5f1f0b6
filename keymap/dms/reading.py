"""A DMS table-mapping file becomes rules: every mistake at once, each with its rule's id and name."""

import json
from collections.abc import Iterator

from pydantic import BaseModel, ValidationError

from keymap.dms.remarks import plain
from keymap.dms.rules import AnyRule, ObjectMapping, Selection, Settings, Transformation
from keymap.errors import Problem, Problems
from keymap.mistakes import Manual, told

_MODELS: dict[str, type[AnyRule]] = {
    "selection": Selection,
    "transformation": Transformation,
    "object-mapping": ObjectMapping,
    **dict.fromkeys(("table-settings", "post-processing", "validation"), Settings),
}


def parse_rules(text: str, name: str) -> list[AnyRule]:
    """The rules of a file's text; `name` is the file's, for messages. Raises Problems with all mistakes."""
    raw = _json(text, name)
    entries = raw.get("rules") if isinstance(raw, dict) else None
    if not isinstance(entries, list):
        raise Problems([Problem(name, 'it is no table mapping: {"rules": […]} is missing', _EXPORT)])
    problems: list[Problem] = []
    rules = []
    for number, entry in enumerate(entries, 1):
        try:
            rules.append(_model(entry).model_validate(entry))
        except ValidationError as error:
            problems.extend(_told(error, _model(entry), f"{name}, {_label(entry, number)}"))
        except ValueError as error:
            problems.append(Problem(f"{name}, {_label(entry, number)}", str(error), _SEE))
    if not problems and not any(isinstance(rule, Selection) for rule in rules):
        problems.append(Problem(name, "it has no selection rule, so DMS migrates nothing", "Add the selection rules"))
    Problems.raise_if_any(problems)
    return rules


_EXPORT = "Take the task's TableMappings: `aws dms describe-replication-tasks` shows them"
_SEE = "Compare the rule with the task's mapping in the DMS console, and docs/from-dms.md"


def _json(text: str, name: str) -> object:
    try:
        raw = json.loads(text)
        json.dumps(raw, ensure_ascii=False, allow_nan=False).encode()
    except json.JSONDecodeError as error:
        raise Problems([Problem(f"{name}:{error.lineno}", f"it is not JSON: {error.msg}", _EXPORT)]) from None
    except (ValueError, RecursionError):  # endless numbers, half characters, NaN, nesting without end
        what = "it is not JSON that can be read: a number, a character or the depth is beyond all bounds"
        raise Problems([Problem(name, what, _EXPORT)]) from None
    return raw


def _model(entry: object) -> type[AnyRule]:
    if not isinstance(entry, dict):
        raise ValueError("it is no object")  # noqa: TRY004 - a mistake in the file, told as one
    kind = entry.get("rule-type")
    model = _MODELS.get(kind) if isinstance(kind, str) else None
    if model is None:
        what = "it has no rule-type" if kind is None else f"rule-type {json.dumps(kind)} is not known"
        raise ValueError(what)
    return model


def _label(entry: object, number: int) -> str:
    identity = entry.get("rule-id") if isinstance(entry, dict) else None
    name = entry.get("rule-name") if isinstance(entry, dict) else None
    if not isinstance(identity, str | int):
        return f"rule without an id, number {number} of the file"
    return plain(f"rule {identity} ({name})" if isinstance(name, str | int) and name else f"rule {identity}")


_MANUAL = Manual("field", lambda _: _SEE)


def _told(error: ValidationError, model: type[AnyRule], where: str) -> Iterator[Problem]:
    for detail in error.errors(include_url=False):
        what, remedy = told(detail, model, _MANUAL)
        yield Problem(where, plain(what), plain(remedy))


def unknown_fields(part: BaseModel, prefix: str = "") -> Iterator[str]:
    """The fields of a rule that are not known here, as paths."""
    yield from (prefix + name for name in part.model_extra or {})
    for name in type(part).model_fields:
        value = getattr(part, name)
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, BaseModel):
                yield from unknown_fields(inner, f"{prefix}{name.replace('_', '-')}.")
