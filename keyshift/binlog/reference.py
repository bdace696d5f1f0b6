"""Row images to canonical rows, one value after another: slow, and what every faster decoder is tested against.

A row image is a bitmap of the NULLs among its columns, and the values of the others one after another.
"""

import struct
from collections.abc import Sequence
from typing import Final, Protocol

from keymap.values import Row
from keyshift.binlog.errors import Malformed
from keyshift.binlog.fields import Field

# What reading raises on bytes that are not what they should be.
BROKEN: Final = (struct.error, ValueError, LookupError, ArithmeticError, RecursionError)
BEYOND: Final = "a row reaches beyond the end of its event"
NO_COLUMNS: Final = "rows without columns have contents"


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
            raise Malformed(BEYOND)
        return row, after

    def rows(self, data: bytes, at: int, end: int) -> list[Row]:
        """One image for each row."""
        require_within(data, at, end)
        found = []
        while at < end:
            row, at = self._moved(data, at, end)
            found.append(row)
        return found

    def pairs(self, data: bytes, at: int, end: int) -> list[tuple[Row, Row]]:
        """Two images for each row."""
        require_within(data, at, end)
        found = []
        while at < end:
            before, at = self._moved(data, at, end)
            after, at = self._moved(data, at, end)
            found.append((before, after))
        return found

    def _moved(self, data: bytes, at: int, end: int) -> tuple[Row, int]:
        if not self._fields:
            raise Malformed(NO_COLUMNS)
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
                row[field.name], after = field.read(data, at)
                if after < at:
                    raise Malformed(f"column {field.name} ends before it begins")
                at = after
        return row, at


def require_within(data: bytes, at: int, end: int) -> None:
    """Raise Malformed unless `data[at:end]` is there as a whole."""
    if not 0 <= at <= end <= len(data):
        raise Malformed("rows are wanted where there are no bytes")


def malformed(error: Exception) -> Malformed:
    """What is told of an error that bad bytes led to: its kind, not its text, which may show contents."""
    return error if isinstance(error, Malformed) else Malformed(f"a row cannot be read ({type(error).__name__})")
