"""Fuzz of tables and rows: generated events give exactly their rows, in every decoder; whatever else is refused.

Bytes that no server wrote either raise our error, or give rows of the right shape (a flipped bit in a number is
another number), and every decoder says the same. `KEYSHIFT_FUZZ_EXAMPLES=N` for long runs: see fuzzing.py.
"""

import tracemalloc
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keyshift.binlog.errors import Malformed
from keyshift.binlog.fields import Field, Kind
from keyshift.binlog.rowevents import Table as Reader
from keyshift.binlog.rows import compile_rows
from keyshift.binlog.tablemap import parse_table_map
from tests.binlog import again, encode
from tests.binlog.decoded import images
from tests.binlog.fuzzing import agreed_images, codecs, examples, fields_of, mutations, outcome, require_shape, typed
from tests.binlog.fuzzing import bounded_memory as bounded_memory  # noqa: PLC0414 - a fixture of this module
from tests.binlog.generate import Table, tables

KINDS: dict[int, encode.Kind] = {number: kind for (kind, _), number in encode.ROWS_EVENT.items()}
OLD = {encode.TIMESTAMP, encode.DATETIME, encode.TIME}  # MariaDB writes fractions by these types too, the schema tells
ALLOCATION_BYTES_MAX = 20_000_000  # for events of a few hundred bytes; a length that is believed takes far more


def _reader(
    table: Table, metadata: encode.Metadata = "FULL", flavour: encode.Flavour = "mysql", *, compact: bool | None = None
) -> Reader:
    """How the rows of a generated table are read; what its map does not say is known from the schema."""
    body = encode.table_map(
        table.columns, metadata=metadata, flavour=flavour, primary_key=table.primary_key, compact_charsets=compact
    )
    parsed = parse_table_map(body, mariadb=flavour == "mariadb")
    known = [one.known if metadata != "FULL" or one.column.type in OLD else None for one in table.drawn]
    return Reader(parsed, fields_of(parsed, known, [one.name for one in table.columns]))


def _rows_event(table: Table, kind: int, flavour: encode.Flavour = "mysql", extra: bytes = b"") -> bytes:
    version = 1 if kind < 30 else 2
    return encode.rows(table.stored, len(table.drawn), kind=KINDS[kind], version=version, flavour=flavour, extra=extra)


def _expected(table: Table, kind: int) -> list[Any]:
    match KINDS[kind]:
        case "insert":
            return [(None, row) for row in table.rows]
        case "delete":
            return [(row, None) for row in table.rows]
    return list(zip(table.rows[::2], table.rows[1::2], strict=True))


FLAVOURS = st.sampled_from(["mysql", "mariadb"])
COMPACT = st.sampled_from([None, True, False])


@examples(150)
@given(tables(), st.sampled_from(["FULL", "MINIMAL", "NONE"]), FLAVOURS, COMPACT)
def test_a_table_map_is_read_as_it_was_written(
    table: Table, metadata: encode.Metadata, flavour: encode.Flavour, compact: bool | None
) -> None:
    found = _reader(table, metadata, flavour, compact=compact).map
    assert (found.database, found.table, found.full) == ("db", "t", metadata == "FULL")
    assert [(one.type, one.nullable) for one in found.columns] == [(one.type, one.nullable) for one in table.columns]
    assert [one.meta for one in found.columns] == [_meta(one) for one in table.columns]
    if metadata == "FULL":
        assert [one.name for one in found.columns] == [one.name for one in table.columns]
        assert [one.labels for one in found.columns] == [one.labels for one in table.columns]
        assert [(one.index, one.prefix) for one in found.primary_key] == list(table.primary_key)
        assert flavour == "mariadb" or [one.visible for one in found.columns] == [one.visible for one in table.columns]
    if metadata != "NONE":
        signs = [one.unsigned for one in table.columns if one.type in encode.NUMERIC]
        assert [bool(one.unsigned) for one in found.columns if one.type in encode.NUMERIC] == signs


def _meta(column: encode.Column) -> int:
    """Of an ENUM or SET and of long CHARs, the two bytes hold the real type too."""
    return int.from_bytes(column.meta, "little")


@examples(200)
@given(tables(), st.sampled_from(sorted(KINDS)), FLAVOURS, st.sampled_from(["FULL", "MINIMAL", "NONE"]))
def test_generated_rows_are_read_exactly(
    table: Table, kind: int, flavour: encode.Flavour, metadata: encode.Metadata
) -> None:
    reader = _reader(table, metadata, flavour)
    body = _rows_event(table, kind, flavour, extra=b"\0\3abc")
    assert typed(agreed_images(kind, body, reader)) == typed(_expected(table, kind))


@examples(60)
@given(tables(), st.data())
def test_images_without_some_columns_have_the_others(table: Table, data: st.DataObject) -> None:
    count = len(table.drawn)
    bitmaps = [data.draw(st.lists(st.booleans(), min_size=count, max_size=count)) for _ in range(2)]
    assume(all(any(bitmap) for bitmap in bitmaps))
    stored, expected = [], []
    for at, (row, canonical) in enumerate(zip(table.stored, table.rows, strict=True)):
        present = bitmaps[at % 2]
        stored.append([value for value, here in zip(row, present, strict=True) if here])
        expected.append({name: value for (name, value), here in zip(canonical.items(), present, strict=True) if here})
    body = encode.rows(stored, count, kind="update", present=bitmaps[0], present_after=bitmaps[1])
    assert typed(images(31, body, _reader(table))) == typed(list(zip(expected[::2], expected[1::2], strict=True)))


@pytest.mark.parametrize("count", [250, 251, 300, 4096])
def test_any_number_of_columns_is_read(count: int) -> None:
    columns = [encode.Column(f"c{at}", encode.SHORT, unsigned=at % 3 == 0) for at in range(count)]
    parsed = parse_table_map(encode.table_map(columns, primary_key=[(count - 1, 0)]))
    reader = Reader(parsed, fields_of(parsed, [None] * count, [""] * count))
    row = [None if at % 5 == 4 else at.to_bytes(2, "little") for at in range(count)]
    expected = {f"c{at}": None if at % 5 == 4 else at for at in range(count)}
    assert agreed_images(30, encode.rows([row, row], count), reader) == [(None, expected)] * 2


@examples(250)
@given(tables(columns_max=6, rows_min=1), st.sampled_from(sorted(KINDS)), st.data())
def test_a_mutated_rows_event_is_refused_or_gives_rows_of_its_table(
    table: Table, kind: int, data: st.DataObject
) -> None:
    body = data.draw(mutations(_rows_event(table, kind)))
    reader = _reader(table)
    found = agreed_images(kind, body, reader)
    for image in found or ():
        rows = [row for row in image if row is not None]
        fields = [[field for field in reader.fields if field.name in row] for row in rows]
        for row, present in zip(rows, fields, strict=True):
            require_shape([row], present, body)


WITH_FRACTION = (Kind.TIMESTAMP, Kind.DATETIME, Kind.TIME)


@examples(250)
@given(tables(columns_max=4, rows_min=1, rows_max=2, types=again.TYPES), st.data())
def test_mutated_values_are_refused_or_are_what_the_bytes_say(table: Table, data: st.DataObject) -> None:
    """Whatever is read is what is stored: encoded again, it gives the same bytes."""
    fields = _reader(table).fields
    odd = [field for field in fields if field.kind in WITH_FRACTION and field.scale % 2]
    assume(not odd)  # a text that lacks the last digit that is stored, a zero
    stored = data.draw(mutations(b"".join(encode.image(row) for row in table.stored)))
    try:
        rows = compile_rows(fields).rows(stored, 0, len(stored))
    except Malformed:
        return
    bits, full = (again.images(rows, fields, fill=fill) for fill in (False, True))
    assert len(stored) == len(bits)
    assert all(one & ~two == 0 and one & ~three == 0 for one, two, three in zip(bits, full, stored, strict=True))
    assert all(one & ~two == 0 for one, two in zip(stored, full, strict=True))


@examples(100)
@given(tables(columns_max=6, rows_max=2), st.data())
def test_rows_cut_anywhere_are_refused(table: Table, data: st.DataObject) -> None:
    """No end but that of a row is taken for one, in any decoder."""
    fields = _reader(table).fields
    whole = b"".join(encode.image(row) for row in table.stored)
    ends = [len(b"".join(encode.image(row) for row in table.stored[:count])) for count in range(len(table.stored) + 1)]
    cut = data.draw(st.integers(0, len(whole)))
    for name, codec in codecs(fields).items():
        found = outcome(lambda codec=codec: codec.rows(whole[:cut], 0, cut))
        expected = typed(list(table.rows[: ends.index(cut)])) if cut in ends else "refused"
        assert found == expected, name
        assert outcome(lambda codec=codec: codec.rows(whole, 0, cut)) == expected, f"{name}, with bytes behind the end"


@examples(250)
@given(tables(columns_max=6, rows_min=1), FLAVOURS, st.data())
def test_a_mutated_table_map_is_refused_or_describes_a_table(
    table: Table, flavour: encode.Flavour, data: st.DataObject
) -> None:
    body = encode.table_map(table.columns, flavour=flavour, primary_key=table.primary_key)
    mutated = data.draw(mutations(body))
    rows = _rows_event(table, 30)

    def read() -> Any:
        parsed = parse_table_map(mutated, mariadb=flavour == "mariadb")
        names = [f"c{at}" for at in range(len(parsed.columns))]
        fields = [replace(one, name=name) for one, name in zip(_fields(parsed), names, strict=True)]
        return agreed_images(30, rows, Reader(parsed, fields))

    outcome(read)


def _fields(parsed: Any) -> list[Field]:
    count = len(parsed.columns)
    return fields_of(parsed, [None] * count, [f"c{at}" for at in range(count)])


@examples(150)
@given(tables(columns_max=3), tables(columns_max=3, rows_min=1), st.sampled_from([23, 30, 31]))
def test_rows_of_another_table_are_refused_or_have_this_tables_shape(one: Table, other: Table, kind: int) -> None:
    reader = _reader(one)
    found = agreed_images(kind, _rows_event(other, kind), reader)
    assert found is None or len(one.drawn) == len(other.drawn)
    for image in found or ():
        require_shape([row for row in image if row is not None], reader.fields, _rows_event(other, kind))


@examples(60)
@given(tables(columns_max=4, rows_max=2), st.data())
def test_no_bytes_make_a_reader_allocate_much(table: Table, data: st.DataObject) -> None:
    maps = data.draw(mutations(encode.table_map(table.columns)))
    rows = data.draw(mutations(_rows_event(table, 31)))
    reader = _reader(table)
    tracemalloc.start()
    try:
        outcome(lambda: parse_table_map(maps))
        outcome(lambda: images(31, rows, reader))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < ALLOCATION_BYTES_MAX


@pytest.mark.parametrize("count", [1 << 20, 1 << 34, (1 << 64) - 1])
def test_a_column_count_beyond_the_bytes_is_refused(count: int) -> None:
    body = bytes(8) + b"\2\0" + encode.lenenc(count) + b"\xff" * 20
    columns = bytes(8) + b"\2db\0\1t\0" + encode.lenenc(count) + b"\3" * 20
    tracemalloc.start()
    try:
        with pytest.raises(Malformed):
            parse_table_map(columns)
        with pytest.raises(Malformed):
            images(30, body, _one_column())
        assert tracemalloc.get_traced_memory()[1] < ALLOCATION_BYTES_MAX
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_rows_without_columns_are_refused(kind: int) -> None:
    """They take no bytes, so that nothing says how many there are."""
    body = encode.rows([], 1, kind=KINDS[kind], version=1 if kind < 30 else 2, present=[False], present_after=[False])
    assert agreed_images(kind, body + b"x", _one_column()) is None


def test_two_columns_of_one_name_are_refused() -> None:
    parsed = parse_table_map(encode.table_map([encode.Column("a", encode.TINY)] * 2))
    with pytest.raises(Malformed, match="two columns of one name"):
        Reader(parsed, _fields(parsed))


def _one_column() -> Reader:
    parsed = parse_table_map(encode.table_map([encode.Column("a", encode.LONG)]))
    return Reader(parsed, _fields(parsed))
