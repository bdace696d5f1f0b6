"""Which shards may be read, and by whom; how a page is cut into batches, and how far a shard is after one.

When a stream is resharded, a lane goes on in a child of its shard. So a child is read only after its parents are
finished; a parent that is not listed any more has expired, and nothing of it can be waited for but what a worker that
holds it has in hand.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from keyshift.apply.result import BatchResult
from keyshift.aws.stream import Shard, StreamRecord
from keyshift.control.shards import ShardCheckpoint

# Compressed bytes of one batch: with all that is made of them some sixty megabytes, and a worker has a few at hand.
BATCH_BYTES_MAX = 512 * 1024


def readable(
    listed: Sequence[Shard], checkpoints: Mapping[str, ShardCheckpoint], held: Collection[str] = ()
) -> list[str]:
    """The ids of the shards to read now: not finished themselves, and with no parent that is not.

    `held` are those that a worker reads, listed or not.
    """
    finished = {shard for shard, checkpoint in checkpoints.items() if checkpoint.closed}
    waiting = {*(shard.id for shard in listed), *held} - finished
    return [shard.id for shard in listed if shard.id in waiting and waiting.isdisjoint(shard.parents)]


@dataclass(frozen=True, slots=True)
class Shares:
    """What one worker is to do: take at most `room` of the shards that are free, and give some of its own up."""

    room: int
    give: Sequence[str]


def shares(rank: int, workers: int, shards: int, mine: Collection[str]) -> Shares:
    """For the worker that has `mine`, of so many that may be read, and is so many-th (from 0) of so many workers.

    Each has a share of its own, which differs by one at most, and all shares together are all shards. Nobody gives up
    below its share or takes above it: so once all see the same workers and shards, each comes to have just its share.
    """
    share = shards // workers + (rank < shards % workers)
    return Shares(max(0, share - len(mine)), sorted(mine)[share:])


def batches(records: Iterable[StreamRecord], bytes_max: int = BATCH_BYTES_MAX) -> Iterator[list[StreamRecord]]:
    """The records, in order, in batches of bounded size; a batch has at least one record."""
    batch: list[StreamRecord] = []
    size = 0
    for record in records:
        if batch and size + len(record.data) > bytes_max:
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += len(record.data)
    if batch:
        yield batch


def advanced(
    checkpoint: ShardCheckpoint, batch: Sequence[StreamRecord], result: BatchResult, behind_ms: int = 0
) -> ShardCheckpoint:
    """The checkpoint after a batch: at the last record before the first that failed, or where it was.

    `behind_ms` is how far the batch's page was behind the shard's end.
    """
    if not result.records:
        return checkpoint
    return replace(
        checkpoint,
        sequence=batch[result.records - 1].sequence_number,
        applied=checkpoint.applied + result.applied,
        stale=checkpoint.stale + result.stale,
        behind_ms=behind_ms,
    )
