"""Rows as lines: the compiled and the pure writer give what values_json makes of the row that the plain loop reads."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keymap.schema import Column
from keymap.wire import values_json
from keyshift import native
from keyshift.mysql.text_lines import ALL, LineForm, LineRows
from keyshift.mysql.text_rows import ReferenceRows, UnreadableRow
from keyshift.mysql.text_values import text_columns
from tests.mysql.test_text_rows import TYPES, column, packets, read, tables

FORMS = [True, *([False] if native.load("keyshift.mysql._lines") else [])]
Table = tuple[list[str], list[list[bytes | None]], int]


def named(kinds: list[str]) -> list[Column]:
    described = [TYPES[kind][0] for kind in kinds]
    return [
        Column(f"c{number}", one.data_type, one.column_type, nullable=True, charset=one.charset)
        for number, one in enumerate(described)
    ]


def expected(columns: list[Column], extra: int, data: bytes) -> str:
    """Lines, their number, where it stops, and the last row; or why not."""
    try:
        rows, extras, at, sequence = read(ReferenceRows(text_columns(columns), extra), data)
    except UnreadableRow as error:
        return str(error)
    lines = b"".join(values_json(list(row.values()), has_sets=True) + b"\n" for row in rows)
    return repr((lines, at, sequence, (rows[-1], extras[-1] if extra else ()) if rows else None))


def found(form: LineForm, data: bytes) -> str:
    parts: list[bytes] = []
    lines = LineRows(form, parts.append)
    try:
        at, sequence = lines.scan(data, 0, 0)
    except UnreadableRow as error:
        return str(error)
    return repr((b"".join(parts), at, sequence, lines.last() if lines.rows else None))


@pytest.mark.parametrize("pure", FORMS)
@given(table=tables())
def test_lines_are_those_of_the_rows_that_the_plain_loop_reads(pure: bool, table: Table) -> None:
    kinds, values, extra = table
    columns, data = named(kinds), packets(values)
    form = LineForm(columns, extra, pure=pure)
    assert found(form, data) == expected(columns, extra, data)
    for row in values:
        body = packets([row])[4:]
        assert form.line(body) == form.scan(packets([row]), 0, 0, ALL)[0]


NUMBERS = "- 0 -0 00 -007 1. .5 -.5 0.0000000 0.0000001 -0.00 1e5 1E-7 1.2.3 --1 nan inf 100 0.0".split()
DOCUMENTS = ['{"a": "\\u00e4\\n"}', "[1, 2.50, 1e400]", "{", '"\\ud800"']
MOMENTS = ["0000-00-00 00:00:00", '2024-01-02 03:04:05"', "2024-01-02T03:04:05"]
NO_TEXT = [bytes.fromhex(text) for text in "eda080 c080 f4908080 e08080 f0808080 c3 ff 6180".split()]
ODD = st.one_of(
    st.sampled_from(["", *NUMBERS, *DOCUMENTS, *MOMENTS, "ä€😀", "x" * 300]).map(str.encode),
    st.sampled_from([*NO_TEXT, bytes(range(0x80))]),
    st.sampled_from([15, 16, 18, 19, 40]).map(lambda size: b"9" * size),
)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("pure", FORMS)
@given(chosen=st.data())
def test_odd_values_of_each_type_are_written_or_refused_as_by_the_plain_loop(
    pure: bool, kind: str, chosen: st.DataObject
) -> None:
    values = st.none() | ODD | st.binary(max_size=40) | st.text(max_size=40).map(str.encode)
    rows = [[chosen.draw(values)] for _ in range(chosen.draw(st.integers(1, 3)))]
    columns = named([kind])
    assert found(LineForm(columns, pure=pure), packets(rows)) == expected(columns, 0, packets(rows))


@pytest.mark.parametrize("pure", FORMS)
@given(table=tables(), cut=st.integers(0, 400), at=st.integers(0, 400), byte=st.integers(0, 255))
@example(table=(["bigint"], [[b"1"], [b"2"]], 0), cut=1, at=0, byte=2)
def test_changed_bytes_give_the_same_lines_or_the_same_refusal(
    pure: bool, table: Table, cut: int, at: int, byte: int
) -> None:
    kinds, values, extra = table
    columns, data = named(kinds), bytearray(packets(values))
    if data:
        data[at % len(data)] = byte
    damaged = bytes(data[: len(data) - cut % (len(data) + 1)]) if at % 2 else bytes(data)
    assert found(LineForm(columns, extra, pure=pure), damaged) == expected(columns, extra, damaged)


@pytest.mark.parametrize("pure", FORMS)
def test_rows_beyond_the_limit_are_not_taken_but_told(pure: bool) -> None:
    parts: list[bytes] = []
    lines = LineRows(LineForm([column("int")], pure=pure), parts.append, most=2)
    data = packets([[b"1"], [b"2"], [b"3"]])
    at, sequence = lines.scan(data, 0, 0)
    assert (parts, lines.rows, sequence) == ([b"[1]\n[2]\n"], 2, 2)
    assert lines.scan(data, at, sequence) == (at, sequence)
    assert not lines.more
    lines.row(data[at + 4 :])
    assert (lines.rows, lines.more, lines.last()) == (2, True, ({"c": 2}, ()))
