"""PARTIAL_UPDATE_ROWS_EVENT: updates whose JSON columns may hold only what changed in them.

Layout of a row: the image before; options; which JSON columns are partial, where the options say that some are; the
image after. "unpack_row" in MySQL's sql/rpl_record.cc describes it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from keymap.jsons import Json, json_of
from keymap.values import Canonical, Row
from keyshift.binlog.cursor import Cursor
from keyshift.binlog.errors import Malformed
from keyshift.binlog.fields import Field, Read
from keyshift.binlog.jsondiff import apply_diffs, read_diffs
from keyshift.binlog.rowevents import RowsHeader, Table
from keyshift.binlog.rows import ReferenceRows
from keyshift.binlog.tablemap import JSON

_PARTIAL_JSON: Final = 1  # the only option there is
_LENGTH_BYTES: Final = 4


def partial_images(header: RowsHeader, body: bytes, table: Table) -> list[tuple[Row, Row]]:
    """The rows of a PARTIAL_UPDATE_ROWS_EVENT before and after, every document whole. Raises Malformed."""
    if header.columns != len(table.fields):
        raise Malformed(f"a rows event has {header.columns} columns, its table {len(table.fields)}")
    before_rows, fields = ReferenceRows(table.present(header.before)), table.present(header.after)
    documents = [
        field.name for field, column in zip(table.fields, table.map.columns, strict=True) if column.type == JSON
    ]
    found = []
    cursor = Cursor(body, header.begin)
    while cursor:
        before, cursor.at = before_rows.row(body, cursor.at, cursor.end)
        partial = _partial(cursor, documents)
        after_rows = ReferenceRows(_changed(fields, partial, before))
        after, cursor.at = after_rows.row(body, cursor.at, cursor.end)
        found.append((before, after))
    return found


def _partial(cursor: Cursor, documents: Sequence[str]) -> frozenset[str]:
    """The partial columns: one bit for each JSON column of the table, whether or not an image has it."""
    options = cursor.lenenc()
    if options & ~_PARTIAL_JSON:
        raise Malformed(f"an update has the unknown options {options}")
    bits = cursor.number((len(documents) + 7) // 8) if options else 0
    return frozenset(name for index, name in enumerate(documents) if bits >> index & 1)


def _changed(fields: Sequence[Field], partial: frozenset[str], before: Row) -> Sequence[Field]:
    if not partial:
        return fields
    return [replace(field, read=_patch(before.get(field.name))) if field.name in partial else field for field in fields]


def _patch(before: Canonical) -> Read:
    """Reads diffs behind their length of four bytes, and gives the document that they make of the one before."""

    def read(data: bytes, at: int) -> tuple[Canonical, int]:
        cursor = Cursor(data, at)
        diffs = read_diffs(cursor.take(cursor.number(_LENGTH_BYTES)))
        if not isinstance(before, Json):
            raise Malformed("a JSON column has changes, but no document that they are changes of")
        if not diffs:
            return before, cursor.at
        document = before.document()
        apply_diffs(document, diffs)
        return json_of(document), cursor.at

    return read
