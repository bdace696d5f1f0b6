"""From a YAML file and the environment to values that know where they came from.

Each value's place (file and line, or variable) is kept by its path, so that every mistake that pydantic finds, however
deep, is shown where the person can mend it; all of them at once.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, Final, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from keymap.errors import Problem, Problems
from keymap.mistakes import Location, Manual, location_of, told
from keymap.yaml_file import PlainLoader, syntax_problem

PREFIX = "KEYSHIFT_"
SEPARATOR = "__"
BYTES_MAX = 1024 * 1024  # settings are a page; a larger file is another file given by mistake

Model = TypeVar("Model", bound=BaseModel)


@dataclass(slots=True)
class Document:
    """The merged values, and where each of them stands."""

    name: str
    values: dict[str, Any] = field(default_factory=dict)
    places: dict[Location, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, location: Location) -> str:
        """Where the value, or the nearest section around it, stands."""
        for length in range(len(location), -1, -1):
            if found := self.places.get(location[:length]):
                return found
        return self.name


def read_document(path: Path, environment: Mapping[str, str], model: type[BaseModel]) -> Document:
    """Read the file and lay the environment over it. Raises Problems when the file cannot be read as YAML at all."""
    document = Document(path.name)
    try:
        root = _compose(path)
        document.values = {} if root is None else _values(root, (), document)
    except RecursionError:
        remedy = "Settings are two or three levels deep"
        raise Problems([Problem(path.name, "it is nested without end", remedy)]) from None
    for location, variable, text in _overrides(environment, model, document):
        _set(document.values, location, text)
        document.places[location] = f"environment variable {variable}"
    return document


def validate(model: type[Model], document: Document, context: Mapping[str, Any]) -> tuple[Model | None, list[Problem]]:
    """The model made from the document, or every reason why not; mistakes found while reading come first."""
    try:
        return model.model_validate(document.values, context=dict(context)), document.problems
    except ValidationError as error:
        details = error.errors(include_url=False)
        found = (Problem(document.place(location_of(detail)), *told(detail, model, _MANUAL)) for detail in details)
        return None, [*document.problems, *found]


def _compose(path: Path) -> yaml.MappingNode | None:
    try:
        content = path.read_bytes()[: BYTES_MAX + 1]
        if len(content) > BYTES_MAX:
            raise Problems([Problem(path.name, f"it is larger than {BYTES_MAX} bytes", "Is it the settings file?")])
        text = content.decode()
        node = yaml.compose(text, Loader=PlainLoader)
    except OSError as error:
        what = f"cannot read {path}: {error.strerror}"
        raise Problems([Problem(path.name, what, "Name the settings file with --config")]) from None
    except UnicodeDecodeError:
        raise Problems([Problem(path.name, "it is not UTF-8 text", "Save it as UTF-8")]) from None
    except yaml.YAMLError as error:
        raise Problems([syntax_problem(path.name, text, error)]) from None
    if node is None:
        return None
    if not isinstance(node, yaml.MappingNode):
        raise Problems([Problem(f"{path.name}:1", "settings are `name: value` lines", "See docs/settings.md")])
    return node


def _values(node: yaml.MappingNode, above: Location, document: Document) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(key_node.value)
        location = (*above, key)
        where = f"{document.name}:{key_node.start_mark.line + 1}"
        if key in found:
            first = document.places[location]
            document.problems.append(
                Problem(where, f"{'.'.join(location)} is given twice", f"It stands at {first} too")
            )
        document.places[location] = where
        found[key] = _value(value_node, location, document)
    return found


def _value(node: yaml.Node, location: Location, document: Document) -> Any:  # noqa: ANN401 - what YAML holds
    if isinstance(node, yaml.MappingNode):
        return _values(node, location, document)
    loader = PlainLoader("")
    try:
        return loader.construct_object(node, deep=True)
    except (yaml.YAMLError, ValueError):
        where = document.places[location]
        document.problems.append(Problem(where, f"{'.'.join(location)} is not a plain value", "Put it in quotes"))
        return None
    finally:
        loader.dispose()


def _overrides(
    environment: Mapping[str, str], model: type[BaseModel], document: Document
) -> Iterator[tuple[Location, str, str]]:
    scalars = {PREFIX + SEPARATOR.join(location).upper(): location for location, _ in settings_of(model)}
    sections = {location[0].upper() for location in scalars.values() if len(location) > 1}
    for variable in sorted(environment):
        if variable in scalars:
            yield scalars[variable], variable, environment[variable]
        elif _is_meant_for_us(variable, sections):
            near = difflib.get_close_matches(variable, scalars, 1)
            remedy = f"Did you mean {near[0]}?" if near else "See docs/settings.md for the names"
            document.problems.append(Problem(f"environment variable {variable}", "there is no such setting", remedy))


def _is_meant_for_us(variable: str, sections: set[str]) -> bool:
    section, separator, _ = variable.removeprefix(PREFIX).partition(SEPARATOR)
    return variable.startswith(PREFIX) and bool(separator) and section in sections


def _set(values: dict[str, Any], location: Location, value: str) -> None:
    for name in location[:-1]:
        inner = values.get(name)
        if not isinstance(inner, dict):
            inner = values[name] = {}
        values = inner
    values[location[-1]] = value


def settings_of(model: type[BaseModel], above: Location = ()) -> Iterator[tuple[Location, FieldInfo]]:
    """Every single setting below a model, with its path; sections themselves are not listed."""
    for name, info in model.model_fields.items():
        inner = section_of(info)
        if inner is None:
            yield (*above, name), info
        else:
            yield from settings_of(inner, (*above, name))


def section_of(info: FieldInfo) -> type[BaseModel] | None:
    """The model of a field that is a section, None for a single setting."""
    annotation = info.annotation
    candidates = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    found = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
    return found[0] if found else None


def _meaning(model: type[BaseModel], name: str) -> str:
    return model.model_fields[name].description or ""


# What the regular expressions of the settings want.
PATTERNS: Final = {
    r"^[a-zA-Z0-9_.-]{0,128}$": "a name of up to 128 of a-zA-Z0-9_.-",
    r"^[a-zA-Z0-9_.-]{3,255}$": "a name of 3 to 255 of a-zA-Z0-9_.-",
    r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$": "a name of 3 to 63 of a-z0-9.- with a letter or digit at both ends",
    r"^[A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*$": "a path of names of A-Za-z0-9!_.*'()- with a / between them",
    r"^[^#]+(#.+)?$": "NAME or NAME#KEY",
}
_MANUAL: Final = Manual("setting", lambda _: "See docs/settings.md", _meaning, PATTERNS)
