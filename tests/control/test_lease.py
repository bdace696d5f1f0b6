"""The lease: one process at a time, whatever the network, the scheduler and the clocks do."""

from collections.abc import Callable
from typing import Any

import pytest

from keyshift.control.lease import Lease, LeaseLost
from keyshift.control.record import Check
from keyshift.control.store import Conflict, NotInitialised, Store
from keyshift.control.takeover import DRIFT
from tests.control.conftest import Clock
from tests.control.network import BrokenConnection, Fate, Network

SECONDS = 10.0


def lease(store: Store, clock: Clock, owner: str = "other:2", seconds: float = SECONDS) -> Lease:
    return Lease(store, "job", owner, seconds, clock)


def taken_over(store: Store, clock: Clock, seconds: float = SECONDS) -> Lease:
    """A lease that waited until it got it."""
    other = lease(store, clock, seconds=seconds)
    assert not other.try_acquire()
    clock.now += seconds * DRIFT + 0.01
    assert other.try_acquire()
    return other


def test_a_free_lease_is_taken_at_once_and_no_second_one(store: Store, clock: Clock):
    first, second = lease(store, clock), lease(store, clock)
    assert not first.valid()
    assert first.try_acquire()
    assert first.valid()
    assert (first.fence, first.taken_over, first.seconds_since_takeover()) == (1, False, None)
    assert not second.try_acquire()
    assert not second.valid()


def test_a_released_lease_is_taken_at_once(store: Store, clock: Clock):
    first, second = lease(store, clock), lease(store, clock)
    assert first.try_acquire()
    first.release()
    assert not first.valid()
    assert second.try_acquire()
    assert (second.fence, second.taken_over) == (2, False)


def test_a_lease_that_is_not_released_is_taken_only_after_watching_it_unchanged(store: Store, clock: Clock):
    first, second = lease(store, clock), lease(store, clock)
    assert first.try_acquire()
    clock.now += 1000  # time alone says nothing: the second one has not watched yet
    assert not second.try_acquire()
    clock.now += SECONDS
    assert not second.try_acquire()  # not quite: clocks may differ in rate
    clock.now += 0.2
    assert second.try_acquire()
    assert (second.fence, second.taken_over) == (2, True)
    assert second.record.number("taken_over_at_ms") > 0


def test_a_renewal_starts_the_watch_again(store: Store, clock: Clock):
    first, second = lease(store, clock), lease(store, clock)
    assert first.try_acquire()
    for _ in range(5):
        assert not second.try_acquire()
        clock.now += SECONDS * 0.9
        first.renew()
    assert not second.try_acquire()


def test_the_holders_longer_duration_counts(store: Store, clock: Clock):
    first, hasty = lease(store, clock, seconds=60), lease(store, clock, seconds=1)
    assert first.try_acquire()
    assert not hasty.try_acquire()
    clock.now += 59
    assert first.valid()
    assert not hasty.try_acquire()


def test_a_process_that_slept_knows_it_and_cannot_renew_what_was_taken_over(store: Store, clock: Clock):
    first = lease(store, clock, "sleeper:1")
    assert first.try_acquire()
    second = taken_over(store, clock)
    assert not first.valid()
    with pytest.raises(LeaseLost, match="ran out before it was renewed"):
        first.check()
    with pytest.raises(LeaseLost, match=r"sleeper:1 no longer holds the lease `job`: other:2 took it over \(fence 2\)"):
        first.renew(file="old")
    with pytest.raises(LeaseLost):
        first.fence  # noqa: B018 - raises
    first.release()
    assert second.valid()
    assert "file" not in store.get("job").attributes  # type: ignore[union-attr]
    second.renew()


def test_a_process_that_slept_may_go_on_if_nobody_took_over(store: Store, clock: Clock):
    first = lease(store, clock)
    assert first.try_acquire()
    clock.now += 10 * SECONDS
    assert not first.valid()
    first.renew()
    assert first.valid()
    assert first.fence == 1


def test_a_lease_is_believed_in_from_before_the_renewal_was_sent(store: Store, network: Network, clock: Clock):
    first = lease(store, clock)
    assert first.try_acquire()

    def slow() -> None:
        clock.now += 7

    network.after_write = slow
    first.renew()
    clock.now += 2.9
    assert first.valid()
    clock.now += 0.2
    assert not first.valid()


def test_renewing_sets_attributes_and_none_removes_them(store: Store, clock: Clock):
    first = lease(store, clock)
    assert first.try_acquire()
    first.renew(file="a", offset=4)
    first.renew(file=None)
    record = store.get("job")
    assert record == first.record
    assert ("file" in record.attributes, record.number("offset"), record.number("renewals")) == (False, 4, 3)


@pytest.mark.parametrize("fate", [Fate.REPEATED, Fate.LOST, Fate.UNSENT, Fate.LATE])
def test_an_acquisition_without_an_answer_is_found_out(store: Store, network: Network, clock: Clock, fate: Fate):
    first = lease(store, clock)
    network.fates.append(fate)
    if fate is Fate.REPEATED:
        assert first.try_acquire()
    else:
        with pytest.raises(BrokenConnection):
            first.try_acquire()
        assert not first.valid()
        assert first.try_acquire()
    network.deliver_all()
    assert store.get("job") == first.record
    first.renew()


@pytest.mark.parametrize("fate", [Fate.REPEATED, Fate.LOST, Fate.UNSENT, Fate.LATE])
def test_a_renewal_without_an_answer_is_found_out_and_its_attributes_are_never_mixed_up(
    store: Store, network: Network, clock: Clock, fate: Fate
):
    first = lease(store, clock)
    assert first.try_acquire()
    clock.now += 5
    network.fates.append(fate)
    if fate is Fate.REPEATED:
        first.renew(offset=1)
    else:
        with pytest.raises(BrokenConnection):
            first.renew(offset=1)
        clock.now += 4.9
        assert first.valid()
        clock.now += 0.2
        assert not first.valid()  # not answered, not counted
    first.renew(offset=2)
    assert first.valid()
    network.deliver_all()
    assert store.get("job") == first.record
    assert first.record.number("offset") == 2
    assert first.fence == 1


@pytest.mark.parametrize("fate", [Fate.REPEATED, Fate.LOST, Fate.UNSENT])
def test_after_a_release_the_lease_is_not_believed_in_whatever_the_answer(
    store: Store, network: Network, clock: Clock, fate: Fate
):
    first = lease(store, clock)
    assert first.try_acquire()
    beliefs: list[bool] = []
    network.after_write = lambda: beliefs.append(first.valid())
    network.fates.append(fate)
    if fate is Fate.REPEATED:
        first.release()
    else:
        with pytest.raises(BrokenConnection):
            first.release()
    assert beliefs == [False]
    assert not first.valid()
    with pytest.raises(LeaseLost):
        first.renew()
    first.release()
    assert lease(store, clock).try_acquire() is (fate is not Fate.UNSENT)


def test_two_who_acquire_at_once_end_with_one(store: Store, network: Network, clock: Clock):
    first, second = lease(store, clock, "first:1"), lease(store, clock, "second:2")

    def overtake() -> None:
        network.before_write = lambda: None
        assert second.try_acquire()

    network.before_write = overtake
    assert not first.try_acquire()
    assert not first.valid()
    assert second.valid()


def test_a_write_elsewhere_is_refused_once_the_lease_is_lost_released_or_acquired_anew(store: Store, clock: Clock):
    first = lease(store, clock)
    assert first.try_acquire()
    held = first.held_check()
    store.swap("thing", None, {"a": 1}, checks=[held])
    second = taken_over(store, clock)
    for stale in (held, second.held_check()):
        if stale is not held:
            second.release()
        with pytest.raises(Conflict):
            store.swap("other", None, {"a": 1}, checks=[stale])


def test_nobody_acquires_a_lease_of_a_destroyed_migration(store: Store, clock: Clock):
    holder, waiter = lease(store, clock), lease(store, clock)
    assert holder.try_acquire()
    assert not waiter.try_acquire()
    Store(store._client, store.table, store.name).purge()
    with pytest.raises(LeaseLost, match="the migration was destroyed"):
        holder.renew()
    with pytest.raises(NotInitialised, match="was destroyed while this process ran"):
        waiter.try_acquire()


def test_the_age_of_a_takeover_is_handed_on_without_comparing_clocks(store: Store, clock: Clock):
    sleeper = lease(store, clock)
    assert sleeper.try_acquire()
    second = taken_over(store, clock)
    assert second.seconds_since_takeover() == 0
    clock.now += 7
    second.renew()
    clock.now += 5
    assert second.seconds_since_takeover() == 12
    second.release()
    assert second.seconds_since_takeover() == 12
    elsewhere = Clock(5_000_000.0)
    third = Lease(store, "job", "third:3", SECONDS, elsewhere)
    assert third.try_acquire()
    assert not third.taken_over
    assert third.seconds_since_takeover() == 12  # what the release wrote down: at least that
    elsewhere.now += 30
    assert third.seconds_since_takeover() == 42


def test_acquiring_again_what_one_holds_changes_nothing(store: Store, clock: Clock, network: Network):
    first = lease(store, clock)
    assert first.try_acquire()
    writes = network.writes
    assert first.try_acquire()
    assert (first.fence, network.writes) == (1, writes)


def test_what_is_not_held_has_neither_fence_nor_check(store: Store, clock: Clock):
    first = lease(store, clock)
    for use in (lambda: first.fence, first.held_check, first.renew, first.check):
        with pytest.raises(LeaseLost):
            use()


def test_the_check_names_this_acquisition(acquired: Callable[[str], Lease]):
    lease = acquired("job")
    assert lease.held_check() == Check("job", {"token": lease.record.text("token"), "fence": 1, "released": False})


def test_watching_begins_when_the_answer_is_there_not_when_it_was_asked_for(store: Store, clock: Clock, dynamodb: Any):
    """While a read is on its way the holder may renew; that renewal is the one to be waited out."""
    first = lease(store, clock)
    assert first.try_acquire()

    class Slow(Network):
        def get_item(self, **request: Any) -> Any:
            clock.now += 4
            return self.client.get_item(**request)

    second = lease(Store(Slow(dynamodb), store.table, store.name), clock)
    assert not second.try_acquire()
    assert second._watch.since == clock.now
