"""Temporal types as they were stored before MySQL 5.6, on servers that still have them; and 5.6's own binlog."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from keymap.schema import Column, TableSchema
from keymap.values import UnsupportedType
from keyshift.cli.demo.database import Database
from keyshift.mysql.text_values import text_columns
from tests.mysql.sources import execute
from tests.servers.mariadb import find_mariadb
from tests.servers.mysql_56 import mysql_56
from tests.types.both import both_ways_of, described_schema, require
from tests.types.cases import TRAPS, Case

# The session is at +05:30.
OLD: list[Case] = [
    ("timestamp NULL", "'2024-02-29 18:04:56'", "2024-02-29T12:34:56Z"),
    ("timestamp NULL", "'1970-01-01 05:30:01'", "1970-01-01T00:00:01Z"),
    ("timestamp NULL", "'2038-01-19 08:44:07'", "2038-01-19T03:14:07Z"),
    ("timestamp NULL", "0", "0000-00-00T00:00:00Z"),
    ("datetime", "'2024-02-29 12:34:56'", "2024-02-29T12:34:56"),
    ("datetime", "'9999-12-31 23:59:59'", "9999-12-31T23:59:59"),
    ("datetime", "'0000-00-00 00:00:00'", "0000-00-00T00:00:00"),
    ("datetime", "'2024-00-00 00:00:00'", "2024-00-00T00:00:00"),
    ("time", "'12:34:56'", "12:34:56"),
    ("time", "'838:59:59'", "838:59:59"),
    ("time", "'-838:59:59'", "-838:59:59"),
    ("time", "'-00:00:01'", "-00:00:01"),
    ("time", "'00:00:00'", "00:00:00"),
    ("date", "'2024-02-29'", "2024-02-29"),
    ("date", "'0000-00-00'", "0000-00-00"),
    ("year", "2155", 2155),
    ("year", "0", 0),
]


@pytest.fixture(scope="module")
def old_mariadb() -> Iterator[Database]:
    """A MariaDB that makes tables in the old formats."""
    with Database(find_mariadb(), options=["--mysql56-temporal-format=OFF"]) as database:
        execute(database, "CREATE DATABASE types")
        yield database


@pytest.fixture(scope="module")
def mysql56() -> Iterator[Database]:
    with Database(mysql_56()) as database:
        execute(database, "CREATE DATABASE types")
        yield database


def undescribed_schema(database: Database, name: str) -> TableSchema:
    """A table of MySQL 5.6, whose information_schema lacks what later ones tell."""
    schema, table = name.split(".")
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name, data_type, column_type, is_nullable = 'YES', character_set_name, collation_name "
            f"FROM information_schema.columns WHERE table_schema = '{schema}' AND table_name = '{table}' "
            "ORDER BY ordinal_position"
        )
        columns = tuple(
            Column(column, kind, full, bool(nullable), charset, collation)
            for column, kind, full, nullable, charset, collation in cursor.fetchall()
        )
    return TableSchema(schema, table, columns, ("id",))


def test_mariadbs_old_formats_are_the_same_on_both_paths(old_mariadb: Database) -> None:
    require(old_mariadb, "types", OLD)


@pytest.mark.parametrize("kind", ["timestamp(1)", "datetime(6)", "time(3)"])
def test_with_fractions_they_are_refused_by_name(old_mariadb: Database, kind: str) -> None:
    table = kind.translate({ord("("): "", ord(")"): ""})
    execute(old_mariadb, f"CREATE TABLE {table} (id INT PRIMARY KEY, c {kind} NULL)", schema="types")
    schema = described_schema(old_mariadb, f"types.{table}")
    with pytest.raises(UnsupportedType, match=r"column c has type .* /\* mariadb-5.3 \*/: a format whose length"):
        text_columns(schema.columns)
    execute(old_mariadb, "SET GLOBAL mysql56_temporal_format = ON", f"ALTER TABLE types.{table} FORCE")
    execute(old_mariadb, "SET GLOBAL mysql56_temporal_format = OFF")
    assert text_columns(described_schema(old_mariadb, f"types.{table}").columns), "its remedy does not help"


def test_a_binlog_that_tells_only_types_is_read_by_the_schema(mysql56: Database) -> None:
    require(mysql56, "types", [case for case in TRAPS if "😀" not in case[0]], undescribed_schema)


def test_labels_that_nobody_tells_are_refused_by_name(mysql56: Database) -> None:
    """information_schema shows a question mark for them."""
    (label,) = [case for case in TRAPS if case[0].startswith("enum('a','😀')")]
    with pytest.raises(UnsupportedType, match=r"column c0 has type enum\('a','\?'\), and a '\?' in its values"):
        require(mysql56, "types", [label], undescribed_schema)


def test_tables_from_before_mysql_56_are_the_same_on_both_paths(mysql56: Database, old_mariadb: Database) -> None:
    """No MySQL that can be had makes such tables; those of MariaDB, as files, are the same to it."""
    columns = ", ".join(f"c{number} {kind}" for number, (kind, _, _) in enumerate(OLD))
    columns = columns.replace("timestamp NULL", "timestamp NULL DEFAULT NULL")
    options = "ENGINE = MyISAM ROW_FORMAT = FIXED DEFAULT CHARSET latin1 PAGE_CHECKSUM = 0"
    execute(old_mariadb, f"CREATE TABLE old (id INT PRIMARY KEY, {columns}) {options}", "FLUSH TABLES", schema="types")
    for file in _data(old_mariadb).glob("old.*"):
        shutil.copy(file, _data(mysql56))
    (row,) = both_ways_of(mysql56, "types.old", [[sql for _, sql, _ in OLD]], undescribed_schema)
    assert [value for name, value in row.items() if name != "id"] == [value for _, _, value in OLD]
    with mysql56.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION show_old_temporals = ON")
        cursor.execute("SHOW CREATE TABLE types.old")
        assert "datetime /* 5.5 binary format */" in str(cursor.fetchall())


def _data(database: Database) -> Path:
    return database.directory / "data" / "types"
