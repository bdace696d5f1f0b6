"""One table, read both ways: by SELECT in primary-key order, and from the binlog in the order of its inserts."""

import secrets
from collections.abc import Callable, Sequence
from typing import Any

from keymap.attributes import attribute
from keymap.schema import TableSchema
from keymap.values import Row
from keyshift.cli.demo.database import Database
from keyshift.mysql.connection import connect
from tests.cdc.sources import facts_and_end, images, read_events, schemas_of
from tests.mysql.readers import rows_of
from tests.mysql.sources import execute, source_of
from tests.types.cases import Case

# What old rows hold, and a zone that no value may depend on.
MODE = "SET SESSION sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO', time_zone = '+05:30'"
OPTIONS = "DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin"

SchemaOf = Callable[[Database, str], TableSchema]


def described_schema(database: Database, name: str) -> TableSchema:
    """The table of a server whose binlog describes its tables."""
    return schemas_of(database, name)[name]


def require(database: Database, schema: str, cases: Sequence[Case], schema_of: SchemaOf = described_schema) -> None:
    """Every case has its canonical value on both paths; all are in one table, with a second row of NULLs."""
    columns = [f"c{number} {kind.removesuffix(' NULL')} NULL" for number, (kind, _, _) in enumerate(cases)]
    rows = [[sql for _, sql, _ in cases], ["NULL"] * len(cases)]
    values, nulls = both_ways(database, schema, columns, rows, schema_of)
    expected = {f"{kind} {sql[:40]}": exact(value) for kind, sql, value in cases}
    found = {f"{kind} {sql[:40]}": exact(values[f"c{number}"]) for number, (kind, sql, _) in enumerate(cases)}
    assert found == expected
    assert [value for name, value in nulls.items() if name != "id"] == [None] * len(cases)


def both_ways(
    database: Database,
    schema: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    schema_of: SchemaOf = described_schema,
) -> list[Row]:
    """Insert rows of SQL expressions into a new table, and read it both ways; gives the rows that both gave.

    `columns` are definitions, such as "c0 INT NULL"; a primary key `id` counting from 0 is added.
    """
    table = f"t_{secrets.token_hex(4)}"
    execute(database, MODE, f"CREATE TABLE {table} (id INT PRIMARY KEY, {', '.join(columns)}) {OPTIONS}", schema=schema)
    return both_ways_of(database, f"{schema}.{table}", rows, schema_of)


def both_ways_of(
    database: Database, name: str, rows: Sequence[Sequence[str]], schema_of: SchemaOf = described_schema
) -> list[Row]:
    """The same for an empty table that is there, `db.table`, whose first column is its primary key `id`.

    With another `schema_of` than the default the binlog need not describe the table, and has no GTIDs.
    The rows are then updated by one statement that changes each of them: both images must be the rows.
    """
    database_name, table = name.split(".")
    _, start = facts_and_end(database)
    inserts = [f"INSERT INTO {table} VALUES ({', '.join([str(number), *row])})" for number, row in enumerate(rows)]
    execute(database, MODE, *inserts, schema=database_name)
    schema = schema_of(database, name)
    selected = select(database, schema)
    execute(database, MODE, f"UPDATE {table} SET id = id + 1000 ORDER BY id", schema=database_name)
    described = schema_of is described_schema
    gtids = None if described else False
    found = images(read_events(database, start, {name: schema}, gtids=gtids, described=described), name)
    inserted, updated = found[: len(rows)], found[len(rows) :]
    same_rows(selected, [after for _, after in inserted])
    same_rows(selected, [before for before, _ in updated])
    same_rows([row | {"id": _moved(row)} for row in selected], [after for _, after in updated])
    return selected


def select(database: Database, schema: TableSchema) -> list[Row]:
    """The table's rows by every reader that we have, which must agree."""
    connection = connect(source_of(database))
    try:
        return rows_of(connection, schema)
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
