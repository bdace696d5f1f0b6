"""The daemon on bad days: killed, cut off, throttled, answered in part or not at all. Nothing is lost, ever."""

import contextlib
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cdc.starting import require_no_prepared_xa
from keymap.errors import KeyshiftError, Problems
from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
from tests.cdc.world import World, make_world
from tests.cdc.writer import Writer
from tests.mysql.sources import execute
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import delay, duplicate, partial, reset_after, reset_before, server_error, throttle
from tests.servers.mariadb import find_mariadb
from tests.servers.oracle_mysql import oracle_mysql
from tests.servers.tcp_proxy import TcpProxy


@contextlib.contextmanager
def started(world: World) -> Iterator[None]:
    with world.daemon():
        world.wait_started()
        yield


def finish(world: World) -> None:
    """A last daemon catches up; then everything that was committed is on the stream, and nothing else."""
    with world.daemon():
        world.wait_caught_up()
    assert world.errors == []
    world.require_same()


@pytest.mark.timeout(200)
def test_a_daemon_that_is_killed_again_and_again_loses_nothing(world: World) -> None:
    chance = random.Random(world.schema)
    with started(world):
        pass
    with Writer(world) as writer:
        for _ in range(4):
            fence = world.capture().fence
            process = world.spawn()
            world.wait_until(lambda fence=fence: world.capture().fence > fence, "the daemon to have the lease")
            time.sleep(chance.uniform(0.2, 2.0))
            process.kill()
            process.wait()
    assert writer.commits > 100
    finish(world)
    assert world.capture().fence == 6  # the first, the four that were killed, the last


def test_sigterm_ends_the_process_with_everything_saved(world: World) -> None:
    process = world.spawn()
    world.wait_started()
    world.execute("INSERT INTO purchase VALUES (1, 1, 1, 5)")
    world.wait_caught_up()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    capture = world.capture()
    assert capture.released
    assert capture.checkpoint is not None
    assert capture.checkpoint.changes == 1
    log = (world.folder / "daemon.log").read_text()
    assert '"event": "captured"' in log
    assert '"position": "binlog.' in log
    assert world.database.password not in log


def test_a_daemon_that_slept_through_its_lease_does_no_harm_when_it_wakes(world: World) -> None:
    sleeper = world.spawn()
    try:
        world.wait_started()
        with Writer(world):
            time.sleep(0.5)
            sleeper.send_signal(signal.SIGSTOP)
            with world.daemon():
                world.wait_until(lambda: world.capture().fence == 2, "the other to take over")
                time.sleep(0.5)
                sleeper.send_signal(signal.SIGCONT)
                time.sleep(1)
                assert world.capture().fence == 2
    finally:
        sleeper.kill()
        sleeper.wait()
    finish(world)


def refused_for_a_while(proxy: TcpProxy) -> None:
    proxy.refuse()
    proxy.cut()
    time.sleep(0.5)
    proxy.allow()


def silent(proxy: TcpProxy) -> None:
    """Longer than the reader waits for a sign of life."""
    proxy.stall()
    time.sleep(2.5)
    proxy.cut()
    proxy.allow()


@pytest.mark.parametrize("trouble", [TcpProxy.cut, refused_for_a_while, silent])
def test_a_lost_connection_to_the_source_is_made_anew(
    database: Database, endpoints: Endpoints, schema: str, tmp_path: Path, trouble: Callable[[TcpProxy], None]
) -> None:
    with TcpProxy(database.host, database.port) as proxy:
        world = make_world(database, endpoints, schema, tmp_path, port=proxy.port)
        source = world.settings.source.model_copy(update={"read_timeout_seconds": 1.0})
        world.settings = world.settings.model_copy(update={"source": source})
        with started(world):
            with Writer(world):
                for _ in range(3):
                    time.sleep(0.4)
                    trouble(proxy)
            world.wait_caught_up()
            assert world.capture().fence == 1, "the lease outlives the connection"
        assert proxy.accepted > 4
        assert world.errors == []
        world.require_same()
    world.clients.close()


@pytest.fixture(scope="module")
def own_database(servers: str) -> Iterator[Database]:
    """A server of this module's own, to be restarted."""
    with Database(oracle_mysql() if servers.startswith("mysql") else find_mariadb()) as running:
        yield running


@pytest.fixture
def own(own_database: Database, endpoints: Endpoints, tmp_path: Path) -> Iterator[World]:
    execute(own_database, "DROP DATABASE IF EXISTS own", "CREATE DATABASE own")
    world = make_world(own_database, endpoints, "own", tmp_path)
    yield world
    world.clients.close()


@pytest.mark.parametrize("end", [Database.stop, Database.kill])
def test_a_restart_of_the_server_is_survived(own: World, end: Callable[[Database], None]) -> None:
    with started(own):
        with Writer(own) as writer:
            time.sleep(0.5)
            end(own.database)
            time.sleep(0.5)
            own.database.start()
            before = writer.commits
            own.wait_until(lambda: writer.commits > before + 20, "the application to go on")
        own.wait_caught_up()
    assert own.errors == []
    own.require_same()


def test_a_purged_position_stops_with_what_to_do(own: World) -> None:
    with started(own):
        pass
    own.execute("INSERT INTO purchase VALUES (1, 1, 1, 1)", "FLUSH BINARY LOGS", "FLUSH BINARY LOGS")
    deadline = time.monotonic() + 20
    while True:
        own.execute(f"PURGE BINARY LOGS TO '{own.end().file}'")
        with own.database.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SHOW BINARY LOGS")
            if len(cursor.fetchall()) == 1:
                break
        assert time.monotonic() < deadline
    with own.daemon():
        own.wait_until_failed()
    (error,) = own.errors
    assert isinstance(error, KeyshiftError)
    assert "has purged the binlog behind our position binlog." in error.message
    assert "keyshift cdc resume --decision reload" in error.remedy


def test_a_source_with_wrong_settings_is_refused_before_anything_is_written(own: World) -> None:
    own.execute("SET GLOBAL binlog_row_image = MINIMAL", "ALTER TABLE orders DROP PRIMARY KEY")
    try:
        with own.daemon():
            own.wait_until_failed()
    finally:
        own.execute("SET GLOBAL binlog_row_image = FULL")
    (error,) = own.errors
    assert isinstance(error, Problems)
    wrong = "\n".join(map(str, error.problems))
    assert "binlog_row_image=MINIMAL" in wrong
    assert "table own.orders: it has no primary key" in wrong
    assert own.records() == []
    assert own.capture().start is None


def test_an_xa_transaction_prepared_around_the_start_is_refused(own: World) -> None:
    """Its rows may lie before the start in the binlog, and its commit after the dump."""
    own.execute("XA START 'x'", "INSERT INTO purchase VALUES (1, 1, 1, 1)", "XA END 'x'", "XA PREPARE 'x'")
    try:
        with pytest.raises(KeyshiftError, match="1 XA transactions are prepared"):
            require_no_prepared_xa(own.database.connect)
    finally:
        own.execute("XA ROLLBACK 'x'")
    require_no_prepared_xa(own.database.connect)


def test_a_change_that_memory_does_not_hold_stops_with_everything_before_it_sent_and_goes_on_with_more(
    own: World,
) -> None:
    capture = own.settings.capture
    own.settings = own.settings.model_copy(
        update={"capture": capture.model_copy(update={"buffer_bytes_max": 8_000_000})}
    )
    own.execute("ALTER TABLE orders MODIFY status LONGTEXT NOT NULL")
    with started(own):
        own.execute("INSERT INTO purchase VALUES (1, 1, 1, 1)")
        own.execute("INSERT INTO orders VALUES (1, 1, REPEAT('x', 3000000), 1)")
        own.wait_until_failed()
    (error,) = own.errors
    assert "a change of table own.orders at binlog." in str(error)
    assert "bytes, and memory is set for changes of 2,000,000" in str(error)
    checkpoint = own.capture().checkpoint
    assert checkpoint is not None
    assert checkpoint.changes == 1
    own.errors.clear()
    own.settings = own.settings.model_copy(update={"capture": capture})
    finish(own)


FAULTS = {
    "throttled": Rule(throttle, ("PutRecords",), probability=0.5),
    "failing": Rule(server_error, ("PutRecords",), probability=0.5),
    "lost before": Rule(reset_before, ("PutRecords",), probability=0.4),
    "answers lost": Rule(reset_after, ("PutRecords",), probability=0.4),
    "duplicated": Rule(duplicate, ("PutRecords",), probability=0.5),
    "accepted in part": Rule(partial(0.5), ("PutRecords",), probability=0.7),
    "slow": Rule(delay(0.3), ("PutRecords",), probability=0.3),
}


@pytest.mark.parametrize("name", FAULTS)
def test_whatever_putrecords_does_every_lane_arrives_in_order(
    database: Database, endpoints: Endpoints, schema: str, tmp_path: Path, name: str
) -> None:
    with FaultProxy(endpoints.urls["kinesis"]) as proxy:
        world = make_world(database, endpoints, schema, tmp_path, kinesis=proxy.url)
        with started(world):
            proxy.rules = (FAULTS[name],)
            with Writer(world):
                time.sleep(2.5)
            proxy.rules = ()
            world.wait_caught_up()
        assert proxy.faults.total() > 3
        assert world.errors == []
        world.require_same()
    world.clients.close()


@pytest.mark.timeout(200)
def test_all_of_it_at_once(database: Database, endpoints: Endpoints, schema: str, tmp_path: Path) -> None:
    """Every fault of the stream, a control table that fails too, cut connections, and a daemon killed in between."""
    chance = random.Random(schema)
    with (
        TcpProxy(database.host, database.port) as source,
        FaultProxy(endpoints.urls["kinesis"]) as kinesis,
        FaultProxy(endpoints.urls["dynamodb"]) as control,
    ):
        world = make_world(
            database, endpoints, schema, tmp_path, port=source.port, kinesis=kinesis.url, dynamodb=control.url
        )
        with started(world):
            pass
        kinesis.rules = tuple(Rule(rule.fault, rule.operations, 0.08) for rule in FAULTS.values())
        control.rules = tuple(Rule(fault, ("UpdateItem",), 0.1) for fault in (throttle, reset_after, server_error))
        with Writer(world):
            for _ in range(3):
                process = world.spawn()
                threading.Timer(chance.uniform(1.0, 2.0), source.cut).start()
                time.sleep(chance.uniform(2.5, 4.5))
                process.kill()
                process.wait()
        kinesis.rules = control.rules = ()
        finish(world)
    world.clients.close()


def test_a_stream_that_is_gone_stops_the_daemon_and_the_checkpoint_stays(world: World) -> None:
    with world.daemon():
        world.wait_started()
        world.wait_caught_up()
        before = world.capture().checkpoint
        world.clients.kinesis.delete_stream(StreamName=world.migration.stream)
        world.execute("INSERT INTO purchase VALUES (1, 1, 1, 1)")
        world.wait_until_failed()
    (error,) = world.errors
    assert isinstance(error, KeyshiftError)
    assert "keyshift init" in error.remedy
    after = world.capture().checkpoint
    assert before is not None
    assert after is not None
    assert after.changes == 0
