"""Edge values of every type and character set, by SELECT and from the binlog of real servers."""

import pytest

from keymap.errors import KeyshiftError
from keymap.schema import TableSchema
from keymap.values import Row
from keyshift.binlog.charsets import decoder
from keyshift.binlog.single_byte import SINGLE_BYTE
from keyshift.cli.demo.database import Database
from keyshift.mysql.connection import connect
from keyshift.mysql.table_reader import read_chunk
from tests.cdc.sources import facts_and_end, images, read_events
from tests.mysql.sources import execute, source_of
from tests.types.both import both_ways_of, described_schema, require, same_rows, select
from tests.types.cases import MARIADB, MYSQL, TRAPS, Case

# Codes in which the servers differ from Python's codecs, or which are of several bytes.
CODES = {
    "big5": "61A140A451F9D6F9DC",
    "cp932": "61815F8160879CFA40A1",
    "eucjpms": "61ADA18FA2B78FF3F38EB1F5A1",
    "euckr": "61B0A1814141",
    "gb2312": "61B0A1A1AA",
    "gbk": "61B0A181408FFE",
    "gb18030": "61B0A1A8BC8135F43790308130",
    "sjis": "61815F5C8161889FB1",
    "ujis": "61A1C08FF5A1F5A18EB1B0A1",
    "ucs2": "006100E965E5E000FFFF",
    "utf16": "006100E965E5D83DDE00FEFF",
    "utf16le": "6100E900E5653DD800DEFFFE",
    "utf32": "00000061000065E50001F6000010FFFF",
    "utf8mb3": "61C3A9E697A5EE8080",
    "utf8mb4": "61C3A9E697A5F09F9880F48FBFBF",
}


def test_where_the_two_are_known_to_disagree_they_agree(database: Database, schema: str) -> None:
    require(database, schema, TRAPS)


def test_the_types_of_one_server_alone_are_the_same_on_both_paths(database: Database, schema: str) -> None:
    require(database, schema, MARIADB if database.flavour == "mariadb" else MYSQL)


def codes(charset: str) -> str:
    """Text in this character set: every byte that is a character, but NUL, or some characters of several bytes."""
    if charset in CODES:
        return CODES[charset]
    return "".join(f"{byte:02X}" for byte in range(1, 256) if _is_character(charset, byte))


def _is_character(charset: str, byte: int) -> bool:
    try:
        return bool(decoder(charset)(bytes([byte])))
    except UnicodeDecodeError:
        return False


def charset_cases(charset: str) -> list[Case]:
    stored = codes(charset)
    text = decoder(charset)(bytes.fromhex(stored))
    label = [char for char in text if char.isalpha()][-1]
    literal = f"_{charset} x'{stored}'"
    return [
        (f"varchar(255) CHARACTER SET {charset}", literal, text),
        (f"char(255) CHARACTER SET {charset}", literal, text),
        (f"text CHARACTER SET {charset}", literal, text),
        (f"enum('0','{label}') CHARACTER SET {charset}", "2", label),
        (f"set('0','{label}') CHARACTER SET {charset}", "2", (label,)),
    ]


def test_text_of_every_character_set_is_the_same_on_both_paths(database: Database, schema: str) -> None:
    names = sorted(SINGLE_BYTE | CODES.keys())
    if database.flavour == "mariadb":
        names.remove("gb18030")
    for half in (names[::2], names[1::2]):  # a row holds 64 KiB of CHAR and VARCHAR at most
        require(database, schema, [case for name in half for case in charset_cases(name)])


def test_hidden_and_generated_columns_are_the_same_on_both_paths(database: Database, schema: str) -> None:
    columns = (
        "hidden INT INVISIBLE DEFAULT 7, twice INT AS (plain * 2) STORED, name VARCHAR(20) AS (CONCAT('n', plain))"
    )
    execute(database, f"CREATE TABLE t (id INT PRIMARY KEY, plain INT, {columns} VIRTUAL)", schema=schema)
    (row,) = both_ways_of(database, f"{schema}.t", [["4", "DEFAULT", "DEFAULT"]])
    assert row == {"id": 0, "plain": 4, "hidden": 7, "twice": 8, "name": "n4"}


def test_so_is_the_primary_key_that_mysql_makes_by_itself(database: Database, schema: str) -> None:
    if database.flavour == "mariadb":
        return
    execute(
        database,
        "SET SESSION sql_generate_invisible_primary_key = ON",
        "CREATE TABLE t (v VARCHAR(9))",
        schema=schema,
    )
    _, start = facts_and_end(database)
    execute(database, "INSERT INTO t VALUES ('a'), ('b')", schema=schema)
    described = described_schema(database, f"{schema}.t")
    found = images(read_events(database, start, {described.full_name: described}), described.full_name)
    expected = [{"my_row_id": 1, "v": "a"}, {"my_row_id": 2, "v": "b"}]
    same_rows(select(database, described), [after for _, after in found])
    assert [after for _, after in found] == expected


@pytest.mark.parametrize(
    ("charset", "code"), [("cp1251", "98"), ("tis620", "A0"), ("ucs2", "D83DDE00"), ("big5", "A15A")]
)
def test_a_code_without_a_character_is_refused_on_both_paths(
    database: Database, schema: str, charset: str, code: str
) -> None:
    """The server shows ? or nothing for every such code, so two of them would become one."""
    execute(database, f"CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9) CHARACTER SET {charset})", schema=schema)
    described = described_schema(database, f"{schema}.t")
    _, start = facts_and_end(database)
    execute(database, f"INSERT INTO t VALUES (1, _{charset} x'{code}')", schema=schema)
    with pytest.raises(KeyshiftError, match="column v"):
        read(database, described)
    with pytest.raises(KeyshiftError, match="column v"):
        read_events(database, start, {described.full_name: described})


def read(database: Database, described: TableSchema) -> list[Row]:
    connection = connect(source_of(database))
    try:
        return read_chunk(connection, described, None, 10).rows
    finally:
        connection.close()


KEYS = [
    ("varchar(20) CHARACTER SET sjis", "_sjis x'815F', 'ア', '亜', 'a'"),
    ("varchar(20) CHARACTER SET cp1251 COLLATE cp1251_bin", "'a', 'Я', 'я', 'ё'"),
    ("varchar(20) CHARACTER SET utf16", "'a', 'é', '😀', '日'"),
    ("enum('é','a','日') CHARACTER SET utf16", "'日', 'é', 'a'"),
    ("varchar(20) CHARACTER SET tis620", "'ก', 'a', 'ฮ'"),
]
MARIADB_KEYS = [
    ("uuid", "'6ccd780c-baba-1026-9564-5b8c65602400', '00000000-0000-4000-8000-000000000001', UUID()"),
    ("inet6", "'::1', 'fe80::', '::ffff:1.2.3.4', '::'"),
    ("varchar(20) CHARACTER SET ucs2", "'a', 'é', '日'"),
]


def test_a_table_is_read_by_a_key_of_any_type(database: Database, schema: str) -> None:
    """One row at a time: each key must find its place again."""
    keys = [*KEYS, *(MARIADB_KEYS if database.flavour == "mariadb" else [])]
    for number, (kind, values) in enumerate(keys):
        rows = ", ".join(f"({value})" for value in values.split(", "))
        execute(
            database,
            f"CREATE TABLE k{number} (k {kind} PRIMARY KEY)",
            f"INSERT INTO k{number} VALUES {rows}",
            schema=schema,
        )
        described = described_schema(database, f"{schema}.k{number}")
        assert one_by_one(database, described) == select(database, described), kind
        assert len(select(database, described)) == len(values.split(", ")), kind


def one_by_one(database: Database, described: TableSchema) -> list[Row]:
    connection = connect(source_of(database))
    try:
        rows, chunk = [], read_chunk(connection, described, None, 1)
        while chunk.upper is not None and len(rows) < 100:
            rows += chunk.rows
            chunk = read_chunk(connection, described, chunk.upper, 1)
        rows += chunk.rows
        return rows
    finally:
        connection.close()
