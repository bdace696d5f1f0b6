"""What changed within a JSON document, as the binlog holds it with binlog_row_value_options=PARTIAL_JSON.

A diff is an operation, a path and (but for REMOVE) a value in binary JSON; paths and values stand behind their
length-encoded lengths. What each operation does, and when it is refused: "apply_json_diff" in MySQL's sql/json_diff.cc;
paths: sql/json_path.cc. Nothing is wrapped into an array on the way, the server has resolved that before it logged.
"""

import json
import re
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any, Final, NamedTuple

from keyshift.binlog import jsonb
from keyshift.binlog.cursor import Cursor
from keyshift.binlog.errors import Malformed

_BLANKS = r"[ \t\n\r]*"
_LEG: Final = re.compile(
    rf"{_BLANKS}(?:"
    rf'\.{_BLANKS}(?:(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<name>[^ \t\n\r.\[*"][^ \t\n\r.\[*]*))'
    rf"|\[{_BLANKS}(?:(?P<last>last)(?:{_BLANKS}-{_BLANKS}(?P<back>[0-9]{{1,10}}))?|(?P<index>[0-9]{{1,10}})){_BLANKS}\]"
    rf"){_BLANKS}",
    re.DOTALL,
)
_NOT_THERE: Final = "a JSON diff is about a place that the document before it does not have"


class Operation(IntEnum):
    """The number of an operation in a diff."""

    REPLACE = 0
    INSERT = 1
    REMOVE = 2


class Cell(NamedTuple):
    """An element of an array, counted from the first or from the last."""

    offset: int
    from_end: bool = False

    def within(self, length: int) -> bool:
        """Whether an array of this length has the element."""
        return self.offset < length

    def position(self, length: int) -> int:
        """Where in an array of this length: before all, or behind all, where the array does not have the element."""
        return max(length - self.offset - 1, 0) if self.from_end else min(self.offset, length)


Path = tuple[str | Cell, ...]


class Diff(NamedTuple):
    """One change. `path` has at least one step: a whole document is never replaced by a diff."""

    operation: Operation
    path: Path
    value: Any = None


def read_diffs(data: bytes) -> list[Diff]:
    """The diffs of a column, in the order in which they are to be applied. Raises Malformed."""
    cursor = Cursor(data)
    diffs = []
    while cursor:
        number = cursor.byte()
        if number > Operation.REMOVE:
            raise Malformed(f"a JSON diff has the unknown operation {number}")
        operation, path = Operation(number), parse_path(cursor.text())
        diffs.append(Diff(operation, path, None if operation is Operation.REMOVE else jsonb.decode(cursor.text())))
    return diffs


def parse_path(stored: bytes) -> Path:
    """The steps of a path such as ``$.a[3]."b c"[last-1]``: members by their name, elements. Raises Malformed."""
    try:
        text = stored.decode().strip(" \t\n\r")
        legs = list(_legs(text))
    except ValueError:  # Malformed too: no contents are shown
        raise Malformed("a JSON diff has a path that cannot be read") from None
    if not legs:
        raise Malformed("a JSON diff is about the whole document")
    return tuple(legs)


def _legs(text: str) -> Iterable[str | Cell]:
    if not text.startswith("$"):
        raise ValueError
    at = 1
    while at < len(text):
        found = _LEG.match(text, at)
        if not found:
            raise ValueError
        at = found.end()
        yield _leg(found)


def _leg(found: re.Match[str]) -> str | Cell:
    quoted, name, index = found["quoted"], found["name"], found["index"]
    if quoted is not None or name is not None:
        member = json.loads(quoted if quoted is not None else f'"{name}"')  # names may have JSON's escapes either way
        assert isinstance(member, str)
        return member
    return Cell(int(index)) if index is not None else Cell(int(found["back"] or 0), from_end=True)


def apply_diffs(document: object, diffs: Sequence[Diff]) -> None:
    """Change the document in place; values of the diffs become part of it. Raises Malformed where one does not fit."""
    for diff in diffs:
        parent, step = _seek(document, diff.path[:-1]), diff.path[-1]
        if isinstance(parent, dict) and isinstance(step, str):
            _change_object(parent, step, diff)
        elif isinstance(parent, list) and isinstance(step, Cell):
            _change_array(parent, step, diff)
        else:
            raise Malformed(_NOT_THERE)


def _seek(document: object, path: Path) -> object:
    for step in path:
        if isinstance(document, dict) and isinstance(step, str) and step in document:
            document = document[step]
        elif isinstance(document, list) and isinstance(step, Cell) and step.within(len(document)):
            document = document[step.position(len(document))]
        else:
            raise Malformed(_NOT_THERE)
    return document


def _change_object(members: dict[str, Any], name: str, diff: Diff) -> None:
    if (name in members) == (diff.operation is Operation.INSERT):
        raise Malformed("a JSON diff inserts a member that is there" if name in members else _NOT_THERE)
    if diff.operation is Operation.REMOVE:
        del members[name]
    else:
        members[name] = diff.value


def _change_array(elements: list[Any], cell: Cell, diff: Diff) -> None:
    position = cell.position(len(elements))
    if diff.operation is Operation.INSERT:
        elements.insert(position, diff.value)
    elif not cell.within(len(elements)):
        raise Malformed(_NOT_THERE)
    elif diff.operation is Operation.REMOVE:
        del elements[position]
    else:
        elements[position] = diff.value
