"""The same row, by SELECT and from the binlog, is the same canonical row, on real servers, for every type."""

import secrets
from collections.abc import Sequence

import pytest

from keymap.errors import KeyshiftError
from keymap.values import Row
from keyshift.cli.demo.database import Database
from keyshift.mysql.connection import connect
from keyshift.mysql.table_reader import read_chunk
from tests.cdc.sources import facts_and_end, images, read_events, schemas_of
from tests.mysql.sources import execute, source_of
from tests.mysql.test_select import EDGES

MODE = "SET SESSION sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00'"

LABELS = ",".join(f"'l{number}'" for number in range(300))
MEMBERS = ",".join(f"'m{number}'" for number in range(64))

MORE = [
    (f"enum({LABELS})", "'l299'"),
    (f"set({MEMBERS})", "'m63,m0,m32'"),
    ("bit(7)", "b'1010101'"),
    ("bit(24)", "0x010203"),
    ("year", "1900 + 1"),
    ("decimal(9,0)", "-999999999"),
    ("decimal(18,9)", "0"),
    ("decimal(20,10) unsigned", "1234567890.0123456789"),
    ("decimal(30,1)", "-0.1"),
    ("float", "-1e-45"),
    ("float", "1e38"),
    ("float unsigned", "5"),
    ("double", "-0.0"),
    ("double unsigned", "1e-300"),
    ("time", "'838:59:59'"),
    ("time", "'-00:00:01'"),
    ("time(1)", "'-00:00:00.1'"),
    ("time(2)", "'-838:59:58.99'"),
    ("time(3)", "'-00:00:00.001'"),
    ("time(4)", "'100:00:00.1234'"),
    ("time(5)", "'-01:00:00.00001'"),
    ("time(6)", "'-00:59:59.000001'"),
    ("time(6)", "'-00:00:01.000000'"),
    ("datetime(1)", "'2024-02-29 12:34:56.7'"),
    ("datetime(2)", "'2024-02-29 12:34:56.70'"),
    ("datetime(4)", "'1000-01-01 00:00:00.0001'"),
    ("datetime(5)", "'2024-12-31 23:59:59.99999'"),
    ("datetime", "'2024-00-00 00:00:00'"),
    ("datetime(6)", "'0000-00-00 00:00:00'"),
    ("datetime", "'2024-02-31 01:02:03'"),
    ("timestamp(1) NULL", "'2001-09-09 01:46:40.9'"),
    ("timestamp(3) NULL", "'0000-00-00 00:00:00'"),
    ("timestamp(5) NULL", "'2038-01-19 03:14:07.99999'"),
    ("char(0)", "''"),
    ("char(255)", "REPEAT('é', 255)"),
    ("varchar(255)", "REPEAT('é', 255)"),
    ("varchar(300)", "REPEAT('😀', 300)"),
    ("varchar(20) CHARACTER SET ascii", "'plain'"),
    ("varchar(20) CHARACTER SET latin1", "_latin1 x'808182838D8F909DFF'"),
    ("varchar(20) CHARACTER SET latin2", "'Łódź'"),
    ("varchar(20) CHARACTER SET cp1250", "'Łódź'"),
    ("varchar(20) CHARACTER SET koi8r", "'привет'"),
    ("varchar(20) CHARACTER SET big5", "'中文'"),
    ("varchar(20) CHARACTER SET cp932", "'日本'"),
    ("varchar(20) CHARACTER SET ujis", "'日本'"),
    ("varchar(20) CHARACTER SET euckr", "'한국'"),
    ("varchar(20) CHARACTER SET greek", "'αβγ'"),
    ("varchar(20) CHARACTER SET tis620", "'ไทย'"),
    ("text CHARACTER SET latin1", "'straße'"),
    ("tinytext", "''"),
    ("mediumtext", "REPEAT('x', 70000)"),
    ("enum('a','b') CHARACTER SET ascii", "'a'"),
    ("set('a','b','c','d','e','f','g','h','i')", "'i,a'"),
    ("binary(255)", "REPEAT('x', 200)"),
    ("binary(1)", "x'00'"),
    ("varbinary(300)", "x'00'"),
    ("tinyblob", "''"),
    ("blob", "x'0000'"),
    ("mediumblob", "REPEAT(x'FF00', 40000)"),
    ("geometry", "ST_GeomFromText('LINESTRING(0 0, 1 1)')"),
]
CASES = [(kind, literal) for kind, literal, _ in EDGES] + MORE
JSON_TEXTS = [
    '{"b": 1, "a": [1.50, 18446744073709551615, -9223372036854775808, true, false, null, "ä\\\\n"]}',
    "null",
    '"text"',
    "1e2",
    "[]",
    "{}",
    "0.1",
    "-0.0",
    "1.7976931348623157e308",
    "[1, -1, 32767, -32768, 32768, 65535, 65536, 2147483647, -2147483649, 4294967296]",
    '{"a": {"b": {"c": [[[1]]]}}, "": 0, "é": "😀"}',
]
JSON_EXPRESSIONS = [
    f"JSON_OBJECT('long', REPEAT('x', 200), 'list', CAST('[{','.join(['1234567'] * 30_000)}]' AS JSON))",
    "JSON_ARRAY(CAST('2024-02-29' AS DATE), CAST('10:11:12.5' AS TIME(6)), CAST('-838:59:59' AS TIME))",
    "JSON_ARRAY(CAST('2024-02-29 01:02:03.000004' AS DATETIME(6)), CAST(-12.340 AS DECIMAL(30,3)), 0.000)",
    "JSON_ARRAY(CAST('abc' AS BINARY), CAST(REPEAT('x', 100) AS BINARY), b'101', TIMESTAMP'2024-01-01 00:00:00')",
    "JSON_ARRAY(123456789012345678901234567890.5, CAST(1.0 AS DOUBLE), 1e-7, 123456789.123e3)",
]


def both_ways(database: Database, schema: str, columns: str, values: Sequence[str]) -> tuple[list[Row], list[Row]]:
    """The rows by SELECT, in primary-key order, and from the binlog, in the order in which they were inserted."""
    table = f"t_{secrets.token_hex(4)}"
    options = "DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin"
    execute(database, MODE, f"CREATE TABLE {table} (id INT PRIMARY KEY, {columns}) {options}", schema=schema)
    _, start = facts_and_end(database)
    inserts = [f"INSERT INTO {table} VALUES ({number}, {value})" for number, value in enumerate(values)]
    execute(database, MODE, *inserts, schema=schema)
    schemas = schemas_of(database, f"{schema}.{table}")
    connection = connect(source_of(database))
    try:
        selected = read_chunk(connection, schemas[f"{schema}.{table}"], None, 1_000_000).rows
    finally:
        connection.close()
    found = images(read_events(database, start, schemas), f"{schema}.{table}")
    assert all(before is None for before, _ in found)
    return selected, [after for _, after in found if after is not None]


def test_every_type_is_the_same_by_select_and_from_the_binlog(database: Database, schema: str) -> None:
    columns = ", ".join(f"c{number} {kind.removesuffix(' NULL')} NULL" for number, (kind, _) in enumerate(CASES))
    values = [", ".join(literal for _, literal in CASES), ", ".join(["NULL"] * len(CASES))]
    selected, logged = both_ways(database, schema, columns, values)
    cases = {f"c{number}": f"{kind} {literal[:40]}" for number, (kind, literal) in enumerate(CASES)} | {"id": "id"}
    for expected, found in zip(selected, logged, strict=True):
        assert {cases[name]: value for name, value in found.items()} == {
            cases[name]: value for name, value in expected.items()
        }
        assert [type(value) for value in found.values()] == [type(value) for value in expected.values()]
        assert list(found) == list(expected)


def test_json_is_the_same_by_select_and_from_the_binlog(database: Database, schema: str) -> None:
    values = [f"'{text}'" for text in JSON_TEXTS] + ["NULL"]
    if database.flavour == "mysql":
        values += JSON_EXPRESSIONS
    selected, logged = both_ways(database, schema, "j JSON", values)
    assert logged == selected


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
    with pytest.raises(KeyshiftError, match=rf"table {schema}\.t was altered: .*{difference}.*destroy"):
        read_events(database, start, schemas_of(database, f"{schema}.t"))
