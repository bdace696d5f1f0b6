"""Tables that changed their shape while they were written to: each event is read with the metadata logged with it."""

from keymap.values import Row
from keyshift.binlog import packets
from keyshift.binlog.columns import field_of
from keyshift.binlog.rowevents import Table
from keyshift.binlog.tablemap import parse_table_map
from keyshift.binlog.tables import KeyColumn, TableMap
from keyshift.cli.demo.database import Database
from tests.binlog.decoded import images
from tests.binlog.raw import end_of_binlog, events_from
from tests.mysql.sources import execute


def written(database: Database, file: str, position: int, schema: str) -> list[tuple[TableMap, list[Row]]]:
    """The rows that were inserted into tables of a schema since then, and how each event's table looked."""
    tables: dict[bytes, Table] = {}
    found = []
    for event in events_from(database, file, position):
        kind, body = packets.header(event).kind, packets.unsigned(event)
        if kind == packets.TABLE_MAP and packets.table_name(body).startswith(f"{schema}."):
            table_map = parse_table_map(body)
            fields = [field_of(column, None, str(column.name)) for column in table_map.columns]
            tables[body[: packets.TABLE_ID_BYTES]] = Table(table_map, fields)
        elif kind in packets.INSERTS and body[: packets.TABLE_ID_BYTES] in tables:
            table = tables[body[: packets.TABLE_ID_BYTES]]
            found.append((table.map, [row for _, row in images(kind, body, table) if row is not None]))
    return found


def test_the_past_is_read_as_it_was_though_the_tables_have_changed_or_are_gone(database: Database, schema: str) -> None:
    file, position, _ = end_of_binlog(database)
    execute(
        database,
        "CREATE TABLE t (a INT, b VARCHAR(20) CHARACTER SET latin1, c ENUM('x', 'y'), PRIMARY KEY (a))",
        "INSERT INTO t VALUES (-1, 'é', 'y')",
        "ALTER TABLE t RENAME COLUMN b TO text, ADD COLUMN first INT UNSIGNED FIRST, MODIFY c ENUM('z', 'x', 'y')",
        "INSERT INTO t VALUES (4000000000, 2, 'ö', 'x')",
        "ALTER TABLE t DROP COLUMN text, DROP PRIMARY KEY, ADD PRIMARY KEY (c, a), MODIFY a BIGINT",
        "INSERT INTO t VALUES (3, 9000000000, 'z')",
        "RENAME TABLE t TO u",
        "INSERT INTO u VALUES (4, 5, 'x')",
        "DROP TABLE u",
        schema=schema,
    )
    found = written(database, file, position, schema)
    assert [rows for _, rows in found] == [
        [{"a": -1, "b": "é", "c": "y"}],
        [{"first": 4_000_000_000, "a": 2, "text": "ö", "c": "x"}],
        [{"first": 3, "a": 9_000_000_000, "c": "z"}],
        [{"first": 4, "a": 5, "c": "x"}],
    ]
    maps = [table_map for table_map, _ in found]
    assert [table_map.full_name for table_map in maps] == [f"{schema}.{name}" for name in "tttu"]
    assert [table_map.primary_key for table_map in maps] == [
        (KeyColumn(0),),
        (KeyColumn(1),),
        (KeyColumn(2), KeyColumn(1)),  # in the order of the key
        (KeyColumn(2), KeyColumn(1)),
    ]


def test_a_key_of_prefixes_and_an_invisible_column_are_told(database: Database, schema: str) -> None:
    file, position, _ = end_of_binlog(database)
    execute(
        database,
        "CREATE TABLE t (a VARCHAR(50), b INT INVISIBLE DEFAULT 3, PRIMARY KEY (a(10)))",
        "INSERT INTO t (a) VALUES ('key')",
        schema=schema,
    )
    ((table_map, rows),) = written(database, file, position, schema)
    assert rows == [{"a": "key", "b": 3}]
    assert table_map.primary_key == (KeyColumn(0, 10),)
    if database.flavour == "mysql":  # MariaDB does not log it
        assert [column.visible for column in table_map.columns] == [True, False]
