"""Rows events: which columns their images have, and the rows.

Versions 1 (MariaDB, MySQL 5.5) and 2 differ by extra data before the rows, such as the numbers of partitions. Layout:
"Rows_event" in MySQL's libbinlogevents/include/rows_event.h.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from keymap.values import Row
from keyshift.binlog.cursor import Cursor
from keyshift.binlog.errors import Malformed
from keyshift.binlog.fields import Field
from keyshift.binlog.packets import DELETES, INSERTS, PARTIAL_UPDATE, UPDATES
from keyshift.binlog.reference import NO_COLUMNS, ReferenceRows, RowCodec
from keyshift.binlog.rows import compile_rows
from keyshift.binlog.tablemap import SET
from keyshift.binlog.tables import TableMap

_VERSION_1: Final = frozenset({23, 24, 25})
_TWO_IMAGES: Final = UPDATES | {PARTIAL_UPDATE}
_HEAD: Final = 8  # table id and flags
_CODECS_MAX: Final = 16  # presence bitmaps of one table map: one, unless sessions differ in binlog_row_image

Images = list[tuple[Row | None, Row | None]]


class RowsHeader(NamedTuple):
    """What precedes the rows. Bitmaps have one bit for each of the table's columns, the first column's lowest.

    `before` tells the columns of the first image of a row, `after` those of the second; they are the same number
    where a row has one image. Rows begin at `begin` of the body.
    """

    columns: int
    before: int
    after: int
    begin: int

    @property
    def is_full(self) -> bool:
        """Whether every image has all columns."""
        return self.before == self.after == (1 << self.columns) - 1


class Table:
    """A table as one of its table maps describes it, and how its rows are read."""

    def __init__(self, table_map: TableMap, fields: Iterable[Field]) -> None:
        self.map = table_map
        self.name = table_map.full_name
        self.fields = tuple(fields)
        self.has_sets = any(column.type == SET for column in table_map.columns)  # the one kind that is read as a tuple
        if len(self.fields) != len(table_map.columns):
            raise Malformed(f"table {table_map.full_name} has another number of columns than its table map")
        if len({field.name for field in self.fields}) < len(self.fields):  # a row would lack one of them
            raise Malformed(f"table {table_map.full_name} has two columns of one name")
        self._codecs: dict[int, RowCodec] = {}
        self._heads: dict[int, tuple[bytes, RowsHeader]] = {}

    def header(self, kind: int, body: bytes) -> RowsHeader:
        """What precedes the rows of an event. Most events of a table have the same bytes there. Raises Malformed."""
        known = self._heads.get(kind)
        if known is not None and body.startswith(known[0], _HEAD):
            return known[1]
        header = rows_header(kind, body)
        self._heads[kind] = body[_HEAD : header.begin], header
        return header

    def present(self, bitmap: int) -> tuple[Field, ...]:
        """The columns that the bitmap has."""
        return tuple(field for index, field in enumerate(self.fields) if bitmap >> index & 1)

    def codec(self, bitmap: int) -> RowCodec:
        """The decoder of images with the columns that the bitmap has."""
        codec = self._codecs.get(bitmap)
        if codec is None:
            if len(self._codecs) >= _CODECS_MAX:
                self._codecs.clear()
            codec = self._codecs[bitmap] = compile_rows(self.present(bitmap))
        return codec


def rows_header(kind: int, body: bytes) -> RowsHeader:
    """What precedes the rows of an event of type `kind` (23, 24, 25, 30, 31, 32 or 39). Raises Malformed."""
    cursor = Cursor(body)
    cursor.take(_HEAD)
    if kind not in _VERSION_1:
        _skip_extra(cursor)
    count = cursor.lenenc()
    size = (count + 7) // 8
    before = cursor.number(size)  # a count that no bytes stand behind ends here, before a number is made of its size
    after = cursor.number(size) if kind in _TWO_IMAGES else before
    every = (1 << count) - 1  # MySQL sets the bits behind the last column
    return RowsHeader(count, before & every, after & every, cursor.at)


def _skip_extra(cursor: Cursor) -> None:
    """The length of the extra data counts its own two bytes."""
    size = cursor.number(2)
    if size < 2:  # noqa: PLR2004 - as said
        raise Malformed("a rows event has extra data of an impossible length")
    cursor.take(size - 2)


def images(header: RowsHeader, kind: int, body: bytes, table: Table) -> Images:
    """The rows of an event as (before, after): None before an INSERT and after a DELETE.

    Columns that an image lacks are missing in its row: see RowsHeader.is_full. Raises Malformed, and never gives a
    part of the rows.
    """
    if header.columns != len(table.fields):
        raise Malformed(f"a rows event has {header.columns} columns, its table {len(table.fields)}")
    if kind in UPDATES:
        return _updates(header, body, table)
    rows = table.codec(header.before).rows(body, header.begin, len(body))
    if kind in INSERTS:
        return [(None, row) for row in rows]
    if kind in DELETES:
        return [(row, None) for row in rows]
    raise Malformed(f"an event of type {kind} is not one of whole rows")


def _updates(header: RowsHeader, body: bytes, table: Table) -> Images:
    if header.before == header.after:
        return list(table.codec(header.before).pairs(body, header.begin, len(body)))
    first, second = ReferenceRows(table.present(header.before)), ReferenceRows(table.present(header.after))
    found: Images = []
    at, end = header.begin, len(body)
    while at < end:
        begin = at
        before, at = first.row(body, at, end)
        after, at = second.row(body, at, end)
        if at == begin:
            raise Malformed(NO_COLUMNS)
        found.append((before, after))
    return found
