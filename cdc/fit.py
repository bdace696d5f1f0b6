"""Does a table map describe the table that the keymap was checked against? If not, the table was altered.

Rows are read by the metadata that was logged with them, so a table map of another shape is read right. But what was
read is mapped by a keymap that was checked against the schema of the start: where the two differ in names, or in what
a value means, going on would make items of another form, and the change is refused with the difference.
"""

import re
from collections.abc import Iterator
from typing import Final

from keymap.schema import Column, TableSchema
from keymap.values import labels
from keyshift.binlog.charsets import decoder
from keyshift.binlog.tables import LoggedColumn, TableMap

_TINY, _SHORT, _LONG, _FLOAT, _DOUBLE, _TIMESTAMP, _LONGLONG, _INT24 = 1, 2, 3, 4, 5, 7, 8, 9
_DATE, _TIME, _DATETIME, _YEAR, _NEW_DATE, _VARCHAR, _BIT, _TIMESTAMP2, _DATETIME2, _TIME2 = (
    10,
    11,
    12,
    13,
    14,
    *range(15, 20),
)
_BLOB_COMPRESSED, _VARCHAR_COMPRESSED, _VECTOR = 140, 141, 242
_JSON, _DECIMAL, _ENUM, _SET, _BLOB, _VAR_STRING, _STRING, _GEOMETRY = 245, 246, 247, 248, 252, 253, 254, 255
_INTEGERS: Final = frozenset({_TINY, _SHORT, _INT24, _LONG, _LONGLONG})
_STRINGS: Final = frozenset({_VARCHAR, _VAR_STRING, _STRING, _BLOB, _BLOB_COMPRESSED, _VARCHAR_COMPRESSED})
_WITH_FRACTION: Final = frozenset({_TIMESTAMP2, _DATETIME2, _TIME2})
_KINDS: Final[dict[str, frozenset[int]]] = (
    dict.fromkeys("tinyint smallint mediumint int bigint".split(), _INTEGERS)
    | dict.fromkeys("char varchar tinytext text mediumtext longtext".split(), _STRINGS)
    | dict.fromkeys("binary varbinary tinyblob blob mediumblob longblob uuid inet4 inet6".split(), _STRINGS)
    | dict.fromkeys(
        "geometry point linestring polygon multipoint multilinestring multipolygon geometrycollection"
        " geomcollection".split(),
        frozenset({_GEOMETRY}),
    )
    | {
        "float": frozenset({_FLOAT}),
        "double": frozenset({_DOUBLE}),
        "decimal": frozenset({_DECIMAL}),
        "date": frozenset({_DATE, _NEW_DATE}),
        "year": frozenset({_YEAR}),
        "bit": frozenset({_BIT}),
        "timestamp": frozenset({_TIMESTAMP2, _TIMESTAMP}),
        "datetime": frozenset({_DATETIME2, _DATETIME}),
        "time": frozenset({_TIME2, _TIME}),
        "json": frozenset({_JSON}),
        "enum": frozenset({_ENUM}),
        "set": frozenset({_SET}),
        "vector": _STRINGS | {_VECTOR},
    }
)
_BEYOND_UTF8MB3: Final = re.compile("[\U00010000-\U0010ffff]")
_ONE_CHARSET: Final = {"utf8": "utf8mb3"}


class Altered(Exception):
    """A table map does not describe the table that the schema does; the text says in what."""


def require_fit(table: TableMap, schema: TableSchema, *, described: bool) -> None:
    """Raise Altered where the table map is not of this schema, as far as the values' meaning goes.

    `described`: it must tell the columns' names; else they are the schema's, in its order.
    """
    if described and not table.full:
        raise Altered("it was written without column names: binlog_row_metadata was not FULL")
    expected = [column.name for column in schema.columns]
    if table.full:
        names = [column.name for column in table.columns]
        if names != expected:
            raise Altered(f"it has the columns {', '.join(map(str, names))}, the table has {', '.join(expected)}")
    elif len(table.columns) != len(expected):
        raise Altered(f"it has {len(table.columns)} columns, the table has {len(expected)}")
    for logged, column in zip(table.columns, schema.columns, strict=True):
        _require_same(logged, column)


def _require_same(logged: LoggedColumn, column: Column) -> None:
    if logged.type not in _KINDS.get(column.data_type, ()):
        raise Altered(f"column {column.name} is of another type there (binlog type {logged.type})")
    for what, there, here in _traits(logged, column):
        if there not in {None, here}:
            raise Altered(f"column {column.name} differs in its {what}: {there} there, {here} in the table")


def _traits(logged: LoggedColumn, column: Column) -> Iterator[tuple[str, object, object]]:
    """What makes the same stored bytes mean another value: what was logged (None: it was not), and the schema's."""
    kind, text = logged.type, column.column_type.lower()
    if kind in _INTEGERS:
        yield "sign", logged.unsigned, "unsigned" in text
    elif kind == _DECIMAL:
        yield "precision", (logged.meta & 0xFF, logged.meta >> 8), _numbers(text)
    elif kind == _BIT:
        yield "length", ((logged.meta >> 8) * 8 + (logged.meta & 0xFF),), _numbers(text)
    elif kind in _WITH_FRACTION:
        yield "precision", logged.meta, (_numbers(text) or (0,))[0]
    elif (kind in _STRINGS or kind in {_ENUM, _SET}) and logged.charset is not None:
        yield "character set", _charset(logged.charset), _charset(column.charset)
    if kind in {_ENUM, _SET} and logged.labels:
        yield "values", _labels(logged), labels(column)


def _charset(name: str | None) -> str:
    return _ONE_CHARSET.get(name or "binary", name or "binary")


def _labels(logged: LoggedColumn) -> tuple[str, ...]:
    """As information_schema shows them, which prints a question mark for what utf8mb3 has not."""
    decode = decoder(logged.charset or "utf8mb4")
    return tuple(_BEYOND_UTF8MB3.sub("?", decode(label)) for label in logged.labels)


def _numbers(column_type: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", column_type)))
