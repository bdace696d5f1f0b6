"""Where capture starts: a point in the binlog of which everything earlier is visible to SELECT.

The position that a server reports is no such point: it runs ahead of what SELECT sees, by a second and more with
semi-sync (docs/design, "Capture starts"). What is right depends on the server: MySQL's executed GTID set; the position
that MariaDB keeps with a consistent snapshot; otherwise the position read under an instant's lock on the captured
tables, when no transaction that wrote to them is between log and engine.
"""

import time
from collections.abc import Callable, Iterable

from keymap.errors import KeyshiftError
from keymap.position import Position
from keyshift.mysql.connection import Connection, MySQLError, error_number, query
from keyshift.mysql.facts import ServerFacts, read_gtid_executed, read_status
from keyshift.mysql.select import quote_table

LOCK_WAIT_SECONDS_MAX = 5  # while we wait for the lock, the application's writes wait behind us
WAIT_SLICE_SECONDS = 1  # one call to the server; well below any read timeout
_LOOK_SECONDS = 0.05
_LOCK_TIMEOUT = 1205


def capture_start(connect: Callable[[], Connection], facts: ServerFacts, tables: Iterable[str]) -> Position:
    """A position such that every SELECT that begins after this call sees every change before it.

    Opens a connection of its own, and closes it. Raises KeyshiftError where the server cannot give such a point.
    """
    connection = connect()
    try:
        if facts.gtid:
            return _executed(connection, facts)
        if facts.flavour == "mariadb":
            return _snapshot(connection)
        return _locked(connection, facts, sorted(tables))
    finally:
        connection.close()


def _executed(connection: Connection, facts: ServerFacts) -> Position:
    """The GTID set decides; file and offset beside it are information (they are not a pair)."""
    gtid_set = read_gtid_executed(connection)
    status = read_status(connection, facts)
    return Position(status.file, status.offset, gtid_set)


def _snapshot(connection: Connection) -> Position:
    query(connection, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")  # others get no snapshot
    query(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
    status: dict[str, str] = dict(query(connection, "SHOW SESSION STATUS LIKE 'binlog_snapshot_%'"))
    query(connection, "ROLLBACK")
    file = status.get("Binlog_snapshot_file", "")
    if not file:
        raise KeyshiftError("the source writes no binlog (log_bin=OFF)", "Switch it on with log_bin and restart it")
    return Position(file, int(status["Binlog_snapshot_position"]))


def _locked(connection: Connection, facts: ServerFacts, tables: list[str]) -> Position:
    names = ", ".join(map(quote_table, tables))
    query(connection, f"SET SESSION lock_wait_timeout = {LOCK_WAIT_SECONDS_MAX}")
    try:
        query(connection, f"FLUSH TABLES {names} WITH READ LOCK")
    except MySQLError as error:
        if error_number(error) == _LOCK_TIMEOUT:
            message = f"a read lock on {', '.join(tables)} was not to be had within {LOCK_WAIT_SECONDS_MAX} seconds"
            remedy = "A long transaction or query holds one of them: let it end (SHOW PROCESSLIST), then start again"
            raise KeyshiftError(message, remedy) from error
        raise
    try:
        status = read_status(connection, facts)
    finally:
        query(connection, "UNLOCK TABLES")
    return Position(status.file, status.offset)


def wait_for_start(  # noqa: PLR0913 - the clock is handed in
    connection: Connection,
    facts: ServerFacts,
    start: Position,
    server: str,
    *,
    timeout_seconds: float = 60.0,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Return once rows read on this connection contain everything before `start`, which `server` (its identity) gave.

    A replica, or any server with the same GTIDs, is waited for. Raises KeyshiftError when it takes longer than
    `timeout_seconds`, or where it cannot be known (another server without GTIDs).
    """
    if start.gtid_set and facts.gtid:
        _wait_for_set(connection, facts, start.gtid_set, clock() + timeout_seconds, clock)
    elif facts.identity != server:
        message = f"rows would be read from {facts.identity}, but capture started on {server}"
        raise KeyshiftError(message, "Without GTIDs, read from the very server that is captured")


def wait_for_place(  # noqa: PLR0913 - the clock is handed in
    connect: Callable[[], Connection],
    facts: ServerFacts,
    place: Position,
    tables: Iterable[str],
    *,
    timeout_seconds: float = 60.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return once every SELECT that begins on this server sees all before `place`, one of its own binlog.

    What is in the binlog, and was captured, may not be visible yet (docs/design, "Version"): so a start is chosen anew
    until it lies at the place or behind it. Raises KeyshiftError when that takes longer than `timeout_seconds`.
    """
    names, deadline = list(tables), clock() + timeout_seconds
    while not capture_start(connect, facts, names).contains(place):
        if clock() >= deadline:
            message = f"the source has logged changes that SELECT did not see for {timeout_seconds:.0f} s"
            raise KeyshiftError(message, "See whether its commits hang (semi-sync replication, SHOW PROCESSLIST)")
        sleep(_LOOK_SECONDS)


def _wait_for_set(
    connection: Connection, facts: ServerFacts, gtid_set: str, deadline: float, clock: Callable[[], float]
) -> None:
    statement = f"SELECT WAIT_FOR_EXECUTED_GTID_SET('{gtid_set}', {WAIT_SLICE_SECONDS})"
    while query(connection, statement) != [(0,)]:
        if clock() >= deadline:
            place = f"MySQL at {connection.host}:{connection.port}, {facts.identity},"
            message = f"{place} has not executed the transactions {gtid_set} of the capture's start"
            raise KeyshiftError(message, "Let its replication catch up, or read from the captured server")
