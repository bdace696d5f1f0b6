"""Rows of many megabytes through the daemon: in S3 before the stream names them, whatever happens in between."""

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
from tests.cdc.world import World, make_world
from tests.cdc.writer import Writer
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import delay, duplicate, reset_after, reset_before, server_error, slow_down

LARGE = "ALTER TABLE orders MODIFY status LONGTEXT NOT NULL"


def text(letter: str, megabytes: float = 5) -> str:
    return f"REPEAT('{letter}', {int(megabytes * 1_000_000)})"


def claimed(world: World) -> set[str]:
    """The versions of the changes on the stream that are too large for it."""
    changes = [change for _, some in world.records() for change in some if change.table.endswith(".orders")]
    images = ((change, image) for change in changes for image in (change.before, change.after) if image)
    return {change.version for change, image in images if len(str(image["status"])) > 900_000}


def put(world: World) -> set[str]:
    """The versions of what lies in the bucket."""
    folder = f"keyshift/{world.migration.id}/claims/"
    assert all(name.startswith(folder) for name in world.objects())
    return {name.removeprefix(folder).rpartition("-")[0] for name in world.objects()}


def finish(world: World) -> None:
    with world.daemon():
        world.wait_started()
        world.wait_caught_up()
    assert world.errors == []
    world.require_same()


def test_large_changes_among_small_ones_arrive_and_what_was_rolled_back_is_not_even_put(world: World) -> None:
    world.execute(LARGE)
    with world.daemon():
        world.wait_started()
        world.execute(
            "BEGIN",
            "INSERT INTO purchase VALUES (1, 1, 1, 5)",
            f"INSERT INTO orders VALUES (1, 1, {text('a')}, 1.50), (2, 1, 'new', NULL)",
            f"UPDATE orders SET status = {text('b')}, total = 2 WHERE id = 1",
            "INSERT INTO purchase VALUES (1, 1, 2, 6)",
            "COMMIT",
            "BEGIN",
            f"INSERT INTO orders VALUES (3, 2, {text('c')}, 1)",
            "CREATE TEMPORARY TABLE t (i INT)",
            "ROLLBACK",
            "BEGIN",
            "INSERT INTO orders VALUES (4, 2, 'new', 1)",
            "SAVEPOINT s",
            f"UPDATE orders SET status = {text('d')} WHERE id = 4",
            "ROLLBACK TO s",
            "COMMIT",
            f"UPDATE orders SET customer_id = 3, status = {text('e', 1)} WHERE id = 1",
            "DELETE FROM orders WHERE id = 1",
            "UPDATE orders SET total = 9",
        )
        world.wait_caught_up()
    assert world.errors == []
    world.require_same()
    assert len(claimed(world)) == 4
    assert put(world) == claimed(world)


FAULTS = {
    "throttled": slow_down,
    "failing": server_error,
    "lost before": reset_before,
    "answers lost": reset_after,
    "duplicated": duplicate,
    "slow": delay(0.5),
}


class Large:
    """An application that writes large rows among the small ones of another."""

    def __init__(self, world: World) -> None:
        self._world, self._chance = world, random.Random(1)

    def write(self, count: int) -> None:
        """A few rows more, of some hundred KB to 2 MB."""
        for _ in range(count):
            row = f"{1000 + self._chance.randrange(3)}, {self._chance.randrange(5)}"
            letter, size = self._chance.choice("abc"), self._chance.choice([0.1, 1, 2])
            self._world.execute(f"REPLACE INTO orders VALUES ({row}, {text(letter, size)}, 1)")


@pytest.fixture
def s3(endpoints: Endpoints) -> Iterator[FaultProxy]:
    with FaultProxy(endpoints.urls["s3"]) as proxy:
        yield proxy


@pytest.fixture
def behind(database: Database, endpoints: Endpoints, schema: str, tmp_path: Path, s3: FaultProxy) -> Iterator[World]:
    """A world whose bucket is behind the proxy."""
    world = make_world(database, endpoints, schema, tmp_path, s3=s3.url)
    world.execute(LARGE)
    yield world
    world.clients.close()


@pytest.mark.parametrize("name", FAULTS)
def test_whatever_s3_does_every_lane_arrives_in_order(behind: World, s3: FaultProxy, name: str) -> None:
    with behind.daemon():
        behind.wait_started()
        s3.rules = (Rule(FAULTS[name], ("PUT",), probability=0.6),)
        large = Large(behind)
        with Writer(behind):
            behind.wait_until(lambda: large.write(3) or s3.faults.total() > 3, "faults")
        s3.rules = ()
        behind.wait_caught_up()
    assert behind.errors == []
    behind.require_same()
    assert put(behind) == claimed(behind)


def test_while_s3_is_away_the_lease_stands_the_rest_goes_on_and_a_stop_is_noticed(
    behind: World, s3: FaultProxy
) -> None:
    with behind.daemon() as stop:
        behind.wait_started()
        s3.rules = (Rule(slow_down, ("PUT",)),)
        behind.execute(f"INSERT INTO orders VALUES (1, 1, {text('a', 1)}, 1)")
        behind.execute(*(f"INSERT INTO purchase VALUES ({number}, 1, 1, 1)" for number in range(50)))
        behind.wait_until(lambda: sum(map(len, behind.lanes().values())) > 30, "the other lanes to go on")
        time.sleep(2.5)
        assert behind.capture().fence == 1, "the lease outlives S3"
        checkpoint = behind.capture().checkpoint
        assert checkpoint is not None
        assert checkpoint.changes == 0, "nothing is remembered past a change that is not sent"
        begun = time.monotonic()
        stop.set()
        behind.wait_until(lambda: behind.capture().released, "the daemon to end")
        assert time.monotonic() - begun < 15
    assert behind.objects() == []
    s3.rules = ()
    finish(behind)


@pytest.mark.timeout(200)
def test_a_daemon_that_is_killed_between_object_and_record_loses_nothing(behind: World, s3: FaultProxy) -> None:
    """The object that no record names is put again, or never needed, and nothing is twice."""
    with behind.daemon():
        behind.wait_started()
    for done in (True, False):
        process = behind.spawn()
        fault = reset_after if done else delay(5)
        s3.rules = (Rule(fault, ("PUT",)),)
        before = s3.faults.total()
        behind.execute(f"REPLACE INTO orders VALUES (1, 1, {text('a' if done else 'b', 2)}, 1)")
        behind.wait_until(lambda before=before: s3.faults.total() > before, "the put")
        process.send_signal(signal.SIGKILL)
        process.wait()
    s3.rules = ()
    finish(behind)
    assert put(behind) == claimed(behind)


def test_a_bucket_that_is_gone_stops_the_daemon_with_what_to_do_and_the_checkpoint_stays(world: World) -> None:
    world.execute(LARGE)
    world.clients.s3.delete_bucket(Bucket=world.migration.bucket)
    with world.daemon():
        world.wait_started()
        world.execute(f"INSERT INTO orders VALUES (1, 1, {text('a', 1)}, 1)")
        world.wait_until_failed()
    (error,) = world.errors
    assert "NoSuchBucket" in str(error)
    assert "keyshift init" in str(error)
    checkpoint = world.capture().checkpoint
    assert checkpoint is not None
    assert checkpoint.changes == 0
