"""The local consumer's place in each shard of the stream.

Written after what was read is applied, so a consumer that is killed reads some of it again, which does no harm. A
consumer whose lease was taken over cannot write any more: the item keeps the fence of its last writer, and takes none
that is older. (No transaction here: several shards at once would contend for the lease's item.)
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from keyshift.control.lease import CONSUMER, Lease, LeaseLost
from keyshift.control.record import AtMost, Changes, Record
from keyshift.control.store import Conflict, Store

_PREFIX: Final = "shard#"


@dataclass(frozen=True, slots=True)
class ShardCheckpoint:
    """Everything up to and including `sequence` is applied ("" : nothing yet); `closed`: the shard has ended there.

    `applied` and `stale` count changes since the shard's beginning, for people.
    """

    stream: str
    shard: str
    sequence: str = ""
    closed: bool = False
    applied: int = 0
    stale: int = 0


def read(store: Store, stream: str) -> dict[str, ShardCheckpoint]:
    """All checkpoints of a stream by shard id. Raises NotInitialised."""
    prefix = f"{_PREFIX}{stream}#"
    return {record.item.removeprefix(prefix): _checkpoint(stream, record) for record in store.query(prefix)}


def save(lease: Lease, checkpoint: ShardCheckpoint) -> None:
    """Remember it; `lease` is the one on "consumer". Raises LeaseLost when a later consumer has written."""
    if lease.item != CONSUMER:
        raise ValueError(f"the lease `{CONSUMER}` is needed here, not `{lease.item}`")
    fence = lease.fence
    attributes: Changes = {
        "sequence": checkpoint.sequence,
        "closed": checkpoint.closed,
        "applied": checkpoint.applied,
        "stale": checkpoint.stale,
        "fence": fence,
    }
    try:
        lease.store.update(_item(checkpoint.stream, checkpoint.shard), attributes, {"fence": AtMost(fence)})
    except Conflict:
        raise LeaseLost(lease.item, lease.owner, f"a later consumer has read shard {checkpoint.shard}") from None


def forget(store: Store, stream: str, shards: Iterable[str]) -> None:
    """Remove checkpoints of shards that the stream no longer has."""
    store.delete([_item(stream, shard) for shard in shards])


def _item(stream: str, shard: str) -> str:
    return f"{_PREFIX}{stream}#{shard}"


def _checkpoint(stream: str, record: Record) -> ShardCheckpoint:
    return ShardCheckpoint(
        stream=stream,
        shard=record.item.rpartition("#")[2],
        sequence=record.text("sequence"),
        closed=record.flag("closed"),
        applied=record.number("applied"),
        stale=record.number("stale"),
    )
