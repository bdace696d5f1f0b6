"""Types that only a newer MariaDB has, by SELECT and from the binlog."""

from collections.abc import Iterator

import pytest

from keyshift.binlog.charsets import charset_of
from keyshift.cli.demo.database import Database
from tests.mysql.sources import execute
from tests.servers.newer_mariadb import newer_mariadb
from tests.types.both import require
from tests.types.cases import MARIADB, NEWER_MARIADB, TRAPS


@pytest.fixture(scope="module")
def newer() -> Iterator[Database]:
    with Database(newer_mariadb()) as database:
        execute(database, "CREATE DATABASE types")
        yield database


def test_its_types_are_the_same_on_both_paths(newer: Database) -> None:
    assert tuple(map(int, newer.version.split("."))) >= (11, 8)
    require(newer, "types", NEWER_MARIADB)


def test_so_are_those_that_it_shares_with_older_ones(newer: Database) -> None:
    require(newer, "types", TRAPS)
    require(newer, "types", MARIADB)


def test_all_its_collations_are_known(newer: Database) -> None:
    with newer.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id, character_set_name FROM information_schema.collation_character_set_applicability")
        known = dict(cursor.fetchall())
    assert len(known) > 1200
    assert {number: charset_of(number) for number in known} == known
