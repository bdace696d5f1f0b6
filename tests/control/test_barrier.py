"""Barriers: drained means that every lane has answered, whoever asks, repeats, or comes late."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from keymap.errors import KeyshiftError
from keymap.position import Position
from keyshift.control import barrier
from keyshift.control.barrier import BarrierState, Request
from keyshift.control.lease import Lease, LeaseLost
from keyshift.control.store import Store
from tests.control.conftest import Clock
from tests.control.network import Fate, Network

LANES = 4
FATES = [Fate.REPEATED, Fate.LOST, Fate.UNSENT, Fate.LATE]


def at(offset: int) -> Position:
    return Position("binlog.000009", offset)


@dataclass
class Waits:
    """A stop that is never asked for (or after some waits), and what happens while somebody waits."""

    clock: Clock
    happen: list[Callable[[], object]] = field(default_factory=list)
    stop_after: int = 1000

    def wait(self, seconds: float) -> bool:
        self.clock.now += seconds
        self.stop_after -= 1
        if self.happen:
            self.happen.pop(0)()
        return self.stop_after <= 0


@pytest.fixture
def daemon(acquired: Callable[[str], Lease]) -> Lease:
    return acquired("capture")


def answer(store: Store, number: int, *lanes: int) -> None:
    for lane in lanes or range(LANES):
        barrier.seen(store, number, lane)


def test_a_barrier_is_asked_for_sent_seen_and_complete(store: Store, daemon: Lease):
    assert barrier.pending(store) is None
    number = barrier.request(store, at(100))
    assert (number, barrier.pending(store)) == (1, Request(1, at(100)))
    assert barrier.state(store, 1, LANES) == BarrierState(1, at(100), False, (0, 1, 2, 3), "", 0)
    barrier.mark_sent(daemon, 1, "v", 7)
    assert barrier.pending(store) is None
    answer(store, 1, 3, 0, 3)
    assert barrier.state(store, 1, LANES) == BarrierState(1, at(100), True, (1, 2), "v", 7)
    answer(store, 1, 1, 2)
    state = barrier.state(store, 1, LANES)
    assert state.complete
    assert not state.missing_lanes


def test_gtid_positions_are_kept(store: Store, daemon: Lease):
    position = Position("b.000001", 4, "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5")
    barrier.request(store, position)
    assert barrier.pending(store) == Request(1, position)
    barrier.mark_sent(daemon, 1, "", 0)
    barrier.request(store, at(7))
    assert barrier.state(store, 1, LANES).position == at(7)
    assert barrier.state(store, 2, LANES) == BarrierState(2, at(7), False, (0, 1, 2, 3), "", 0)


def test_a_request_within_a_pending_one_joins_it(store: Store):
    assert barrier.request(store, at(100)) == 1
    assert barrier.request(store, at(100)) == 1
    assert barrier.request(store, at(50)) == 1
    assert barrier.pending(store) == Request(1, at(100))


def test_a_request_beyond_a_pending_one_replaces_it_and_answers_its_waiter(store: Store, daemon: Lease):
    first, second = barrier.request(store, at(100)), barrier.request(store, at(200))
    assert barrier.pending(store) == Request(second, at(200))
    barrier.mark_sent(daemon, second, "v", 7)
    assert not barrier.state(store, first, LANES).complete
    answer(store, second)
    assert barrier.state(store, first, LANES) == BarrierState(2, at(200), True, (), "v", 7)


def test_a_sent_barrier_is_not_joined(store: Store, daemon: Lease):
    barrier.mark_sent(daemon, barrier.request(store, at(100)), "", 0)
    assert barrier.request(store, at(100)) == 2


def test_a_complete_barrier_answers_though_a_later_one_was_asked_for(store: Store, daemon: Lease):
    barrier.mark_sent(daemon, barrier.request(store, at(100)), "v", 7)
    barrier.request(store, at(200))
    answer(store, 1)
    state = barrier.state(store, 1, LANES)
    assert (state.number, state.complete, state.last_version) == (1, True, "v")


def test_lanes_that_answer_before_the_daemon_has_said_that_it_sent_count(store: Store, daemon: Lease):
    barrier.request(store, at(100))
    answer(store, 1)
    assert not barrier.state(store, 1, LANES).complete
    barrier.mark_sent(daemon, 1, "v", 7)
    assert barrier.state(store, 1, LANES).complete


def test_lanes_that_answer_while_the_daemon_says_so_disturb_nobody(store: Store, daemon: Lease, network: Network):
    barrier.request(store, at(100))

    def overtake() -> None:
        network.before_write = lambda: None
        answer(store, 1)

    network.before_write = overtake
    barrier.mark_sent(daemon, 1, "v", 7)
    assert barrier.state(store, 1, LANES) == BarrierState(1, at(100), True, (), "v", 7)


def test_positions_that_cannot_be_compared_are_refused(store: Store):
    barrier.request(store, Position("b.000001", 4, "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5"))
    with pytest.raises(KeyshiftError, match="neither contains this one nor is in it"):
        barrier.request(store, Position("b.000001", 4, "00000000-71ca-11e1-9e33-c80aa9429562:1-5"))


def test_saying_sent_twice_keeps_the_first(store: Store, daemon: Lease):
    barrier.request(store, at(100))
    barrier.mark_sent(daemon, 1, "v", 7)
    barrier.mark_sent(daemon, 1, "w", 9)
    assert barrier.state(store, 1, LANES).changes == 7


def test_a_daemon_without_its_lease_cannot_say_that_it_sent(store: Store, daemon: Lease):
    barrier.request(store, at(100))
    store.swap("capture", store.get("capture"), {"fence": 9, "token": "other"})
    with pytest.raises(LeaseLost):
        barrier.mark_sent(daemon, 1, "v", 7)
    assert barrier.pending(store) == Request(1, at(100))


def test_the_start_marker_is_nobodys_barrier(store: Store):
    barrier.seen(store, barrier.START, 2)
    assert not list(store.query("barrier"))


def test_waiting_ends_when_complete_and_clears_older_ones(store: Store, daemon: Lease, clock: Clock):
    barrier.mark_sent(daemon, barrier.request(store, at(100)), "", 0)
    answer(store, 1, 0)
    barrier.request(store, at(200))
    waits = Waits(clock, [lambda: barrier.mark_sent(daemon, 2, "v", 7), lambda: answer(store, 2)])
    state = barrier.wait(store, 1, LANES, 60, waits, clock=clock)
    assert state == BarrierState(2, at(200), True, (), "v", 7)
    assert [record.item for record in store.query("barrier")] == ["barrier", "barrier#00000002"]


def test_a_late_marker_of_a_cleared_barrier_completes_nothing_and_is_cleared_again(
    store: Store, daemon: Lease, clock: Clock
):
    for offset in (100, 200):
        number = barrier.request(store, at(offset))
        barrier.mark_sent(daemon, number, "", 0)
        answer(store, number)
        assert barrier.wait(store, number, LANES, 60, Waits(clock), clock=clock).complete
        answer(store, 1)
    assert barrier.request(store, at(300)) == 3
    assert barrier.state(store, 3, LANES).missing_lanes == (0, 1, 2, 3)
    barrier.mark_sent(daemon, 3, "", 0)
    answer(store, 3)
    assert barrier.wait(store, 3, LANES, 60, Waits(clock), clock=clock).number == 3
    assert [record.item for record in store.query("barrier")] == ["barrier", "barrier#00000003"]


def test_waiting_ends_in_time_and_says_which_lanes_are_missing(store: Store, daemon: Lease, clock: Clock):
    barrier.mark_sent(daemon, barrier.request(store, at(100)), "", 0)
    answer(store, 1, 0, 2)
    state = barrier.wait(store, 1, LANES, 5, Waits(clock), clock=clock)
    assert (state.complete, state.missing_lanes, clock.now) == (False, (1, 3), pytest.approx(1005))


def test_waiting_ends_when_asked_to_stop(store: Store, clock: Clock):
    state = barrier.wait(store, barrier.request(store, at(1)), LANES, 60, Waits(clock, stop_after=2), clock=clock)
    assert not state.complete
    assert clock.now < 1001


@pytest.mark.parametrize("fate", FATES)
def test_steps_without_an_answer_may_be_repeated_and_late_ones_change_nothing(
    store: Store, daemon: Lease, network: Network, fate: Fate
):
    number = network.through(fate, lambda: barrier.request(store, at(100)))
    assert number == 1
    network.through(fate, lambda: barrier.mark_sent(daemon, number, "v", 7))
    for lane in range(LANES):
        network.through(fate, lambda lane=lane: barrier.seen(store, number, lane))
    later = network.through(fate, lambda: barrier.request(store, at(200)))
    network.deliver_all()
    assert (later, barrier.pending(store)) == (2, Request(2, at(200)))
    assert barrier.state(store, number, LANES) == BarrierState(1, at(100), True, (), "v", 7)


def test_two_requests_at_once_end_in_one_barrier_for_both(store: Store, network: Network, dynamodb: Any):
    other = Store(dynamodb, store.table, store.name)
    found: list[int] = []

    def overtake() -> None:
        network.before_write = lambda: None
        found.append(barrier.request(other, at(200)))

    network.before_write = overtake
    assert [barrier.request(store, at(100))] == found


def test_the_wrong_lease_is_a_mistake_of_ours(acquired: Callable[[str], Lease]):
    with pytest.raises(ValueError, match="needed here"):
        barrier.mark_sent(acquired("dump"), 1, "", 0)


def test_markers_that_a_daemon_had_sent_before_it_died_answer_for_no_later_one(store: Store, daemon: Lease):
    """They show that all is applied up to where that one had read; its successor has captured more by now."""
    barrier.renumber(daemon)
    assert barrier.pending(store) is None, "nothing was asked for"
    number = barrier.request(store, at(100))
    answer(store, number)
    barrier.renumber(daemon)
    asked = barrier.pending(store)
    assert asked == Request(number + 1, at(100))
    barrier.mark_sent(daemon, asked.number, "later", 9)
    assert not barrier.state(store, number, LANES).complete
    answer(store, asked.number)
    assert barrier.state(store, number, LANES) == BarrierState(asked.number, at(100), True, (), "later", 9)
    barrier.renumber(daemon)
    assert barrier.pending(store) is None, "it was sent"


def test_a_daemon_without_its_lease_gives_no_numbers(store: Store, daemon: Lease):
    barrier.request(store, at(100))
    store.update("capture", {"token": "another", "nonce": "theirs"}, {})
    with pytest.raises(LeaseLost):
        barrier.renumber(daemon)
    assert barrier.pending(store) == Request(1, at(100))


def test_a_request_for_what_a_lost_server_had_moves_to_what_its_successor_has(store: Store, daemon: Lease):
    """Else it would be pending for ever, and no later one could be asked for."""
    uuid, other = "3e11fa47-71ca-11e1-9e33-c80aa9429562", "4e11fa47-71ca-11e1-9e33-c80aa9429562"
    lost = Position("binlog.000009", 4, f"{uuid}:1-9")
    successor = Position("binlog.000001", 4, f"{uuid}:1-8,{other}:1")
    barrier.move(store, successor)
    assert barrier.pending(store) is None, "nothing was asked for"
    number = barrier.request(store, lost)
    with pytest.raises(KeyshiftError, match="neither contains"):
        barrier.request(store, successor)
    barrier.move(store, successor)
    assert barrier.pending(store) == Request(number, successor)
    barrier.move(store, Position("binlog.000001", 4, f"{uuid}:1-8,{other}:1-5"))
    assert barrier.pending(store) == Request(number, successor), "it is contained, and stays"
    barrier.mark_sent(daemon, number, "", 0)
    answer(store, number)
    assert barrier.state(store, number, LANES).complete
