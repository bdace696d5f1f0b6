"""The dump's manners: what makes it wait, that it says so, that it goes on, and that it holds nothing meanwhile."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from bulkload import board
from bulkload.board import Board
from bulkload.chunkfile import EncodedChunk
from bulkload.dump.gentle import LOOK_SECONDS, Gentle, Reader
from bulkload.dump.run import DumpReport
from bulkload.progress import silent
from keymap.errors import Problems
from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
from keyshift.control.lease import DUMP
from keyshift.control.pace import read_pace
from keyshift.control.throttle import change_throttle
from keyshift.mysql.connection import MySQLError
from keyshift.mysql.strain import Lag, Replicas, read_own_lag, read_threads_running
from keyshift.process.stop import Stop
from keyshift.process.tasks import BulkloadSettings, ThrottleSettings
from tests.bulkload.world import World, make_world, opened
from tests.cdc.pair import two_servers
from tests.cli.running import until
from tests.control.conftest import Clock
from tests.mysql.replication import delay, replicate
from tests.mysql.sources import source_of


@contextmanager
def dumping(world: World, **changed: Any) -> Iterator[list[DumpReport]]:
    """A dump on a thread; its report is there after the block."""
    reports: list[DumpReport] = []
    thread = threading.Thread(target=lambda: reports.append(world.dump(**changed)))
    thread.start()
    try:
        yield reports
        thread.join()
    finally:
        world.stop.set()
        thread.join()


def waits(world: World, table: str = "purchase") -> str:
    return read_pace(world.store, DUMP, f"{world.schema}.{table}").waits


def test_a_paused_dump_reads_nothing_holds_no_transaction_and_goes_on_when_it_is_resumed(world: World) -> None:
    change_throttle(world.store, {}, paused=True)
    with dumping(world) as reports:
        until(lambda: "paused" in waits(world))
        assert not world.objects()
        assert open_transactions(world) == 0
        change_throttle(world.store, {}, paused=False)
    assert reports[0].complete
    assert reports[0].rows == 22
    assert not waits(world)
    pace = read_pace(world.store, DUMP, f"{world.schema}.orders")
    assert (pace.rows, pace.rows_total) == (7, 7)


def open_transactions(world: World) -> int:
    """Transactions in which no statement runs."""
    with world.database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_query IS NULL")
        ((count,),) = cursor.fetchall()
    return int(count)


def test_no_transaction_is_open_between_two_chunks(world: World) -> None:
    seen: list[int] = []
    world.dump(progress=lambda *_: seen.append(open_transactions(world)))
    assert seen == [0] * len(seen)
    assert len(seen) > 8


def test_a_pause_in_the_midst_of_a_table_is_obeyed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bulkload.dump.gentle.LOOK_SECONDS", 0.05)
    paused = threading.Event()

    def pause_once(*_: object) -> None:
        if not paused.is_set():
            change_throttle(world.store, {}, paused=True)
            paused.set()
            stop_clock()

    def stop_clock() -> None:
        threading.Event().wait(0.1)  # so that the next look is due

    with dumping(world, progress=pause_once) as reports:
        until(lambda: "paused" in waits(world))
        stop_clock()  # what was read before is stored
        found = world.objects()
        assert len(found) <= len(world.migration.tables)
        stop_clock()
        assert world.objects() == found
        change_throttle(world.store, {}, paused=None, reset=True)
    assert reports[0].rows == 22


def test_a_source_that_runs_many_statements_is_left_alone(world: World) -> None:
    with opened(world.settings.source) as connection:
        usual = read_threads_running(connection)
    with sleepers(world, 3) as sleeping:
        with opened(world.settings.source) as connection:
            until(lambda: read_threads_running(connection) >= usual + 3)
        most = ThrottleSettings(threads_running_max=usual + 1)
        with dumping(world, throttle=most) as reports:
            until(lambda: "statements run at the source" in waits(world))
            assert not world.objects()
            sleeping()
    assert reports[0].rows == 22


@contextmanager
def sleepers(world: World, count: int) -> Iterator[Callable[[], None]]:
    """Statements that run until the function that is given is called."""
    connections = [world.database.connect() for _ in range(count)]
    numbers = [connection.thread_id() for connection in connections]

    def sleep(connection: Any) -> None:
        with suppress(MySQLError), connection.cursor() as cursor:  # MariaDB: error 1317 when it is killed
            cursor.execute("SELECT SLEEP(60)")

    threads = [threading.Thread(target=sleep, args=(connection,)) for connection in connections]
    for thread in threads:
        thread.start()

    def wake() -> None:
        with world.database.connect() as connection, connection.cursor() as cursor:
            for number in numbers:
                cursor.execute(f"KILL QUERY {number}")
        for thread in threads:
            thread.join()

    try:
        yield wake
    finally:
        for connection in connections:
            connection.close()


def test_a_replica_that_lags_holds_the_dump_back(servers: str, endpoints: Endpoints, tmp_path: Path) -> None:
    with two_servers(servers.partition("+")[0]) as (source, replica):
        with source.connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE late")
        world = make_world(source, endpoints, "late", tmp_path)
        world.start_capture()
        replicate(source, replica)
        delay(replica, 3600)
        world.execute("INSERT INTO tag VALUES ('z', 1, 1)")
        throttle = ThrottleSettings(replicas=(f"{replica.host}:{replica.port}",), replica_lag_seconds_max=1)
        with opened(source_of(replica)) as connection:
            until(lambda: (read_own_lag(connection, "s") or Lag("", 0)).seconds not in {0, 1, None})
        with dumping(world, throttle=throttle) as reports:
            until(lambda: f"{replica.host}:{replica.port} is " in waits(world))
            assert not world.objects()
            delay(replica, 0)
        assert reports[0].rows == 23
        world.clients.close()


def test_replicas_that_cannot_be_asked_are_told_before_a_row_is_read(world: World, database: Database) -> None:
    """All of them: one that is not there, and one that is no replica."""
    places = ("127.0.0.1:1", f"{database.host}:{database.port}")
    with pytest.raises(Problems) as caught:
        world.dump(throttle=ThrottleSettings(replicas=places))
    assert [problem.where for problem in caught.value.problems] == [
        f"bulkload.throttle.replicas: {place}" for place in places
    ]
    assert "cannot be reached" in str(caught.value)
    assert "is no replica" in str(caught.value)
    assert not world.objects()


class Desk:
    """A Gentle whose time passes when it waits, in front of servers that say what the test says."""

    def __init__(self, world: World, **settings: Any) -> None:
        self.clock = Clock(0)
        self.threads = 0
        self.when_asked: Callable[[], None] = lambda: None
        desk = self

        class Waits(Stop):
            def sleep(self, seconds: float) -> None:
                desk.clock.now += seconds

        class Servers:
            name = "the source"

            def ask(self, _question: object, doing: str) -> Any:
                desk.when_asked()
                return desk.threads if "Threads" in doing else None

        stop = Waits()
        told = Board(world.store, DUMP, silent, stop, self.clock)
        told.begins("db.t", 0, 0)
        self.reader = Reader(Servers())  # type: ignore[arg-type]
        self.gentle = Gentle(
            BulkloadSettings(**settings),
            replicas=Replicas(world.settings.source, ()),
            store=world.store,
            board=told,
            stop=stop,
            clock=self.clock,
        )

    def chunk(self, rows: int, row_bytes: int, seconds: float, limit: int) -> int:
        """Read one; how large the next may be."""
        self.gentle.wait(self.reader, limit)
        with self.gentle.reading(self.reader):
            self.clock.now += seconds
        return self.gentle.next_limit(self.reader, limit, EncodedChunk(b"", rows, "", rows * row_bytes))


def test_rows_and_bytes_stay_under_their_rates(world: World) -> None:
    for name, rate in (("rows_per_second_max", 100), ("bytes_per_second_max", 1000)):
        desk = Desk(world, throttle=ThrottleSettings(**{name: rate}))
        limit, rows = 16, 0
        for _ in range(20):
            rows, limit = rows + limit, desk.chunk(limit, 10, 0.001, limit)
            assert limit <= 100
        desk.gentle.wait(desk.reader, 0)
        assert rows <= 100 * (desk.clock.now + 1)
        assert rows > 1000


def test_limits_hold_for_all_readers_together(world: World) -> None:
    """Who is let through has taken its chunk already, though nothing of it is read yet."""
    desk = Desk(world, throttle=ThrottleSettings(rows_per_second_max=100))
    others = [Reader(desk.reader.source) for _ in range(3)]
    for number, reader in enumerate((desk.reader, *others)):
        desk.gentle.wait(reader, 100)
        assert desk.clock.now >= number
    desk.gentle.next_limit(others[0], 100, EncodedChunk(b"", 0, "", 0), is_full=False)
    before = desk.clock.now
    desk.gentle.wait(others[0], 100)
    assert desk.clock.now == pytest.approx(before)  # what was not read may be read by another


def test_statements_of_the_dump_itself_do_not_count_against_it(world: World) -> None:
    desk = Desk(world, throttle=ThrottleSettings(threads_running_max=8))
    desk.threads = 10
    others = [Reader(desk.reader.source) for _ in range(3)]
    with ExitStack() as stack:
        for reader in others:
            stack.enter_context(desk.gentle.reading(reader))
        desk.gentle.wait(desk.reader, 1)
        assert desk.clock.now < LOOK_SECONDS
    desk.clock.now += LOOK_SECONDS
    desk.when_asked = lambda: setattr(desk, "threads", 1) if desk.clock.now > 5 * LOOK_SECONDS else None
    desk.gentle.wait(desk.reader, 1)
    assert desk.clock.now > 5 * LOOK_SECONDS  # ten of others are too many


def test_chunks_shrink_until_reading_one_takes_as_long_as_it_should(world: World) -> None:
    desk = Desk(world, chunk_seconds=0.5)
    assert desk.chunk(1000, 10, 5.0, 1000) == 100
    assert desk.chunk(100, 10, 0.5, 100) == 100
    assert desk.chunk(100, 10, 0.1, 100) == 500
    assert desk.chunk(1, 10, 60.0, 1) == 1


def test_near_a_limit_the_dump_rests_between_chunks(world: World) -> None:
    desk = Desk(world, throttle=ThrottleSettings(threads_running_max=100))
    desk.threads = 75
    desk.chunk(10, 10, 1.0, 10)
    began = desk.clock.now
    desk.gentle.wait(desk.reader, 0)
    assert 0.5 < desk.clock.now - began < LOOK_SECONDS
    assert board.WRITE_SECONDS <= LOOK_SECONDS  # who looks sees each wait
