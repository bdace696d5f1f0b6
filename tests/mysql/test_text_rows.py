"""The readers of row packets: the pure and the compiled one give what the plain loop over the columns gives."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keymap.schema import Column
from keymap.values import Row, UnsupportedType, converter
from keyshift import native
from keyshift.mysql.text_rows import (
    Extra,
    FastRows,
    ReferenceRows,
    TextRows,
    UnreadableRow,
    compile_text,
    generate,
    split,
)
from keyshift.mysql.text_values import TextColumn, text_columns

core = native.load("keyshift.mysql._text")
Make = Callable[[tuple[TextColumn, ...], int], TextRows]
READERS: dict[str, Make] = {"pure": lambda columns, extra: FastRows(columns, extra, generate(columns, extra))}
if core is not None:
    READERS["compiled"] = lambda columns, extra: FastRows(columns, extra, core.Scanner(columns, extra).scan)


def column(kind: str, full: str = "", charset: str | None = None) -> Column:
    return Column("c", kind, full or kind, nullable=True, charset=charset)


def digits(lowest: int, highest: int) -> st.SearchStrategy[str]:
    return st.integers(lowest, highest).map(str)


DOUBLES = st.floats(allow_nan=False, allow_infinity=False)
TWO = st.integers(0, 99).map("{:02d}".format)
DATES = st.builds("{:04d}-{}-{}".format, st.integers(0, 9999), TWO, TWO)
FRACTIONS = st.one_of(st.just(""), st.integers(0, 999999).map(".{:06d}".format))
TIMES = st.builds("{}:{}:{}{}".format, TWO, TWO, TWO, FRACTIONS)
MOMENTS = st.builds("{} {}".format, DATES, TIMES)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64) | DOUBLES | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
# Per type: the column, and values as the server writes them.
TYPES: dict[str, tuple[Column, st.SearchStrategy[str | bytes]]] = {
    "bigint": (column("bigint"), digits(-(2**63), 2**64)),
    "zerofill": (column("int", "int(10) unsigned zerofill"), st.integers(0, 2**32).map("{:010d}".format)),
    "year": (column("year"), st.sampled_from(["0000", "1901", "2155"])),
    "bit": (column("bit", "bit(64)"), digits(0, 2**64 - 1)),
    "decimal": (
        column("decimal", "decimal(65,30)"),
        st.decimals(allow_nan=False, allow_infinity=False, places=9).map("{:f}".format),
    ),
    "double": (
        column("double"),
        st.one_of(
            DOUBLES.map(repr),
            DOUBLES.map("{:.15g}".format),
            DOUBLES.map("{:.17g}".format),
            st.floats(0.0001, 1e17).map(repr),
            st.floats(0.0001, 1e17).map("{:.16g}".format),
            st.floats(0.0001, 1e17).map("{:.17g}".format),
            st.integers(-54, 54).map(lambda power: repr(2.0**power)),
        ),
    ),
    "float": (column("float"), st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr)),
    "date": (column("date"), DATES),
    "time": (column("time", "time(6)"), TIMES),
    "datetime": (column("datetime", "datetime(6)"), MOMENTS),
    "timestamp": (column("timestamp", "timestamp(6)"), MOMENTS),
    "text": (column("longtext", charset="utf8mb4"), st.text(max_size=300)),
    "enum": (column("enum", "enum('a','b','ä')", "utf8mb4"), st.sampled_from(["", "a", "b", "ä"])),
    "set": (column("set", "set('c','a','ä')", "utf8mb4"), digits(0, 7)),
    "uuid": (column("uuid"), st.uuids().map(str)),
    "vector": (column("vector", "vector(3)"), st.binary(min_size=12, max_size=12)),
    "bytes": (column("blob"), st.binary(max_size=300)),
    "json": (column("json"), JSONS.map(json.dumps) | JSONS.map(lambda found: json.dumps(found, ensure_ascii=False))),
}


def as_bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8", "replace") if isinstance(value, str) else value


def packed(value: bytes | None) -> bytes:
    """One value of a row packet."""
    if value is None:
        return b"\xfb"
    size = len(value)
    if size < 0xFB:
        return bytes([size]) + value
    return (b"\xfc" + size.to_bytes(2, "little") if size < 2**16 else b"\xfd" + size.to_bytes(3, "little")) + value


def packets(rows: list[list[bytes | None]], sequence: int = 0) -> bytes:
    found = b""
    for number, row in enumerate(rows):
        body = b"".join(map(packed, row))
        found += len(body).to_bytes(3, "little") + bytes([(sequence + number) % 256]) + body
    return found


def read(reader: TextRows, data: bytes, sequence: int = 0) -> tuple[list[Row], list[Extra], int, int]:
    rows: list[Row] = []
    extras: list[Extra] = []
    at, sequence = reader.scan(data, 0, sequence, rows, extras)
    return rows, extras, at, sequence


def outcome(reader: TextRows, data: bytes) -> str:
    """Everything about a result, types and places of decimals included."""
    try:
        return repr(read(reader, data))
    except UnreadableRow as error:
        return str(error)


def named(kinds: list[str]) -> tuple[TextColumn, ...]:
    schema = [TYPES[kind][0] for kind in kinds]
    found = text_columns(schema)
    return tuple(TextColumn(f"{one.name}{n}", one.form, one.read) for n, one in enumerate(found))


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[bytes | None]], int]:
    """Kinds of columns, rows, and how many further columns each row has."""
    kinds = draw(st.lists(st.sampled_from(sorted(TYPES)), min_size=1, max_size=6))
    extra = draw(st.integers(0, 2))
    values = [st.none() | TYPES[kind][1].map(as_bytes) for kind in kinds] + [st.none() | st.binary(max_size=9)] * extra
    return kinds, draw(st.lists(st.tuples(*values).map(list), max_size=4)), extra


@pytest.mark.parametrize("make", READERS.values(), ids=READERS)
@given(table=tables())
def test_rows_are_those_of_the_plain_loop(make: Make, table: tuple[list[str], list[list[bytes | None]], int]) -> None:
    kinds, values, extra = table
    columns, data = named(kinds), packets(values)
    assert outcome(make(columns, extra), data) == outcome(ReferenceRows(columns, extra), data)
    rows, extras, at, sequence = read(make(columns, extra), data)
    assert (len(rows), at, sequence) == (len(values), len(data), len(values))
    assert extras == ([tuple(row[len(kinds) :]) for row in values] if extra else [])


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("make", READERS.values(), ids=READERS)
@given(chosen=st.data())
def test_each_type_reads_as_its_converter_says(make: Make, kind: str, chosen: st.DataObject) -> None:
    described, values = TYPES[kind]
    value = as_bytes(chosen.draw(values))
    ((row,), *_) = read(make(text_columns([described]), 0), packets([[value]]))
    assert repr(row["c"]) == repr(converter(described)(raw_shape(kind, value)))


def raw_shape(kind: str, value: bytes) -> Any:
    """What PyMySQL makes of it, said once more without the code under test."""
    if kind in {"bigint", "zerofill", "year", "bit"}:
        return int(value)
    if kind in {"double", "float"}:
        return float(value)
    if kind in {"bytes", "vector"}:
        return value
    return Decimal(value.decode()) if kind == "decimal" else value.decode()


@pytest.mark.parametrize("make", READERS.values(), ids=READERS)
@given(table=tables(), cut=st.integers(0, 400), at=st.integers(0, 400), byte=st.integers(0, 255))
def test_changed_bytes_give_what_the_plain_loop_gives_or_are_refused(
    make: Make, table: tuple[list[str], list[list[bytes | None]], int], cut: int, at: int, byte: int
) -> None:
    kinds, values, extra = table
    columns, data = named(kinds), bytearray(packets(values))
    if data:
        data[at % len(data)] = byte
    damaged = bytes(data[: len(data) - cut % (len(data) + 1)]) if at % 2 else bytes(data)
    assert outcome(make(columns, extra), damaged) == outcome(ReferenceRows(columns, extra), damaged)


INT = text_columns([column("int")])


@pytest.mark.parametrize("make", [*READERS.values(), ReferenceRows], ids=[*READERS, "plain"])
@pytest.mark.parametrize(
    "rest",
    [
        b"",
        b"\x02",
        b"\x02\0\0",
        b"\x02\0\0\x07",
        b"\x02\0\0\x07\x01",
        b"\x02\0\0\x08\x018",
        b"\0\0\0\x07",
        b"\0\0\0\x07more",
        b"\x05\0\0\x07\xfe\0\0\x02\0",
        b"\x09\0\0\x07\xff\x15\x04#28000a",
        b"\xff\xff\xff\x07" + b"\xfe" * 0xFFFFFF,
    ],
    ids=lambda rest: rest[:12].hex() or "nothing",
)
def test_reading_stops_before_what_is_not_a_whole_row(make: Make, rest: bytes) -> None:
    data = packets([[b"5"], [b"6"]], sequence=5)
    assert read(make(INT, 0), data + rest, sequence=5) == ([{"c": 5}, {"c": 6}], [], len(data), 7)


@pytest.mark.parametrize("make", [*READERS.values(), ReferenceRows], ids=[*READERS, "plain"])
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", None),
        (b"\x01", "does not have the 1 columns"),
        (b"\x02" + b"1", "does not have the 1 columns"),
        (b"\x01" + b"12", "does not have the 1 columns"),
        (b"\x01" + b"1" + b"\xfb", "does not have the 1 columns"),
        (b"\xfb\xfb", "does not have the 1 columns"),
        (b"\xfc\x01", "does not have the 1 columns"),
        (b"\xfd\x01\0\0", "does not have the 1 columns"),
        (b"\x01x", r"column c came in a form it cannot have \(ValueError\)"),
        (b"\0", r"column c came in a form it cannot have \(ValueError\)"),
        (b"\x01-", r"column c came in a form it cannot have \(ValueError\)"),
    ],
)
def test_a_row_of_another_form_is_refused_and_not_shown(make: Make, body: bytes, message: str | None) -> None:
    data = packets([[b"5"]]) + len(body).to_bytes(3, "little") + b"\x01" + body + packets([[b"1"]], sequence=2)
    if message is None:
        assert read(make(INT, 0), data)[2] == 6
        return
    with pytest.raises(UnreadableRow, match=message) as raised:
        read(make(INT, 0), data)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("make", READERS.values(), ids=READERS)
@pytest.mark.parametrize(("charset", "stored"), [("utf8mb4", b"\xff"), ("sjis", b"\x80"), ("gb18030", b"\xff")])
def test_bytes_that_are_no_text_are_refused_with_the_columns_name(make: Make, charset: str, stored: bytes) -> None:
    columns = text_columns([column("varchar", charset=charset)])
    with pytest.raises(UnreadableRow, match=r"column c holds bytes that are no text. Correct the rows"):
        read(make(columns, 0), packets([[stored]]))


@pytest.mark.parametrize("make", READERS.values(), ids=READERS)
def test_a_value_of_another_row_is_never_taken(make: Make) -> None:
    """The first row's last value claims what follows, which is as long as the row would have been."""
    columns = text_columns([column("blob")])
    data = b"\x02\0\0\0\x06a" + packets([[b"b"]], sequence=1)
    with pytest.raises(UnreadableRow):
        read(make(columns, 0), data)


@pytest.mark.parametrize("make", READERS.values(), ids=READERS)
@pytest.mark.parametrize("name", ["a'b", 'a"b', "{a}", "a\\", "a\nb", "`", "ä😀", "%s", "__import__('os')"])
def test_a_columns_name_is_only_a_name(make: Make, name: str) -> None:
    columns = tuple(TextColumn(name, one.form, one.read) for one in INT)
    assert read(make(columns, 0), packets([[b"1"]]))[0] == [{name: 1}]


@pytest.mark.parametrize("make", READERS.values(), ids=READERS)
def test_sequence_numbers_go_round(make: Make) -> None:
    rows, _, _, sequence = read(make(INT, 0), packets([[b"1"]] * 600, sequence=200), sequence=200)
    assert (len(rows), sequence) == (600, (200 + 600) % 256)


@pytest.mark.skipif(core is None, reason="the compiled reader is not built")
@given(whole=st.integers(0, 10**16), places=st.text("0123456789", min_size=1, max_size=18))
@example(whole=9007199254740993, places="0")
@example(whole=1, places="0000000000000002")
@example(whole=0, places="30000000000000004")
@example(whole=9999999999999999, places="5")
def test_any_decimal_number_reads_as_the_shortest_of_its_double(whole: int, places: str) -> None:
    text = f"{whole}.{places}"
    ((row,), *_) = read(READERS["compiled"](text_columns([column("double")]), 0), packets([[text.encode()]]))
    assert repr(row["c"]) == repr(Decimal(repr(float(text))))


@pytest.mark.skipif(core is None, reason="the compiled reader is not built")
@given(
    pieces=st.lists(
        st.sampled_from(
            [
                *'{}[]:,0159.-eE" \\',
                *("null", "true", "false", '"a"', '"a":', '"b":', '"\\n"', '"\\u00e4"', "\n", "ä", "\x01"),
                *("1.0", "-0", "0.00001", "0.000001", "123456789012345678", '{"b":1,"a":', "},"),
            ]
        ),
        max_size=12,
    )
)
@example(pieces=['{"b":1,"a":', '{"b":1,"a":', "[]", "},", '"a":', "0", "}"])
@example(pieces=['{"ä":[1.50, 0.5, 7.0],"a":-7.0, "\U0001f600":1, "\uffff": "\\n"}'])
@example(pieces=["{" + ",".join(f'"{n}": {n}' for n in range(63, -1, -1)) + "}"])
@example(pieces=["{" + ",".join(f'"{n}": {n}' for n in range(64, -1, -1)) + "}"])
@example(pieces=["[" * 30 + "]" * 30])
@example(pieces=["[" + '{"b": "' + "x" * 5000 + '", "a": 1}' + "]"])
@example(pieces=['"a'])
@example(pieces=['"a\\'])
def test_any_text_reads_as_the_same_document_or_is_no_document(pieces: list[str]) -> None:
    columns, data = text_columns([column("json")]), packets([["".join(pieces).encode()]])
    assert outcome(READERS["compiled"](columns, 0), data) == outcome(ReferenceRows(columns, 0), data)


def test_a_column_that_cannot_be_read_exactly_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedType, match="column c has type mystery"):
        compile_text([column("mystery")])


def test_the_compiled_reader_is_used_where_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(native.SWITCH, "1")
    assert native.load("keyshift.mysql._text") is None
    assert read(compile_text([column("int")]), packets([[b"7"]]))[0] == [{"c": 7}]


def test_a_row_is_split_into_the_bytes_of_its_values() -> None:
    values = [b"", None, b"a", b"b" * 250, b"c" * 251, b"d" * 65535, b"e" * 65536]
    assert split(b"".join(map(packed, values)), len(values)) == tuple(values)
    assert split(b"\xfe" + (3).to_bytes(8, "little") + b"abc", 1) == (b"abc",)
