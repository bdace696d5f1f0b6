"""The horizon rises and tombstones go while batches are delivered anyhow: the items end as if none had ever gone.

On the real applier, writer and sweep, with every kind of slot (tests/apply/club.py). Between any two requests of a
batch anything may happen: another batch, a pass of the horizon, a part of a sweep, minutes, or the process' death.
"""

import contextlib
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keymap.patch import Item
from keymap.version import is_tombstone
from keymap.wire import decode_pack
from keyshift.apply.lifetime import BATCH_SECONDS_MAX, Lifetime, Overdue, ended_after
from keyshift.apply.stream import StreamApplier
from keyshift.apply.sweep import Sweeper
from keyshift.apply.writer import GuardedWriter
from keyshift.aws.stream import StreamRecord
from keyshift.process.stop import Stop
from tests.apply.club_history import History, fake_club
from tests.apply.conftest import Inline, fake_shop
from tests.apply.history import migration_for, packed, records
from tests.apply.keymaps import MIGRATION
from tests.apply.test_convergence import Gate, Killed
from tests.apply.test_stream import FIRST, lane_pack
from tests.control.conftest import Clock

EXAMPLES = int(os.environ.get("KEYSHIFT_TEST_EXAMPLES", "300"))
DEPTH_MAX = 2  # of what happens within what happens within a batch
seeds = st.integers(0, 2**32)


@dataclass
class Seen:
    """Items as they were read at some moment."""

    tables: dict[str, list[Item]]

    def scan(self, table: str) -> Iterator[Item]:
        return iter(self.tables[table])


class Life:
    """A history's records, delivered anyhow, and somebody who tidies. `waits` and `drops`: what is right of it."""

    def __init__(self, chance: random.Random, steps: int, *, waits: bool = True, drops: bool = True) -> None:
        self.chance, self.waits, self.clock, self.depth = chance, waits, Clock(), 0
        self.history, self.club = History(chance, steps), fake_club()
        self.club.load(self.history, 0)
        self.lifetime, self.gate = Lifetime(self.clock), Gate(in_order=False)
        self.records = records(packed(self.club.keymap, self.history.changes, chance))
        self.versions = {one.sequence_number: versions_of(one) for one in self.records}
        self.done: set[str] = set()
        self.raised_at, self.horizon = 0.0, ""
        self.drops = drops
        fake = self.club.dynamodb
        writer = GuardedWriter(fake, self.club.keymap, MIGRATION, Inline(), lifetime=self.lifetime)
        self.applier = StreamApplier(writer, self.club.keymap, migration_for(self.club.keymap), self.gate)
        self.seen = self.look()
        fake.before_call = self.between

    def look(self) -> Seen:
        return Seen({name: self.club.dynamodb.items(name) for name in self.club.keymap.targets})

    def between(self) -> None:
        """What happens before a request arrives."""
        while self.depth < DEPTH_MAX and self.chance.random() < 0.4:
            self.happen()
        self.lifetime.check()

    def happen(self) -> None:
        if self.depth > 0 and self.chance.random() < 0.05:
            raise Killed
        self.depth += 1
        deadline = getattr(self.lifetime._own, "deadline", None)  # these are other threads' doings
        self.lifetime._own.deadline = float("inf")
        try:
            self.chance.choice([self.deliver, self.deliver, self.rise, self.sweep, self.sweep, self.pass_time])()
        finally:
            self.depth -= 1
            if deadline is not None:
                self.lifetime._own.deadline = deadline

    def pass_time(self) -> None:
        self.clock.now += self.chance.choice([1, BATCH_SECONDS_MAX / 2, BATCH_SECONDS_MAX + 1])
        self.seen = self.look()

    def deliver(self) -> None:
        left = [one for one in self.records if one.sequence_number not in self.done]
        again = [one for one in self.records if one.sequence_number in self.done]
        some = self.chance.choice([left or again, again or left])
        self.batch(self.chance.sample(some, k=min(2, len(some))))

    def batch(self, some: list[StreamRecord]) -> None:
        try:
            result = self.applier.handle(some)
        except Killed:
            return
        assert result.error is None or isinstance(result.error, Overdue), result.error
        self.done |= {one.sequence_number for one in some[: result.records]}

    def rise(self) -> None:
        """A barrier was answered: all before the first change that is not applied."""
        waiting = [min(found) for one, found in self.versions.items() if one not in self.done and found]
        first = min(waiting, default="~")
        applied = [one.version for one in self.history.changes if one.version < first]
        if applied and applied[-1] > self.horizon:
            self.horizon, self.raised_at = applied[-1], self.clock.now
            self.gate.horizon = self.horizon if self.drops else ""

    def sweep(self) -> None:
        """By what was read at some time: now, or before the last minutes passed."""
        if self.horizon and (not self.waits or self.clock.now >= self.raised_at + ended_after(0)):
            with contextlib.suppress(Killed):
                self.send(self.chance.choice([self.seen, self.look()]))

    def send(self, seen: Seen) -> None:
        Sweeper(
            self.club.dynamodb,
            self.club.keymap,
            MIGRATION,
            items=seen,
            executor=Inline(),
            stop=Stop(),
            upto=self.horizon,
        ).run()

    def run(self) -> None:
        while len(self.done) < len(self.records):
            self.happen()
        for _ in range(5):
            self.happen()  # what comes late and twice
        self.depth = DEPTH_MAX  # and now nothing comes between any more
        self.rise()
        self.clock.now += ended_after(0)
        for _ in range(2):
            self.batch(self.chance.choices(self.records, k=5))
            self.send(self.look())

    def is_right(self) -> bool:
        return bool(self.club.visible() == self.history.expected())


def versions_of(record: StreamRecord) -> list[str]:
    return [change.version for change in decode_pack(record.data)[1]]


@settings(max_examples=EXAMPLES // 3)
@given(seed=seeds, steps=st.integers(1, 25))
def test_whatever_happens_between_the_items_end_right_and_no_tombstone_is_left(seed: int, steps: int) -> None:
    life = Life(random.Random(seed), steps)
    life.run()
    assert life.is_right()
    books = life.club.keymap.bookkeeping
    left = [item for table in life.look().tables.values() for item in table]
    assert not [mark for item in left for mark in books.marks(item) if is_tombstone(mark)]


@pytest.mark.parametrize("wrong", ["waits", "drops"])
def test_without_the_wait_or_what_consumers_drop_rows_come_back(wrong: str) -> None:
    for seed in range(1_000):
        chances: Any = {wrong: False}
        life = Life(random.Random(seed), 20, **chances)
        life.run()
        if not life.is_right():
            return
    pytest.fail("the model does not find what this is for")


def test_what_lies_up_to_the_horizon_counts_as_applied_and_is_not_written() -> None:
    shop, gate = fake_shop(), Gate(in_order=False, horizon=FIRST[3].version)
    applier = StreamApplier(shop.writer(), shop.keymap, migration_for(shop.keymap), gate)
    result = applier.handle(records([lane_pack(shop, one) for one in FIRST]))
    assert (result.records, result.operations, result.set, result.error) == (8, {"c": 8}, 4, None)


def test_a_batch_that_took_too_long_sends_nothing_more_and_is_delivered_again() -> None:
    shop, clock = fake_shop(), Clock()
    lifetime = Lifetime(clock)
    writer = GuardedWriter(shop.dynamodb, shop.keymap, MIGRATION, Inline(), lifetime=lifetime)
    applier = StreamApplier(writer, shop.keymap, migration_for(shop.keymap), Gate(in_order=False))
    batch = records([lane_pack(shop, one) for one in FIRST])

    def slow() -> None:
        lifetime.check()
        clock.now += BATCH_SECONDS_MAX / 3

    shop.dynamodb.before_call = slow
    result = applier.handle(batch)
    assert isinstance(result.error, Overdue)
    assert (result.records, len(shop.items("app"))) == (3, 3)
    assert applier.handle(batch[3:6]).error is None
    assert len(shop.items("app")) == 6
