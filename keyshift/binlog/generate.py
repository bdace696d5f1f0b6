"""Rows decoded by Python code that is written for their columns: the fastest that Python alone can do."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from keymap.values import Row
from keyshift.binlog.errors import Malformed
from keyshift.binlog.fields import Field
from keyshift.binlog.reference import BEYOND, BROKEN, NO_COLUMNS, ReferenceRows, malformed, require_within
from keyshift.binlog.shapes import Shape, shape

_OFTEN: Final = 100  # rows with the same NULLs: by then the plain loop has cost as much as writing a function does
_SHAPES_MAX: Final = 256  # functions of some ten kilobytes each
_PATTERNS_MAX: Final = 4096


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
    """A RowCodec: one function for each pattern of NULLs that is seen often."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self.names = tuple(field.name for field in fields)
        self._bitmap = (len(fields) + 7) // 8
        self._columns = (1 << len(fields)) - 1  # the bits behind the last column may be set
        self._shapes = _Shapes(tuple(fields), self._bitmap)
        self._no_nulls = shape(fields, self._bitmap, 0)

    def rows(self, data: bytes, at: int, end: int) -> list[Row]:
        """One image for each row."""
        require_within(data, at, end)
        if at < end and not self.names:
            raise Malformed(NO_COLUMNS)
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
            raise Malformed(BEYOND)
        return found

    def pairs(self, data: bytes, at: int, end: int) -> list[tuple[Row, Row]]:
        """Two images for each row."""
        images = self.rows(data, at, end)
        if len(images) % 2:
            raise Malformed("an update lacks its last image")
        return list(zip(images[::2], images[1::2], strict=True))
