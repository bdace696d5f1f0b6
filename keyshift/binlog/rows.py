"""Row images to canonical rows: the plain loop that says what is right, and which of the faster ones is used.

A row image is a bitmap of the NULLs among its columns, and the values of the others one after another.
"""

import struct
from collections import Counter
from collections.abc import Sequence
from typing import Final, Protocol

from keymap.values import Row
from keyshift.binlog.errors import Malformed
from keyshift.binlog.fields import Field
from keyshift.binlog.generate import Shape, shape

# What reading raises on bytes that are not what they should be.
BROKEN: Final = (struct.error, ValueError, LookupError, ArithmeticError, RecursionError)


_BEYOND: Final = "a row reaches beyond the end of its event"
_OFTEN: Final = 20  # rows with the same NULLs, from which on writing a function for them pays
_SHAPES_MAX: Final = 256  # functions of some ten kilobytes each
_PATTERNS_MAX: Final = 4096


class RowCodec(Protocol):
    """Decodes the row images of one table. `data[at:end]` must hold whole rows only, else Malformed is raised."""

    names: tuple[str, ...]

    def rows(self, data: bytes, at: int, end: int) -> list[Row]:
        """One image for each row, as of INSERT and DELETE."""

    def pairs(self, data: bytes, at: int, end: int) -> list[tuple[Row, Row]]:
        """Two images for each row, as of UPDATE: before and after."""


class ReferenceRows:
    """One `Field.read` after another: slow, and the specification of every RowCodec."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self.names = tuple(field.name for field in fields)
        self._fields = tuple(fields)
        self._bitmap = (len(fields) + 7) // 8

    def row(self, data: bytes, at: int, end: int) -> tuple[Row, int]:
        """The row that begins at `at`, and where it ends. Raises Malformed."""
        try:
            row, after = self.read(data, at)
        except BROKEN as error:
            raise malformed(error) from error
        if after > end:
            raise Malformed(_BEYOND)
        return row, after

    def rows(self, data: bytes, at: int, end: int) -> list[Row]:
        """One image for each row."""
        found = []
        while at < end:
            row, at = self._moved(data, at, end)
            found.append(row)
        return found

    def pairs(self, data: bytes, at: int, end: int) -> list[tuple[Row, Row]]:
        """Two images for each row."""
        found = []
        while at < end:
            before, at = self._moved(data, at, end)
            after, at = self._moved(data, at, end)
            found.append((before, after))
        return found

    def _moved(self, data: bytes, at: int, end: int) -> tuple[Row, int]:
        if not self._fields:
            raise Malformed("rows without columns have contents")
        return self.row(data, at, end)

    def read(self, data: bytes, at: int) -> tuple[Row, int]:
        """The row that begins at `at`, and where it ends, which may be behind the data. Raises what BROKEN lists."""
        nulls = int.from_bytes(data[at : at + self._bitmap], "little")
        at += self._bitmap
        row: Row = {}
        for index, field in enumerate(self._fields):
            if nulls >> index & 1:
                row[field.name] = None
            else:
                row[field.name], at = field.read(data, at)
        return row, at


class _Shapes(dict[int, Shape]):
    """The generated function for each pattern of NULLs; for one that is rare, the plain loop."""

    def __init__(self, fields: Sequence[Field], bitmap_bytes: int) -> None:
        self._fields, self._bitmap = fields, bitmap_bytes
        self._plain = ReferenceRows(fields).read
        self._seen: Counter[int] = Counter()

    def __missing__(self, nulls: int) -> Shape:
        self._seen[nulls] += 1
        if self._seen[nulls] < _OFTEN:
            if len(self._seen) > _PATTERNS_MAX:
                self._seen.clear()
            return self._plain
        if len(self) >= _SHAPES_MAX:
            self.clear()
        self[nulls] = found = shape(self._fields, self._bitmap, nulls)
        return found


class GeneratedRows:
    """Python code written for these columns: the fastest that Python alone can do."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self.names = tuple(field.name for field in fields)
        self._bitmap = (len(fields) + 7) // 8
        self._columns = (1 << len(fields)) - 1  # the bits behind the last column may be set
        self._shapes = _Shapes(tuple(fields), self._bitmap)
        self._no_nulls = shape(fields, self._bitmap, 0)

    def rows(self, data: bytes, at: int, end: int) -> list[Row]:
        """One image for each row."""
        found: list[Row] = []
        bitmap, columns = self._bitmap, self._columns
        shapes, no_nulls = self._shapes, self._no_nulls
        try:
            while at < end:
                nulls = int.from_bytes(data[at : at + bitmap], "little") & columns
                row, at = shapes[nulls](data, at) if nulls else no_nulls(data, at)
                found.append(row)
        except BROKEN as error:
            raise malformed(error) from error
        if at != end:
            raise Malformed(_BEYOND)
        return found

    def pairs(self, data: bytes, at: int, end: int) -> list[tuple[Row, Row]]:
        """Two images for each row."""
        images = self.rows(data, at, end)
        if len(images) % 2:
            raise Malformed("an update lacks its last image")
        return list(zip(images[::2], images[1::2], strict=True))


def malformed(error: Exception) -> Malformed:
    """What is told of an error that bad bytes led to: its kind, not its text, which may show contents."""
    return error if isinstance(error, Malformed) else Malformed(f"a row cannot be read ({type(error).__name__})")


def reference_rows(fields: Sequence[Field]) -> ReferenceRows:
    """The decoder that is right by looking at it."""
    return ReferenceRows(fields)


def compile_rows(fields: Sequence[Field]) -> RowCodec:
    """The fastest decoder there is for these columns."""
    return GeneratedRows(fields)
