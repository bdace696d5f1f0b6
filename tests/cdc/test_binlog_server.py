"""The binlog of a server that is set otherwise, restarted, or purged: read, or an error that says so."""

import time
from collections.abc import Callable, Iterator

import pytest

from cdc.connection import ConnectionEnded
from keymap.errors import KeyshiftError
from keyshift.cli.demo.database import Database
from keyshift.mysql.connection import MySQLError
from tests.cdc.sources import images, is_at, open_binlog, read_events, schemas_of
from tests.cdc.two_tables import Source
from tests.mysql.sources import execute
from tests.servers.mariadb import find_mariadb
from tests.servers.oracle_mysql import oracle_mysql


@pytest.fixture(scope="module")
def own_database(servers: str) -> Iterator[Database]:
    """A server of this module's own, to be restarted and misconfigured."""
    program = oracle_mysql() if servers.startswith("mysql") else find_mariadb()
    with Database(program) as running:
        yield running


@pytest.fixture
def own(own_database: Database) -> Source:
    reset = "RESET MASTER" if own_database.flavour == "mariadb" else "RESET BINARY LOGS AND GTIDS"
    execute(own_database, "DROP DATABASE IF EXISTS own", reset, "CREATE DATABASE own")
    return Source(own_database, "own")


def test_compressed_events_are_read(own: Source) -> None:
    if own.database.flavour == "mysql":
        return  # it compresses whole transactions
    own.run("DROP TABLE a", "CREATE TABLE a (id INT PRIMARY KEY, v VARCHAR(300))")
    own.start = own.end
    own.run("SET GLOBAL log_bin_compress = ON")
    try:
        own.run(
            "INSERT INTO a VALUES (1, REPEAT('x', 300))", "UPDATE a SET v = REPEAT('y', 300)", "DELETE FROM a WHERE id"
        )
    finally:
        own.run("SET GLOBAL log_bin_compress = OFF")
    x, y = "x" * 300, "y" * 300
    assert own.captured() == [f"+1={x}", f"1={x}>1={y}", f"-1={y}"]
    assert own.position == own.end


def test_metadata_that_is_not_full_is_refused_unless_the_schema_stands_in_for_it(own: Source) -> None:
    own.run("DROP TABLE a", "CREATE TABLE a (id INT UNSIGNED PRIMARY KEY, v ENUM('x', 'y') CHARACTER SET latin1)")
    own.start = own.end
    own.run("SET GLOBAL binlog_row_metadata = MINIMAL")
    try:
        own.run("INSERT INTO a VALUES (4000000000, 'y')")
    finally:
        own.run("SET GLOBAL binlog_row_metadata = FULL")
    schemas = schemas_of(own.database, "own.a")
    events = read_events(own.database, own.start, schemas, described=False)
    assert images(events, "own.a") == [(None, {"id": 4_000_000_000, "v": "y"})]
    with pytest.raises(KeyshiftError, match="binlog_row_metadata was not FULL"):
        own.captured()


def test_files_with_checksums_and_without_are_read(own: Source) -> None:
    own.run("SET GLOBAL binlog_checksum = NONE", "INSERT INTO a VALUES (1, 1)")
    try:
        assert own.captured() == ["+1=1"], "while the server's own events have none"
    finally:
        own.run("SET GLOBAL binlog_checksum = CRC32")
    own.run("INSERT INTO a VALUES (2, 2)")
    assert own.captured() == ["+1=1", "+2=2"]
    assert own.position == own.end


@pytest.mark.parametrize("end", [Database.stop, Database.kill])
def test_after_a_restart_of_the_server_ids_stand_for_other_tables(own: Source, end: Callable[[Database], None]) -> None:
    """The server numbers its tables anew; the rows of b must not come as those of a."""
    own.run("INSERT INTO a VALUES (1, 1)", "INSERT INTO b VALUES (1, 1)")
    end(own.database)
    own.database.start()
    own.run("INSERT INTO b VALUES (777, 7)", "INSERT INTO a VALUES (2, 2)")
    assert own.captured() == ["+1=1", "+2=2"]
    assert own.position == own.end


def test_a_server_that_goes_away_ends_the_stream(own: Source) -> None:
    """Whatever it is called, it is not silence, and not an empty end."""
    schemas = schemas_of(own.database, "own.a")
    for end in (Database.stop, Database.kill):
        position = own.end
        with open_binlog(own.database, position, schemas) as binlog:
            events = iter(binlog)
            while not is_at(position)(next(events)):
                pass
            end(own.database)
            with pytest.raises((ConnectionEnded, MySQLError)):
                for _ in events:
                    pass
        own.database.start()


def purge_to_end(own: Source) -> None:
    """Both servers keep a file, without a word, while somebody reads it or recovery may need it."""
    deadline = time.monotonic() + 20
    while True:
        own.run(f"PURGE BINARY LOGS TO '{own.end.file}'")
        with own.database.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SHOW BINARY LOGS")
            if [row[0] for row in cursor.fetchall()] == [own.end.file]:
                return
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_purged_position_is_an_error_of_the_server_with_its_number(own: Source) -> None:
    position = own.end
    own.run("INSERT INTO a VALUES (1, 1)", "FLUSH BINARY LOGS", "INSERT INTO a VALUES (2, 2)", "FLUSH BINARY LOGS")
    purge_to_end(own)
    with pytest.raises(MySQLError) as refused:
        read_events(own.database, position, {})
    assert refused.value.args[0] == 1236


def test_a_source_whose_set_is_empty_is_read_from_its_first_transaction(own: Source) -> None:
    own.run("RESET MASTER" if own.database.flavour == "mariadb" else "RESET BINARY LOGS AND GTIDS")
    start = own.end
    assert start.gtid_set == ""
    own.run("INSERT INTO a VALUES (1, 1)")
    assert own.captured(start) == ["+1=1"]
