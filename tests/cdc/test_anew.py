"""Tables that are loaded again from where a run begins, in an epoch of its own: by daemons that die at any call."""

from functools import partial

import pytest

from cdc.begin import Beginning, begin
from cdc.continuity import Lost
from keymap.errors import KeyshiftError
from keymap.version import parse
from keyshift.control.halts import accept, read_stop
from keyshift.control.lease import CAPTURE, Lease
from keyshift.control.migration import load
from keyshift.control.reloads import floor_of_epoch, read_reloads
from keyshift.control.shapes import current, place, read_histories
from keyshift.control.store import Store
from keyshift.control.wanted import Wanted, pending_wish, want
from keyshift.mysql.connection import connect
from keyshift.process.clock import boottime
from keyshift.process.stop import Stop
from tests.bulkload.mortal import Fuse, Killed, MortalClient
from tests.cdc.world import World

CALM = 1000.0  # seconds of a lease that needs no renewal during a test


def begun(world: World, fuse: Fuse, at: int | None = None) -> Beginning:
    """What the daemon does before it reads anything; it dies at its call number `at` of the control table."""
    store = Store(MortalClient(world.clients.dynamodb, fuse), world.settings.control_table, world.settings.migration)
    if world.store.get(CAPTURE) is not None:
        world.store.update(CAPTURE, {"released": True}, {})
    lease = Lease(store, CAPTURE, "test", CALM, boottime)
    assert lease.try_acquire()
    fuse.calls, fuse.at = 0, at
    found = begin(
        partial(connect, world.settings.source),
        world.clients.kinesis,
        world.settings,
        world.keymap,
        migration=load(world.store),
        lease=lease,
        stop=Stop(),
    )
    world.store.update(CAPTURE, {"released": True}, {})
    return found


@pytest.mark.parametrize("anew", [False, True])
def test_a_daemon_that_dies_as_it_begins_a_reload_is_followed_by_one_that_begins_it(world: World, anew: bool) -> None:
    with world.daemon():
        world.wait_started()
        world.execute("INSERT INTO orders VALUES (1, 1, 'paid', 5)")
        world.wait_caught_up()
    died = 0
    while died_at(world, died + 1, anew=anew):
        died += 1
    assert died > 15, "calls of the control table"
    with world.daemon():
        world.execute("INSERT INTO orders VALUES (2, 1, 'paid', 6)", "UPDATE orders SET total = 7 WHERE id = 1")
        world.wait_caught_up()
    assert world.errors == []
    world.require_same()
    versions = {change.version for lane in world.lanes().values() for change in lane}
    assert {parse(one).epoch for one in versions} == {1, load(world.store).epoch}


def died_at(world: World, call: int, *, anew: bool) -> bool:
    """Whether a daemon died at that call, with another one after it; else it has done its work before."""
    before = world.capture()
    ask(world, f"{call}", anew=anew)
    try:
        begun(world, Fuse(), call)
    except Killed:
        assert before.checkpoint
        require_begun(world, begun(world, Fuse()), before.checkpoint.epoch, anew=anew)
        assert anew or world.capture().position == before.position
        return True
    return False


def ask(world: World, reason: str, *, anew: bool) -> None:
    tables = world.keymap.tables if anew else world.keymap.tables[:1]
    want(world.store, Wanted(tables, "asked for", reason, anew=anew, stop=reason))


def require_begun(world: World, found: Beginning, before: int, *, anew: bool) -> None:
    """It is begun once, and nothing was sent or saved in an epoch in between."""
    assert pending_wish(world.store) is None
    reloads, status = read_reloads(world.store), world.capture()
    tables = world.keymap.tables if anew else world.keymap.tables[:1]
    assert {one.floor for one in reloads.values()} == {floor_of_epoch(found.epoch)}
    assert {*reloads} == {*tables}
    assert status.checkpoint
    assert status.checkpoint.epoch == found.epoch > before
    at = place(found.epoch, found.progress.position)
    assert all(current(since, at) for since in read_histories(world.store, world.keymap.tables).values())
    assert at > reloads[tables[0]].gone, "rows may be read"


def test_what_is_lost_is_told_until_it_is_back_or_all_is_loaded_again(world: World) -> None:
    with world.daemon():
        world.wait_started()
        world.execute("INSERT INTO orders VALUES (1, 1, 'paid', 5)")
        world.wait_caught_up()
    fingerprint = world.capture().checkpoint.position.fingerprint  # type: ignore[union-attr]
    world.store.update(CAPTURE, {"fingerprint": "1-0000000000000000"}, {})
    with world.daemon():
        world.wait_until_failed()
    (error,) = world.errors
    world.errors.clear()
    assert isinstance(error, Lost)
    assert "keyshift cdc resume --decision reload" in error.remedy
    halt = read_stop(world.store)
    assert halt
    assert (halt.lost, sorted(halt.tables), halt.what) == (True, sorted(world.keymap.tables), error.message)
    with pytest.raises(KeyshiftError, match="nobody can answer for changes that are lost"):
        accept(world.store, "no")
    world.store.update(CAPTURE, {"fingerprint": fingerprint}, {})  # somebody has brought it back
    with world.daemon():
        world.execute("INSERT INTO orders VALUES (2, 1, 'paid', 5)")
        world.wait_caught_up()
    assert world.errors == []
    assert read_stop(world.store) is None
    world.require_same()
