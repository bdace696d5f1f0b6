"""The workers' places: taken by one, given back when they are released or found dead, and never held by two."""

from collections.abc import Callable

import pytest

from keyshift.control import workers
from keyshift.control.lease import Lease, LeaseLost
from keyshift.control.store import Store
from keyshift.control.takeover import DRIFT
from keyshift.control.workers import Roster, Worker
from tests.control.conftest import Clock


@pytest.fixture
def enter(store: Store, clock: Clock) -> Callable[[str], tuple[Roster, Lease]]:
    def entered(owner: str) -> tuple[Roster, Lease]:
        roster = Roster(store, owner, 10.0, clock)
        lease = roster.enter()
        assert lease
        return roster, lease

    return entered


Enter = Callable[[str], tuple[Roster, Lease]]


def test_each_has_a_place_and_sees_the_others(enter: Enter, store: Store):
    (first, _), (second, lease) = enter("a:1"), enter("b:2")
    assert (first.me, second.me) == (Worker(1, 1), Worker(2, 1))
    view = first.look()
    assert view.alive == [first.me, second.me] == second.look().alive
    assert not view.is_gone(second.me)
    assert [(seat.worker.place, seat.owner, seat.released) for seat in workers.read_seats(store)] == [
        (1, "a:1", False),
        (2, "b:2", False),
    ]
    gone = second.me
    lease.release()
    view = first.look()
    assert (view.alive, view.is_gone(gone)) == ([first.me], True)
    assert enter("c:3")[0].me == Worker(2, 2)
    assert first.look().is_gone(gone)
    assert not first.look().is_gone(Worker(2, 2))


def test_one_that_renews_nothing_is_gone_for_good(enter: Enter, clock: Clock):
    (first, lease), (second, slept) = enter("a:1"), enter("b:2")
    gone = second.me
    first.look()
    clock.now += 10.0
    lease.renew()
    assert first.look().alive == [first.me, gone]
    clock.now += 10.0 * (DRIFT - 1) + 0.1
    view = first.look()
    assert (view.alive, view.is_gone(gone)) == ([first.me], True)
    with pytest.raises(LeaseLost):
        slept.renew()
    assert enter("b:2")[0].me.fence > gone.fence


def test_one_whose_answers_come_late_is_not_gone(enter: Enter, clock: Clock):
    (first, lease), (second, other) = enter("a:1"), enter("b:2")
    for _ in range(4):
        clock.now += 9.0
        lease.renew()
        assert first.look().alive == [first.me, second.me]
        other.renew()
        assert second.look().alive == [first.me, second.me]


def test_while_all_places_are_held_one_waits(enter: Enter, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workers, "WORKERS_MAX", 2)
    leases = [enter(owner)[1] for owner in ("a:1", "b:2")]
    third = Roster(store, "c:3", 10.0, clock)
    assert third.enter() is None
    leases[1].release()
    assert third.enter()
    assert third.me == Worker(2, 2)
