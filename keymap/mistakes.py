"""What pydantic finds in a file becomes words for the file's author: what is expected, what stands there, what is near.

For the keymap, the settings and a DMS table mapping alike. Of a value only its kind is ever told: it may be a secret.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Location = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Manual:
    """How one kind of file is explained: what it calls a field, what each is for, where more stands about a place.

    `meaning` gives "" for a field that nothing is said about; `patterns` name what a regular expression wants.
    """

    noun: str
    see: Callable[[Location], str]
    meaning: Callable[[type[BaseModel], str], str] = lambda _, __: ""
    patterns: Mapping[str, str] = field(default_factory=dict)


def location_of(detail: "ErrorDetails") -> Location:
    """Where the mistake is, as names and numbers from the file's top; that of a name is where the name stands."""
    return tuple(str(part) for part in detail["loc"] if part != "[key]")


def told(detail: "ErrorDetails", model: type[BaseModel], manual: Manual) -> tuple[str, str]:
    """What one mistake is, and the remedy. `detail` must have its input and context."""
    location = location_of(detail)
    name = ".".join(location)
    see = manual.see(location)
    holder, leads, end = _way(model, location)
    if detail["type"] == "extra_forbidden":
        return f"there is no {manual.noun} {name}", f"{_near(location[-1], fields_of(holder))} {see}"
    what = f"{name} is missing" if detail["type"] == "missing" else f"{name}: {_expected(detail, manual)}"
    if detail["type"] in _MODEL_TYPES and end is not None:
        return what.removeprefix(": "), f"{_known(fields_of(end))} {see}"
    meaning = manual.meaning(holder, leads) if leads and end is None else ""
    return what.removeprefix(": "), f"It is: {meaning}. {see}" if meaning else see


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a model by the names that they have in the file."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def _near(name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"Did you mean {near[0]}?" if near else _known(known)


def _known(names: Iterable[str]) -> str:
    return f"Known here: {', '.join(names)}."


def _way(model: type[BaseModel], location: Location) -> tuple[type[BaseModel], str, type[BaseModel] | None]:
    """The last model before a place, its field that leads there ("" if none), and the model that is there, if any."""
    holder, leads = model, ""
    at: Any = model
    for part in location:
        inner = _model_of(at)
        if inner is None:
            at = _within(at)
        else:
            info = fields_of(inner).get(part)
            holder, leads, at = inner, part if info else "", info.annotation if info else None
    return holder, leads, _model_of(at)


def _alternatives(annotation: Any) -> tuple[Any, ...]:  # noqa: ANN401 - whatever a field is annotated with
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _model_of(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401
    found = (one for one in _alternatives(annotation) if isinstance(one, type) and issubclass(one, BaseModel))
    return next(found, None)


def _within(annotation: Any) -> Any:  # noqa: ANN401
    """What the entries of a map or a list are, None where it is neither."""
    places = {dict: 1, list: 0, tuple: 0}
    for one in _alternatives(annotation):
        if get_origin(one) in places:
            return get_args(one)[places[get_origin(one)]]
    return None


def one_value(given: object) -> object:
    """For a field that takes text as well as numbers and truth values: what it is given, unless it is none of them."""
    if not isinstance(given, str | int | float) or given in _ENDLESS or given != given:  # noqa: PLR0124 - NaN is not itself
        raise ValueError("text, a number, true or false is expected")  # pydantic would tell of each type that it is not
    return given


_ENDLESS: Final = (float("inf"), float("-inf"))
_MODEL_TYPES: Final = {"model_type", "model_attributes_type"}
_EXPECTED: Final = {
    "dict_type": "a map (name: value) is expected",
    "list_type": "a list is expected",
    "string_type": "text is expected",
    "int_type": "a whole number is expected",
    "float_type": "a number is expected",
    "bool_type": "true or false is expected",
    "path_type": "a path is expected",
    "invalid_key": "a name that is text is expected",
    "greater_than_equal": "at least {ge} is expected",
    "greater_than": "more than {gt} is expected",
    "less_than_equal": "at most {le} is expected",
    "less_than": "less than {lt} is expected",
    "too_short": "at least {min_length} {entry} must be there",
    "too_long": "at most {max_length} {entry} may be there",
    "string_too_short": "text of {min_length} or more characters is expected",
    "string_too_long": "text of {max_length} or fewer characters is expected",
}
_ALIKE: Final = {
    **dict.fromkeys((*_MODEL_TYPES, "mapping_type"), "dict_type"),
    "tuple_type": "list_type",
    **dict.fromkeys(("int_parsing", "int_parsing_size", "int_from_float"), "int_type"),
    **dict.fromkeys(("float_parsing", "finite_number"), "float_type"),
    "bool_parsing": "bool_type",
}


def _expected(detail: "ErrorDetails", manual: Manual) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in {"literal_error", "enum"}:
        return f"{context['expected'].replace(chr(39), '')} is expected"
    if kind == "string_pattern_mismatch" and context["pattern"] in manual.patterns:
        return f"{manual.patterns[context['pattern']]} is expected"
    words = _EXPECTED.get(_ALIKE.get(kind, kind))
    if words is None:
        message = detail["msg"].removeprefix("Value error, ")
        return message[:1].lower() + message[1:]
    few = 1 in (context.get("min_length"), context.get("max_length"))
    words = words.format(entry="entry" if few else "entries", **context)
    return words + (_instead(kind, detail["input"]) if kind.endswith("_type") else "")


_KINDS: Final = {
    NoneType: "nothing",
    bool: "true or false",
    str: "text",
    int: "a number",
    float: "a number with a fraction",
    list: "a list",
    tuple: "a list",
    dict: "a map",
}


def _instead(kind: str, given: object) -> str:
    there = _KINDS.get(type(given))
    if there is None:
        return ""
    unquoted = kind == "string_type" and isinstance(given, bool | int | float | dict)  # braces make a map of a template
    return f", not {there}" + (": put it in quotes" if unquoted else "")
