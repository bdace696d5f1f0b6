"""What the daemon's next run is to begin: joined while nobody has begun it, and begun once."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from keyshift.control.lease import CAPTURE, Lease, LeaseLost
from keyshift.control.store import Store
from keyshift.control.wanted import Wanted, mark_begun, pending_wish, want
from tests.control.conftest import TABLES
from tests.control.network import BrokenConnection, Fate, Network

ONE = Wanted((TABLES[0],), "asked for", "a doubt")
OTHER = Wanted((TABLES[1], TABLES[0]), "another keymap", "a new key", keymaps=("d1",))
LOST = Wanted(TABLES, "the binlog was purged", "it was", anew=True, stop="1.7.500")
Acquire = Callable[[str], Lease]


def test_a_wish_is_begun_once(store: Store, acquired: Acquire) -> None:
    lease = acquired(CAPTURE)
    assert pending_wish(store) is None
    want(store, ONE)
    assert pending_wish(store) == ONE
    for _ in range(2):
        assert mark_begun(lease, ONE, 2)
    assert pending_wish(store) is None
    want(store, OTHER)
    assert pending_wish(store) == OTHER, "what was begun is not wanted again"


def test_what_is_wanted_meanwhile_joins_and_is_not_taken_for_begun(store: Store, acquired: Acquire) -> None:
    lease = acquired(CAPTURE)
    want(store, ONE)
    want(store, OTHER)
    both = pending_wish(store)
    assert both == Wanted((TABLES[0], TABLES[1]), "asked for; another keymap", "a doubt; a new key", keymaps=("d1",))
    assert not mark_begun(lease, ONE, 2)
    assert pending_wish(store) == both
    want(store, LOST)
    assert pending_wish(store) == replace(
        LOST,
        tables=both.tables,
        what="asked for; another keymap; the binlog was purged",
        reason="a doubt; a new key; it was",
        keymaps=("d1",),
    )


def test_an_answer_to_a_stop_may_be_repeated_also_when_it_was_begun(store: Store, acquired: Acquire) -> None:
    want(store, LOST)
    want(store, LOST)
    assert pending_wish(store) == LOST
    assert mark_begun(acquired(CAPTURE), LOST, 2)
    want(store, LOST)
    assert pending_wish(store) is None
    want(store, replace(LOST, stop="2.9.4"))
    assert pending_wish(store) == replace(LOST, stop="2.9.4")


def test_without_the_lease_nothing_is_begun(store: Store, acquired: Acquire) -> None:
    want(store, ONE)
    lease = acquired(CAPTURE)
    lease.release()
    acquired(CAPTURE)
    with pytest.raises(LeaseLost):
        mark_begun(lease, ONE, 2)
    assert pending_wish(store) == ONE


@pytest.mark.parametrize("fate", [Fate.LOST, Fate.UNSENT])
def test_a_lost_answer_is_no_other_outcome(store: Store, acquired: Acquire, network: Network, fate: Fate) -> None:
    lease = acquired(CAPTURE)
    want(store, ONE)
    network.fates.append(fate)
    try:
        assert mark_begun(lease, ONE, 2)
    except BrokenConnection:
        assert mark_begun(lease, ONE, 2)
    assert pending_wish(store) is None
