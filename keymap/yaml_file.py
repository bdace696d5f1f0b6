"""YAML files as their authors mean them, with the line of everything in them."""

import re
from collections.abc import Hashable, Iterator
from typing import Any

import yaml

from keymap.errors import Problem, Problems

Path = tuple[str | int, ...]


class Lines:
    """Which line of the file each part of the document stands on."""

    def __init__(self, name: str, root: yaml.Node | None) -> None:
        self.name = name
        self._lines: dict[Path, int] = {(): 1}
        for path, line in _walk(root, ()) if root else ():
            self._lines.setdefault(path, line)

    def where(self, *path: str | int) -> str:
        """``file:line`` of the deepest part of `path` that the file has."""
        while path not in self._lines:
            path = path[:-1]
        return f"{self.name}:{self._lines[path]}"


def _walk(node: yaml.Node, path: Path) -> Iterator[tuple[Path, int]]:
    yield path, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*path, key.value), key.start_mark.line + 1
            yield from _walk(value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _walk(value, (*path, index))


class PlainLoader(yaml.SafeLoader):
    """YAML 1.1 without its surprises.

    `off` and `no` stay words, dates stay text, only true and false are booleans, and a key given twice is a mistake.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - the library's signature
        """As the library, refusing names that are no plain text or given twice."""
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a name is a list or a mapping", problem_mark=key.start_mark)
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"{key.value!r} is given twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":bool", ":timestamp"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def load_yaml(text: str, name: str) -> tuple[Any, Lines]:
    """The document and its lines. Raises Problems naming the line where it is not YAML, or gives a key twice."""
    try:
        return yaml.load(text, PlainLoader), Lines(name, yaml.compose(text, PlainLoader))  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or "not a YAML file"
        where = f"{name}:{mark.line + 1}" if mark else name
        raise Problems(
            [Problem(where, what, "Mend the file's form; the line may be the one after the mistake")]
        ) from None
