"""Which shards are read when, however a stream was resharded: decided without a server."""

import random

from hypothesis import given
from hypothesis import strategies as st

from keyshift.apply.result import BatchResult
from keyshift.apply.shards import advanced, batches, readable
from keyshift.aws.stream import Shard, StreamRecord
from keyshift.control.shards import ShardCheckpoint


def done(*shards: str) -> dict[str, ShardCheckpoint]:
    return {shard: ShardCheckpoint("s", shard, "9", closed=True) for shard in shards}


def shard(name: str, *parents: str) -> Shard:
    return Shard(name, parents, closed=False)


def test_children_wait_for_both_parents() -> None:
    listed = [shard("a"), shard("b"), shard("ab", "a", "b"), shard("c")]
    assert readable(listed, {}) == ["a", "b", "c"]
    assert readable(listed, done("a")) == ["b", "c"]
    assert readable(listed, done("a", "b")) == ["ab", "c"]


def test_a_parent_that_has_expired_is_not_waited_for() -> None:
    assert readable([shard("child", "gone")], {}) == ["child"]


def test_a_shard_that_was_begun_is_read_on() -> None:
    begun = {"a": ShardCheckpoint("s", "a", "5")}
    assert readable([shard("a"), shard("child", "a")], begun) == ["a"]


@given(seed=st.integers(0, 2**32), splits=st.integers(1, 30))
def test_every_shard_of_any_tree_is_read_once_and_never_before_its_parents(seed: int, splits: int) -> None:
    chance = random.Random(seed)
    listed, leaves = [shard("0")], ["0"]
    for number in range(splits):
        if len(leaves) > 1 and chance.random() < 0.4:
            one, other = chance.sample(leaves, 2)
            leaves = [leaf for leaf in leaves if leaf not in {one, other}] + [f"m{number}"]
            listed.append(shard(f"m{number}", one, other))
        else:
            parent = leaves.pop(chance.randrange(len(leaves)))
            children = [f"{parent}{side}{number}" for side in "lr"]
            listed += [shard(child, parent) for child in children]
            leaves += children
    chance.shuffle(listed)
    finished: dict[str, ShardCheckpoint] = {}
    while ready := readable(listed, finished):
        chosen = chance.choice(ready)
        parents = next(one.parents for one in listed if one.id == chosen)
        assert finished.keys() >= set(parents)
        finished |= done(chosen)
    assert finished.keys() == {one.id for one in listed}


def record(number: int, size: int = 1) -> StreamRecord:
    return StreamRecord(str(number), b"x" * size, "0")


@given(sizes=st.lists(st.integers(0, 20), max_size=30))
def test_batches_keep_the_order_and_the_bound(sizes: list[int]) -> None:
    records = [record(number, size) for number, size in enumerate(sizes)]
    cut = list(batches(records, bytes_max=16))
    assert [one for batch in cut for one in batch] == records
    assert all(len(batch) == 1 or sum(len(one.data) for one in batch) <= 16 for batch in cut)
    assert all(cut)


def test_a_checkpoint_moves_to_the_last_record_that_is_done() -> None:
    before = ShardCheckpoint("s", "a", "5", applied=10, stale=1)
    batch = [record(6), record(7), record(8)]
    result = BatchResult(records=2, tables={("a", "c"): 3, ("a", "u"): 1}, stale=2, failed_sequence="8")
    assert advanced(before, batch, result) == ShardCheckpoint("s", "a", "7", applied=14, stale=3)
    nothing = BatchResult(stale=7, failed_sequence="6")
    assert advanced(before, batch, nothing) == before
