"""YAML files as their authors mean them, with the line of everything in them."""

import re
from collections.abc import Hashable, Iterator
from typing import Any, Final

import yaml

from keymap.errors import Problem, Problems

Path = tuple[str | int, ...]
NODES_MAX: Final = 1_000_000  # of a file, its aliases followed: a hundred lines for each of 10,000 tables
_MERGE, _TEXT = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:str"


class Lines:
    """Which line of the file each part of the document stands on, and what is wrong with its names."""

    def __init__(self, name: str, root: yaml.Node | None) -> None:
        self.name = name
        self.problems: list[Problem] = []
        self._lines: dict[tuple[str, ...], int] = {(): 1}
        for count, (path, line, names) in enumerate(_walk(root, ()) if root else ()):
            if count > NODES_MAX:
                raise RecursionError
            if names and path in self._lines:
                what = f"{'.'.join(path)} is given twice"
                self.problems.append(Problem(f"{name}:{line}", what, f"It stands at {self.where(*path)} too"))
            self._lines.setdefault(path, line)

    def where(self, *path: str | int) -> str:
        """``file:line`` of the deepest part of `path` that the file has; a list's entries may be numbered in text."""
        place = tuple(map(str, path))
        while place not in self._lines:
            place = place[:-1]
        return f"{self.name}:{self._lines[place]}"


def _walk(node: yaml.Node, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int, bool]]:
    """Every part below: its path, its line, and whether that is where it is named."""
    yield path, node.start_mark.line + 1, False
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*path, str(key.value)), key.start_mark.line + 1, True
            yield from _walk(value, (*path, str(key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _walk(value, (*path, str(index)))


class PlainLoader(yaml.SafeLoader):
    """YAML 1.1 without its surprises.

    `off` and `no` stay words, dates and times of day stay text, only true and false are booleans, and a name is text,
    whatever it looks like.
    """

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 - the library's signature
        """As the library, and what it stumbles over is a mistake with its place."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError, TypeError):  # `!!int x`, a number of 5,000 digits
            raise yaml.MarkedYAMLError(problem="a value cannot be read", problem_mark=node.start_mark) from None

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:  # noqa: ANN401
        """As the library, refusing text that is no text: UTF-8 has no half characters."""
        value = super().construct_scalar(node)
        if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
            raise yaml.MarkedYAMLError(problem="a text has half a character", problem_mark=node.start_mark)
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        """As the library, with names that are text; what is a list or a map is none."""
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a name is a list or a mapping", problem_mark=key.start_mark)
            if key.tag != _MERGE:
                key.tag = _TEXT
        return super().construct_mapping(node, deep)


_OTHERWISE = (":bool", ":timestamp", ":int", ":float", ":value")
PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(_OTHERWISE)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    # As in YAML 1.1, but for 12:30, which there is a number to the base of 60.
    ("int", r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]+|0|[1-9][0-9_]*)", "-+0123456789"),
    ("float", r"(?:[-+]?[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+][0-9]+)?", "-+0123456789."),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "-+."),
):
    PlainLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first))


def load_yaml(text: str, name: str) -> tuple[Any, Lines]:
    """The document and its lines, which know the names given twice. Raises Problems where it cannot be read as YAML."""
    try:
        loader = PlainLoader(text)
        root = loader.get_single_node()
        lines = Lines(name, root)  # before merge keys are resolved, as it is written
        return None if root is None else loader.construct_document(root), lines
    except yaml.YAMLError as error:
        raise Problems([syntax_problem(name, text, error)]) from None
    except RecursionError:
        what = "it is nested without end, or repeats its anchors without end"
        raise Problems([Problem(name, what, "Write out what its aliases (*name) stand for")]) from None


def syntax_problem(name: str, text: str, error: yaml.YAMLError) -> Problem:
    """Why a file's text cannot be read as YAML, with the line where that shows."""
    remedy = "Mend the line, or the one before it; values with special characters need quotes"
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        what = f"it is not valid YAML: the character U+{error.character:04X} is not allowed"
        return Problem(f"{name}:{line}", what, "Remove it")
    mark, what = getattr(error, "problem_mark", None), getattr(error, "problem", None) or "it cannot be read"
    where = f"{name}:{mark.line + 1}" if mark else name
    if "'\\t'" in what:
        return Problem(where, "it is not valid YAML: a tab stands where blanks must", "Indent with blanks")
    if what == "but found another document":
        return Problem(where, "it is not valid YAML: a second document begins", "Remove the line ---, or what follows")
    return Problem(where, f"it is not valid YAML: {what}", remedy)
