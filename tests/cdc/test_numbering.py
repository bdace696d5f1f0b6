"""The source's binlog is not the one that was left, or begins anew: it is noticed, whatever positions look like."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdc import resume
from cdc.look import look
from keymap.errors import KeyshiftError
from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
from keyshift.control.migration import load
from tests.cdc.pair import RESET, SCHEMA, Pair, new_server
from tests.cdc.world import TABLES, World, make_world
from tests.mysql.sources import execute, source_of


def test_a_reset_and_regrowth_stops_though_every_position_looks_contained(pair: Pair) -> None:
    """The new transactions even bear the names of the old ones (MySQL): they would be passed over."""
    world = pair.world
    with pair.started():
        world.execute("INSERT INTO purchase VALUES (1, 1, 1, 1)", "INSERT INTO purchase VALUES (1, 1, 2, 1)")
        world.wait_caught_up()
    before = world.capture().checkpoint
    assert before is not None
    time.sleep(1.1)  # a file's fingerprint knows the second
    execute(pair.first, RESET[pair.first.flavour])
    world.execute(*[f"INSERT INTO purchase VALUES (2, 2, {number}, 1)" for number in range(30)])
    assert world.end().contains(before.position), "it looks as if nothing had happened"
    error = pair.refused()
    assert "has begun its binlog anew" in error.message
    assert f"({SCHEMA}.orders, {SCHEMA}.purchase)" in error.remedy


def test_a_reset_under_a_running_daemon_stops_it(pair: Pair) -> None:
    world = pair.world
    with pair.started():
        world.execute("INSERT INTO purchase VALUES (1, 1, 1, 1)")
        world.wait_caught_up()
        time.sleep(1.1)
        execute(pair.first, RESET[pair.first.flavour])
        world.execute(*[f"INSERT INTO purchase VALUES (2, 2, {number}, 1)" for number in range(30)])
        world.wait_until_failed()
    message = pair.refused().message
    assert "begun its binlog anew" in message or "does not have transactions" in message


def test_another_server_that_never_followed_this_one_is_refused(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume, "CATCH_UP_SECONDS_MAX", 1.0)
    execute(pair.second, f"CREATE DATABASE {SCHEMA}")
    execute(pair.second, *TABLES, schema=SCHEMA)
    with pair.started():
        pair.world.wait_caught_up()
        pair.move(pair.second)
        pair.world.wait_until_failed()
    message = pair.refused().message
    if pair.first.flavour == "mysql":
        assert "does not have transactions that the checkpoint holds" in message
    else:
        assert "and capture began on" in message
        assert "MariaDB's GTIDs are not followed" in message


@pytest.fixture
def renamed(servers: str, endpoints: Endpoints, tmp_path: Path) -> Iterator[World]:
    """A migration with a server of its own, to be started again under another name of its binlog."""
    with new_server(servers.partition("+")[0], "") as server:
        execute(server, f"CREATE DATABASE {SCHEMA}")
        world = make_world(server, endpoints, SCHEMA, tmp_path)
        with world.daemon():
            world.wait_started()
            world.execute("FLUSH BINARY LOGS", "INSERT INTO purchase VALUES (1, 1, 1, 1)")
            world.wait_caught_up()
        yield world
        world.clients.close()


def restart(world: World, *options: str) -> None:
    world.database.stop()
    world.database._options = options
    world.database.start()
    world.execute("UPDATE purchase SET quantity = 2", "INSERT INTO purchase VALUES (1, 1, 2, 1)")
    assert world.end().file.startswith("other.")


def goes_on(world: World) -> None:
    with world.daemon():
        world.wait_caught_up()
    assert world.errors == []
    world.require_same()
    assert load(world.store).epoch == 2


def stops(world: World, message: str) -> None:
    with world.daemon():
        world.wait_until_failed()
    (error,) = world.errors
    assert isinstance(error, KeyshiftError)
    assert message in error.message


def test_another_base_name_begins_at_one_with_the_same_identity(renamed: World) -> None:
    restart(renamed, "--log-bin=other")
    if renamed.database.flavour == "mysql":
        goes_on(renamed)
    else:
        stops(renamed, "the source's binlog goes on as other.*, and capture is at binlog.000002")


def test_another_base_name_while_changes_were_missed(renamed: World) -> None:
    """They are in the old files, which the server does not list any more."""
    renamed.execute("INSERT INTO purchase VALUES (1, 1, 9, 1)")
    restart(renamed, "--log-bin=other")
    gtids = renamed.database.flavour == "mysql"
    stops(renamed, "has purged the binlog behind our position" if gtids else "goes on as other.*")


def test_another_base_name_in_the_same_index_is_met_on_the_way(renamed: World) -> None:
    """The old files are listed, and sent; then numbering begins at 1 in the middle of a connection."""
    renamed.execute("INSERT INTO purchase VALUES (1, 1, 9, 1)")
    renamed.execute("INSERT INTO elsewhere (v) VALUES ('x')")  # the last of the old ones: not captured, and yet passed
    restart(renamed, "--log-bin=other", "--log-bin-index=binlog.index")
    if renamed.database.flavour == "mysql":
        goes_on(renamed)
        return
    stops(renamed, "the source's binlog goes on as other.*, and capture is at binlog.000002")
    assert len([change for changes in renamed.lanes().values() for change in changes]) == 2, "what precedes is sent"


def test_the_look_tells_a_file_from_another_of_its_name(two: tuple[Database, Database]) -> None:
    first, second = two
    found = [look(source_of(server), "binlog.000001", 77) for server in (first, second, first)]
    assert found[0].fingerprint == found[2].fingerprint
    assert len({one.server for one in found}) == 2
    assert look(source_of(first), "binlog.000099", 77).fingerprint is None
