"""Canonical values: the same row, read by SELECT or from the binlog, gives the same canonical row.

There are few kinds of them: None, int, Decimal, str, bytes, Json and, for a SET, a tuple of its members in the order of
their definition. `converter` makes them of what SELECT gives; keyshift.binlog makes them of what is stored. How they
become DynamoDB attributes is the business of keymap.attributes. docs/types.md has all types in one table.
"""

import re
import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from keymap.errors import KeyshiftError
from keymap.jsons import Json as Json  # noqa: PLC0414 - one of the canonical values
from keymap.jsons import json_document as json_document  # noqa: PLC0414
from keymap.jsons import json_text as json_text  # noqa: PLC0414
from keymap.schema import Column

Canonical = None | int | Decimal | str | bytes | Json | tuple[str, ...]
Row = dict[str, Canonical]
Converter = Callable[[Any], Canonical]


class UnsupportedType(KeyshiftError):
    """A column whose values cannot be read exactly on both paths."""


_INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "year", "bit"})
_TEXTS = frozenset("char varchar tinytext text mediumtext longtext enum date time uuid inet4 inet6".split())
_BYTES = frozenset(
    "binary varbinary tinyblob blob mediumblob longblob vector geometry point linestring polygon multipoint "
    "multilinestring multipolygon geometrycollection geomcollection".split()
)
_TEMPORAL = frozenset({"time", "datetime", "timestamp"})
# All of MySQL 5.7 to 9.7 and MariaDB 10 and 11. Which bytes are which character is told by keyshift.binlog.charsets.
CHARSETS = frozenset(
    "armscii8 ascii big5 binary cp1250 cp1251 cp1256 cp1257 cp850 cp852 cp866 cp932 dec8 eucjpms euckr gb18030 gb2312 "
    "gbk geostd8 greek hebrew hp8 keybcs2 koi8r koi8u latin1 latin2 latin5 latin7 macce macroman sjis swe7 tis620 ucs2 "
    "ujis utf16 utf16le utf32 utf8 utf8mb3 utf8mb4".split()
)


def converter(column: Column) -> Converter:
    """The function from what SELECT gives of a column (keyshift.mysql.select) to the canonical value; NULL is None.

    Raw shapes: int for integers, YEAR and BIT · Decimal for DECIMAL · float for FLOAT (the float32's value) and DOUBLE
    · MySQL's own text for DATE, TIME, DATETIME and TIMESTAMP (in UTC) · str for text, ENUM, UUID, INET4 and INET6 ·
    bytes at true length for binary types, VECTOR and spatial types · ``a,b`` for SET, and for one with an empty member
    an int (or its digits), a bit for each member · MySQL's JSON as text. Raises UnsupportedType, naming the column, for
    anything else.
    """
    convert = _converter(column)
    return lambda raw: None if raw is None else convert(raw)


def _converter(column: Column) -> Converter:
    kind = column.data_type
    _require_readable(column)
    if kind in _INTEGERS:
        return int
    if kind in _TEXTS:
        return str
    if kind in _BYTES:
        return bytes
    fixed: dict[str, Converter] = {
        "decimal": Decimal,
        "float": lambda raw: Decimal(shortest_float32(raw)),
        "double": lambda raw: Decimal(repr(float(raw))),
        "datetime": lambda raw: raw.replace(" ", "T", 1),
        "timestamp": lambda raw: raw.replace(" ", "T", 1) + "Z",
        "json": json_text,
    }
    if kind == "set":
        return _set_converter(column)
    if kind in fixed:
        return fixed[kind]
    raise UnsupportedType(f"column {column.name} has type {column.column_type}, which is not read", _EXCLUDE)


_EXCLUDE = "Exclude the table from the keymap, or convert the column to a supported type first"


def _require_readable(column: Column) -> None:
    charset, kind = column.charset, column.data_type
    if charset is not None and kind != "json" and charset not in CHARSETS:
        raise UnsupportedType(f"column {column.name} has character set {charset}, which is not known", _EXCLUDE)
    if kind in _TEMPORAL and "mariadb-5.3" in column.column_type and fraction_digits(column):
        what = f"column {column.name} has type {column.column_type}: a format whose length the binlog does not tell"
        raise UnsupportedType(what, "Run ALTER TABLE … FORCE with mysql56_temporal_format=ON, which converts it")


def fraction_digits(column: Column) -> int:
    """How many digits of a second the column keeps, 0 to 6."""
    found = re.search(r"\((\d)\)", column.column_type)
    return int(found.group(1)) if found else 0


_ESCAPES = {"''": "'", "\\0": "\0", "\\n": "\n", "\\r": "\r"}


def labels(column: Column) -> tuple[str, ...]:
    """The labels of an ENUM or SET in the order of their definition, unquoted.

    In whatever SQL mode, both servers write four characters in two: a quote, NUL, line feed and carriage return; and
    the backslash.
    """
    quoted = re.findall(r"'((?:[^'\\]|''|\\.)*)'", column.column_type, re.DOTALL)
    return tuple(
        re.sub(r"''|\\.", lambda found: _ESCAPES.get(found[0], found[0][1:]), text, flags=re.DOTALL) for text in quoted
    )


def shortest_float32(value: float) -> str:
    """The shortest decimal text that rounds to the same float32: what was stored as 0.1 is 0.1 again."""
    packed = struct.pack("f", value)
    for digits in range(6, 9):
        text = f"{value:.{digits}g}"
        if struct.pack("f", float(text)) == packed:
            return text
    return f"{value:.9g}"  # nine digits always suffice for a float32


def has_empty_member(column: Column) -> bool:
    """Whether a SET has an empty member, so that text does not tell it from the empty set."""
    return "" in labels(column)


def _set_converter(column: Column) -> Converter:
    members = labels(column)

    def of_text(raw: str) -> Canonical:
        return tuple(raw.split(",")) if raw else ()

    def of_bits(raw: int | str) -> Canonical:
        bits = int(raw)
        return tuple(member for index, member in enumerate(members) if bits >> index & 1)

    return of_bits if has_empty_member(column) else of_text
