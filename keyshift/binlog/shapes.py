"""Writes the decoder of one table as Python source: a function without a loop for each pattern of NULLs.

What is fixed in width is unpacked by one Struct up to the next string, with that string's length; texts of dates come
from tables. Every kind of column is one function here, which says what to unpack and what to make of it. Names of
columns get into the source as repr() only, and everything else that varies as a global of the function.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

from keymap.values import Row
from keyshift.binlog import jsonb, stored, texts
from keyshift.binlog.decimals import TOO_LARGE, decimal_groups
from keyshift.binlog.errors import Malformed
from keyshift.binlog.fields import Field, Kind
from keyshift.binlog.source import Source

Shape = Callable[[bytes, int], tuple[Row, int]]
_DISPLAY_MAX: Final = 15  # pairs that CPython builds a dict of at once; beyond, it merges dicts


def shape(fields: Sequence[Field], bitmap_bytes: int, nulls: int) -> Shape:
    """A function from `data` and where a row's bitmap begins to the row and where it ends.

    Only for rows whose NULLs are `nulls`. It does not look whether the row ends within `data`: the end tells. On bytes
    that are no row it raises what reference.BROKEN lists.
    """
    source = Source()
    source.skip(bitmap_bytes)
    values = []
    for index, column in enumerate(fields):
        if nulls >> index & 1:
            values.append("None")
        else:
            values.append(f"v{index}")
            _READ[column.kind](source, column, f"v{index}")
    source.flush()
    _write_row(source, [repr(column.name) for column in fields], values)
    return _compiled(source)


def _write_row(source: Source, names: Sequence[str], values: Sequence[str]) -> None:
    pairs = list(zip(names, values, strict=True))
    first, rest = pairs[:_DISPLAY_MAX], pairs[_DISPLAY_MAX:]
    source.lines.append(f"row = {{{', '.join(f'{name}: {value}' for name, value in first)}}}")
    source.lines += [f"row[{name}] = {value}" for name, value in rest]
    source.lines.append("return row, at")


def _compiled(source: Source) -> Shape:
    text = "def shape(data, at):\n" + "".join(f"    {line}\n" for line in source.lines)
    scope: dict[str, Any] = {**_SHARED, **source.names}
    exec(compile(text, "<a table's rows>", "exec"), scope)  # noqa: S102 - names are in it as repr() only
    found: Shape = scope["shape"]
    return found


def _other(source: Source, column: Field, value: str) -> None:
    source.flush()
    read = source.name("read", column.read)
    source.lines += ["begin = at", f"{value}, at = {read}(data, at)", "if at < begin: raise Malformed(BACKWARDS)"]


_INTEGER_FORMS: Final = {1: "b", 2: "h", 4: "i", 8: "q"}
_THREE_BYTES: Final = 3


def _integer(source: Source, column: Field, value: str) -> None:
    if column.size in _INTEGER_FORMS:
        source.unpack(_INTEGER_FORMS[column.size], value)
    else:
        source.unpack("Hb", value, f"{value}_high")
        source.then(f"{value} |= {value}_high << 16")


def _unsigned(source: Source, column: Field, value: str) -> None:
    _number(source, column.size, value)


def _number(source: Source, size: int, value: str) -> None:
    """An unsigned number, lowest byte first."""
    if size in _INTEGER_FORMS:
        source.unpack(_INTEGER_FORMS[size].upper(), value)
    elif size == _THREE_BYTES:
        source.unpack("HB", value, f"{value}_high")
        source.then(f"{value} |= {value}_high << 16")
    else:
        source.unpack(f"{size}s", value)
        source.then(f"{value} = from_bytes({value}, 'little')")


def _big_number(source: Source, size: int, value: str) -> None:
    """An unsigned number, highest byte first."""
    source.unpack(f"{size}s" if size > 1 else "B", value)
    if size > 1:
        source.then(f"{value} = from_bytes({value}, 'big')")


def _float(source: Source, _column: Field, value: str) -> None:
    source.unpack("4s", value)
    source.then(f"{value} = FLOATS[{value}]")


def _double(source: Source, _column: Field, value: str) -> None:
    source.unpack("d", value)
    source.then(f"if {value} - {value}: raise Malformed(NOT_FINITE)", f"{value} = Decimal(repr({value}))")


def _decimal(source: Source, column: Field, value: str) -> None:
    """All groups as one number of units of the last digit, times the unit in a context that never rounds."""
    groups = decimal_groups(column.size, column.scale)
    size = sum(width for _, width in groups)
    sign = 1 << 8 * size - 1
    _big_number(source, size, value)
    source.then(f"plus = {value} >= {sign}", f"{value} ^= {sign} if plus else {sign - 1}")
    limits, terms = [], []
    shift, power = 8 * size, column.size
    for index, (digits, width) in enumerate(groups):
        shift, power = shift - 8 * width, power - digits
        source.then(f"part{index} = {f'{value} >> {shift}' if shift else value} & {(1 << 8 * width) - 1}")
        limits.append(f"part{index} >= {10**digits}")
        terms.append(f"part{index} * {10**power}" if power else f"part{index}")
    total = " + ".join(terms)
    source.then(f"if {' or '.join(limits)}: raise Malformed(TOO_LARGE)")
    unit = source.name("unit", texts.unit(column.scale))
    source.then(f"{value} = multiply({total} if plus else -({total}), {unit})")


def _date(source: Source, _column: Field, value: str) -> None:
    source.unpack("3s", value)
    source.then(f"{value} = DATES[{value}]")


def _year(source: Source, _column: Field, value: str) -> None:
    source.unpack("B", value)
    source.then(f"{value} = YEARS[{value}]")


def _bit(source: Source, column: Field, value: str) -> None:
    _big_number(source, column.size, value)


def _fraction(source: Source, column: Field, value: str) -> tuple[str, str]:
    """How to get at the whole part of a time, and the fraction's parts of an f-string."""
    bits = (column.scale + 1) // 2 * 8
    if not bits:
        return value, ""
    source.then(f"fraction = {value} & {(1 << bits) - 1}")
    half, *tables = texts.fraction_tables(column.scale)
    names = [source.name("fractions", table) for table in tables]
    where = ("fraction",) if len(names) == 1 else (f"fraction // {half}", f"fraction % {half}")
    return f"{value} >> {bits}", "".join(f"{{{name}[{index}]}}" for name, index in zip(names, where, strict=True))


def _times_bytes(whole: int, column: Field) -> int:
    return whole + (column.scale + 1) // 2


def _timestamp(source: Source, column: Field, value: str) -> None:
    _big_number(source, _times_bytes(4, column), value)
    whole, fraction = _fraction(source, column, value)
    source.then(f"second = {whole}")
    text = "{DAYS_SINCE_1970[second // 86400]}{MINUTES_OF_DAY[second % 86400 // 60]}{SECONDS[second % 60]}"
    zero = f"0000-00-00T00:00:00{'.' if column.scale else ''}{'0' * column.scale}Z"
    source.then(f"{value} = f'{text}{fraction}Z' if {value} else {zero!r}")


def _datetime(source: Source, column: Field, value: str) -> None:
    _big_number(source, _times_bytes(5, column), value)
    whole, fraction = _fraction(source, column, value)
    source.then(f"second = {whole}")
    text = "{DAYS_OF_DATETIME[second >> 17]}{CLOCK[second >> 6 & 2047]}{SECONDS[second & 63]}"
    source.then(f"{value} = f'{text}{fraction}'")


def _time(source: Source, column: Field, value: str) -> None:
    size = _times_bytes(3, column)
    zero = 1 << 8 * size - 1
    _big_number(source, size, value)
    source.then(f"minus = {value} < {zero}", f"{value} = {zero} - {value} if minus else {value} - {zero}")
    whole, fraction = _fraction(source, column, value)
    source.then(f"second = {whole}")
    text = "{SIGNS[minus]}{HOURS[second >> 12]}{MINUTES[second >> 6 & 63]}{SECONDS[second & 63]}"
    source.then(f"{value} = f'{text}{fraction}'")


def _enum(source: Source, column: Field, value: str) -> None:
    _number(source, column.size, value)
    source.then(f"{value} = {source.name('labels', column.labels)}[{value}]")


def _set(source: Source, column: Field, value: str) -> None:
    _number(source, column.size, value)
    made = texts.Remembered(lambda number: column.read(number.to_bytes(column.size, "little"), 0)[0])
    source.then(f"{value} = {source.name('sets', made)}[{value}]")


def _content(source: Source, column: Field, value: str, made: str) -> None:
    """Something behind its length; `made` is an expression with {} for its bytes."""
    _number(source, column.size, value)
    source.flush(behind="begin")
    source.lines += [f"at = begin + {value}", f"{value} = {made.format('data[begin:at]')}"]


def _text(source: Source, column: Field, value: str) -> None:
    made = "{}.decode()" if column.decode is None else f"{source.name('decode', column.decode)}({{}})"
    _content(source, column, value, made)


def _byte_string(source: Source, column: Field, value: str) -> None:
    _content(source, column, value, "{}")


def _binary(source: Source, column: Field, value: str) -> None:
    _content(source, column, value, f"{{}}.ljust({column.scale}, ZERO)")


def _json(source: Source, column: Field, value: str) -> None:
    _content(source, column, value, "canonical({})")


_READ: Final[dict[Kind, Callable[[Source, Field, str], None]]] = {
    Kind.OTHER: _other,
    Kind.INT: _integer,
    Kind.UINT: _unsigned,
    Kind.FLOAT: _float,
    Kind.DOUBLE: _double,
    Kind.DECIMAL: _decimal,
    Kind.DATE: _date,
    Kind.YEAR: _year,
    Kind.BIT: _bit,
    Kind.TIMESTAMP: _timestamp,
    Kind.DATETIME: _datetime,
    Kind.TIME: _time,
    Kind.ENUM: _enum,
    Kind.SET: _set,
    Kind.TEXT: _text,
    Kind.BYTES: _byte_string,
    Kind.BINARY: _binary,
    Kind.JSON: _json,
}
_SHARED: Final[dict[str, Any]] = {
    "Decimal": Decimal,
    "from_bytes": int.from_bytes,
    "multiply": texts.EXACT.multiply,
    "canonical": jsonb.canonical,
    "Malformed": Malformed,
    "BACKWARDS": "a column ends before it begins",
    "NOT_FINITE": stored.NOT_FINITE,
    "TOO_LARGE": TOO_LARGE,
    "ZERO": b"\0",
    "SIGNS": ("", "-"),
    **{name: table for name, table in vars(texts).items() if name.isupper()},
}
