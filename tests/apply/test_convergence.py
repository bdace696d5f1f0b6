"""Whatever happens to the delivery of the same changes, the same items come out: the real applier, on the fake."""

import os
import random
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from keymap.wire import decode_header
from keyshift.apply.result import BatchResult
from keyshift.apply.stream import StreamApplier
from keyshift.aws.stream import StreamRecord
from keyshift.control.phase import Phase
from keyshift.control.standing import Standing
from tests.apply.conftest import Shop, fake_shop
from tests.apply.history import (
    LANES,
    History,
    history_of,
    loaded,
    migration_for,
    operations,
    packed,
    random_steps,
    records,
    truth,
)

# Each mutation of the rules that was tried is found with far fewer; a soak wants more.
EXAMPLES = int(os.environ.get("KEYSHIFT_TEST_EXAMPLES", "300"))
seeds = st.integers(0, 2**32)


class Killed(BaseException):
    """The process ends here: nothing catches this."""


@dataclass
class Gate:
    """Open, and remembering markers and how far lanes are; `in_order`: a record must follow what was applied."""

    open: Phase = Phase.REPLAY
    seen_lanes: set[tuple[int, int]] = field(default_factory=set)
    in_order: bool = True
    applied: dict[int, str] = field(default_factory=dict)
    void: str = ""
    horizon: str = ""
    gaps: dict[int, str] = field(default_factory=dict)

    def look(self) -> Standing:
        applied = dict(self.applied) if self.in_order else dict.fromkeys(range(LANES), "~")
        return Standing(self.open, applied, self.horizon)

    def void_before(self) -> str:
        return self.void

    def reached(self, lanes: Mapping[int, str], before: Mapping[int, str]) -> None:
        del before
        self.applied |= {lane: max(version, self.applied.get(lane, "")) for lane, version in lanes.items()}

    def stands(self, lane: int, follows: str) -> None:
        self.gaps[lane] = follows

    def seen(self, number: int, lane: int) -> None:
        self.seen_lanes.add((number, lane))


class Replay:
    """A loaded shop, a history's records, and an applier between them."""

    def __init__(self, shop: Shop, steps: Any, chance: random.Random, *, in_order: bool = True) -> None:
        self.shop, self.chance, self.gate = shop, chance, Gate(in_order=in_order)
        self.history: History = history_of(steps)
        start = chance.randrange(len(self.history.states))
        for table, item in loaded(shop.keymap, self.history, start, chance):
            shop.dynamodb.put_item(TableName=table, Item=item)
        changes = [one for one in self.history.changes[start + 1 :] if one]
        self.records = records(packed(shop.keymap, changes, chance))
        self.applier = StreamApplier(shop.writer(), shop.keymap, migration_for(shop.keymap), self.gate)

    def deliver(self, batch: list[StreamRecord]) -> BatchResult:
        return self.applier.handle(batch)

    def window(self) -> list[StreamRecord]:
        first = self.chance.randrange(len(self.records))
        return self.records[first : first + self.chance.randrange(1, 6)]

    def has_converged(self) -> bool:
        expected = truth(self.history.states[-1])
        return all(self.shop.visible(table) == items for table, items in expected.items())


@settings(max_examples=EXAMPLES)
@given(steps=operations, seed=seeds)
def test_any_order_and_any_duplication_end_in_the_same_items(steps: Any, seed: int) -> None:
    chance = random.Random(seed)
    replay = Replay(fake_shop(), steps, chance, in_order=False)
    everything = replay.records + chance.choices(replay.records, k=chance.randrange(2 * len(replay.records)))
    chance.shuffle(everything)
    while everything:
        count = chance.randrange(1, 8)
        assert replay.deliver(everything[:count]).failed_sequence is None
        everything = everything[count:]
    assert replay.has_converged()


@settings(max_examples=EXAMPLES)
@given(steps=operations, seed=seeds)
def test_killed_between_any_two_writes_and_delivered_again_it_ends_in_the_same_items(steps: Any, seed: int) -> None:
    chance = random.Random(seed)
    replay = Replay(fake_shop(), steps, chance)
    fake = replay.shop.dynamodb

    def maybe_die() -> None:
        if chance.random() < 0.2:
            raise Killed

    checkpoint = 0
    while checkpoint < len(replay.records):
        fake.before_call, fake.after_call = chance.sample([maybe_die, lambda: None], k=2)
        count = chance.randrange(1, 6)
        try:
            replay.deliver(replay.records[checkpoint : checkpoint + count])
        except Killed:
            continue
        if chance.random() < 0.8:  # else it was killed between the last write and the checkpoint
            checkpoint += count
    assert replay.has_converged()


@settings(max_examples=EXAMPLES)
@given(steps=operations, seed=seeds)
def test_once_all_is_applied_late_duplicates_change_nothing(steps: Any, seed: int) -> None:
    replay = Replay(fake_shop(), steps, random.Random(seed))
    replay.deliver(replay.records)
    before = {table: replay.shop.items(table) for table in ("app", "purchases")}
    for _ in range(3):
        result = replay.deliver(replay.window())
        assert (result.set, result.removed) == (0, 0)
    assert {table: replay.shop.items(table) for table in before} == before


@settings(max_examples=EXAMPLES)
@given(steps=operations, seed=seeds)
def test_all_before_the_failed_sequence_number_is_done(steps: Any, seed: int) -> None:
    """Only what the answer names is delivered again, as Lambda does; and no marker is recorded too early."""
    chance = random.Random(seed)
    replay = Replay(fake_shop(), steps, chance)
    fake = replay.shop.dynamodb

    def maybe_fail() -> None:
        if chance.random() < 0.3:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "not now"}}, "PutItem")

    fake.before_call = maybe_fail
    left = replay.records
    while left:
        result = replay.deliver(left)
        if result.failed_sequence is None:
            break
        assert result.error is not None
        done = next(at for at, record in enumerate(left) if record.sequence_number == result.failed_sequence)
        assert result.records == done
        left = left[done:]
        waiting = {decode_header(record.data).lane for record in left}
        assert {lane for _, lane in replay.gate.seen_lanes} == set(range(LANES)) - waiting
    assert replay.has_converged()
    assert replay.gate.seen_lanes == {(1, lane) for lane in range(LANES)}


@settings(max_examples=EXAMPLES)
@given(steps=operations, seed=seeds)
def test_what_is_foreign_stays_and_all_else_converges(steps: Any, seed: int) -> None:
    """Another migration's items in the same tables: what wants to write them is set aside, none is touched."""
    from tests.apply.aside import Kept  # which needs this module

    chance = random.Random(seed)
    kept = Kept(fake_shop())
    shop = kept.shop
    theirs = {"pk": {"S": "CUSTOMER#1"}, "sk": {"S": "ORDER#0001"}, "owner": {"S": "somebody"}}
    replay = Replay(shop, steps, chance, in_order=False)
    shop.dynamodb.put_item(TableName="app", Item=theirs)
    done = 0
    while done < len(replay.records):
        count = chance.randrange(1, 6)
        assert kept.deliver(replay.records[done : done + count]).error is None
        done += count
    assert kept.gate.seen_lanes == {(1, lane) for lane in range(LANES)}
    expected = truth(replay.history.states[-1])
    mine = [item for item in expected["app"] if (item["pk"], item["sk"]) != (theirs["pk"], theirs["sk"])]
    assert shop.visible("app") == mine
    assert theirs in shop.items("app")
    assert shop.visible("purchases") == expected["purchases"]


def test_folding_writes_each_slot_once_per_batch() -> None:
    """Ten changes of one row in one batch are one write."""
    steps = [("put", ("orders", (1,), (1,), (1, total, "paid"))) for total in [1, 2] * 5]
    replay = Replay(fake_shop(), steps, random.Random(3))
    calls: Counter[str] = Counter()
    replay.shop.dynamodb.before_call = lambda: calls.update(["write"])
    result = replay.deliver(replay.records)
    assert result.applied > 1
    assert (calls["write"], result.set) == (1, 1)


@pytest.mark.parametrize("seed", range(3))
def test_overlapping_invocations_converge_on_a_real_endpoint(real_shop: Shop, seed: int) -> None:
    """Four threads deliver everything, each in its own order, with duplicates, at once."""
    chance = random.Random(seed)
    replay = Replay(real_shop, random_steps(chance, 60), chance, in_order=False)
    orders = [chance.sample(replay.records, len(replay.records)) for _ in range(4)]

    def deliver(batch: list[StreamRecord]) -> None:
        for at in range(0, len(batch), 5):
            assert replay.deliver(batch[at : at + 5]).failed_sequence is None

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(deliver, orders))
    assert replay.has_converged()
