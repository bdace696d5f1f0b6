"""The generated decoder: the plain loop's results, whatever the columns are called and however NULLs are strewn."""

from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymap.values import Row
from keyshift import native
from keyshift.binlog import generate, stored, texts
from keyshift.binlog.columns import field_of
from keyshift.binlog.errors import Malformed
from keyshift.binlog.fields import Field, Kind
from keyshift.binlog.generate import GeneratedRows
from keyshift.binlog.rowevents import Table
from keyshift.binlog.rows import ReferenceRows, compile_rows
from keyshift.binlog.tablemap import parse_table_map
from keyshift.cli.demo.database import Database
from keyshift.mysql.connection import connect
from keyshift.mysql.schema import read_schemas
from keyshift.mysql.table_reader import read_chunk
from tests.binlog import encode
from tests.binlog.decoded import images
from tests.binlog.fuzzing import codecs, examples, outcome, typed
from tests.binlog.generate import Table as Drawn
from tests.binlog.generate import tables
from tests.binlog.logfile import body, logged
from tests.mysql.sources import source_of
from tests.types.cases import MARIADB, MYSQL, TRAPS


def integer(name: str, size: int = 2) -> Field:
    return Field(name, Kind.INT, stored.integer(size, signed=True), size)


def text(name: str) -> Field:
    return Field(name, Kind.TEXT, stored.text(1, None), 1)


@examples(100)
@given(tables(columns_max=6, rows_max=6), st.integers(1, 60))
def test_many_rows_of_few_patterns_of_nulls_are_read_as_by_the_plain_loop(table: Drawn, times: int) -> None:
    """Often enough that a function is written for the pattern."""
    parsed = parse_table_map(encode.table_map(table.columns))
    known = [one.known for one in table.drawn]
    fields = [field_of(*one) for one in zip(parsed.columns, known, [k.name for k in known], strict=True)]
    data = b"".join(encode.image(row) for row in table.stored) * times
    assert typed(GeneratedRows(fields).rows(data, 0, len(data))) == typed(list(table.rows) * times)


def test_every_pattern_of_nulls_is_read_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "_SHAPES_MAX", 8)
    monkeypatch.setattr(generate, "_PATTERNS_MAX", 16)
    monkeypatch.setattr(generate, "_OFTEN", 2)
    fields = [integer(f"c{at}") if at % 2 else text(f"c{at}") for at in range(6)]
    codec = GeneratedRows(fields)
    patterns = list(product((False, True), repeat=6))
    for chosen in [*patterns, *patterns[:10] * 3, *patterns]:
        values = [None if null else b"\1\0" if at % 2 else b"\1x" for at, null in enumerate(chosen)]
        data = encode.image(values)
        expected = {f"c{at}": None if null else 1 if at % 2 else "x" for at, null in enumerate(chosen)}
        assert codec.rows(data, 0, len(data)) == [expected]


NAMES = [
    "a'b",
    'a"b',
    "'''",
    "\\",
    "{x}",
    "%s",
    "a\nb",
    "class",
    "data",
    "at",
    "🐍",
    "\u2028",
    "', **exit() or '",
    "#",
    "",
]


def test_a_columns_name_is_only_a_name() -> None:
    """Names are data in the generated source: no quote, brace or line break ends them."""
    fields = [integer(name, 1) for name in NAMES]
    data = encode.image([bytes([at]) for at in range(len(NAMES))])
    assert GeneratedRows(fields).rows(data, 0, len(data)) == [{name: at for at, name in enumerate(NAMES)}]


@given(st.lists(st.text(), unique=True, min_size=1, max_size=20))
def test_any_names_are_kept_as_they_are(names: list[str]) -> None:
    data = encode.image([bytes([at]) for at in range(len(names))])
    (row,) = GeneratedRows([integer(name, 1) for name in names]).rows(data, 0, len(data))
    assert list(row.items()) == [(name, at) for at, name in enumerate(names)]


def test_bits_behind_the_last_column_do_not_matter() -> None:
    """MySQL sets them in the bitmap of NULLs, MariaDB in some events."""
    for codec in codecs([integer("a", 1), integer("b", 1)]).values():
        assert codec.rows(b"\xfc\1\2" + b"\xfd\3" + b"\0\4\5", 0, 8) == [
            {"a": 1, "b": 2},
            {"a": None, "b": 3},
            {"a": 4, "b": 5},
        ]


@pytest.mark.parametrize(
    "data",
    [b"\0\1\0", b"\0\1\0\3ab", b"\0\1\0\2\xff\xff", b"\0", b"\2\1", b"\0\1\0\2ab\0", b"\3\3\3\0"],
    ids=["no text", "text too short", "not UTF-8", "nothing", "no integer", "a second row begins", "so does a fourth"],
)
def test_what_is_not_a_number_of_whole_rows_is_refused_as_a_whole(data: bytes) -> None:
    for codec in codecs([integer("a"), text("b")]).values():
        for read in (codec.rows, codec.pairs):
            with pytest.raises(Malformed):
                read(data, 0, len(data))


def test_an_odd_number_of_images_is_no_update() -> None:
    for codec in codecs([integer("a", 1)]).values():
        assert codec.pairs(b"\0\1\0\2\0\3\0\4", 0, 8) == [({"a": 1}, {"a": 2}), ({"a": 3}, {"a": 4})]
        with pytest.raises(Malformed):
            codec.pairs(b"\0\1\0\2\0\3", 0, 6)


def test_a_refusal_does_not_show_what_is_in_the_row() -> None:
    for codec in codecs([text("b")]).values():
        with pytest.raises(Malformed) as raised:
            codec.rows(b"\0\7secret\xff", 0, 9)
        assert "secret" not in str(raised.value)


def test_a_column_that_ends_before_it_begins_does_not_go_on_for_ever() -> None:
    back = Field("b", Kind.OTHER, lambda _data, at: (None, at - 1))
    for codec in codecs([back]).values():
        assert outcome(lambda codec=codec: codec.rows(b"\0\0", 0, 2)) == "refused"


def test_remembered_texts_are_bounded() -> None:
    kept = texts.Remembered(str)
    assert [kept[number] for number in range(3 * texts.REMEMBERED_MAX)] == [*map(str, range(3 * texts.REMEMBERED_MAX))]
    assert len(kept) <= texts.REMEMBERED_MAX


def test_the_switch_chooses_pure_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(native.SWITCH, "1")
    assert isinstance(compile_rows([integer("a")]), generate.GeneratedRows)


def live_rows(
    database: Database, schema: str, columns: list[str], values: list[str]
) -> Iterator[tuple[str, list[Row]]]:
    """The inserted rows by SELECT and by every decoder, by the decoder's name."""
    create = f"CREATE TABLE t (id INT PRIMARY KEY, {', '.join(columns)}) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin"
    mode = "SET SESSION sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO', time_zone = '+05:30'"
    inserts = [f"INSERT INTO t VALUES ({', '.join(row)})" for row in (["1", *values], ["2", *["NULL"] * len(values)])]
    events = [(event[4], body(event)) for event in logged(database, schema, mode, create, *inserts)]
    connection = connect(source_of(database))
    try:
        (table,) = read_schemas(connection, [f"{schema}.t"]).values()
        yield "select", read_chunk(connection, table, None, 10).rows
    finally:
        connection.close()
    (parsed, *_) = [parse_table_map(one, mariadb=database.flavour == "mariadb") for kind, one in events if kind == 19]
    fields = [field_of(*one, one[1].name) for one in zip(parsed.columns, table.columns, strict=True)]
    for name in codecs(fields):
        reader = Table(parsed, fields)
        reader.codec = lambda bitmap, name=name: codecs(reader.present(bitmap))[name]  # noqa: B023
        yield name, [row for kind, one in events if kind in {23, 30} for _, row in images(kind, one, reader) if row]


def test_every_decoder_gives_what_select_gives(database: Database, schema: str) -> None:
    cases = TRAPS + (MARIADB if database.flavour == "mariadb" else MYSQL)
    columns = [f"c{at} {kind.removesuffix(' NULL')} NULL" for at, (kind, _, _) in enumerate(cases)]
    (_, selected), *decoded = live_rows(database, schema, columns, [value for _, value, _ in cases])
    assert len(selected) == 2
    for name, rows in decoded:
        assert typed(rows) == typed(selected), name


def test_reference_rows_stop_at_their_end_though_more_bytes_are_there() -> None:
    codec = ReferenceRows([integer("a", 1)])
    assert codec.row(b"\0\1\0\2", 0, 4) == ({"a": 1}, 2)
    with pytest.raises(Malformed):
        codec.row(b"\0\1\0\2", 2, 3)
