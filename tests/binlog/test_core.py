"""The compiled decoder gives what the plain loop over Field.read gives: values, types and refusals."""

import struct
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keymap.values import Row
from keyshift.binlog import stored
from keyshift.binlog.decimals import decimal, decimal_groups
from keyshift.binlog.errors import Malformed
from keyshift.binlog.fields import Field, Kind, Read
from keyshift.binlog.reference import ReferenceRows, RowCodec
from tests.binlog.encode import image
from tests.binlog.encode_values import prefixed
from tests.binlog.generate_json import documents

core = pytest.importorskip("keyshift.binlog._core", reason="not built: there is no C compiler here")
Values = st.SearchStrategy[bytes]


def exactly(*sizes: int) -> Values:
    """Stored values of a fixed size: mostly any bytes, and those at the edges."""
    size = sum(sizes)
    edges = (b"\0" * size, b"\xff" * size, b"\x80" + b"\0" * (size - 1), b"\x7f" + b"\xff" * (size - 1))
    return st.binary(min_size=size, max_size=size) | st.sampled_from(edges)


def behind_length(size: int, contents: Values) -> Values:
    return contents.map(lambda data: prefixed(data[: (1 << 8 * size) - 1], size))


LABELS = ("", "new", "öffnen", "done")
MEMBERS = tuple(f"m{number}" for number in range(64))
SMALL = st.binary(max_size=20)
UTF8 = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(str.encode)


def latin(data: bytes) -> str:
    return data.decode("latin-1")


def next_byte(data: bytes, at: int) -> tuple[int, int]:
    return data[at], at + 1


def decimal_values(precision: int, scale: int) -> Values:
    """Groups that are digits; `exactly` makes some that are not."""
    groups = decimal_groups(precision, scale)
    numbers = st.tuples(*(st.integers(0, 10**digits - 1) for digits, _ in groups))

    def encoded(drawn: tuple[tuple[int, ...], bool]) -> bytes:
        parts = (number.to_bytes(width, "big") for number, (_, width) in zip(drawn[0], groups, strict=True))
        data = b"".join(parts)
        data = bytes([data[0] ^ 0x80]) + data[1:]
        return bytes(byte ^ 0xFF for byte in data) if drawn[1] else data

    return st.tuples(numbers, st.booleans()).map(encoded) | exactly(*(width for _, width in groups))


Column = tuple[Field, Values]


def column(kind: Kind, read: Read, values: Values, *, size: int = 0, scale: int = 0, **more: object) -> Column:
    return Field("c", kind, read, size, scale, **more), values  # type: ignore[arg-type]


def integers() -> list[Column]:
    return [
        column(kind, stored.integer(size, signed=kind is Kind.INT), exactly(size), size=size)
        for size in (1, 2, 3, 4, 8)
        for kind in (Kind.INT, Kind.UINT)
    ]


def decimals() -> list[Column]:
    measures = [(1, 0), (1, 1), (9, 0), (9, 9), (10, 2), (18, 9), (20, 10), (5, 5), (64, 0), (65, 0), (65, 30), (30, 1)]
    return [column(Kind.DECIMAL, decimal(p, s), decimal_values(p, s), size=p, scale=s) for p, s in measures]


def moments() -> list[Column]:
    found = []
    for scale in range(7):
        extra = (scale + 1) // 2
        tail = st.integers(0, 10 ** (2 * extra) - 1).map(lambda number, size=extra: number.to_bytes(size, "big"))
        for kind, read, whole in (
            (Kind.TIMESTAMP, stored.timestamp, 4),
            (Kind.DATETIME, stored.datetime, 5),
            (Kind.TIME, stored.time, 3),
        ):
            values = st.tuples(exactly(whole), tail).map(b"".join) | exactly(whole, extra)
            found.append(column(kind, read(scale), values, scale=scale))
    return found


def strings() -> list[Column]:
    found = []
    for size in (1, 2, 3, 4):
        found += [
            column(Kind.TEXT, stored.text(size, None), behind_length(size, UTF8 | SMALL), size=size),
            column(Kind.TEXT, stored.text(size, latin), behind_length(size, SMALL), size=size, decode=latin),
            column(Kind.BYTES, stored.byte_string(size), behind_length(size, SMALL), size=size),
            column(Kind.BINARY, stored.padded(size, 16), behind_length(size, SMALL), size=size, scale=16),
            column(Kind.JSON, stored.json(size), behind_length(size, documents().map(lambda one: one[0])), size=size),
            column(Kind.JSON, stored.json(size), behind_length(size, SMALL), size=size),
        ]
    return found


def labelled() -> list[Column]:
    found = [
        column(Kind.ENUM, stored.enum(size, LABELS), st.integers(0, 4).map(little(size)), size=size, labels=LABELS)
        for size in (1, 2)
    ]
    for size in range(1, 9):
        for members in (MEMBERS[: 8 * size], MEMBERS[: 8 * size - 3]):
            bits = exactly(size) | st.integers(0, (1 << len(members)) - 1).map(little(size))
            found.append(column(Kind.SET, stored.members(size, members), bits, size=size, labels=members))
    return found


def little(size: int) -> Callable[[int], bytes]:
    return lambda number: number.to_bytes(size, "little")


def others() -> list[Column]:
    reals = st.floats().map(lambda one: struct.pack("<d", one))
    singles = st.floats(width=32).map(lambda one: struct.pack("<f", one))
    return [
        column(Kind.DOUBLE, stored.double, reals | exactly(8)),
        column(Kind.FLOAT, stored.float32, singles | exactly(4)),
        column(Kind.DATE, stored.date, exactly(3)),
        column(Kind.YEAR, stored.year, exactly(1)),
        column(Kind.OTHER, next_byte, exactly(1)),
        *(column(Kind.BIT, stored.bits(size), exactly(size), size=size) for size in range(1, 9)),
        # Measures that no server writes: left to the plain way, whatever the kind says.
        column(Kind.INT, stored.integer(7, signed=True), exactly(7), size=7),
        column(Kind.SET, stored.members(1, MEMBERS * 2), exactly(1), size=1, labels=MEMBERS * 2),
    ]


COLUMNS = [*integers(), *decimals(), *moments(), *strings(), *labelled(), *others()]
Outcome = list[object] | str


def outcome(read: Callable[[bytes, int, int], object], data: bytes, at: int, end: int) -> Outcome:
    """What came of it; equal only where types and the digits of decimals are too."""
    try:
        found = read(data, at, end)
    except Malformed:
        return "Malformed"
    assert isinstance(found, list)
    return [told(row) if isinstance(row, dict) else tuple(map(told, row)) for row in found]


def told(row: Row) -> list[tuple[str, type, str]]:
    assert type(row) is dict
    return [(name, type(value), repr(value)) for name, value in row.items()]


def agree(fields: tuple[Field, ...], data: bytes, at: int, end: int) -> Outcome:
    """Both decoders' common outcome, of one image per row; that of pairs must agree too."""
    compiled: RowCodec = core.CompiledRows(fields)
    plain = ReferenceRows(fields)
    assert outcome(compiled.pairs, data, at, end) == outcome(plain.pairs, data, at, end)
    found = outcome(compiled.rows, data, at, end)
    assert found == outcome(plain.rows, data, at, end)
    assert found == outcome(compiled.rows, data, at, end)  # and again, with what it may have kept
    return found


@st.composite
def tables(draw: st.DrawFn) -> tuple[tuple[Field, ...], bytes]:
    """Some columns and the bytes of some rows, most of them good."""
    chosen = draw(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=10))
    fields = tuple(
        Field(f"c{index}", field.kind, field.read, field.size, field.scale, field.labels, field.decode)
        for index, (field, _) in enumerate(chosen)
    )
    rows = draw(st.lists(st.tuples(*(st.none() | values for _, values in chosen)), max_size=3))
    return fields, b"".join(map(image, rows))


@pytest.mark.parametrize("chosen", COLUMNS, ids=lambda one: f"{one[0].kind.name}-{one[0].size}-{one[0].scale}")
def test_a_column_of_each_kind_and_measure_is_read_as_the_plain_loop_reads_it(chosen: Column) -> None:
    field, values = chosen
    seen: set[bool] = set()

    @settings(max_examples=40, database=None)
    @given(values)
    def check(value: bytes) -> None:
        seen.add(agree((field,), image([value]), 0, 1 + len(value)) != "Malformed")

    check()
    assert True in seen


@settings(max_examples=300)
@given(tables(), st.binary(max_size=3), st.binary(max_size=9))
def test_rows_of_any_columns_are_read_as_the_plain_loop_reads_them(
    table: tuple[tuple[Field, ...], bytes], before: bytes, behind: bytes
) -> None:
    fields, data = table
    agree(fields, before + data + behind, len(before), len(before) + len(data))


@settings(max_examples=300)
@given(tables(), st.data())
def test_cut_and_changed_rows_are_refused_or_read_alike(
    table: tuple[tuple[Field, ...], bytes], data: st.DataObject
) -> None:
    fields, found = table
    changed = bytearray(found)
    for _ in range(data.draw(st.integers(0, 3))):
        if changed:
            changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(changed)))
    agree(fields, bytes(changed), 0, end)  # what lies behind is there, and is not read
    agree(fields, bytes(changed[:end]), 0, end)


@settings(max_examples=100)
@given(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=6), st.binary(max_size=60))
def test_any_bytes_at_all_are_refused_or_read_alike(chosen: list[Column], data: bytes) -> None:
    fields = tuple(
        Field(f"c{i}", f.kind, f.read, f.size, f.scale, f.labels, f.decode) for i, (f, _) in enumerate(chosen)
    )
    agree(fields, data, 0, len(data))


def test_a_row_of_many_columns_has_its_nulls_where_they_were() -> None:
    fields = tuple(Field(f"c{number}", Kind.INT, stored.integer(1, signed=True), 1) for number in range(300))
    data = image([None if number % 3 == 0 else bytes([number % 100]) for number in range(300)])
    (row,) = core.CompiledRows(fields).rows(data, 0, len(data))
    assert row == {f"c{number}": None if number % 3 == 0 else number % 100 for number in range(300)}
    assert agree(fields, data * 2, 0, 2 * len(data)) != "Malformed"


def test_rows_outside_the_bytes_that_are_there_are_refused() -> None:
    codec = core.CompiledRows((Field("a", Kind.INT, stored.integer(1, signed=True), 1),))
    for at, end in ((0, 3), (-2, 2), (2, 1), (0, 1)):
        with pytest.raises(Malformed):
            codec.rows(b"\0\1", at, end)
    assert codec.rows(b"\0\1", 2, 2) == []
    with pytest.raises(TypeError):
        codec.rows(memoryview(b"\0\1"), 0, 2)


def test_rows_without_columns_have_no_bytes() -> None:
    assert agree((), b"", 0, 0) == []
    assert agree((), b"\0", 0, 1) == "Malformed"


def test_a_read_that_goes_back_or_fails_is_refused() -> None:
    def back(_data: bytes, at: int) -> tuple[int, int]:
        return 1, at - 1

    def fails(_data: bytes, _at: int) -> tuple[int, int]:
        raise IndexError

    for read in (back, fails):
        with pytest.raises(Malformed):
            core.CompiledRows((Field("a", Kind.OTHER, read),)).rows(b"\0\1\2", 0, 3)


def test_a_decimal_has_its_columns_scale_and_never_a_negative_zero() -> None:
    field = Field("a", Kind.DECIMAL, decimal(4, 2), 4, 2)
    rows = core.CompiledRows((field,)).rows(b"\0\x80\0\0\x7f\xff\0\x7f\xfe", 0, 9)
    assert [str(row["a"]) for row in rows] == ["0.00", "0.00", "-0.01"]
    assert type(rows[0]["a"]) is Decimal
