"""Decoding: rows of a stretch of binlog by the library's bare loop, by ours, and by the server's own program.

`BENCH_DATABASE=mysql make bench` measures on Oracle's MySQL, as the tests find it; the default is what `keyshift demo`
runs, MariaDB first. Each way reads exactly the same stretch over the network, from connecting on; the better of two.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.row_event import UpdateRowsEvent, WriteRowsEvent

from bench import mysqlbinlog, shape
from bench.measure import Result, per_second
from bench.source import source_of
from cdc.binlog import Binlog
from cdc.events import Rows
from keymap.position import Position
from keymap.schema import TableSchema
from keyshift import native
from keyshift.cli.demo.child import ServerError
from keyshift.cli.demo.database import Database
from keyshift.cli.demo.program import ServerProgram, find_program
from keyshift.mysql.connection import connect
from keyshift.mysql.facts import read_facts, read_position
from keyshift.mysql.schema import read_schemas

MANY, ONE = 1_000, 1  # rows of a transaction
TIMES_MANY = 5  # the other groups' rows, for transactions of many
RUNS = 2  # the better of so many
SERVER_ID = 4_243
_NAME = f"{shape.SCHEMA}.{shape.TABLE}"
_UPDATE = f"UPDATE {shape.TABLE} SET kind = kind + 1, note = 'changed', score = score / 3 WHERE id BETWEEN %s AND %s"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a binlog file that holds `rows` changed rows of the bench table and no others."""

    what: str
    rows: int
    file: str
    begin: int
    end: int


def measure(rows: int) -> list[Result]:
    """Rows per second for INSERT and UPDATE, for transactions of a thousand rows and of one."""
    server = program()
    found = []
    with Database(server) as database, database.connect() as connection, connection.cursor() as cursor:
        for statement in (f"CREATE DATABASE {shape.SCHEMA}", f"USE {shape.SCHEMA}", shape.CREATE):
            cursor.execute(statement)
        first = 1
        for size, count in ((MANY, rows * TIMES_MANY), (ONE, rows)):
            for word, write in (("INSERT", shape.fill), ("UPDATE", _update)):
                stretch = written(
                    database, f"{word}, {size:,} to a transaction", count, partial(write, cursor, first, count, size)
                )
                found += _measured(database, server, stretch)
            first += count
    return found


def program() -> ServerProgram:
    """The server that is measured."""
    if os.environ.get("BENCH_DATABASE", "") != "mysql":
        return find_program()
    from tests.servers.oracle_mysql import oracle_mysql  # noqa: PLC0415 - how to get one is the tests' business

    return oracle_mysql()


def _update(cursor: Any, first: int, count: int, size: int) -> None:  # noqa: ANN401 - a PyMySQL cursor
    for number in range(first, first + count, size):
        cursor.execute(_UPDATE, (number, min(number + size, first + count) - 1))


def written(database: Database, what: str, rows: int, write: Callable[[], None]) -> Stretch:
    """Let it be written into a file of its own."""
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("FLUSH BINARY LOGS")
    begin = _position(database)
    write()
    end = _position(database)
    assert begin.file == end.file, "the stretch is too long for one file"
    return Stretch(what, rows, begin.file, begin.offset, end.offset)


def _position(database: Database) -> Position:
    with connect(source_of(database)) as connection:
        return read_position(connection, read_facts(connection))


def _measured(database: Database, server: ServerProgram, stretch: Stretch) -> list[Result]:
    group, what = f"decode, {database.flavour}", stretch.what
    bare = _speed(stretch, lambda: _bare(database, stretch))
    ours = _our_speeds(database, stretch)
    found = [Result(group, f"{what}: bare loop over the library", bare, "bare loop", 1.0)]
    found += [Result(group, f"{what}: {name}", speed, "bare loop", speed / bare) for name, speed in ours.items()]
    try:
        words = mysqlbinlog.command(server)
    except ServerError as error:
        return [*found, Result(group, f"{what}: {error}", 0.0, "bare loop", 0.0)]
    limit = _speed(stretch, lambda: mysqlbinlog.print_rows(words, database, stretch.file, stretch.begin, stretch.end))
    found.append(Result(group, f"{what}: mysqlbinlog -v", limit, "bare loop", limit / bare))
    return found + [
        Result(group, f"{what}: {name}", speed, "mysqlbinlog -v", speed / limit) for name, speed in ours.items()
    ]


def _our_speeds(database: Database, stretch: Stretch) -> dict[str, float]:
    with connect(source_of(database)) as connection:
        schemas = read_schemas(connection, [_NAME])
    found = {}
    for name, pure in (("keyshift, compiled", False), ("keyshift, pure Python", True)):
        if pure or native.load("keyshift.binlog._core"):
            with _switched(pure=pure):
                found[name] = _speed(stretch, lambda: _ours(database, stretch, schemas))
    return found


def _speed(stretch: Stretch, work: Callable[[], None]) -> float:
    return max(per_second(stretch.rows, work) for _ in range(RUNS))


def library_rows(database: Database, stretch: Stretch) -> Iterator[Any]:
    """The rows of each event as the library reads them, from the stretch's beginning to the binlog's present end."""
    reader = BinLogStreamReader(
        {"host": database.host, "port": database.port, "user": database.user, "passwd": database.password},
        server_id=SERVER_ID,
        log_file=stretch.file,
        log_pos=stretch.begin,
        resume_stream=True,
        blocking=False,
        only_events=[WriteRowsEvent, UpdateRowsEvent],
        enable_logging=False,
    )
    try:
        for event in reader:
            yield event.rows
    finally:
        reader.close()


def _bare(database: Database, stretch: Stretch) -> None:
    """All rows events up to the binlog's end, which is the stretch's."""
    count = sum(map(len, library_rows(database, stretch)))
    assert count == stretch.rows, f"the library read {count} rows of {stretch.rows}"


def _ours(database: Database, stretch: Stretch, schemas: dict[str, TableSchema]) -> None:
    """All events up to the one that ends where the stretch does."""
    position = Position(stretch.file, stretch.begin)
    count = 0
    with Binlog(
        *(source_of(database), position, schemas),
        gtids=False,
        described=True,
        server_id=SERVER_ID,
        heartbeat_seconds=1.0,
    ) as binlog:
        for event in binlog:
            if isinstance(event, Rows):
                count += len(event.images)
            if event.place.end >= stretch.end and event.place.file == stretch.file:
                break
    assert count == stretch.rows, f"we read {count} rows of {stretch.rows}"


@contextmanager
def _switched(*, pure: bool) -> Iterator[None]:
    """Rows are read by pure Python for a while, or by what is there; the switch is looked at for every table map."""
    before = os.environ.get(native.SWITCH)
    os.environ[native.SWITCH] = "1" if pure else "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ[native.SWITCH]
        else:
            os.environ[native.SWITCH] = before
