"""Bounds cut a table of any kind of key into ranges that are read apart, and have every row once between them."""

from itertools import pairwise

import pytest

from keymap.schema import TableSchema
from keyshift.cli.demo.database import Database
from keyshift.mysql.connection import Connection, query
from keyshift.mysql.key_ranges import find_bounds
from keyshift.mysql.keys import Key
from keyshift.mysql.schema import read_schemas
from keyshift.mysql.table_reader import copy_chunk
from tests.mysql.readers import rows_of
from tests.mysql.sources import execute
from tests.mysql.test_table_reader import CASES

KINDS = {
    "numbers": ("a INT", "a", "(seq * 7)"),
    "one first value": ("a INT, b BIGINT", "a, b", "(1, seq)"),
    "few first values": ("a INT, b INT", "a, b", "(CASE WHEN seq < 2000 THEN 5 ELSE seq % 3 END, seq)"),
    "letters of both cases": (
        "a VARCHAR(40) COLLATE utf8mb4_general_ci",
        "a",
        "(CASE seq % 2 WHEN 1 THEN LEFT(SHA2(seq, 256), 32) ELSE UPPER(LEFT(SHA2(seq, 256), 32)) END)",
    ),
    "capitals": ("a CHAR(26) CHARACTER SET ascii COLLATE ascii_bin", "a", "(UPPER(LEFT(SHA2(seq, 256), 26)))"),
    "words": ("a VARCHAR(40) CHARACTER SET utf8mb4", "a", "(CONCAT('user-', LPAD(seq, 6, '0')))"),
    "no letters": ("a VARCHAR(40) CHARACTER SET utf8mb4", "a", "(CONCAT('é·', seq, '→'))"),
    "bytes": ("a BINARY(16), b INT", "a, b", "(UNHEX(LEFT(SHA2(seq, 256), 32)), 1)"),
    "days": ("a DATE, b INT", "a, b", "(DATE '2020-01-01' + INTERVAL seq DAY, 1)"),
    "moments": ("a DATETIME(3), b INT", "a, b", "(TIMESTAMP'2020-01-01 00:00:00' + INTERVAL seq MINUTE, 1)"),
    "decimals": ("a DECIMAL(20,4)", "a", "(seq / 8)"),
    "times": ("a TIME, b INT", "a, b", "(SEC_TO_TIME(seq), 1)"),
}
ROWS = 3000


def fill(database: Database, schema: str, kind: str) -> str:
    columns, key, values = KINDS[kind]
    digits = "(SELECT 0 d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 "
    digits += "UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)"
    numbers = f"SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d seq FROM {digits} a, {digits} b, {digits} c, {digits} e"
    execute(
        database,
        f"CREATE TABLE t ({columns}, PRIMARY KEY ({key}))",
        f"INSERT INTO t SELECT {values[1:-1]} FROM ({numbers}) s WHERE seq < {ROWS}",
        "ANALYZE TABLE t",
        schema=schema,
    )
    return f"{schema}.t"


def lines_of(connection: Connection, schema: TableSchema, bounds: list[Key], uncut: int, limit: int) -> list[int]:
    """How many rows each range has. Together they are the table, in its order."""
    ends, found, sizes = [None, *bounds, None], [], []
    for after, until in pairwise(ends):
        parts: list[bytes] = []
        last, is_last = after, False
        while not is_last:
            read = copy_chunk(
                connection, schema, parts.append, after=last, until=until, limit=limit, uncut_columns=uncut
            )
            last, is_last = read.upper, read.is_last
        assert last == until
        sizes.append(b"".join(parts).count(b"\n"))
        found += b"".join(parts).splitlines()
    whole: list[bytes] = []
    assert copy_chunk(connection, schema, whole.append, after=None, until=None, limit=10**6).is_last
    assert found == b"".join(whole).splitlines()
    assert len(found) == len(rows_of(connection, schema))
    return sizes


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_is_cut_about_evenly_whatever_its_key(
    database: Database, schema: str, connection: Connection, kind: str
) -> None:
    name = fill(database, schema, kind)
    described = read_schemas(connection, [name])[name]
    bounds = find_bounds(connection, described, ranges_max=8, rows_min=100)
    sizes = lines_of(connection, described, bounds, 0, 200)
    assert len(sizes) == 8
    assert max(sizes) <= ROWS // 2
    assert min(sizes) > 0


def test_ranges_of_odd_keys_have_every_row_once_and_cut_no_group(
    database: Database, schema: str, connection: Connection
) -> None:
    """Of each kind of key that can be read by, few rows; every row and every group may be a range of its own."""
    for number, case in enumerate(CASES.values()):
        if case.only and case.only != database.flavour:
            continue
        with database.connect(schema) as writer, writer.cursor() as cursor:
            cursor.execute("SET SESSION sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'")
            cursor.execute(
                f"CREATE TABLE t{number} ({case.columns}, PRIMARY KEY ({case.key})) DEFAULT CHARACTER SET utf8mb4"
            )
            cursor.execute(f"INSERT INTO t{number} VALUES " + ", ".join(f"({row})" for row in case.rows))
        name = f"{schema}.t{number}"
        described = read_schemas(connection, [name])[name]
        bounds = find_bounds(connection, described, ranges_max=100, rows_min=1)
        sizes = lines_of(connection, described, bounds, 0, 2)
        assert 1 < len(sizes) <= len(case.rows), case
        if len(described.primary_key) > 1 and "cp932" not in case.columns:
            bounds = find_bounds(connection, described, ranges_max=100, rows_min=1, uncut_columns=1)
            assert all(len(bound) == 1 for bound in bounds)
            lines_of(connection, described, bounds, 1, 2)


def test_a_range_is_read_to_its_end_and_no_further(database: Database, schema: str, connection: Connection) -> None:
    """Else each range's last statement would pass over all that is behind it."""
    name = fill(database, schema, "few first values")
    described = read_schemas(connection, [name])[name]
    bounds: list[Key] = [(5, 100), (5, 200)]
    query(connection, "FLUSH STATUS")
    read = copy_chunk(connection, described, lambda _: None, after=bounds[0], until=bounds[1], limit=1000)
    assert read.rows == 100
    passed = sum(int(value) for _, value in query(connection, "SHOW SESSION STATUS LIKE 'Handler_read%'"))
    assert passed < 110


def test_small_and_empty_tables_are_not_cut(database: Database, schema: str, connection: Connection) -> None:
    name = fill(database, schema, "numbers")
    described = read_schemas(connection, [name])[name]
    assert find_bounds(connection, described, ranges_max=8, rows_min=ROWS) == []
    statements = ("CREATE TABLE none (id INT PRIMARY KEY)", "CREATE TABLE one (id INT PRIMARY KEY)")
    execute(database, *statements, "INSERT INTO one VALUES (7)", schema=schema)
    for table in ("none", "one"):
        described = read_schemas(connection, [f"{schema}.{table}"])[f"{schema}.{table}"]
        assert find_bounds(connection, described, ranges_max=8, rows_min=1) == []
