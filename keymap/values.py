"""One conversion: the same row, read by SELECT or from the binlog, gives the same canonical row.

Two adapters feed it *raw* values of one agreed shape (keyshift/mysql/select.py and cdc/rows.py); `converter` turns
the raw value of one column into its canonical value, of which there are few: None, int, Decimal, str, bytes, Json and,
for a SET, a tuple of its members in the order of their definition. How these become DynamoDB attributes is the business
of keymap.attributes.
"""

import datetime as dt
import re
import struct
from collections.abc import Callable
from collections.abc import Set as AbstractSet
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
_TEXTS = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum"})
_BYTES = frozenset(
    "binary varbinary tinyblob blob mediumblob longblob geometry point linestring polygon multipoint multilinestring "
    "multipolygon geometrycollection geomcollection".split()
)
# Charsets that both readers give as the same text. The others are decoded wrongly by the binlog library's row reader.
_CHARSETS = frozenset(
    "utf8mb4 utf8mb3 utf8 ascii latin1 latin2 latin5 latin7 cp1250 cp1251 cp1256 cp1257 koi8r koi8u gbk gb2312 gb18030 "
    "big5 euckr ujis cp932 greek hebrew tis620 cp850 cp852 cp866 macroman".split()
)
# Of ENUM and SET the library reads the labels as UTF-8, whatever their charset, and gives '' where that fails.
_LABEL_CHARSETS = frozenset({"utf8mb4", "utf8mb3", "utf8", "ascii"})


def converter(column: Column) -> Converter:
    """The function from a column's raw value to its canonical one. NULL is None throughout.

    Raw shapes: int for integers, YEAR and BIT · Decimal for DECIMAL · float for FLOAT (the float32's value) and DOUBLE
    · MySQL's text or datetime.date / naive datetime for DATE, DATETIME and TIMESTAMP (in UTC) · MySQL's text or
    timedelta for TIME · str for text and ENUM · bytes at true length for binary types · ``'a,b'`` or a set of str for
    SET · MySQL's JSON as text or as `Json`. Raises UnsupportedType, naming the column, for anything else.
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
        "date": str,
        "time": lambda raw: _time_text(raw, fraction_digits(column)),
        "datetime": lambda raw: _datetime_text(raw, fraction_digits(column)),
        "timestamp": lambda raw: _datetime_text(raw, fraction_digits(column)) + "Z",
        "json": lambda raw: raw if isinstance(raw, Json) else json_text(raw),
    }
    if kind == "set":
        return _set_converter(labels(column))
    if kind in fixed:
        return fixed[kind]
    raise UnsupportedType(f"column {column.name} has type {column.column_type}, which is not read yet", _EXCLUDE)


_EXCLUDE = "Exclude the table from the keymap, or convert the column to a supported type first"


def _require_readable(column: Column) -> None:
    charset, labelled = column.charset, column.data_type in {"enum", "set"}
    if charset is not None and column.data_type != "json" and charset not in _CHARSETS:
        raise UnsupportedType(f"column {column.name} has character set {charset}, which is not read yet", _EXCLUDE)
    if labelled and charset not in _LABEL_CHARSETS and not column.column_type.isascii():
        what = f"column {column.name} has labels beyond ASCII in character set {charset}, which are not read yet"
        raise UnsupportedType(what, _EXCLUDE)
    if "COMPRESSED" in column.column_type.upper() and not labelled:
        raise UnsupportedType(f"column {column.name} is COMPRESSED, which is not read yet", _EXCLUDE)


def fraction_digits(column: Column) -> int:
    """How many digits of a second the column keeps, 0 to 6."""
    found = re.search(r"\((\d)\)", column.column_type)
    return int(found.group(1)) if found else 0


def labels(column: Column) -> tuple[str, ...]:
    """The labels of an ENUM or SET in the order of their definition, unquoted."""
    return tuple(label.replace("''", "'") for label in re.findall(r"'((?:[^']|'')*)'", column.column_type))


def shortest_float32(value: float) -> str:
    """The shortest decimal text that rounds to the same float32: what was stored as 0.1 is 0.1 again."""
    packed = struct.pack("f", value)
    for digits in range(6, 9):
        text = f"{value:.{digits}g}"
        if struct.pack("f", float(text)) == packed:
            return text
    return f"{value:.9g}"  # nine digits always suffice for a float32


def _set_converter(members: tuple[str, ...]) -> Converter:
    def convert(raw: str | AbstractSet[str]) -> Canonical:
        held = frozenset(filter(None, raw.split(","))) if isinstance(raw, str) else raw
        return tuple(member for member in members if member in held)

    return convert


def _fraction(microsecond: int, digits: int) -> str:
    return f".{microsecond:06d}"[: digits + 1] if digits else ""


def _datetime_text(raw: str | dt.datetime, digits: int) -> str:
    """ISO 8601. Text comes from the server and keeps what datetime cannot hold (zero and partial dates)."""
    if isinstance(raw, str):
        return raw.replace(" ", "T", 1)
    return raw.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0") + _fraction(raw.microsecond, digits)


def _time_text(raw: str | dt.timedelta, digits: int) -> str:
    """``[-]HH:MM:SS[.ffffff]``, up to 838 hours, as MySQL prints it."""
    if isinstance(raw, str):
        return raw
    sign = "-" if raw < dt.timedelta(0) else ""
    span = abs(raw)
    minutes, seconds = divmod(span.days * 86_400 + span.seconds, 60)
    return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}{_fraction(span.microseconds, digits)}"
