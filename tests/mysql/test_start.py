"""Where capture starts: every row that a SELECT after the call does not see is after the position."""

import contextlib
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import MappingProxyType

import pytest

from keymap.errors import KeyshiftError
from keymap.gtid import GtidSet
from keymap.position import Position
from keyshift.cli.demo.database import Database
from keyshift.mysql import start
from keyshift.mysql.connection import Connection, connect, query
from keyshift.mysql.facts import ServerFacts, read_facts, read_gtid_executed, read_position
from keyshift.mysql.start import capture_start, wait_for_start
from keyshift.process.source import SourceSettings
from tests.mysql.sources import execute

OTHER = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
WRITERS = 4
OBSERVE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Logged:
    """One transaction in the binlog: its GTID, where it ends, the ids it inserted."""

    gtid: str
    file: str
    end: int
    ids: frozenset[int]


def without_gtid(facts: ServerFacts) -> ServerFacts:
    """The same server, as if it were a MySQL whose positions have no GTID set."""
    variables = MappingProxyType(dict(facts.variables) | {"gtid_mode": "OFF"})
    version = facts.version if facts.flavour == "mysql" else (8, 0, 30)
    return replace(facts, flavour="mysql", version=version, variables=variables)


@contextlib.contextmanager
def writing(database: Database, schema: str) -> Iterator[None]:
    """Inserts of one row each, from several connections, with the statement in the binlog beside the row."""
    stop = threading.Event()

    def write(writer: int) -> None:
        with database.connect(schema) as connection, connection.cursor() as cursor:
            if database.flavour == "mysql":
                cursor.execute("SET SESSION binlog_rows_query_log_events = ON")
            number = 0
            while not stop.is_set():
                cursor.execute(f"INSERT INTO t VALUES ({number * WRITERS + writer})")
                number += 1

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(WRITERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def logged(connection: Connection, file: str) -> Iterator[Logged]:
    gtid = ""
    ids: set[int] = set()
    for _, _, kind, _, end, info in query(connection, f"SHOW BINLOG EVENTS IN '{file}'"):
        if kind == "Gtid":
            found = re.search(r"GTID_NEXT= '([^']+)'", info)
            gtid, ids = (found.group(1) if found else ""), set()
        elif kind in {"Rows_query", "Annotate_rows"} and (found := re.search(r"INSERT INTO t VALUES \((\d+)\)", info)):
            ids.add(int(found.group(1)))
        elif kind == "Xid":
            yield Logged(gtid, file, end, frozenset(ids))
            ids = set()


def before(position: Position, transaction: Logged) -> bool:
    if position.gtid_set:
        return GtidSet(position.gtid_set).contains(GtidSet(transaction.gtid))
    return transaction.file == position.file and transaction.end <= position.offset


@pytest.mark.parametrize("way", ["the server's own", "under a lock"])
def test_every_row_that_is_not_visible_is_after_the_start(
    database: Database, source: SourceSettings, connection: Connection, schema: str, way: str
) -> None:
    execute(database, "CREATE TABLE t (id INT PRIMARY KEY)", "FLUSH LOGS", schema=schema)
    facts = read_facts(connection)
    facts = facts if way == "the server's own" else without_gtid(facts)
    seen: list[tuple[Position, set[int]]] = []
    with writing(database, schema):
        end = time.monotonic() + OBSERVE_SECONDS
        while time.monotonic() < end:
            position = capture_start(lambda: connect(source), facts, [f"{schema}.t"])
            seen.append((position, {row[0] for row in query(connection, f"SELECT id FROM {schema}.t")}))
    assert len(seen) > 5
    assert len({position.file for position, _ in seen}) == 1
    transactions = list(logged(connection, seen[0][0].file))
    assert len(transactions) > 20
    for position, visible in seen:
        hidden = [done for done in transactions if before(position, done) and not done.ids <= visible]
        assert not hidden, f"{position} is behind {hidden[0]}, which SELECT does not see"
    assert any(before(seen[-1][0], done) for done in transactions), "a start that is before everything proves nothing"


def test_without_gtids_a_long_transaction_refuses_the_start_and_leaves_no_lock(
    database: Database,
    source: SourceSettings,
    connection: Connection,
    schema: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(start, "LOCK_WAIT_SECONDS_MAX", 1)
    execute(database, "CREATE TABLE t (id INT PRIMARY KEY)", schema=schema)
    facts = without_gtid(read_facts(connection))
    with database.connect(schema) as writer, writer.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(KeyshiftError, match=r"a read lock on .* was not to be had within 1 seconds"):
            capture_start(lambda: connect(source), facts, [f"{schema}.t"])
        cursor.execute("COMMIT")
    assert capture_start(lambda: connect(source), facts, [f"{schema}.t"]).offset
    execute(database, "INSERT INTO t VALUES (2)", schema=schema)


def test_the_current_position_contains_everything_committed_before(
    database: Database, connection: Connection, schema: str
) -> None:
    facts = read_facts(connection)
    execute(database, "CREATE TABLE t (id INT PRIMARY KEY)", schema=schema)
    first = read_position(connection, facts)
    execute(database, "INSERT INTO t VALUES (1)", schema=schema)
    second = read_position(connection, facts)
    assert second.contains(first)
    assert not first.contains(second)
    assert bool(second.gtid_set) == facts.gtid == (database.flavour == "mysql")


def test_reading_on_the_captured_server_waits_for_nothing(
    database: Database, source: SourceSettings, connection: Connection, schema: str
) -> None:
    execute(database, "CREATE TABLE t (id INT PRIMARY KEY)", schema=schema)
    facts = read_facts(connection)
    position = capture_start(lambda: connect(source), facts, [f"{schema}.t"])
    wait_for_start(connection, facts, position, facts.identity, timeout_seconds=0)


def test_without_gtids_another_server_is_refused(connection: Connection) -> None:
    facts = without_gtid(read_facts(connection))
    with pytest.raises(KeyshiftError, match=r"would be read from .*, but capture started on another"):
        wait_for_start(connection, facts, Position("binlog.000001", 4), "another")


def test_a_server_that_lags_behind_the_start_is_waited_for(database: Database, connection: Connection) -> None:
    facts = read_facts(connection)
    if not facts.gtid:
        assert facts.flavour == "mariadb", "MariaDB has no executed set to wait for: it must be the same server"
        return
    done = GtidSet(read_gtid_executed(connection))
    done.add(f"{OTHER}:1")
    position = Position("elsewhere.000001", 4, str(done))
    with pytest.raises(KeyshiftError, match="has not executed the transactions"):
        wait_for_start(connection, facts, position, "another", timeout_seconds=0)

    def replicate() -> None:
        time.sleep(0.5)
        with database.connect() as applier, applier.cursor() as cursor:
            for statement in (f"SET gtid_next = '{OTHER}:1'", "BEGIN", "COMMIT", "SET gtid_next = 'AUTOMATIC'"):
                cursor.execute(statement)

    thread = threading.Thread(target=replicate)
    thread.start()
    wait_for_start(connection, facts, position, "another", timeout_seconds=20)
    thread.join()
    assert read_position(connection, facts).contains(position)
