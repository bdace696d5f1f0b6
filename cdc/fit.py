"""Does a table map describe the table that the keymap was checked against? If not, the table was altered.

Rows are read by the metadata that was logged with them, so a table map of another shape is read right. But what was
read is mapped by a keymap that was checked against the schema of the start: where the two differ in names, or in what
a value means, going on would make items of another form, and the change is refused with the difference. A column that
no rule looks at may look as it likes.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

from keymap.schema import Column, TableSchema
from keymap.values import labels
from keyshift.binlog import tablemap as types
from keyshift.binlog.charsets import decoder
from keyshift.binlog.tables import LoggedColumn, TableMap

_INTEGERS: Final = frozenset(types.INTEGERS)
_STRINGS: Final = frozenset(
    {types.VARCHAR, types.VAR_STRING, types.STRING, types.BLOB, types.COMPRESSED_BLOB, types.COMPRESSED_VARCHAR}
)
_WITH_FRACTION: Final = frozenset({types.TIMESTAMP2, types.DATETIME2, types.TIME2})
_KINDS: Final[dict[str, frozenset[int]]] = (
    dict.fromkeys("tinyint smallint mediumint int bigint".split(), _INTEGERS)
    | dict.fromkeys("char varchar tinytext text mediumtext longtext".split(), _STRINGS)
    | dict.fromkeys("binary varbinary tinyblob blob mediumblob longblob uuid inet4 inet6".split(), _STRINGS)
    | dict.fromkeys(
        "geometry point linestring polygon multipoint multilinestring multipolygon geometrycollection"
        " geomcollection".split(),
        frozenset({types.GEOMETRY}),
    )
    | {
        "float": frozenset({types.FLOAT}),
        "double": frozenset({types.DOUBLE}),
        "decimal": frozenset({types.DECIMAL}),
        "date": frozenset({types.DATE, types.NEW_DATE}),
        "year": frozenset({types.YEAR}),
        "bit": frozenset({types.BIT}),
        "timestamp": frozenset({types.TIMESTAMP2, types.TIMESTAMP}),
        "datetime": frozenset({types.DATETIME2, types.DATETIME}),
        "time": frozenset({types.TIME2, types.TIME}),
        "json": frozenset({types.JSON}),
        "enum": frozenset({types.ENUM}),
        "set": frozenset({types.SET}),
        "vector": _STRINGS | {types.VECTOR},
    }
)
_BEYOND_UTF8MB3: Final = re.compile("[\U00010000-\U0010ffff]")
_ONE_CHARSET: Final = {"utf8": "utf8mb3"}


class Altered(Exception):
    """A table map does not describe the table that the schema does; the text says in what."""


Ignores = Callable[[str], bool]  # a column's name


def _never(_name: str) -> bool:
    return False


def fitting(
    table: TableMap, schema: TableSchema, *, described: bool, ignores: Ignores = _never
) -> list[tuple[str, Column | None]]:
    """The name of each logged column, and the schema's column that it is; None where no rule looks at it, by `ignores`.

    Raises Altered where the table map is not of this schema, as far as the values' meaning goes. `described`: it must
    tell the columns' names; else they are the schema's, in its order.
    """
    if described and not table.full:
        raise Altered("it was written without column names: binlog_row_metadata was not FULL")
    if table.full:
        return _by_name(table, schema, ignores)
    expected = schema.columns
    if len(table.columns) != len(expected):
        raise Altered(f"it has {len(table.columns)} columns, the table has {len(expected)}")
    for logged, column in zip(table.columns, expected, strict=True):
        _require_same(logged, column)
    return [(column.name, column) for column in expected]


def _by_name(table: TableMap, schema: TableSchema, ignores: Ignores) -> list[tuple[str, Column | None]]:
    names = [str(column.name) for column in table.columns]
    if any(not ignores(name) for name in {*names} ^ schema.by_name.keys()):
        raise Altered(f"it has the columns {', '.join(names)}, the table has {', '.join(schema.by_name)}")
    key = tuple(names[part.index] for part in table.primary_key)
    if key != schema.primary_key:
        raise Altered(f"its primary key is ({', '.join(key)}), the table has ({', '.join(schema.primary_key)})")
    return [(name, _known(logged, schema, ignores)) for logged, name in zip(table.columns, names, strict=True)]


def _known(logged: LoggedColumn, schema: TableSchema, ignores: Ignores) -> Column | None:
    column = schema.by_name.get(str(logged.name))
    if column is None:
        return None
    try:
        _require_same(logged, column)
    except Altered:
        if not ignores(column.name):
            raise
        return None
    return column


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
    elif kind == types.DECIMAL:
        yield "precision", (logged.meta & 0xFF, logged.meta >> 8), _numbers(text)
    elif kind == types.BIT:
        yield "length", ((logged.meta >> 8) * 8 + (logged.meta & 0xFF),), _numbers(text)
    elif kind in _WITH_FRACTION:
        yield "precision", logged.meta, (_numbers(text) or (0,))[0]
    elif (kind in _STRINGS or kind in {types.ENUM, types.SET}) and logged.charset is not None:
        yield "character set", _charset(logged.charset), _charset(column.charset)
    if kind in {types.ENUM, types.SET} and logged.labels:
        yield "values", _labels(logged), labels(column)


def _charset(name: str | None) -> str:
    return _ONE_CHARSET.get(name or "binary", name or "binary")


def _labels(logged: LoggedColumn) -> tuple[str, ...]:
    """As information_schema shows them, which prints a question mark for what utf8mb3 has not."""
    decode = decoder(logged.charset or "utf8mb4")
    return tuple(_BEYOND_UTF8MB3.sub("?", decode(label)) for label in logged.labels)


def _numbers(column_type: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", column_type)))
