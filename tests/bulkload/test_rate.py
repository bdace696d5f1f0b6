"""The load keeps to what it may spend and finds out what a table takes; nobody waits for ever. On our own clock."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkload.load.budget import Budget, ceilings_of
from bulkload.load.rate import BURST_SECONDS, Rate
from bulkload.load.send import Sender
from bulkload.load.writes import ChunkWrites
from keymap.errors import Problems
from keymap.item_units import TABLE
from keymap.rules import parse_keymap
from keyshift.aws.capacity import Capacity, Throughput
from keyshift.process.stop import Stop, Stopped
from keyshift.process.tasks import BulkloadSettings

BATCH = 25.0
TWO_TABLES = """\
keyshift: 1
targets:
  hot: {partition_key: {pk: S}}
  cold: {partition_key: {pk: S}}
tables:
  shop.orders:
    - {target: hot, key: {pk: "{id}"}}
    - {target: cold, key: {pk: "{id}"}}
"""
TAKES_800 = Throughput(None, 800, None)


@dataclass
class Time:
    """A clock that goes on when somebody sleeps."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.slept.append(seconds)
        self.now += seconds

    @property
    def stop(self) -> Stop:
        return cast("Any", self)


@dataclass
class Table:
    """A table that takes so many units a second, and no more than a second's worth of them at once."""

    units_per_second: float
    time: Time
    left: float = 1e9  # of before; a second's worth of it counts
    at: float = 1000.0
    accepted: int = 0
    refused: int = 0

    def put(self, units: float) -> bool:
        self.left = min(self.units_per_second, self.left + (self.time.now - self.at) * self.units_per_second)
        self.at = self.time.now
        if self.left < units:
            self.refused += 1
            return False
        self.left -= units
        self.accepted += 1
        return True


def write(rate: Rate, table: Table, seconds: float, senders: int = 8, answer_seconds: float = 0.02) -> None:
    """Batches of 25 units by so many senders, for so long; each waits for its turn, and 50 ms after a throttle."""
    time, end = table.time, table.time.now + seconds
    free = deque([(time.now, rate.ask(BATCH)) for _ in range(senders)])
    while time.now < end:
        ready_at, ticket = free.popleft()
        time.now = max(time.now, ready_at)
        if wait := rate.wait_seconds(ticket):
            free.append((time.now + min(wait, 0.1), ticket))
            time.now += 0.0005
            continue
        done = table.put(BATCH)
        rate.spent(BATCH, BATCH if done else 0.0, refused=not done)
        if not done:
            rate.fall()
        free.append((time.now + answer_seconds + (0.0 if done else 0.05), rate.ask(BATCH)))


@pytest.mark.parametrize("takes", [100.0, 1_000.0, 4_000.0])
def test_a_table_that_throttles_is_used_nearly_fully_and_seldom_asked_in_vain(takes: float) -> None:
    time = Time()
    rate, table = Rate(None, time), Table(takes, time)
    write(rate, table, 60.0)
    assert table.accepted * BATCH > 0.75 * takes * 60
    assert table.refused < 0.15 * table.accepted
    without = Table(takes, Time())
    write(_Unlimited(None, without.time), without, 60.0)
    assert without.refused > 5 * table.refused


class _Unlimited(Rate):
    def fall(self) -> bool:
        return False


def test_a_table_that_grows_is_followed() -> None:
    time = Time()
    rate, table = Rate(None, time), Table(500.0, time)
    write(rate, table, 30.0)
    table.units_per_second = 2_000.0
    write(rate, table, 60.0)
    assert (rate.units_per_second or 0.0) > 1_300


def test_what_nobody_waits_for_does_not_grow() -> None:
    time = Time()
    rate = Rate(None, time)
    for _ in range(20):
        rate.spent(rate.ask(0.0), 100.0)
        time.now += 0.1
    assert rate.fall()
    assert not rate.fall(), "throttles of requests that were under way together are one"
    found = rate.units_per_second
    time.now += 3600
    assert rate.units_per_second == found
    assert found == pytest.approx(700, rel=0.2)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.sampled_from(["ask", "done", "refused", "wait"]), st.integers(1, 400)), max_size=60),
    st.sampled_from([1.0, 40.0, 1_000.0]),
)
def test_never_more_is_granted_than_the_ceiling_and_every_ticket_gets_its_turn(
    steps: list[tuple[str, int]], ceiling: float
) -> None:
    time = Time()
    rate = Rate(ceiling, time)
    open_tickets: deque[tuple[float, float]] = deque()
    used, largest, began = 0.0, 0.0, time.now
    for step, amount in steps:
        if step == "ask":
            open_tickets.append((rate.ask(float(amount)), float(amount)))
        elif step == "wait":
            time.now += amount / 100
        elif open_tickets and not rate.wait_seconds(open_tickets[0][0]):
            _, asked = open_tickets.popleft()
            largest = max(largest, asked, float(amount))
            spent = float(amount) if step == "done" else 0.0
            rate.spent(asked, spent, refused=step == "refused")
            used += spent
            assert used <= ceiling * (time.now - began + BURST_SECONDS) + 60 * largest
    while open_tickets:
        ticket, asked = open_tickets.popleft()
        time.now += rate.wait_seconds(ticket) + 1e-6
        assert rate.wait_seconds(ticket) < 1e-3
        rate.spent(asked, 0.0)


def test_in_the_long_run_what_was_really_consumed_keeps_to_the_share_of_the_ceiling() -> None:
    """The estimate is half of what a write turns out to cost."""
    time = Time()
    budget = Budget({("app", TABLE): 1_000.0, ("app", "gsi"): 200.0}, time.stop, 0.5, clock=time)
    began, table, index = time.now, 0.0, 0.0
    for _ in range(400):
        budget.take("app", {TABLE: 5.0, "gsi": 1.0})
        budget.spent("app", {TABLE: 5.0, "gsi": 1.0}, {TABLE: 10.0, "gsi": 1.0})
        table, index = table + 10, index + 1
    seconds = time.now - began
    assert table <= 500 * (seconds + BURST_SECONDS) + 10
    assert table >= 500 * seconds * 0.95, "and it is used"
    assert index <= 100 * (seconds + BURST_SECONDS)
    assert max(time.slept) <= 1.0


def test_a_table_that_throttles_holds_up_no_other_and_a_stop_ends_the_wait() -> None:
    time = Time()
    budget = Budget({}, time.stop, clock=time)
    assert not budget.limited("hot")
    budget.throttled("hot", {}, {})
    budget.take("hot", {TABLE: 25.0})
    assert budget.wait_seconds("hot") > 0.9
    assert budget.wait_seconds("other") == 0
    stopped = Stop()
    stopped.set()
    hot = Budget({("hot", TABLE): 1.0}, stopped)
    hot.take("hot", {TABLE: 25.0})
    with pytest.raises(Stopped):
        hot.take("hot", {TABLE: 25.0})


def test_a_percentage_is_of_what_each_takes_now_and_follows_it() -> None:
    wanted = BulkloadSettings(write_percent_max=50)
    capacity = Capacity({TABLE: TAKES_800, "gsi": Throughput(90, None, None)})
    assert ceilings_of(wanted, {"app": capacity}) == {("app", TABLE): 400, ("app", "gsi"): 45}
    both = BulkloadSettings(write_percent_max=50, write_units_per_second_max=300)
    assert ceilings_of(both, {"app": capacity}) == {("app", TABLE): 300, ("app", "gsi"): 45}
    time, scaled = Time(), {("app", TABLE): 400.0}
    budget = Budget(dict(scaled), time.stop, read_ceilings=lambda: scaled, clock=time)
    scaled["app", TABLE] = 900.0
    budget.take("app", {})
    assert budget.units_per_second("app") == 400
    time.now += 61
    budget.take("app", {})
    assert budget.units_per_second("app") == 900


def test_a_percentage_of_what_nobody_knows_is_refused_by_name() -> None:
    unknown = Capacity({TABLE: Throughput(None, None, None)})
    with pytest.raises(Problems, match=r"table app: bulkload.write_percent_max .*"):
        ceilings_of(BulkloadSettings(write_percent_max=50), {"app": unknown})


def test_writes_to_a_table_that_must_wait_let_the_others_of_their_chunk_go_first() -> None:
    time, sent = Time(), []

    class Client:
        def batch_write_item(self, **request: Any) -> dict[str, Any]:
            (table,) = request["RequestItems"]
            sent.append((table, len(request["RequestItems"][table])))
            return {"ConsumedCapacity": [{"TableName": table, "CapacityUnits": 1.0}]}

    keymap = parse_keymap(TWO_TABLES, "keymap.yaml")
    budget = Budget({("hot", TABLE): 100.0}, time.stop, clock=time)
    budget.take("hot", {TABLE: 400.0})
    puts = [(table, {"pk": {"S": f"{number}"}}) for number in range(30) for table in ("hot", "cold")]

    def run(jobs: Iterator[Any]) -> None:
        for job in jobs:
            job()

    sender = Sender(cast("Any", Client()), keymap, "shop.1", run, time.stop, budget=budget)
    sender.send(ChunkWrites(puts, []))
    assert sent == [("cold", 15), ("cold", 15), ("hot", 15), ("hot", 15)]
    assert time.slept


def test_what_was_waited_for_is_told_once_where_it_is_worth_it() -> None:
    time = Time()
    budget = Budget({("hot", TABLE): 100.0}, time.stop, clock=time)
    budget.take("hot", {TABLE: 1.0})
    budget.take("cold", {TABLE: 1_000.0})
    assert budget.waits() == ""
    for _ in range(20):
        budget.take("hot", {TABLE: BATCH})
    assert budget.waits() == "write capacity of hot"
    assert budget.waits() == ""
