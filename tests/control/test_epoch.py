"""The epoch goes up by one, by its holder of the lease only, and what was read before is not recorded after."""

from collections.abc import Callable

import pytest

from keymap.errors import KeyshiftError
from keymap.version import EPOCH_MAX
from keyshift.control.chunks import read_gtid_sets, record_dumped, record_table_dumped
from keyshift.control.epoch import raise_epoch, read_epoch
from keyshift.control.lease import Lease, LeaseLost
from keyshift.control.phase import Phase, read_phase
from keyshift.control.store import NotInitialised, Store
from keyshift.control.takeover import DRIFT
from tests.control.conftest import TABLES, Clock
from tests.control.network import BrokenConnection, Fate, Network
from tests.control.test_chunks import chunk

Acquire = Callable[[str], Lease]
GTID_SET = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5"


def test_it_goes_up_by_one_and_nothing_else_changes(store: Store, acquired: Acquire):
    lease = acquired("capture")
    assert [raise_epoch(lease) for _ in range(3)] == [2, 3, 4]
    assert read_epoch(store) == 4
    assert read_phase(store) is Phase.LOAD


def test_a_daemon_that_lost_its_lease_raises_nothing(store: Store, acquired: Acquire, clock: Clock):
    """Two daemons: the second one's epoch is not moved under it."""
    first = acquired("capture")
    clock.now += 1
    second = Lease(store, "capture", "second:2", 10.0, clock)
    assert not second.try_acquire()
    clock.now += 10 * DRIFT
    assert second.try_acquire()
    assert raise_epoch(second) == 2
    with pytest.raises(LeaseLost):
        raise_epoch(first)
    assert read_epoch(store) == 2


@pytest.mark.parametrize("fate", [Fate.LOST, Fate.UNSENT])
def test_a_lost_answer_leaves_it_raised_once_at_most(store: Store, acquired: Acquire, network: Network, fate: Fate):
    """Whoever is killed then begins again, and raises it once more."""
    lease = acquired("capture")
    network.fates.append(fate)
    with pytest.raises(BrokenConnection):
        raise_epoch(lease)
    before = read_epoch(store)
    assert before == (2 if fate is Fate.LOST else 1)
    assert raise_epoch(lease) == before + 1


def test_it_ends_where_versions_have_no_room(store: Store, acquired: Acquire):
    lease = acquired("capture")
    store.swap("phase", store.get("phase"), {"epoch": EPOCH_MAX})
    with pytest.raises(KeyshiftError, match="versions have no room for more"):
        raise_epoch(lease)


def test_only_capture_raises_it_and_only_while_there_is_a_migration(store: Store, acquired: Acquire):
    with pytest.raises(ValueError, match="the lease `capture` is needed"):
        raise_epoch(acquired("dump"))
    lease = acquired("capture")
    store.purge()
    with pytest.raises(NotInitialised):
        raise_epoch(lease)
    with pytest.raises(NotInitialised):
        read_epoch(store)


def test_what_was_read_in_an_earlier_epoch_is_not_recorded(acquired: Acquire):
    """Capture has compared what was recorded with its new server; what comes later was read from nobody knows which."""
    dump, capture = acquired("dump"), acquired("capture")
    record_dumped(dump, chunk(1), 1)
    raise_epoch(capture)
    with pytest.raises(KeyshiftError, match=r"chunk 2 of shop.orders was read before capture went over"):
        record_dumped(dump, chunk(2), 1)
    with pytest.raises(KeyshiftError, match=r"table shop.orders was read before capture went over"):
        record_table_dumped(dump, TABLES[0], 1, 10, epoch=1)
    record_dumped(dump, chunk(2), 2)
    record_table_dumped(dump, TABLES[0], 2, 20, epoch=2)


def test_all_that_was_read_is_known_by_its_gtids(store: Store, acquired: Acquire):
    dump = acquired("dump")
    record_dumped(dump, chunk(1, gtid_set=GTID_SET))
    record_dumped(dump, chunk(1, TABLES[1]))
    record_table_dumped(dump, TABLES[0], 1, 10, gtid_set=f"{GTID_SET}0")
    assert set(read_gtid_sets(store)) == {GTID_SET, f"{GTID_SET}0", ""}
