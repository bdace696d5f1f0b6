"""What SELECT gives, type by type, on real servers: the canonical values that the binlog must give too."""

import struct
from decimal import Decimal

import pytest

from keymap.values import Canonical, Json, Row
from keyshift.cli.demo.database import Database
from keyshift.mysql.connection import Connection, query
from keyshift.mysql.schema import read_schemas
from tests.mysql.readers import rows_of
from tests.mysql.sources import execute

F32 = Decimal(16777216)  # the nearest float32 of 16777217

# column type, a literal to insert, the canonical value
EDGES: list[tuple[str, str, Canonical]] = [
    ("tinyint", "-128", -128),
    ("tinyint unsigned", "255", 255),
    ("tinyint(1)", "TRUE", 1),
    ("smallint unsigned", "65535", 65535),
    ("mediumint", "-8388608", -8388608),
    ("mediumint unsigned", "16777215", 16777215),
    ("int", "-2147483648", -2147483648),
    ("int unsigned", "4294967295", 4294967295),
    ("int(10) unsigned zerofill", "42", 42),
    ("bigint", "-9223372036854775808", -(2**63)),
    ("bigint unsigned", "18446744073709551615", 2**64 - 1),
    ("year", "0000", 0),
    ("year", "1901", 1901),
    ("year", "2155", 2155),
    ("bit(1)", "b'1'", 1),
    ("bit(9)", "b'100000001'", 257),
    ("bit(64)", "~0", 2**64 - 1),
    ("decimal(5,5)", "-0.00001", Decimal("-0.00001")),
    ("decimal(10,2)", "1.5", Decimal("1.50")),
    ("decimal(65,30)", "-" + "9" * 35 + "." + "9" * 30, Decimal("-" + "9" * 35 + "." + "9" * 30)),
    ("decimal(65,0)", "9" * 65, Decimal("9" * 65)),
    ("float", "0.1", Decimal("0.1")),
    ("float", "16777217", F32),
    ("float", "3.402823466e38", Decimal("3.4028235e38")),
    ("float", "1.175494351e-38", Decimal("1.1754944e-38")),
    ("float", "-123456.789", Decimal("-123456.79")),
    ("float(7,2)", "1.1", Decimal("1.1")),
    ("float(10,2)", "12345678.91", Decimal(12345679)),
    ("double", "0.1", Decimal("0.1")),
    ("double", "1.7976931348623157e308", Decimal("1.7976931348623157e308")),
    ("double", "2.2250738585072014e-308", Decimal("2.2250738585072014e-308")),
    ("double", "-0.30000000000000004", Decimal("-0.30000000000000004")),
    ("double", "9007199254740993", Decimal(9007199254740992)),
    ("double(20,3)", "1234567890123.456", Decimal("1234567890123.456")),
    ("date", "'2024-02-29'", "2024-02-29"),
    ("date", "'0001-01-01'", "0001-01-01"),
    ("date", "'9999-12-31'", "9999-12-31"),
    ("date", "'0000-00-00'", "0000-00-00"),
    ("date", "'2024-00-00'", "2024-00-00"),
    ("date", "'2024-02-31'", "2024-02-31"),
    ("datetime", "'2024-02-29 23:59:59'", "2024-02-29T23:59:59"),
    ("datetime(3)", "'0001-01-01 00:00:00.001'", "0001-01-01T00:00:00.001"),
    ("datetime(6)", "'9999-12-31 23:59:59.999999'", "9999-12-31T23:59:59.999999"),
    ("datetime(6)", "'2024-01-01 00:00:00'", "2024-01-01T00:00:00.000000"),
    ("datetime", "'0000-00-00 00:00:00'", "0000-00-00T00:00:00"),
    ("timestamp NULL", "'1970-01-01 00:00:01'", "1970-01-01T00:00:01Z"),
    ("timestamp(6) NULL", "'2038-01-19 03:14:07.999999'", "2038-01-19T03:14:07.999999Z"),
    ("timestamp NULL", "'0000-00-00 00:00:00'", "0000-00-00T00:00:00Z"),
    ("time", "'-838:59:59'", "-838:59:59"),
    ("time(3)", "'-01:02:03.004'", "-01:02:03.004"),
    ("time(6)", "'838:59:58.999999'", "838:59:58.999999"),
    ("time", "'00:00:00'", "00:00:00"),
    ("char(5)", "'ab  '", "ab"),
    ("varchar(20)", "'ab  '", "ab  "),
    ("varchar(20)", "''", ""),
    ("varchar(20) CHARACTER SET latin1", "_latin1 x'81E9'", "\x81é"),
    ("varchar(20) CHARACTER SET cp1251", "'привет'", "привет"),
    ("varchar(20) CHARACTER SET gbk", "'中文'", "中文"),
    ("varchar(20)", "'😀 % \\\\ '' `'", "😀 % \\ ' `"),
    ("text", "REPEAT('ä', 20000)", "ä" * 20000),
    ("longtext", "'\\0'", "\0"),
    ("enum('a','b''c','ä')", "'b''c'", "b'c"),
    ("enum('a','b')", "''", ""),
    ("set('c','a','b')", "'a,c'", ("c", "a")),
    ("set('c','a','b')", "''", ()),
    ("binary(8)", "x'00FF0000'", b"\x00\xff\0\0\0\0\0\0"),
    ("binary(2)", "x'0000'", b"\0\0"),
    ("binary(4)", "'a '", b"a \0\0"),
    ("varbinary(8)", "x'00FF0000'", b"\x00\xff\0\0"),
    ("varbinary(8)", "''", b""),
    ("blob", "x'FFFE00'", b"\xff\xfe\0"),
    ("point", "ST_GeomFromText('POINT(1 2)')", bytes.fromhex("000000000101000000000000000000F03F0000000000000040")),
    ("int", "NULL", None),
    ("varchar(5)", "NULL", None),
]
MYSQL_JSON: list[tuple[str, Canonical]] = [
    ('{"b": 1, "a": [1.50, 18446744073709551615, true, null, "ä\\\\n"]}', None),
    ("null", Json("null")),
    ('"text"', Json('"text"')),
    ("1e2", Json("100")),
]


def read(connection: Connection, table: str) -> list[Row]:
    return rows_of(connection, read_schemas(connection, [table])[table])


def test_every_type_reads_as_its_canonical_value(database: Database, connection: Connection, schema: str) -> None:
    names = [f"c{number}" for number in range(len(EDGES))]
    columns = ", ".join(f"{name} {kind}" for name, (kind, _, _) in zip(names, EDGES, strict=True))
    values = ", ".join(literal for _, literal, _ in EDGES)
    with database.connect(schema) as writer, writer.cursor() as cursor:
        # Old rows hold what today's SQL mode refuses.
        cursor.execute("SET SESSION sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'")
        cursor.execute(f"CREATE TABLE t ({columns}) DEFAULT CHARACTER SET utf8mb4")
        cursor.execute(f"INSERT INTO t VALUES ({values})")
    (row,) = read(connection, f"{schema}.t")
    cases = {name: f"{kind} {literal[:40]}" for name, (kind, literal, _) in zip(names, EDGES, strict=True)}
    found = {f"{name} {cases[name]}": value for name, value in row.items()}
    expected = {f"{name} {cases[name]}": value for name, (_, _, value) in zip(names, EDGES, strict=True)}
    assert found == expected
    assert [type(value) for value in found.values()] == [type(value) for value in expected.values()]


def test_json_of_mysql_reads_exactly(database: Database, connection: Connection, schema: str) -> None:
    if database.flavour == "mariadb":
        execute(database, "CREATE TABLE t (j JSON)", """INSERT INTO t VALUES ('{"b": 1.50}')""", schema=schema)
        assert read(connection, f"{schema}.t") == [{"j": '{"b": 1.50}'}], "MariaDB's JSON is text, kept as written"
        return
    values = ", ".join(f"('{text}')" for text, _ in MYSQL_JSON)
    execute(database, "CREATE TABLE t (j JSON)", f"INSERT INTO t VALUES {values}", schema=schema)
    first, *others = [row["j"] for row in read(connection, f"{schema}.t")]
    assert isinstance(first, Json)
    assert first.document() == {"a": [Decimal("1.5"), 2**64 - 1, True, None, "ä\n"], "b": 1}
    assert others == [value for _, value in MYSQL_JSON[1:]]


@pytest.mark.parametrize("value", [1e-45, 0.1, 1 / 3, 16777217.0, 3.4e38, -123456.789, 1.1754942e-38])
def test_a_float_is_selected_as_the_very_float32(
    database: Database, connection: Connection, schema: str, value: float
) -> None:
    execute(database, "CREATE TABLE t (f FLOAT)", f"INSERT INTO t VALUES ({value!r})", schema=schema)
    ((found,),) = query(connection, f"SELECT f * 1e0 FROM {schema}.t")
    assert found == struct.unpack("f", struct.pack("f", value))[0]


def test_invisible_generated_and_oddly_named_columns_are_read(
    database: Database, connection: Connection, schema: str
) -> None:
    columns = "id INT PRIMARY KEY, hidden INT INVISIBLE DEFAULT 7, twice INT AS (id * 2) STORED, `a ``%s b` INT"
    execute(database, f"CREATE TABLE `t ``%d` ({columns})", schema=schema)
    execute(database, "INSERT INTO `t ``%d` (id, `a ``%s b`) VALUES (1, 5)", schema=schema)
    assert read(connection, f"{schema}.t `%d") == [{"id": 1, "hidden": 7, "twice": 2, "a `%s b": 5}]


def test_a_timestamp_does_not_depend_on_the_servers_time_zone(
    database: Database, connection: Connection, schema: str
) -> None:
    with database.connect(schema) as writer, writer.cursor() as cursor:
        cursor.execute("SET SESSION time_zone = '+05:30'")
        cursor.execute("CREATE TABLE t (at TIMESTAMP NULL)")
        cursor.execute("INSERT INTO t VALUES ('2024-01-01 05:30:00')")
    assert read(connection, f"{schema}.t") == [{"at": "2024-01-01T00:00:00Z"}]
