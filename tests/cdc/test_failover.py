"""Another server takes over, and has everything: capture goes on, newer than before. Or it has not, and says what.

The daemon reaches its server through a proxy, which the tests point at another one, as a name does that moves.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cdc import resume
from keymap.errors import KeyshiftError
from keymap.version import parse
from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
from keyshift.control import barrier
from keyshift.control.chunks import Chunk, record_dumped
from keyshift.control.halts import accept, read_accepted, read_stop, undecided
from keyshift.control.lease import DUMP, Lease
from keyshift.control.migration import load
from keyshift.control.shapes import Since, place, read_histories, record_shape
from keyshift.mysql.connection import connect
from keyshift.mysql.facts import read_gtid_seen
from keyshift.mysql.schema import read_shapes
from keyshift.process.clock import boottime
from tests.cdc.pair import SCHEMA, Pair, one
from tests.cdc.world import LANES, World, make_world
from tests.cdc.writer import Writer
from tests.mysql.sources import execute, source_of
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import server_error


def test_a_promoted_replica_is_followed_within_seconds_in_a_raised_epoch(replicated: Pair) -> None:
    world = replicated.world
    with replicated.started():
        with Writer(world):
            time.sleep(1)
        fence = world.capture().fence
        replicated.promote()
        begun = time.monotonic()
        with Writer(world, seed=2):
            world.wait_until(lambda: load(world.store).epoch == 2, "the epoch to be raised")
            assert time.monotonic() < begun + 10
            time.sleep(1)
        world.wait_caught_up()
        assert replicated.epochs() == {1, 2}
        world.require_same()
        number = barrier.request(world.store, world.end())
        world.wait_until(lambda: barrier.state(world.store, number, LANES).sent, "a barrier on the new server")
    assert world.errors == []
    assert world.capture().server == one(replicated.second, "SELECT @@server_uuid")
    assert world.capture().fence > fence
    with world.daemon():
        world.execute("INSERT INTO purchase VALUES (7, 7, 7, 7)")
        world.wait_caught_up()
    assert load(world.store).epoch == 2, "the server is the one that was left now"
    world.require_same()


def test_there_and_back_again(replicated: Pair) -> None:
    """The former server is rebuilt as a replica of the new one, and takes over in its turn: a third epoch."""
    world = replicated.world
    with replicated.started():
        world.execute("INSERT INTO purchase VALUES (1, 1, 1, 1)")
        world.wait_caught_up()
        replicated.promote()
        replicated.first, replicated.second = replicated.second, replicated.first
        replicated.replicate()
        world.execute("UPDATE purchase SET quantity = 2", "INSERT INTO purchase VALUES (1, 1, 2, 1)")
        world.wait_caught_up()
        replicated.promote()
        world.execute("DELETE FROM purchase WHERE productid = 1", "UPDATE purchase SET quantity = 3")
        world.wait_caught_up()
    assert world.errors == []
    assert load(world.store).epoch == 3
    assert replicated.epochs() == {1, 2, 3}
    world.require_same()


def test_a_server_that_lacks_what_was_sent_is_refused_by_name(
    replicated: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resume, "CATCH_UP_SECONDS_MAX", 1.0)
    world = replicated.world
    with replicated.started():
        world.execute("INSERT INTO purchase VALUES (1, 1, 1, 1)")
        world.wait_caught_up()
        assert one(replicated.second, f"SELECT WAIT_FOR_EXECUTED_GTID_SET('{world.end().gtid_set}', 30)") == 0
        execute(replicated.second, "STOP REPLICA")
        world.execute("INSERT INTO purchase VALUES (1, 1, 2, 1)")
        world.wait_caught_up()
        uuid, last = one(replicated.first, "SELECT @@server_uuid"), str(world.end().gtid_set).rpartition("-")[2]
        replicated.promote(caught_up=False)
        world.wait_until_failed()
    error = replicated.refused()
    assert error.message.endswith(f"does not have transactions that the checkpoint holds: {uuid}:{last}")
    assert "connect to the server that has them" in error.remedy
    assert load(world.store).epoch == 1
    world.errors.clear()
    replicated.move(replicated.first)  # as it says
    with world.daemon():
        world.execute("INSERT INTO purchase VALUES (1, 1, 3, 1)")
        world.wait_caught_up()
    assert world.errors == []
    world.require_same()


def test_what_a_killed_daemon_had_sent_beyond_its_checkpoint_counts(
    replicated: Pair, endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nobody but the stream remembers it."""
    monkeypatch.setattr(resume, "CATCH_UP_SECONDS_MAX", 1.0)
    with FaultProxy(endpoints.urls["dynamodb"]) as control:
        (tmp_path / "crash").mkdir()
        world = replicated.world = make_crashing(replicated, endpoints, tmp_path / "crash", control)
        process = world.spawn()
        world.wait_started()
        world.wait_caught_up()
        assert one(replicated.second, f"SELECT WAIT_FOR_EXECUTED_GTID_SET('{world.end().gtid_set}', 30)") == 0
        execute(replicated.second, "STOP REPLICA")
        control.rules = (Rule(server_error, ("UpdateItem",), 1.0),)
        world.execute("INSERT INTO purchase VALUES (1, 1, 2, 1)")
        world.wait_until(lambda: any(world.lanes().values()), "the change to be on the stream")
        process.kill()
        process.wait()
        control.rules = ()
        checkpoint = world.capture().checkpoint
        assert checkpoint is not None
        assert checkpoint.changes == 0
        replicated.promote(caught_up=False)
        assert "transactions that the stream holds" in replicated.refused().message
        world.errors.clear()
        monkeypatch.setattr(resume, "CATCH_UP_SECONDS_MAX", 60.0)
        executed = one(replicated.first, "SELECT @@global.gtid_executed")
        with world.daemon():
            replicated.replicate()  # the new server comes to have it after all
            assert one(replicated.second, f"SELECT WAIT_FOR_EXECUTED_GTID_SET('{executed}', 30)") == 0
            world.wait_caught_up()
        assert world.errors == []
        assert load(world.store).epoch == 2
        world.require_same()
        world.clients.close()


def make_crashing(pair: Pair, endpoints: Endpoints, folder: Path, control: FaultProxy) -> World:
    """A migration of the pair whose control table can be made to fail."""
    execute(pair.first, f"DROP DATABASE {SCHEMA}", f"CREATE DATABASE {SCHEMA}")
    return make_world(pair.first, endpoints, SCHEMA, folder, port=pair.proxy.port, dynamodb=control.url)


def test_rows_that_were_dumped_must_be_on_the_new_server_too(replicated: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume, "CATCH_UP_SECONDS_MAX", 1.0)
    world = replicated.world
    with replicated.started():
        world.wait_caught_up()
    assert one(replicated.second, f"SELECT WAIT_FOR_EXECUTED_GTID_SET('{world.end().gtid_set}', 30)") == 0
    execute(replicated.second, "STOP REPLICA")
    world.execute("INSERT INTO purchase VALUES (1, 1, 2, 1)")
    dump(world, replicated.first)
    replicated.promote(caught_up=False)
    assert "transactions that the dumped rows hold" in replicated.refused().message


def dump(world: World, server: Database) -> None:
    """A chunk with all that the server shows now."""
    with contextlib.closing(connect(source_of(server))) as connection:
        seen = read_gtid_seen(connection)
    lease = Lease(world.store, DUMP, "dump", 10, boottime)
    assert lease.try_acquire()
    chunk = Chunk(f"{SCHEMA}.purchase", 1, None, None, rows=1, object="o", sha256="a", bytes=1, uncut=0, gtid_set=seen)
    record_dumped(lease, chunk)


def test_a_dump_that_reads_the_new_server_while_capture_goes_over_to_it_is_no_loss(
    replicated: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chunk has what was committed there after the daemon had looked at the server."""
    world, raise_epoch, dumped = replicated.world, resume.raise_epoch, threading.Event()
    with replicated.started():
        world.wait_caught_up()
    replicated.promote()

    def raised(lease: Lease) -> int:
        epoch = raise_epoch(lease)
        world.execute("INSERT INTO purchase VALUES (1, 1, 2, 1)")
        dump(world, replicated.second)
        dumped.set()
        return epoch

    monkeypatch.setattr(resume, "raise_epoch", raised)
    with world.daemon():
        world.wait_until(dumped.is_set, "the dump")
        world.wait_caught_up()
    assert world.errors == []
    world.require_same()


# Killed before or after a line of cdc.resume; the epochs that versions have when it goes on at the new server, and when
# the name leads back to the old one. A raised epoch is used if nothing but the epoch was written, and the source is as
# it was left; an epoch in which a checkpoint was saved belongs to that server.
KILLS = [
    ("first_binlog", "before", {1, 2}, {1}),
    ("raise_epoch", "before", {1, 2}, {1}),
    ("raise_epoch", "after", {1, 3}, {1, 2}),
    ("mark_ahead", "after", {1, 3}, {1, 2}),
    ("carry_over", "after", {1, 3}, {1, 2}),
    ("save_checkpoint", "before", {1, 3}, {1, 2}),
    ("save_checkpoint", "after", {1, 2}, {1, 3}),
]


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize(("line", "when", "there", "former"), KILLS)
def test_wherever_it_is_killed_no_epoch_has_versions_of_two_servers(  # noqa: PLR0917 - a table's columns
    replicated: Pair,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    when: str,
    there: set[int],
    former: set[int],
    back: bool,
) -> None:
    world = replicated.world
    with replicated.started():
        world.execute("INSERT INTO purchase VALUES (1, 1, 1, 1)")
        world.wait_caught_up()
    replicated.promote()
    with monkeypatch.context() as patch:
        patch.setattr(resume, line, killed(getattr(resume, line), when))
        assert replicated.refused().message == "killed"
    world.errors.clear()
    if back:
        replicated.move(replicated.first)
    with world.daemon():
        world.execute("INSERT INTO purchase VALUES (1, 1, 2, 1)", "UPDATE purchase SET quantity = 5")
        world.wait_caught_up()
    assert world.errors == []
    assert replicated.epochs() == (former if back else there)
    world.require_same()


def killed(line: Callable[..., object], when: str) -> Callable[..., object]:
    """The line, and a process that ends with it."""

    def run(*arguments: object) -> None:
        if when == "after":
            line(*arguments)
        raise KeyshiftError("killed", "none")

    return run


def test_a_reset_that_keeps_the_gtids_is_gone_on_from(replicated: Pair) -> None:
    """SET GLOBAL gtid_purged says that the names of what was before are not given again."""
    world = replicated.world
    with replicated.started():
        world.execute("INSERT INTO purchase VALUES (1, 1, 1, 1)")
        world.wait_caught_up()
    executed = one(replicated.first, "SELECT @@global.gtid_executed")
    time.sleep(1.1)
    execute(replicated.first, "RESET BINARY LOGS AND GTIDS", f"SET GLOBAL gtid_purged = '{executed}'")
    world.execute("UPDATE purchase SET quantity = 2", "INSERT INTO purchase VALUES (1, 1, 2, 1)")
    with world.daemon():
        world.wait_caught_up()
    assert world.errors == []
    assert replicated.epochs() == {1, 2}
    world.require_same()


def test_a_statement_that_was_read_beyond_the_checkpoint_is_met_again_with_the_table_as_it_was(
    replicated: Pair,
) -> None:
    """The rows before it come again too, and do not fit what it made of the table."""
    world, table = replicated.world, f"{SCHEMA}.orders"
    with replicated.started():
        world.execute(
            "ALTER TABLE orders ADD COLUMN a INT NULL AFTER id", "INSERT INTO orders VALUES (1, 7, 1, 'new', 5)"
        )
        world.wait_caught_up()
    world.execute(
        "INSERT INTO orders VALUES (2, 7, 1, 'new', 5)",
        "ALTER TABLE orders ADD COLUMN b VARCHAR(9) NULL AFTER id",
        "INSERT INTO orders VALUES (3, 'b', 7, 1, 'new', 5)",
    )
    with contextlib.closing(connect(world.settings.source)) as connection:
        now = read_shapes(connection, world.keymap.tables)
    record_shape(world.store, table, Since(place(1, world.end()), now[table]))  # by a daemon that was killed then
    replicated.promote()
    for number in (4, 5):
        with world.daemon():
            world.execute(f"INSERT INTO orders VALUES ({number}, 'b', 7, 1, 'new', 5)")
            world.wait_caught_up()
    assert world.errors == []
    history = read_histories(world.store, [table])[table]
    assert [parse(since.version).epoch for since in history] == [1, 1, 1, 2, 2]
    assert history[3].shape == history[1].shape
    assert list(history[4].shape.schema.by_name)[:3] == ["id", "b", "a"]
    world.require_same()


def test_a_decision_is_for_one_place_of_one_server(replicated: Pair) -> None:
    world = replicated.world
    with replicated.started():
        world.wait_caught_up()
    world.execute("TRUNCATE orders")
    assert "TRUNCATE" in replicated.refused().message
    accept(world.store, "it was empty")
    replicated.promote()
    world.errors.clear()
    assert "TRUNCATE" in replicated.refused().message
    assert undecided(read_stop(world.store), read_accepted(world.store))
    accept(world.store, "it was empty there too")
    world.errors.clear()
    with world.daemon():
        world.execute("INSERT INTO orders VALUES (1, 1, 'new', 5)")
        world.wait_caught_up()
    assert world.errors == []
    assert {one.halt.epoch for one in read_accepted(world.store)} == {1, 2}
    world.require_same()
