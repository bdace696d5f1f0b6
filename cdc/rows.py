"""The binlog adapter: from a row as the library reads it to the canonical row, the same that SELECT gives.

The library's row reader loses information for many types (traps: BINARY padding, YEAR 0, zero dates, fractions of
negative times, ENUM labels, character sets, JSON null ...). What it does well is to walk over a row by the column
definitions of a table map. So those definitions are replaced by ones that make it hand over what is stored:

* strings, blobs and JSON as "Latin-1", a character set that maps every byte to itself and never fails;
* everything of a fixed size up to eight bytes as an ENUM, whose value it looks up by the stored integer in a list of
  ours: the list computes it.

What is stored becomes the canonical value by keymap.values, the one conversion that the SELECT adapter uses too. The
column's type comes from the schema, and the table map must agree with it: if not, the table was altered.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from cdc import jsonb
from cdc.charsets import decoder, library_encoding
from keymap.schema import Column, TableSchema
from keymap.values import Canonical, Converter, Row, converter, fraction_digits, json_document, labels

BinlogColumn = Any  # pymysqlreplication.column.Column: attributes by type
LibraryRow = Mapping[str, Any]
Reader = Callable[[LibraryRow], Row]

_TINY, _SHORT, _LONG, _FLOAT, _DOUBLE, _LONGLONG, _INT24 = 1, 2, 3, 4, 5, 8, 9
_DATE, _YEAR, _VARCHAR, _BIT, _TIMESTAMP2, _DATETIME2, _TIME2 = 10, 13, 15, 16, 17, 18, 19
_JSON, _DECIMAL, _ENUM, _SET, _BLOB, _VAR_STRING, _STRING, _GEOMETRY = 245, 246, 247, 248, 252, 253, 254, 255
_INTEGERS: Final = frozenset({_TINY, _SHORT, _INT24, _LONG, _LONGLONG})
_STRINGS: Final = frozenset({_VARCHAR, _VAR_STRING, _STRING, _BLOB})
_KINDS: Final[dict[str, frozenset[int]]] = (
    dict.fromkeys("tinyint smallint mediumint int bigint".split(), _INTEGERS)
    | dict.fromkeys("char varchar tinytext text mediumtext longtext".split(), _STRINGS)
    | dict.fromkeys("binary varbinary tinyblob blob mediumblob longblob".split(), _STRINGS)
    | dict.fromkeys(
        "geometry point linestring polygon multipoint multilinestring multipolygon geometrycollection"
        " geomcollection".split(),
        frozenset({_GEOMETRY}),
    )
    | {
        name: frozenset({kind})
        for name, kind in {
            "float": _FLOAT,
            "double": _DOUBLE,
            "decimal": _DECIMAL,
            "date": _DATE,
            "year": _YEAR,
            "bit": _BIT,
            "timestamp": _TIMESTAMP2,
            "datetime": _DATETIME2,
            "time": _TIME2,
            "json": _JSON,
            "enum": _ENUM,
            "set": _SET,
        }.items()
    }
)
_RAW_CHARSET: Final = "iso8859-1"  # to the library and to Python: each byte is the character of its number
_EPOCH: Final = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - TIMESTAMP is UTC, and travels naive


class Altered(Exception):
    """A table map does not describe the table that the schema does; the text says in what."""


class _Lookup:
    """What the library takes for the list of an ENUM's labels: it asks for one by the integer that it read."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[[int], Canonical]) -> None:
        self._function = function

    def __getitem__(self, number: int) -> Canonical:
        return self._function(number)


def prepare(columns: Sequence[BinlogColumn], schema: TableSchema) -> Reader:
    """The function from the library's row to the canonical row; it changes the column definitions as said above.

    Raises Altered where the table map is not of this schema, UnsupportedType (keymap.values) for a type not read yet.
    """
    names = [column.name for column in columns]
    if None in names:
        raise Altered("it was written without column names: binlog_row_metadata was not FULL")
    expected = [column.name for column in schema.columns]
    if names != expected:
        raise Altered(f"it has the columns {', '.join(names)}, the table has {', '.join(expected)}")
    readers = [(column.name, _prepare(binlog, column)) for binlog, column in zip(columns, schema.columns, strict=True)]

    def read(row: LibraryRow) -> Row:
        found: Row = {}
        for name, convert in readers:
            value = row[name]
            found[name] = value if convert is None or value is None else convert(value)
        return found

    return read


def _prepare(binlog: BinlogColumn, column: Column) -> Converter | None:
    """Make the library hand over what is stored; gives what is still to be done with it (None: nothing)."""
    convert = converter(column)
    _require_same(binlog, column)
    kind = binlog.type
    if kind in _INTEGERS:
        return None
    if kind in _STRINGS or kind == _JSON:
        return _prepare_string(binlog, column)
    if kind in _FIXED:
        size, raw = _FIXED[kind](binlog, column)
        _look_up(binlog, size, lambda number: convert(raw(number)))
        return None
    return convert  # FLOAT, DOUBLE, DECIMAL and GEOMETRY come right


def _look_up(binlog: BinlogColumn, size: int, function: Callable[[int], Canonical]) -> None:
    binlog.type, binlog.size, binlog.enum_values = _ENUM, size, _Lookup(function)


def _prepare_string(binlog: BinlogColumn, column: Column) -> Converter:
    is_json, padding = binlog.type == _JSON, binlog.max_length if column.data_type == "binary" else 0
    binlog.character_set_name = _RAW_CHARSET
    if is_json:
        binlog.type = _BLOB  # it is stored alike: a length, and bytes
        return lambda stored: json_document(jsonb.decode(stored.encode(_RAW_CHARSET)))
    if column.charset is None:
        return lambda stored: stored.encode(_RAW_CHARSET).ljust(padding, b"\0")  # trailing zeros are not stored
    decode = decoder(column.charset)
    return lambda stored: stored if stored.isascii() else decode(stored.encode(_RAW_CHARSET))


Fixed = tuple[int, Callable[[int], Any]]  # size in bytes, and from the stored integer to the raw value


def _date(_binlog: BinlogColumn, _column: Column) -> Fixed:
    return 3, lambda number: f"{number >> 9:04d}-{number >> 5 & 15:02d}-{number & 31:02d}"


def _year(_binlog: BinlogColumn, _column: Column) -> Fixed:
    return 1, lambda number: number + 1900 if number else 0


def _bit(binlog: BinlogColumn, _column: Column) -> Fixed:
    return binlog.bytes, lambda number: _swapped(number, binlog.bytes)


def _enum(binlog: BinlogColumn, column: Column) -> Fixed:
    names = ("", *labels(column))  # 0 is what an invalid value was stored as
    return binlog.size, names.__getitem__


def _set(binlog: BinlogColumn, column: Column) -> Fixed:
    names = labels(column)
    return binlog.size, lambda bits: {name for index, name in enumerate(names) if bits >> index & 1}


def _timestamp(_binlog: BinlogColumn, column: Column) -> Fixed:
    size, fraction = _fractional(4, column)

    def read(number: int) -> str | dt.datetime:
        whole, micros, text = fraction(_swapped(number, size))
        if not whole and not micros:
            return f"0000-00-00 00:00:00{text}"
        return _EPOCH + dt.timedelta(seconds=whole, microseconds=micros)

    return size, read


def _datetime(_binlog: BinlogColumn, column: Column) -> Fixed:
    size, fraction = _fractional(5, column)

    def read(number: int) -> str:
        whole, _, text = fraction(_swapped(number, size))
        months = whole >> 22 & 0x1FFFF
        date = f"{months // 13:04d}-{months % 13:02d}-{whole >> 17 & 31:02d}"
        return f"{date} {whole >> 12 & 31:02d}:{whole >> 6 & 63:02d}:{whole & 63:02d}{text}"

    return size, read


def _time(_binlog: BinlogColumn, column: Column) -> Fixed:
    size, fraction = _fractional(3, column)
    zero = 0x800000 << 8 * (size - 3)

    def read(number: int) -> str:
        stored = _swapped(number, size) - zero
        whole, _, text = fraction(abs(stored))
        sign = "-" if stored < 0 else ""
        return f"{sign}{whole >> 12 & 1023:02d}:{whole >> 6 & 63:02d}:{whole & 63:02d}{text}"

    return size, read


def _fractional(whole_bytes: int, column: Column) -> tuple[int, Callable[[int], tuple[int, int, str]]]:
    """The size of such a column, and a function that parts its number: whole, microseconds, and `.ffffff` as text."""
    digits = fraction_digits(column)
    extra = (digits + 1) // 2  # two digits per byte
    bits, scale = 8 * extra, 10 ** (6 - 2 * extra)

    def split(number: int) -> tuple[int, int, str]:
        micros = (number & (1 << bits) - 1) * scale
        return number >> bits, micros, f".{micros:06d}"[: digits + 1] if digits else ""

    return whole_bytes + extra, split


def _swapped(number: int, size: int) -> int:
    """The library reads integers lowest byte first; these are stored highest byte first."""
    return int.from_bytes(number.to_bytes(size, "little"), "big")


_FIXED: Final[dict[int, Callable[[BinlogColumn, Column], Fixed]]] = {
    _DATE: _date,
    _YEAR: _year,
    _BIT: _bit,
    _TIMESTAMP2: _timestamp,
    _DATETIME2: _datetime,
    _TIME2: _time,
    _ENUM: _enum,
    _SET: _set,
}


def _require_same(binlog: BinlogColumn, column: Column) -> None:
    """Raise Altered where the map's column is not the schema's, as far as the value's meaning goes."""
    if binlog.type not in _KINDS.get(column.data_type, ()):
        raise Altered(f"column {column.name} is of another type there (binlog type {binlog.type})")
    for what, logged, expected in _traits(binlog, column):
        if logged != expected:
            raise Altered(f"column {column.name} differs in its {what}: {logged} there, {expected} in the table")


def _traits(binlog: BinlogColumn, column: Column) -> Iterator[tuple[str, object, object]]:
    kind, text = binlog.type, column.column_type.lower()
    if kind in _INTEGERS:
        yield "sign", binlog.unsigned, "unsigned" in text
    elif kind == _DECIMAL:
        yield "precision", (binlog.precision, binlog.decimals), _numbers(text)
    elif kind == _BIT:
        yield "length", (binlog.bits,), _numbers(text)
    elif kind in {_TIMESTAMP2, _DATETIME2, _TIME2}:
        yield "precision", binlog.fsp, fraction_digits(column)
    elif kind in _STRINGS or kind in {_ENUM, _SET}:
        yield "character set", binlog.character_set_name, library_encoding(column.charset)
    if kind == _ENUM:
        yield "values", binlog.enum_values, ["", *labels(column)]
    if kind == _SET:
        yield "values", binlog.set_values, list(labels(column))


def _numbers(column_type: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", column_type)))
