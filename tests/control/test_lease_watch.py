"""Whoever works under another process's lease stops before a third can hold it, whatever network and clocks do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from keyshift.control.lease import Lease, LeaseLost
from keyshift.control.lease_watch import WatchedLease
from keyshift.control.migration import create
from keyshift.control.record import Check
from keyshift.control.store import Store
from tests.control.conftest import Clock, migration
from tests.control.memory import Memory
from tests.control.network import nothing
from tests.control.test_lease_machine import SECONDS, WHO, LeaseMachine

RATES = st.sampled_from([0.996, 1.0, 1.004])


class Slow:
    """A client of whose reads something may happen before they are done, and before they are answered."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.exceptions = client.exceptions
        self.before: Callable[[], None] = nothing
        self.after: Callable[[], None] = nothing

    def get_item(self, **request: Any) -> Any:
        self.before()
        answer = self._client.get_item(**request)
        self.after()
        return answer


@dataclass
class Watcher:
    """A process on a machine with another clock, that works under a lease of this fence."""

    lease: WatchedLease
    slow: Slow
    fence: int

    def look(self, before: Callable[[], None] = nothing, after: Callable[[], None] = nothing) -> None:
        self.slow.before, self.slow.after = before, after
        try:
            self.lease.look()
        finally:
            self.slow.before = self.slow.after = nothing


class WatchMachine(LeaseMachine):
    """Contenders as in the machine of the lease, and watchers of whatever was held at some time."""

    def __init__(self) -> None:
        super().__init__()
        self.watchers: list[Watcher] = []

    @rule(rate=RATES, origin=st.integers(1, 9))
    def somebody_begins_to_work_under_the_lease(self, rate: float, origin: int) -> None:
        held = [contender.lease for contender in self.contenders if contender.lease.valid()]
        if held and len(self.watchers) < 4:
            slow, world = Slow(self.reader._client), self.world
            store = Store(slow, "control", self.reader.name)
            assert store.id  # from now on a look is one read
            watched = WatchedLease(store, held[0].held_check(), "other:1", lambda: origin * 1e7 + rate * world.now)
            self.watchers.append(Watcher(watched, slow, held[0].fence))

    @precondition(lambda self: self.watchers)
    @rule(who=WHO, seconds=SECONDS, before=SECONDS, after=SECONDS)
    def a_watcher_looks(self, who: int, seconds: float, before: float, after: float) -> None:
        self._watcher(who).look(lambda: self._pass(before), lambda: self._pass(after))
        self._pass(seconds)

    @precondition(lambda self: any(watcher.lease.valid() for watcher in self.watchers))
    @rule(who=WHO, rival=WHO, answer=SECONDS, later=SECONDS, wait=SECONDS)
    def the_last_renewal_is_read_by_a_rival_first(
        self, who: int, rival: int, answer: float, later: float, wait: float
    ) -> None:
        """It is done right after a watcher's look, and read at once by who wants the lease; the watcher looks later."""
        holders = [contender.lease for contender in self.contenders if contender.lease.valid()]
        rivals = [contender.lease for contender in self.contenders if not contender.lease.valid()]

        def renew() -> None:
            for lease in (*holders, *rivals):
                lease.renew() if lease in holders else lease.try_acquire()
            self._pass(answer)

        self._watcher(who).look(after=renew)
        self._pass(later)
        self._watcher(who).look()
        self._pass(wait)
        rivals[rival % len(rivals)].try_acquire()

    @invariant()
    def nobody_else_holds_what_a_watcher_believes_in(self) -> None:
        for watcher in self.watchers:
            if watcher.lease.valid():
                assert not [one for one in self.contenders if one.lease.valid() and one.lease.fence != watcher.fence]

    def _act(self, who: int, action: str, *rest: Any) -> None:
        """A holder whose lease others work under does not hand it on before they have ended."""
        super()._act(who, "renew" if action == "release" else action, *rest)

    def _pass(self, seconds: float) -> None:
        super()._pass(seconds)
        self.nobody_else_holds_what_a_watcher_believes_in()

    def _watcher(self, who: int) -> Watcher:
        return self.watchers[who % len(self.watchers)]


WatchMachine.TestCase.settings = settings(max_examples=200, stateful_step_count=30)
TestWatchedLease = WatchMachine.TestCase


def held(store: Store, clock: Clock, reader: Store | None = None, **more: Any) -> tuple[Lease, WatchedLease]:
    lease = Lease(store, "job", "host:1", 10.0, clock)
    assert lease.try_acquire()
    lease.renew(**more)
    check = lease.held_check()
    return lease, WatchedLease(reader or store, Check(check.item, {**check.expected, **more}), "other:1", clock)


def test_a_lease_is_believed_in_from_the_look_before_the_one_that_shows_a_renewal(store: Store, clock: Clock):
    lease, watched = held(store, clock)
    watched.look()
    assert not watched.valid()  # it may be about to run out
    clock.now += 3
    lease.renew()
    clock.now += 1
    watched.look()
    clock.now += 5.9
    watched.check()
    clock.now += 0.2  # ten seconds after the first look: had the renewal been done right after it, it would run out now
    with pytest.raises(LeaseLost, match="no renewal was seen for too long"):
        watched.check()
    watched.look()
    lease.renew()
    watched.look()
    watched.check()


def test_looks_that_show_nothing_new_move_the_moment_a_renewal_is_counted_from(store: Store, clock: Clock):
    lease, watched = held(store, clock)
    watched.look()
    clock.now += 2
    watched.look()
    lease.renew()
    watched.look()
    clock.now += 9.9
    assert watched.valid()
    clock.now += 0.2
    assert not watched.valid()


def test_a_look_that_takes_long_counts_from_when_it_was_sent(clock: Clock):
    table = Memory()
    create(Store(table, "control", "m"), migration("m"))
    slow = Slow(table)
    lease, watched = held(Store(table, "control", "m"), clock, reader=Store(slow, "control", "m"))

    def renew() -> None:
        lease.renew()
        clock.now += 7

    watched.look()
    slow.after = renew
    watched.look()
    slow.after = nothing
    watched.look()
    clock.now += 2.9
    assert watched.valid()
    clock.now += 0.2
    assert not watched.valid()


@pytest.mark.parametrize("end", ["released", "taken over", "no more workers", "destroyed"])
def test_it_ends_for_good(store: Store, clock: Clock, end: str):
    lease, watched = held(store, clock, workers="w1")
    watched.look()
    lease.renew()
    watched.look()
    assert watched.valid()
    match end:
        case "released":
            lease.release()
        case "taken over":
            other = Lease(store, "job", "other:2", 10.0, clock)
            other.try_acquire()
            clock.now += 10.2
            assert other.try_acquire()
        case "no more workers":
            lease.renew(workers=None)
        case "destroyed":
            store.delete(["job"])
    watched.look()
    assert watched.over
    with pytest.raises(LeaseLost, match="somebody else's, or given back"):
        watched.check()
