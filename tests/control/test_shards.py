"""The places in the shards: moved by the worker that holds a shard, and by no other."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from keyshift.control import shards
from keyshift.control.lease import LeaseLost
from keyshift.control.shards import ShardCheckpoint, ShardHold, ShardState
from keyshift.control.store import Store
from keyshift.control.workers import Worker
from tests.control.network import BrokenConnection, Fate, Network

PLACE = ShardCheckpoint("stream", "shardId-000000000000", "4959" * 14, applied=7, stale=2, behind_ms=30)
FIRST, SECOND = Worker(1, 1), Worker(2, 5)
Take = Callable[[Worker], ShardHold]


@pytest.fixture
def take(store: Store) -> Take:
    """Takes the shard by what it is now."""

    def now(worker: Worker) -> ShardHold:
        states = shards.read(store, PLACE.stream)
        seen = states.get(PLACE.shard, ShardState(ShardCheckpoint(PLACE.stream, PLACE.shard)))
        hold = shards.take(store, seen, worker, f"host:{worker.place}")
        assert hold
        return hold

    return now


def test_places_come_back_by_shard_of_their_stream(store: Store, take: Take):
    assert shards.read(store, "stream") == {}
    take(FIRST).save(PLACE)
    other = ShardState(ShardCheckpoint("stream2", "shardId-000000000001"))
    assert shards.take(store, other, FIRST, "host:1")
    (state,) = shards.read(store, "stream").values()
    assert (state.checkpoint, state.checkpoint.behind_ms, state.holder, state.owner) == (PLACE, 30, FIRST, "host:1")
    assert list(shards.read(store, "stream2")) == ["shardId-000000000001"]


def test_of_two_that_saw_the_same_one_takes_it(store: Store, take: Take):
    take(FIRST).give_up()
    seen = shards.read(store, "stream")[PLACE.shard]
    assert seen.holder is None
    assert shards.take(store, seen, SECOND, "host:2")
    assert shards.take(store, seen, FIRST, "host:1") is None


def test_one_that_was_replaced_cannot_move_the_place(store: Store, take: Take):
    first = take(FIRST)
    first.save(PLACE)
    second = take(SECOND)
    assert second.checkpoint == PLACE
    for late in (lambda: first.save(replace(PLACE, sequence="1")), first.give_up):
        with pytest.raises(LeaseLost, match="host:2 has taken shard shardId-000000000000"):
            late()
    second.save(replace(PLACE, applied=8))
    assert shards.read(store, "stream")[PLACE.shard].checkpoint.applied == 8


def test_a_shard_that_has_ended_is_held_by_nobody(store: Store, take: Take):
    hold = take(FIRST)
    hold.save(replace(PLACE, closed=True))
    hold.give_up()
    state = shards.read(store, "stream")[PLACE.shard]
    assert (state.checkpoint.closed, state.holder, state.owner) == (True, None, "")


@pytest.mark.parametrize("fate", [Fate.LOST, Fate.UNSENT, Fate.LATE])
def test_after_a_lost_answer_the_next_write_finds_out(store: Store, network: Network, take: Take, fate: Fate):
    hold = take(FIRST)
    network.fates.append(fate)
    with pytest.raises(BrokenConnection):
        hold.save(PLACE)
    hold.save(replace(PLACE, sequence="5"))
    network.deliver_all()
    assert shards.read(store, "stream")[PLACE.shard].checkpoint.sequence == "5"
