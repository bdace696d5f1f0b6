"""The local consumer's checkpoints: one per shard, never written by a consumer that was replaced."""

from collections.abc import Callable

import pytest

from keyshift.control import shards
from keyshift.control.lease import DRIFT, Lease, LeaseLost
from keyshift.control.shards import ShardCheckpoint
from keyshift.control.store import Store
from tests.control.conftest import Clock

PLACE = ShardCheckpoint("stream", "shardId-000000000000", "4959" * 14, applied=7, stale=2)


@pytest.fixture
def consumer(acquired: Callable[[str], Lease]) -> Lease:
    return acquired("consumer")


def test_checkpoints_come_back_by_shard_of_their_stream(store: Store, consumer: Lease):
    assert shards.read(store, "stream") == {}
    second = ShardCheckpoint("stream", "shardId-000000000001", closed=True)
    for one in (PLACE, second, PLACE, ShardCheckpoint("stream2", "shardId-000000000000")):
        shards.save(consumer, one)
    assert shards.read(store, "stream") == {PLACE.shard: PLACE, second.shard: second}


def test_a_consumer_that_was_replaced_cannot_take_a_shard_back(store: Store, consumer: Lease, clock: Clock):
    shards.save(consumer, PLACE)
    successor = Lease(store, "consumer", "second:2", 10.0, clock)
    assert not successor.try_acquire()
    clock.now += 10 * DRIFT + 0.1
    assert successor.try_acquire()
    shards.save(successor, PLACE)
    with pytest.raises(LeaseLost, match="a later consumer has read shard shardId-000000000000"):
        shards.save(consumer, PLACE)


def test_checkpoints_of_shards_that_are_gone_can_be_removed(store: Store, consumer: Lease):
    shards.save(consumer, PLACE)
    shards.forget(store, "stream", [PLACE.shard, "shardId-000000000009"])
    assert shards.read(store, "stream") == {}


def test_the_wrong_lease_is_a_mistake_of_ours(acquired: Callable[[str], Lease]):
    with pytest.raises(ValueError, match="needed here"):
        shards.save(acquired("dump"), PLACE)
