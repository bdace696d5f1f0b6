"""The daemon on real servers: everything that commits is on the stream, once per lane, in order, whatever happens."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pydantic import SecretStr

from keymap.errors import KeyshiftError, Problems
from keyshift.control import barrier
from keyshift.control.lease import CAPTURE, Lease
from keyshift.mysql.connection import Denied
from keyshift.process.clock import boottime
from keyshift.process.source import SourceSettings
from keyshift.process.stop import Stop
from tests.cdc.world import LANES, World, initialised
from tests.cdc.writer import Writer


@contextmanager
def started(world: World) -> Iterator[Stop]:
    with world.daemon() as stop:
        world.wait_started()
        yield stop


def test_capture_begins_with_a_marker_in_every_lane_and_then_follows_the_source(world: World) -> None:
    with started(world):
        assert world.markers(barrier.START) == set(range(LANES))
        world.execute(
            "INSERT INTO purchase VALUES (1, 1, 1, 5), (1, 1, 2, 6), (2, 1, 1, 7)",
            "UPDATE purchase SET quantity = 9 WHERE productid = 2",
            "UPDATE purchase SET customerid = 3 WHERE customerid = 2",
            "DELETE FROM purchase WHERE productid = 1 AND customerid = 1",
            "INSERT INTO orders VALUES (1, 1, 'new', 1.50), (2, 1, 'draft', NULL)",
            "UPDATE orders SET status = 'draft' WHERE id = 1",
            "UPDATE orders SET status = 'paid' WHERE id = 2",
        )
        world.wait_caught_up()
        world.require_same()
    assert world.errors == []
    capture = world.capture()
    assert capture.released
    assert capture.checkpoint is not None
    assert capture.checkpoint.changes == 9
    versions = [change.version for changes in world.lanes().values() for change in changes]
    assert capture.checkpoint.last_version == max(versions)
    assert capture.checkpoint.lanes == {lane: found[-1].version for lane, found in world.lanes().items() if found}


def test_a_change_is_on_the_stream_within_a_moment(world: World) -> None:
    with started(world):
        time.sleep(0.5)
        latencies = []
        for number in range(5):
            world.execute(f"INSERT INTO orders VALUES ({number}, 1, 'new', 1)")
            begun = time.monotonic()
            while sum(map(len, world.lanes().values())) <= number:
                assert time.monotonic() < begun + 5
            latencies.append(time.monotonic() - begun)
    assert sorted(latencies)[2] < 1


def test_an_idle_source_and_one_that_writes_elsewhere_are_caught_up_with(world: World) -> None:
    with started(world):
        world.wait_caught_up()
        world.execute("INSERT INTO elsewhere (v) VALUES ('x')", "CREATE TABLE more (i INT)", "FLUSH BINARY LOGS")
        world.wait_caught_up()
        world.execute("FLUSH BINARY LOGS", "FLUSH BINARY LOGS")
        world.wait_caught_up()
    assert world.replayed() == {}


def test_a_barrier_is_sent_when_everything_before_it_is_on_the_stream(world: World) -> None:
    with started(world), Writer(world):
        for _ in range(2):
            time.sleep(0.3)
            number = barrier.request(world.store, world.end())
            world.wait_until(lambda number=number: barrier.state(world.store, number, LANES).sent, "the markers")
            assert world.markers(number) == set(range(LANES))
            state = barrier.state(world.store, number, LANES)
            sent = {change.version for changes in world.lanes().values() for change in changes}
            assert sum(version <= state.last_version for version in sent) >= state.changes > 0
    world.execute("FLUSH BINARY LOGS")
    with world.daemon():
        number = barrier.request(world.store, world.end())
        world.wait_until(lambda: barrier.state(world.store, number, LANES).sent, "the markers, after a rotation")
        world.require_same()
    number = barrier.request(world.store, world.end())
    with world.daemon():  # one that died may have sent markers of that number, and read less by then
        world.wait_until(lambda: barrier.state(world.store, number, LANES).sent, "the markers of another number")
        assert (world.markers(number), world.markers(number + 1)) == (set(), set(range(LANES)))


def test_a_stop_saves_what_was_sent_and_the_next_start_sends_nothing_again(world: World) -> None:
    with started(world):
        world.execute("INSERT INTO purchase VALUES (1, 1, 1, 5)")
        world.wait_caught_up()
    before = len(world.records())
    world.execute("INSERT INTO purchase VALUES (1, 1, 2, 6)")
    with world.daemon():
        world.wait_caught_up()
    assert len(world.records()) == before + 1
    world.require_same()
    assert world.errors == []


def test_many_changes_while_it_is_stopped_and_started_again(world: World) -> None:
    with started(world):
        pass
    with Writer(world) as writer:
        for _ in range(3):
            with world.daemon():
                time.sleep(1.5)
    with world.daemon():
        world.wait_caught_up()
    assert writer.commits > 100
    world.require_same()
    assert world.errors == []


def test_a_large_transaction_goes_through_a_small_buffer(world: World, tmp_path: Path) -> None:
    limits = {"buffer_bytes_max": 1024 * 1024, "transaction_memory_bytes_max": 100_000, "spill_dir": tmp_path}
    capture = world.settings.capture.model_copy(update=limits)
    world.settings = world.settings.model_copy(update={"capture": capture})
    rows = ", ".join(f"({number}, 1, 1, 1)" for number in range(20_000))
    with started(world):
        world.execute(f"INSERT INTO purchase VALUES {rows}", "UPDATE purchase SET quantity = 2")
        world.wait_caught_up()
    world.require_same()
    assert {path.name for path in tmp_path.iterdir()} <= {"keymap.yaml", "keyshift.yaml"}


def test_a_second_daemon_stands_by_and_takes_over(world: World) -> None:
    with started(world) as first, world.daemon():
        owner = world.capture().fence
        world.execute("INSERT INTO purchase VALUES (1, 1, 1, 5)")
        world.wait_caught_up()
        assert world.capture().fence == owner
        first.set()
        world.wait_until(lambda: world.capture().fence == owner + 1, "the second to take over")
        world.execute("INSERT INTO purchase VALUES (1, 1, 2, 6)")
        world.wait_caught_up()
    world.require_same()
    assert world.errors == []


def test_one_that_must_stand_by_tells_at_once_what_would_keep_it_from_taking_over(world: World) -> None:
    source, user = world.settings.source, f"u{world.schema[-8:]}"
    with started(world):
        world.execute(f"CREATE USER {user} IDENTIFIED BY 'right'", f"GRANT SELECT ON {world.schema}.* TO {user}")
        world.wait_caught_up()
        before = {record.item: record for record in world.store.query("") if record.item != CAPTURE}
        fence = world.capture().fence
        for password, refusal, told in (("wrong", Denied, user), ("right", Problems, "REPLICATION SLAVE")):
            mine = SourceSettings(
                host=source.host, port=source.port, user=user, password=SecretStr(password), tls=source.tls
            )
            other = replace(world, settings=world.settings.model_copy(update={"source": mine}), errors=[])
            with other.daemon():
                other.wait_until_failed()
            (error,) = other.errors
            assert (type(error), told in str(error)) == (refusal, True), error
        away = source.model_copy(update={"port": 1})
        other = replace(world, settings=world.settings.model_copy(update={"source": away}), errors=[])
        with other.daemon():
            time.sleep(1)
            assert other.errors == [], "an outage is waited out"
        assert other.errors == []
        assert {record.item: record for record in world.store.query("") if record.item != CAPTURE} == before
        assert world.capture().fence == fence
        world.execute("INSERT INTO purchase VALUES (1, 1, 1, 5)", f"DROP USER {user}")
        world.wait_caught_up()
    world.require_same()
    assert world.errors == []


def test_a_stream_with_anothers_records_is_refused_before_anything_is_sent(world: World) -> None:
    with started(world):
        pass
    records = len(world.records())
    world.store.purge()
    world.store, world.migration = initialised(world.settings, world.keymap, world.clients)
    with world.daemon():
        world.wait_until_failed()
    (error,) = world.errors
    assert isinstance(error, KeyshiftError)
    assert "holds records of migration shop." in error.message
    assert len(world.records()) == records
    assert world.capture().start is None


def test_ddl_on_a_captured_table_stops_and_all_before_it_is_sent(world: World) -> None:
    with started(world):
        world.execute("INSERT INTO purchase VALUES (1, 1, 1, 5)", "TRUNCATE orders")
        world.wait_until_failed()
    (error,) = world.errors
    assert "orders was changed at" in str(error)
    world.require_same()
    capture = world.capture()
    assert capture.released
    assert capture.checkpoint is not None
    assert capture.checkpoint.changes == 1


def test_a_daemon_that_loses_its_lease_stops_and_begins_again_from_the_checkpoint(world: World) -> None:
    with started(world):
        world.execute("INSERT INTO purchase VALUES (1, 1, 1, 5)")
        world.wait_caught_up()
        record = world.store.get(CAPTURE)
        assert record is not None
        world.store.update(CAPTURE, {"token": "thief", "fence": 99, "nonce": "stolen"}, {})
        world.wait_until(lambda: world.capture().fence == 100, "the thief's lease to run out and be taken over")
        world.execute("INSERT INTO purchase VALUES (1, 1, 2, 6)")
        world.wait_caught_up()
    world.require_same()
    assert world.errors == []


def test_nothing_is_read_while_another_holds_the_lease(world: World) -> None:
    lease = Lease(world.store, CAPTURE, "other", 30, boottime)
    assert lease.try_acquire()
    with world.daemon():
        time.sleep(1.5)
        assert world.capture().start is None
        lease.release()
        world.wait_started()
    assert world.errors == []


def test_a_password_that_rotates_while_connections_are_lost_does_not_end_capture(world: World) -> None:
    """The server has the new one first; where we read it, it comes a moment later."""
    user, file = f"u{world.schema[-8:]}", world.folder / "password"
    rights = "REPLICATION SLAVE, REPLICATION CLIENT, SELECT"
    world.execute(f"CREATE USER {user} IDENTIFIED BY 'first'", f"GRANT {rights} ON *.* TO {user}")
    file.write_text("first\n")
    source = world.settings.source
    source = SourceSettings(host=source.host, port=source.port, user=user, password_file=file, tls=source.tls)
    world.settings = world.settings.model_copy(update={"source": source})
    with started(world):
        world.execute(f"ALTER USER {user} IDENTIFIED BY 'second'")
        cut_off(world, user)
        time.sleep(1)
        world.execute("INSERT INTO orders VALUES (1, 1, 'new', 1)")
        assert world.errors == []
        file.write_text("second\n")
        world.wait_caught_up()
        world.require_same()
    world.execute(f"DROP USER {user}")


def cut_off(world: World, user: str) -> None:
    """End all connections of this user."""
    with world.database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM information_schema.processlist WHERE user = %s", (user,))
        numbers = [number for (number,) in cursor.fetchall()]
    assert numbers
    world.execute(*[f"KILL {number}" for number in numbers])
