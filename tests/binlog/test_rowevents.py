"""Whole rows events: their heads, images that lack columns, and events that are not of their table."""

import pytest

from keymap.values import Row
from keyshift.binlog.columns import field_of
from keyshift.binlog.errors import Malformed
from keyshift.binlog.packets import DELETES, INSERTS, UPDATES
from keyshift.binlog.rowevents import Images, Table, rows_header
from keyshift.binlog.tablemap import parse_table_map
from keyshift.cli.demo.database import Database
from tests.binlog import encode
from tests.binlog.decoded import images
from tests.binlog.logfile import body, logged

ROWS = INSERTS | UPDATES | DELETES


def changes(database: Database, schema: str, *statements: str) -> list[tuple[bool, Images]]:
    """Of each rows event of these statements: whether its images are full, and its images."""
    found, table = [], None
    for event in logged(database, schema, *statements):
        kind, content = event[4], body(event)
        if kind == encode.TABLE_MAP_EVENT:
            parsed = parse_table_map(content, mariadb=database.flavour == "mariadb")
            table = Table(parsed, [field_of(column, None, column.name or "") for column in parsed.columns])
        elif kind in ROWS:
            assert table is not None
            found.append((rows_header(kind, content).is_full, images(kind, content, table)))
    return found


CREATE = "CREATE TABLE t (a INT, b TEXT, c VARCHAR(9) CHARACTER SET latin1, PRIMARY KEY (a))"


def row(a: int, b: str | None, c: str | None) -> Row:
    return {"a": a, "b": b, "c": c}


def test_inserts_updates_and_deletes_have_their_images(database: Database, schema: str) -> None:
    found = changes(
        database,
        schema,
        CREATE,
        "INSERT INTO t VALUES (1, 'x', 'é'), (2, NULL, NULL)",
        "UPDATE t SET c = 'z', a = a + 10 ORDER BY a DESC",
        "DELETE FROM t ORDER BY a",
    )
    assert found == [
        (True, [(None, row(1, "x", "é")), (None, row(2, None, None))]),
        (True, [(row(2, None, None), row(12, None, "z")), (row(1, "x", "é"), row(11, "x", "z"))]),
        (True, [(row(11, "x", "z"), None), (row(12, None, "z"), None)]),
    ]


def test_images_without_some_columns_tell_so_and_have_the_others(database: Database, schema: str) -> None:
    """binlog_row_image=MINIMAL: an UPDATE's two images have different columns."""
    found = changes(
        database,
        schema,
        CREATE,
        "SET SESSION binlog_row_image = MINIMAL",
        "INSERT INTO t (a, c) VALUES (1, 'y')",
        "UPDATE t SET c = 'z'",
        "UPDATE t SET b = NULL, c = NULL",
        "DELETE FROM t",
    )
    inserted = found.pop(0)
    assert inserted in [(False, [(None, {"a": 1, "c": "y"})]), (True, [(None, row(1, None, "y"))])]
    assert found == [
        (False, [({"a": 1}, {"c": "z"})]),
        (False, [({"a": 1}, {"b": None, "c": None})]),
        (False, [({"a": 1}, None)]),
    ]


def test_images_without_large_columns_tell_so(database: Database, schema: str) -> None:
    found = changes(
        database,
        schema,
        CREATE,
        "SET SESSION binlog_row_image = NOBLOB",
        "INSERT INTO t VALUES (1, 'x', 'y')",
        "UPDATE t SET c = 'z'",
        "UPDATE t SET b = 'w'",
    )
    assert found == [
        (True, [(None, row(1, "x", "y"))]),
        (False, [({"a": 1, "c": "y"}, {"a": 1, "c": "z"})]),
        (False, [({"a": 1, "c": "z"}, row(1, "w", "z"))]),
    ]


def test_the_numbers_of_partitions_are_passed_over(mysql: Database, schema: str) -> None:
    """MySQL has them in the extra data before the rows: one for an INSERT, two for an UPDATE that moves the row."""
    parts = "PARTITION BY RANGE (a) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)"
    statements = [f"CREATE TABLE t (a INT PRIMARY KEY) {parts}", "INSERT INTO t VALUES (1)", "UPDATE t SET a = 20"]
    assert changes(mysql, schema, *statements) == [(True, [(None, {"a": 1})]), (True, [({"a": 1}, {"a": 20})])]


def reader(count: int = 2) -> Table:
    columns = [encode.Column(f"c{at}", encode.TINY) for at in range(count)]
    parsed = parse_table_map(encode.table_map(columns))
    return Table(parsed, [field_of(column, None, column.name or "") for column in parsed.columns])


HEAD = b"\1\0\0\0\0\0\1\0"


@pytest.mark.parametrize("extra", [b"", b"\0\x05abc", b"\1\2\0", bytes(300)])
def test_extra_data_of_any_length_are_passed_over(extra: bytes) -> None:
    """NDB's, a partition's, or what nobody knows yet."""
    content = HEAD + (2 + len(extra)).to_bytes(2, "little") + extra + b"\2\xff" + b"\xfc\1\2"
    assert images(30, content, reader()) == [(None, {"c0": 1, "c1": 2})]


@pytest.mark.parametrize(
    ("kind", "content", "text"),
    [
        (30, HEAD + b"\1\0\2\xff\0\1\2", "extra data of an impossible length"),
        (30, HEAD + b"\x30\0\2\xff\0\1\2", "46 bytes are wanted"),
        (30, HEAD + b"\2\0\3\xff\0\1\2", "has 3 columns, its table 2"),
        (30, HEAD + b"\2\0\1\xff\0\1\2", "has 1 columns, its table 2"),
        (23, HEAD + b"\xfd\xff\xff\xff\xff\0\1\2", "bytes are wanted"),
        (23, HEAD + b"\xfe" + b"\xff" * 8, "bytes are wanted"),
        (23, HEAD + b"\2\0\0\1\2", "without columns|have no columns"),
        (24, HEAD + b"\2\0\0\1\2", "without columns|have no columns"),
        (24, HEAD + b"\2\1\2\0\1", "beyond the end|cannot be read"),
        (23, HEAD + b"\2", "1 bytes are wanted"),
        (24, HEAD + b"\2\xff", "1 bytes are wanted"),
        (23, HEAD[:5], "8 bytes are wanted"),
        (39, HEAD + b"\2\0\2\xff\xff", "not one of whole rows"),
    ],
)
def test_an_event_that_cannot_be_of_its_table_is_refused(kind: int, content: bytes, text: str) -> None:
    with pytest.raises(Malformed, match=text):
        images(kind, content, reader())


def test_images_of_different_columns_are_read_by_turns() -> None:
    content = HEAD + b"\2\1\2" + b"\0\7\0\x08" + b"\1\0\x09"
    assert images(24, content, reader()) == [({"c0": 7}, {"c1": 8}), ({"c0": None}, {"c1": 9})]
    assert not rows_header(24, content).is_full


def test_an_event_without_rows_has_none() -> None:
    assert images(23, HEAD + b"\2\xff", reader()) == []
    assert images(24, HEAD + b"\2\xff\xff", reader()) == []


def test_a_table_knows_the_decoders_of_some_bitmaps_only() -> None:
    table = reader(6)
    for bitmap in range(1, 64):
        content = HEAD + b"\6" + bytes([bitmap]) + b"\0" + b"\5" * bitmap.bit_count()
        ((_, found),) = images(23, content, table)
        assert found == {f"c{at}": 5 for at in range(6) if bitmap >> at & 1}
    assert len(table._codecs) < 20


def test_a_table_with_another_number_of_columns_than_its_map_is_refused() -> None:
    table = reader(3)
    with pytest.raises(Malformed, match=r"db\.t has another number of columns"):
        Table(table.map, table.fields[:2])
