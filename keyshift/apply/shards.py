"""Which shards may be read, how a page is cut into batches, and how far a shard is after one: the consumer's decisions.

When a stream is resharded, a lane goes on in a child of its shard. So a child is read only after its parents are
finished; a parent that is not listed any more has expired, and nothing of it can be waited for.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from keyshift.apply.stream import BatchResult
from keyshift.aws.stream import Shard, StreamRecord
from keyshift.control.shards import ShardCheckpoint

# Compressed bytes of one batch: unpacked it is some tens of megabytes, and Lambda's batches (6 MB in base64) are alike.
BATCH_BYTES_MAX = 4 * 1024 * 1024


def readable(listed: Sequence[Shard], checkpoints: Mapping[str, ShardCheckpoint]) -> list[str]:
    """The ids of the shards to read now: not finished themselves, and with no parent that is not."""
    waiting = {shard.id for shard in listed} - _finished(checkpoints)
    return [shard.id for shard in listed if shard.id in waiting and waiting.isdisjoint(shard.parents)]


def _finished(checkpoints: Mapping[str, ShardCheckpoint]) -> set[str]:
    return {shard for shard, checkpoint in checkpoints.items() if checkpoint.closed}


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


def advanced(checkpoint: ShardCheckpoint, batch: Sequence[StreamRecord], result: BatchResult) -> ShardCheckpoint:
    """The checkpoint after a batch: at the last record before the first that failed, or where it was."""
    if not result.records:
        return checkpoint
    return replace(
        checkpoint,
        sequence=batch[result.records - 1].sequence_number,
        applied=checkpoint.applied + result.applied,
        stale=checkpoint.stale + result.stale,
    )
