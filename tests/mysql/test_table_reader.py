"""Reading in chunks gives what one plain SELECT gives, for every kind of key, any limit, and groups kept whole."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keymap.errors import KeyshiftError
from keymap.schema import Column, TableSchema
from keymap.values import Row
from keyshift.cli.demo.database import Database
from keyshift.mysql.connection import Connection, query
from keyshift.mysql.keys import Key, canonical_key
from keyshift.mysql.schema import read_schemas
from keyshift.mysql.table_reader import Chunk, get_rows, read_chunk
from tests.mysql.readers import rows_of
from tests.mysql.sources import execute


@dataclass(frozen=True, slots=True)
class Case:
    """A table: its key columns, its key, and rows as SQL values."""

    columns: str
    key: str
    rows: tuple[str, ...]
    only: str = ""  # the flavour that knows these types


def ordered(*parts: str) -> tuple[str, ...]:
    """All pairs of each of `parts` with 1 to 3."""
    return tuple(f"{part}, {number}" for part in parts for number in (1, 2, 3))


WORDS = ("'a'", "'A '", "'ä'", "'b'", "''", "'Ab'", "'ab%`''\\\\'", "'ß'", "'ss'", "'😀'", "'z'")
CASES = {
    "integers": Case("a INT, b BIGINT UNSIGNED", "a, b", ordered("-5", "0", "7", "2147483647")),
    "beyond what a double tells apart": Case(
        "a BIGINT UNSIGNED, b BIT(64)",
        "a, b",
        tuple(f"{2**63 + a}, {2**63 + b}" for a in (-1, 0, 1, 2**63 - 2, 2**63 - 1) for b in (0, 1, 2**63 - 1)),
    ),
    "key order differs from column order": Case("a INT, b INT", "b, a", ordered("3", "2", "1")),
    "three columns": Case(
        "a INT, b INT, c INT", "a, b, c", tuple(f"{n // 9}, {n // 3 % 3}, {n % 3}" for n in range(27))
    ),
    "binary collation": Case("a VARCHAR(20) COLLATE utf8mb4_bin, b INT", "a, b", ordered(*WORDS)),
    "case-insensitive": Case(
        "a VARCHAR(20) COLLATE utf8mb4_general_ci, b INT",
        "a, b",
        (
            "'a', 1",
            "'A', 2",
            "'a', 3",
            "'Ä', 4",
            "'ä ', 5",
            "'b', 1",
            "'B', 2",
            "'', 1",
            "' ', 2",
            "'ab', 1",
            "'😀', 1",
        ),
    ),
    "case-insensitive, no padding": Case(
        "a VARCHAR(20) COLLATE utf8mb4_0900_ai_ci, b INT", "a, b", ("'a', 1", "'A', 2", "'a ', 1", "'b', 0"), "mysql"
    ),
    "no padding": Case(
        "a VARCHAR(20) COLLATE utf8mb4_nopad_bin, b CHAR(3) COLLATE utf8mb4_nopad_bin",
        "a, b",
        ("'a', 'x'", "'a ', 'x'", "'a', ''", "'A', 'x'"),
        "mariadb",
    ),
    "char": Case("a CHAR(5), b CHAR(2)", "a, b", ordered("'a'", "'b'", "'ab'", "''")),
    "latin1": Case("a VARCHAR(5) CHARACTER SET latin1", "a", ("_latin1 x'81'", "_latin1 x'E9'", "'a'", "'€'", "''")),
    "two characters of one Unicode form": Case(
        "a VARCHAR(5) CHARACTER SET cp932 COLLATE cp932_bin, b INT",
        "a, b",
        ("_cp932 x'81CA', 1", "_cp932 x'EEF9', 1", "_cp932 x'EEF9', 2", "_cp932 x'41', 1", "'', 1"),
    ),
    "gbk": Case("a VARCHAR(5) CHARACTER SET gbk, b INT", "a, b", ordered("'中'", "'文'", "'a'")),
    "bytes": Case(
        "a VARBINARY(5), b BINARY(3)", "a, b", ("'', ''", "x'00', 'a'", "x'00', 'b'", "x'FF00', x'00'", "'a', 'a'")
    ),
    "decimal": Case(
        "a DECIMAL(30,10), b DECIMAL(5,0)", "a, b", ordered("-1.5", "0", "0.0000000001", "12345678901234567890")
    ),
    "double": Case("a DOUBLE, b INT", "a, b", ordered("-1e300", "0.1", "0.30000000000000004", "5e-324", "1e22", "100")),
    "bit": Case("a BIT(9), b BIT(64)", "a, b", ordered("0", "257", "511")),
    "year": Case("a YEAR, b INT", "a, b", ordered("0", "1901", "2001", "2155")),
    "enum": Case("a ENUM('z','a','m'), b INT", "a, b", ordered("'z'", "'a'", "'m'", "''")),
    "date": Case("a DATE, b INT", "a, b", ordered("'2024-02-29'", "'0000-00-00'", "'2024-02-31'", "'2024-00-00'")),
    "datetime": Case(
        "a DATETIME(6), b INT", "a, b", ordered("'2024-01-01 00:00:00.000001'", "'2024-01-01'", "'9999-12-31'")
    ),
    "timestamp": Case(
        "a TIMESTAMP(3) DEFAULT 0, b INT", "a, b", ordered("'2024-01-01 00:00:00.001'", "'2038-01-19 03:14:07.999'")
    ),
    "time": Case("a TIME(3), b INT", "a, b", ordered("'-01:02:03.004'", "'838:59:59'", "'-838:59:59'", "'00:00:00'")),
}


@pytest.fixture(params=CASES)
def table(request: pytest.FixtureRequest, database: Database, schema: str) -> str:
    """The full name of a table of one case, filled."""
    case = CASES[request.param]
    if case.only and database.flavour != case.only:
        case = CASES["integers"]
    with database.connect(schema) as writer, writer.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'")
        cursor.execute(f"CREATE TABLE t ({case.columns}, PRIMARY KEY ({case.key})) DEFAULT CHARACTER SET utf8mb4")
        cursor.execute("INSERT INTO t VALUES " + ", ".join(f"({row})" for row in case.rows))
    return f"{schema}.t"


def chunks(connection: Connection, schema: TableSchema, limit: int, uncut: int) -> list[Chunk]:
    found, after = [], None
    while True:
        found.append(read_chunk(connection, schema, after, limit, uncut))
        after = found[-1].upper
        if after is None:
            return found


def groups(rows: list[Row], schema: TableSchema, uncut: int) -> set[Key]:
    return {canonical_key(schema, row)[:uncut] for row in rows}


def test_chunks_put_together_are_the_table(table: str, connection: Connection) -> None:
    schema = read_schemas(connection, [table])[table]
    whole = rows_of(connection, schema)
    assert whole
    # Where two characters have one Unicode form, no order of the server keeps what we see as a group together.
    uncut_max = len(schema.primary_key) if len(groups(whole, schema, 9)) == len(whole) else 0

    @settings(max_examples=40)
    @given(limit=st.integers(1, len(whole) + 1), uncut=st.integers(0, uncut_max))
    def holds(limit: int, uncut: int) -> None:
        found = chunks(connection, schema, limit, uncut)
        assert [row for chunk in found for row in chunk.rows] == whole
        assert all(chunk.rows for chunk in found[:-1])
        if not uncut:
            assert found[-1].rows
            assert all(len(chunk.rows) <= limit for chunk in found)
            return
        seen: set[Key] = set()
        for chunk in found:
            here = groups(chunk.rows, schema, uncut)
            assert not here & seen, "a group appears in two chunks"
            seen |= here

    holds()


def test_rows_are_found_by_their_own_keys(table: str, connection: Connection) -> None:
    schema = read_schemas(connection, [table])[table]
    rows = rows_of(connection, schema)
    expected = {canonical_key(schema, row): row for row in rows}
    if len(expected) < len(rows):
        return  # two rows of one canonical key: nobody can ask for one of them
    assert get_rows(connection, schema, expected) == expected
    for key, row in expected.items():
        assert get_rows(connection, schema, [key])[key] == row


def make(database: Database, schema: str, *statements: str) -> None:
    execute(database, *statements, schema=schema)


def test_many_keys_are_found_and_missing_ones_are_absent(
    database: Database, connection: Connection, schema: str
) -> None:
    make(database, schema, "CREATE TABLE t (a INT, b INT, PRIMARY KEY (a, b))")
    values = ", ".join(f"({n}, {n % 7})" for n in range(0, 3000, 2))
    make(database, schema, f"INSERT INTO t VALUES {values}")
    described = read_schemas(connection, [f"{schema}.t"])[f"{schema}.t"]
    found = get_rows(connection, described, [(n, n % 7) for n in range(3000)])
    assert set(found) == {(n, n % 7) for n in range(0, 3000, 2)}
    assert get_rows(connection, described, []) == {}


@pytest.mark.parametrize("key", ["a", "a, b"])
def test_rows_found_by_key_touch_only_themselves(
    database: Database, connection: Connection, schema: str, key: str
) -> None:
    make(database, schema, f"CREATE TABLE t (a VARCHAR(10), b INT, PRIMARY KEY ({key})) CHARACTER SET utf8mb4")
    make(database, schema, "INSERT INTO t VALUES " + ", ".join(f"('k{n}', {n})" for n in range(5000)))
    make(database, schema, "ANALYZE TABLE t")
    described = read_schemas(connection, [f"{schema}.t"])[f"{schema}.t"]
    wanted = [(f"k{n}", n)[: len(described.primary_key)] for n in range(1000, 1400)]
    get_rows(connection, described, wanted[:1])
    query(connection, "FLUSH STATUS")
    assert len(get_rows(connection, described, wanted)) == 400
    touched = {name: int(count) for name, count in query(connection, "SHOW SESSION STATUS LIKE 'Handler_read%'")}
    assert sum(touched.values()) <= 900, touched


def test_an_empty_table_is_one_empty_chunk(database: Database, connection: Connection, schema: str) -> None:
    make(database, schema, "CREATE TABLE t (a INT PRIMARY KEY)")
    described = read_schemas(connection, [f"{schema}.t"])[f"{schema}.t"]
    assert read_chunk(connection, described, None, 10) == Chunk([], None)


def test_a_row_that_joins_a_group_later_is_not_in_the_next_chunk(
    database: Database, connection: Connection, schema: str
) -> None:
    """Else two chunks would hold parts of one item; replay brings this row."""
    make(database, schema, "CREATE TABLE t (a INT, b INT, PRIMARY KEY (a, b))")
    make(database, schema, "INSERT INTO t VALUES (1, 1), (1, 2), (2, 1)")
    described = read_schemas(connection, [f"{schema}.t"])[f"{schema}.t"]
    first = read_chunk(connection, described, None, 1, 1)
    assert first == Chunk([{"a": 1, "b": 1}, {"a": 1, "b": 2}], (1,))
    make(database, schema, "INSERT INTO t VALUES (1, 3)")
    assert read_chunk(connection, described, first.upper, 1, 1) == Chunk([{"a": 2, "b": 1}], None)


@pytest.mark.parametrize("columns", ["a INT, b INT, c INT", "a VARCHAR(10), b DATETIME, c ENUM('x','y','z')"])
def test_a_chunk_in_the_middle_touches_only_its_own_rows(
    database: Database, connection: Connection, schema: str, columns: str
) -> None:
    make(database, schema, f"CREATE TABLE t ({columns}, filler INT, PRIMARY KEY (a, b, c)) CHARACTER SET utf8mb4")
    text = "VARCHAR" in columns
    values = [
        (f"'k{n // 100:04d}', '2024-01-01 00:{n // 3 % 34:02d}:00', {n % 3 + 1}, 0")
        if text
        else f"{n // 100}, {n // 3 % 34}, {n % 3}, 0"
        for n in range(3000)
    ]
    unique = {value.rsplit(",", 1)[0]: value for value in values}
    make(database, schema, "INSERT INTO t VALUES " + ", ".join(f"({value})" for value in unique.values()))
    make(database, schema, "ANALYZE TABLE t")
    described = read_schemas(connection, [f"{schema}.t"])[f"{schema}.t"]
    middle = read_chunk(connection, described, None, 1500)
    assert middle.upper is not None
    query(connection, "FLUSH STATUS")
    assert len(read_chunk(connection, described, middle.upper, 10).rows) == 10
    touched = {name: int(count) for name, count in query(connection, "SHOW SESSION STATUS LIKE 'Handler_read%'")}
    assert sum(touched.values()) <= 40, touched


def described(*columns: Column, key: tuple[str, ...]) -> TableSchema:
    return TableSchema("db", "t", columns, key)


@pytest.mark.parametrize(
    "schema",
    [described(Column("a", "int", "int", False), key=()), described(Column("a", "float", "float", False), key=("a",))],
)
def test_a_table_that_cannot_be_read_by_its_key_is_refused(schema: TableSchema) -> None:
    with pytest.raises(KeyshiftError, match=r"table db\.t has no primary key to read it by"):
        read_chunk(None, schema, None, 10)  # type: ignore[arg-type]  # refused before it asks
