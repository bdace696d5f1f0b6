"""Rows of captured tables as real servers log them, through the daemon's own door; their types are tests/types' job."""

import pytest

from keymap.errors import KeyshiftError
from keymap.values import Row
from keyshift.cli.demo.database import Database
from tests.cdc.sources import facts_and_end, images, read_events, schemas_of
from tests.mysql.sources import execute


def test_an_update_has_both_images_and_a_delete_the_last(database: Database, schema: str) -> None:
    execute(database, "CREATE TABLE t (a INT, b INT, v VARCHAR(9), PRIMARY KEY (b, a))", schema=schema)
    _, start = facts_and_end(database)
    statements = ["INSERT INTO t VALUES (1, 2, 'x'), (3, 4, NULL)", "UPDATE t SET v = 'y'", "UPDATE t SET a = a + 10"]
    execute(database, *statements, "DELETE FROM t", schema=schema)
    found = images(read_events(database, start, schemas_of(database, f"{schema}.t")), f"{schema}.t")

    def row(a: int, b: int, v: str | None) -> Row:
        return {"a": a, "b": b, "v": v}

    expected = [
        (None, row(1, 2, "x")),
        (None, row(3, 4, None)),
        (row(1, 2, "x"), row(1, 2, "y")),
        (row(3, 4, None), row(3, 4, "y")),
        (row(1, 2, "y"), row(11, 2, "y")),
        (row(3, 4, "y"), row(13, 4, "y")),
        (row(11, 2, "y"), None),
        (row(13, 4, "y"), None),
    ]
    assert found == expected


def test_rows_of_a_partitioned_table_are_read(database: Database, schema: str) -> None:
    """MySQL puts the partitions' numbers before the rows."""
    partitions = "PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)"
    execute(database, f"CREATE TABLE t (id INT PRIMARY KEY, v INT) {partitions}", schema=schema)
    _, start = facts_and_end(database)
    execute(
        database,
        "INSERT INTO t VALUES (1, 1), (20, 2)",
        "UPDATE t SET id = 30 WHERE id = 1",
        "DELETE FROM t",
        schema=schema,
    )
    found = images(read_events(database, start, schemas_of(database, f"{schema}.t")), f"{schema}.t")
    assert found == [
        (None, {"id": 1, "v": 1}),
        (None, {"id": 20, "v": 2}),
        ({"id": 1, "v": 1}, {"id": 30, "v": 1}),
        ({"id": 20, "v": 2}, None),
        ({"id": 30, "v": 1}, None),
    ]


def test_a_row_larger_than_a_protocol_packet_is_read(database: Database, schema: str) -> None:
    execute(database, "SET GLOBAL max_allowed_packet = 67108864", schema=schema)
    execute(database, "CREATE TABLE t (id INT PRIMARY KEY, v LONGBLOB)", schema=schema)
    _, start = facts_and_end(database)
    execute(database, "INSERT INTO t VALUES (1, REPEAT(x'00FF41', 7000000))", schema=schema)
    ((_, row),) = images(read_events(database, start, schemas_of(database, f"{schema}.t")), f"{schema}.t")
    assert row == {"id": 1, "v": b"\0\xffA" * 7_000_000}


def test_generated_invisible_and_many_columns_are_read(database: Database, schema: str) -> None:
    many = ", ".join(f"n{number} TINYINT UNSIGNED DEFAULT {number % 256}" for number in range(300))
    columns = f"hidden INT INVISIBLE DEFAULT 7, twice INT AS (id * 2) STORED, thrice INT AS (id * 3), {many}"
    execute(database, f"CREATE TABLE `o``dd %t` (id INT PRIMARY KEY, {columns}, KEY (thrice))", schema=schema)
    if database.flavour == "mysql":  # a hidden column of the server's own
        execute(database, "ALTER TABLE `o``dd %t` ADD KEY functional ((id + 1))", schema=schema)
    _, start = facts_and_end(database)
    execute(database, "INSERT INTO `o``dd %t` (id) VALUES (5)", schema=schema)
    schemas = schemas_of(database, f"{schema}.o`dd %t")
    ((_, row),) = images(read_events(database, start, schemas), f"{schema}.o`dd %t")
    assert row is not None
    assert (row["hidden"], row["twice"], row["thrice"], row["n299"], len(row)) == (7, 10, 15, 43, 304)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ("ALTER TABLE t ADD COLUMN x INT", "it has the columns id, v"),
        ("ALTER TABLE t CHANGE v w VARCHAR(9)", "it has the columns id, v, the table has id, w"),
        ("ALTER TABLE t MODIFY v INT", "column v is of another type"),
        ("ALTER TABLE t MODIFY id INT UNSIGNED", "column id differs in its sign"),
        ("ALTER TABLE t MODIFY v VARCHAR(9) CHARACTER SET latin1", "column v differs in its character set"),
    ],
)
def test_rows_that_do_not_fit_the_schema_stop_with_the_difference(
    database: Database, schema: str, change: str, difference: str
) -> None:
    execute(database, "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9) CHARACTER SET utf8mb4)", schema=schema)
    _, start = facts_and_end(database)
    execute(database, "INSERT INTO t VALUES (1, '2')", change, schema=schema)
    with pytest.raises(KeyshiftError, match=rf"table {schema}\.t was altered: .*{difference}.*--decision reload"):
        read_events(database, start, schemas_of(database, f"{schema}.t"))


def test_bytes_that_are_no_text_stop_with_the_column_and_what_to_do(database: Database, schema: str) -> None:
    execute(database, "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9) CHARACTER SET cp1251)", schema=schema)
    _, start = facts_and_end(database)
    execute(database, "INSERT INTO t VALUES (1, x'98')", schema=schema)  # cp1251 has no character there
    with pytest.raises(KeyshiftError, match=r"column v holds bytes that are no text.*cp1251") as stopped:
        read_events(database, start, schemas_of(database, f"{schema}.t"))
    assert "Correct the column's text at the source" in stopped.value.remedy
