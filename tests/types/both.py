"""One table, read both ways: by SELECT in primary-key order, and from the binlog in the order of its inserts."""

import secrets
from collections.abc import Sequence
from typing import Any

from keymap.attributes import attribute
from keymap.values import Row
from keyshift.cli.demo.database import Database
from keyshift.mysql.connection import connect
from keyshift.mysql.table_reader import read_chunk
from tests.cdc.sources import facts_and_end, images, read_events, schemas_of
from tests.mysql.sources import execute, source_of

# What old rows hold, and a zone that no value may depend on.
MODE = "SET SESSION sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO', time_zone = '+05:30'"
OPTIONS = "DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin"


def both_ways(database: Database, schema: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[Row]:
    """Insert rows of SQL expressions into a new table, and read it both ways; gives the rows that both gave.

    `columns` are definitions, such as "c0 INT NULL"; a primary key `id` counting from 0 is added. The table is then
    updated too, by one statement that changes every row: both images must be the rows.
    """
    table = f"t_{secrets.token_hex(4)}"
    execute(database, MODE, f"CREATE TABLE {table} (id INT PRIMARY KEY, {', '.join(columns)}) {OPTIONS}", schema=schema)
    _, start = facts_and_end(database)
    inserts = [f"INSERT INTO {table} VALUES ({', '.join([str(number), *row])})" for number, row in enumerate(rows)]
    execute(database, MODE, *inserts, schema=schema)
    selected = select(database, f"{schema}.{table}")
    execute(database, MODE, f"UPDATE {table} SET id = id + 1000 ORDER BY id", schema=schema)
    name = f"{schema}.{table}"
    found = images(read_events(database, start, schemas_of(database, name)), name)
    inserted, updated = found[: len(rows)], found[len(rows) :]
    same_rows(selected, [after for _, after in inserted])
    same_rows(selected, [before for before, _ in updated])
    same_rows([row | {"id": _moved(row)} for row in selected], [after for _, after in updated])
    return selected


def select(database: Database, table: str) -> list[Row]:
    """The rows of `db.table` as the dump reads them."""
    connection = connect(source_of(database))
    try:
        return read_chunk(connection, schemas_of(database, table)[table], None, 1_000_000).rows
    finally:
        connection.close()


def _moved(row: Row) -> int:
    assert isinstance(row["id"], int)
    return row["id"] + 1000


def same_rows(selected: Sequence[Row], logged: Sequence[Row | None]) -> None:
    """Equal in names and their order, in values and their types, and in the items that they become."""
    assert len(selected) == len(logged)
    for expected, found in zip(selected, logged, strict=True):
        assert found is not None
        assert [(name, *exact(value)) for name, value in found.items()] == [
            (name, *exact(value)) for name, value in expected.items()
        ]


def exact(value: Any) -> tuple[str, str, str]:
    """Type and text of a value, which tell 1 from 1.0 and 0.0 from -0.0, and its attribute as it is sent."""
    return type(value).__name__, repr(value), repr(attribute(value))
