"""Hypothesis strategies: columns of every type with values in both forms, stored and canonical, and whole tables."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from keymap.values import Row, shortest_float32
from tests.binlog import encode
from tests.binlog import encode_values as store
from tests.binlog.drawn import Drawn, Maker, Value, of_column
from tests.binlog.encode import Column, string_meta
from tests.binlog.generate_json import documents
from tests.binlog.generate_moments import MOMENTS
from tests.binlog.generate_text import CHARSETS, Charset, texts


def _integer(draw: st.DrawFn, name: str) -> Drawn:
    kind, word, size = draw(
        st.sampled_from(
            [
                (encode.TINY, "tinyint", 1),
                (encode.SHORT, "smallint", 2),
                (encode.INT24, "mediumint", 3),
                (encode.LONG, "int", 4),
                (encode.LONGLONG, "bigint", 8),
            ]
        )
    )
    unsigned = draw(st.booleans())
    low, high = (0, (1 << 8 * size) - 1) if unsigned else (-(1 << 8 * size - 1), (1 << 8 * size - 1) - 1)
    numbers = st.integers(low, high) | st.sampled_from([low, high])
    values = numbers.map(lambda number: Value(store.integer(number, size), number))
    return of_column(Column(name, kind, unsigned=unsigned), word, word + " unsigned" * unsigned, values)


def _decimal(draw: st.DrawFn, name: str) -> Drawn:
    precision = draw(st.integers(1, 65))
    scale = draw(st.integers(0, min(30, precision)))
    unsigned = draw(st.booleans())
    top = 10**precision - 1

    def value(number: int) -> Value:
        exact = Decimal(f"{number}E-{scale}")
        return Value(store.decimal(exact, precision, scale), exact)

    numbers = st.integers(0 if unsigned else -top, top) | st.sampled_from([0, 1, top, 0 if unsigned else -top])
    column = Column(name, encode.NEWDECIMAL, bytes([precision, scale]), unsigned=unsigned)
    full = f"decimal({precision},{scale}){' unsigned' * unsigned}"
    return of_column(column, "decimal", full, numbers.map(value))


def _float(draw: st.DrawFn, name: str) -> Drawn:
    unsigned = draw(st.booleans())
    low = 0.0 if unsigned else None
    if draw(st.booleans()):
        singles = st.floats(low, width=32, allow_nan=False, allow_infinity=False)
        values = singles.map(lambda one: Value(store.single(one), Decimal(shortest_float32(one))))
        return of_column(Column(name, encode.FLOAT, b"\4", unsigned=unsigned), "float", "float", values)
    doubles = st.floats(low, allow_nan=False, allow_infinity=False)
    values = doubles.map(lambda one: Value(store.double(one), Decimal(repr(one))))
    return of_column(Column(name, encode.DOUBLE, b"\x08", unsigned=unsigned), "double", "double", values)


def _bit(draw: st.DrawFn, name: str) -> Drawn:
    width = draw(st.integers(1, 64))
    size = (width + 7) // 8
    values = st.integers(0, (1 << width) - 1).map(lambda number: Value(store.bits(number, size), number))
    return of_column(Column(name, encode.BIT, bytes([width % 8, width // 8])), "bit", f"bit({width})", values)


_LABEL_CHARSETS = tuple(one for one in CHARSETS if one.name != "binary" and "" in one.decode(b""))


@st.composite
def _labels(draw: st.DrawFn, charset: Charset, top: int) -> list[tuple[bytes, str]]:
    count = draw(st.integers(1, 5) | st.sampled_from([8, 9, min(64, top), min(255, top), min(256, top), top]))
    count = min(count, top)
    drawn = draw(st.lists(texts(charset, 6), min_size=min(count, 5), max_size=min(count, 5)))
    plain = [(data, text) for data, text in drawn if text.strip() and not {",", "?"} & set(text)]
    found = dict.fromkeys(plain)  # without FULL a question mark may be anything, so that it is refused
    more = [(charset.encode(f"l{number}"), f"l{number}") for number in range(count)]
    return list(dict.fromkeys([*found, *more]))[:count]


_ESCAPED = str.maketrans({"'": "''", "\\": "\\\\", "\0": "\\0", "\n": "\\n", "\r": "\\r"})


def _quoted(labels: list[tuple[bytes, str]]) -> str:
    """As information_schema shows them."""
    return "(" + ",".join(f"'{text.translate(_ESCAPED)}'" for _, text in labels) + ")"


def _enum(draw: st.DrawFn, name: str) -> Drawn:
    charset = draw(st.sampled_from(_LABEL_CHARSETS))
    labels = draw(_labels(charset, 300))
    size = 1 if len(labels) < 256 else 2
    names = ["", *(text for _, text in labels)]
    values = st.integers(0, len(labels)).map(lambda number: Value(store.integer(number, size), names[number]))
    stored = tuple(data for data, _ in labels)
    column = Column(name, encode.ENUM, bytes([encode.ENUM, size]), collation=charset.id, labels=stored)
    return of_column(column, "enum", "enum" + _quoted(labels), values, charset)


def _set(draw: st.DrawFn, name: str) -> Drawn:
    charset = draw(st.sampled_from(_LABEL_CHARSETS))
    labels = draw(_labels(charset, 64))
    size = (len(labels) + 7) // 8
    size = 8 if size > 4 else size

    def value(bits: int) -> Value:
        members = tuple(text for at, (_, text) in enumerate(labels) if bits >> at & 1)
        return Value(store.integer(bits, size), members)

    values = st.integers(0, (1 << len(labels)) - 1).map(value)
    stored = tuple(data for data, _ in labels)
    column = Column(name, encode.SET, bytes([encode.SET, size]), collation=charset.id, labels=stored)
    return of_column(column, "set", "set" + _quoted(labels), values, charset)


def _text(draw: st.DrawFn, name: str) -> Drawn:
    charset = draw(st.sampled_from([one for one in CHARSETS if one.name != "binary"]))
    shape = draw(st.sampled_from(["varchar", "char", "tinytext", "text", "mediumtext", "longtext"]))
    kind, meta, size, full = draw(_length(shape, charset.bytes_max))

    def value(drawn: tuple[bytes, str]) -> Value:
        data, text = drawn
        return Value(store.prefixed(data, size), text)

    pairs = texts(charset, 255 // charset.bytes_max if size == 1 else 300)
    if shape == "char":  # the server has taken the spaces at the end off
        pairs = pairs.filter(lambda one: not one[1].endswith(" ") and not one[0].endswith(b" "))
    return of_column(Column(name, kind, meta, collation=charset.id), shape, full, pairs.map(value), charset)


@st.composite
def _length(draw: st.DrawFn, shape: str, bytes_max: int) -> tuple[int, bytes, int, str]:
    """Type, metadata, bytes of the length, full type; at most 300 characters are stored, or 255 bytes."""
    blobs = {"tiny": 1, "medium": 3, "long": 4}
    if shape in {"varchar", "varbinary"}:
        characters = draw(st.sampled_from([255 // bytes_max, 300]))
        width = characters * bytes_max
        return encode.VARCHAR, struct.pack("<H", width), 1 if width < 256 else 2, f"{shape}({characters})"
    if shape in {"char", "binary"}:
        characters = 255 if bytes_max > 1 and draw(st.booleans()) else 255 // bytes_max
        width = characters * bytes_max
        return encode.STRING, string_meta(encode.STRING, width), 1 if width < 256 else 2, f"{shape}({characters})"
    size = next((size for word, size in blobs.items() if shape.startswith(word)), 2)
    return encode.BLOB, bytes([size]), size, shape


def _bytes(draw: st.DrawFn, name: str) -> Drawn:
    shape = draw(st.sampled_from(["varbinary", "tinyblob", "blob", "mediumblob", "longblob"]))
    kind, meta, size, full = draw(_length(shape, 1))
    values = st.binary(max_size=60).map(lambda data: Value(store.prefixed(data, size), data))
    return of_column(Column(name, kind, meta), shape, full, values)


def _binary(draw: st.DrawFn, name: str) -> Drawn:
    width = draw(st.integers(1, 255))

    def value(data: bytes) -> Value:
        data = data.rstrip(b"\0")
        return Value(store.prefixed(data, 1), data.ljust(width, b"\0"))

    values = (st.binary(max_size=width) | st.just(b"\0")).map(value)
    return of_column(
        Column(name, encode.STRING, string_meta(encode.STRING, width)), "binary", f"binary({width})", values
    )


def _json(_draw: st.DrawFn, name: str) -> Drawn:
    values = documents().map(lambda one: Value(store.prefixed(one[0], 4), one[1]))
    return of_column(Column(name, encode.JSON, b"\4"), "json", "json", values)


def _geometry(_draw: st.DrawFn, name: str) -> Drawn:
    points = st.tuples(st.sampled_from([0, 4326]), st.floats(-180, 180), st.floats(-90, 90))

    def value(drawn: tuple[int, float, float]) -> Value:
        srid, x, y = drawn
        data = struct.pack("<IBIdd", srid, 1, 1, x, y)
        return Value(store.prefixed(data, 4), data)

    return of_column(Column(name, encode.GEOMETRY, b"\4", geometry=1), "point", "point", points.map(value))


MAKERS: dict[str, Maker] = {
    "integer": _integer,
    "decimal": _decimal,
    "float": _float,
    **MOMENTS,
    "bit": _bit,
    "enum": _enum,
    "set": _set,
    "text": _text,
    "bytes": _bytes,
    "binary": _binary,
    "json": _json,
    "geometry": _geometry,
}


@st.composite
def drawn_columns(draw: st.DrawFn, name: str, types: Sequence[str]) -> Drawn:
    """A column of one of these types."""
    made = MAKERS[draw(st.sampled_from(types))](draw, name)
    nullable = draw(st.booleans())
    column = replace(made.column, nullable=nullable, visible=draw(st.booleans()))
    known = replace(made.known, nullable=nullable)
    return Drawn(column, known, st.just(Value(None, None)) | made.values if nullable else made.values)


@dataclass(frozen=True, slots=True)
class Table:
    """A table and rows of it in both forms."""

    drawn: tuple[Drawn, ...]
    stored: tuple[tuple[bytes | None, ...], ...]
    rows: tuple[Row, ...]
    primary_key: tuple[tuple[int, int], ...]

    @property
    def columns(self) -> list[Column]:
        """The columns as the log describes them."""
        return [one.column for one in self.drawn]


@st.composite
def tables(
    draw: st.DrawFn, columns_max: int = 8, rows_min: int = 0, rows_max: int = 4, types: Sequence[str] = tuple(MAKERS)
) -> Table:
    """A table of any columns, any rows (an even number, so that they make pairs)."""
    count = draw(st.integers(1, columns_max))
    drawn = tuple(draw(drawn_columns(f"c{at}é" if at % 3 else f"c{at}", types)) for at in range(count))
    key = draw(st.lists(st.integers(0, count - 1), unique=True, max_size=3))
    prefixes = draw(st.lists(st.sampled_from([0, 0, 10]), min_size=len(key), max_size=len(key)))
    of_rows = draw(st.lists(st.tuples(*(one.values for one in drawn)), min_size=rows_min, max_size=rows_max).map(_even))
    names = [one.column.name for one in drawn]
    return Table(
        drawn,
        tuple(tuple(value.data for value in values) for values in of_rows),
        tuple(dict(zip(names, (value.canonical for value in values), strict=True)) for values in of_rows),
        tuple(zip(key, prefixes, strict=True)),
    )


def _even(found: list[Any]) -> list[Any]:
    return found if len(found) % 2 == 0 else [*found, found[0]]
