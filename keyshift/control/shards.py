"""The shards of the stream, for workers without Lambda: how far each is applied, and who holds it.

The place is written after what was read is applied, so a worker that is killed leaves some of it to be read again,
which does no harm. A shard is held by one worker while that worker's lease stands (keyshift/control/workers), and taken
from it only once it is gone, on the condition that nobody was faster. Who lost a shard cannot move its place any more.
"""

from dataclasses import dataclass, field
from typing import Final

from keyshift.control.lease import LeaseLost
from keyshift.control.record import Changes, Record
from keyshift.control.store import Conflict, Store
from keyshift.control.workers import Worker

_PREFIX: Final = "shard#"
_WRITE_ATTEMPTS: Final = 3  # one, and one more for each earlier write of ours that is found done after all
_NOBODY: Final[Changes] = {"worker": None, "worker_fence": None, "owner": None}


@dataclass(frozen=True, slots=True)
class ShardCheckpoint:
    """Everything up to and including `sequence` is applied ("" : nothing yet); `closed`: the shard has ended there.

    `applied` and `stale` count changes since the shard's beginning, `behind_ms` is how far the last page that was
    applied was behind the shard's end: for people.
    """

    stream: str
    shard: str
    sequence: str = ""
    closed: bool = False
    applied: int = 0
    stale: int = 0
    behind_ms: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class ShardState:
    """A shard as it was read: the place in it, who held it (None: nobody), and that worker's process, for people."""

    checkpoint: ShardCheckpoint
    holder: Worker | None = None
    owner: str = ""
    record: Record | None = None


def read(store: Store, stream: str) -> dict[str, ShardState]:
    """All shards of a stream that somebody has begun, by their ids. Raises NotInitialised."""
    states = (_state(stream, record) for record in store.query(f"{_PREFIX}{stream}#"))
    return {state.checkpoint.shard: state for state in states}


def take(store: Store, seen: ShardState, worker: Worker, owner: str) -> "ShardHold | None":
    """Hold a shard that nobody alive holds, by what was `seen`. None where it is not so any more: look again.

    `owner` is the process, for people.
    """
    before = seen.record
    fence = (before.number("fence") if before else 0) + 1
    changes: Changes = {
        "worker": worker.place,
        "worker_fence": worker.fence,
        "owner": owner,
        "fence": fence,
        **({} if before else _place(seen.checkpoint)),
    }
    try:
        record = store.swap(_item(seen.checkpoint), before, changes)
    except Conflict:
        return None
    return ShardHold(store, seen.checkpoint, record, owner)


class ShardHold:
    """A shard that a worker holds. For one thread."""

    def __init__(self, store: Store, checkpoint: ShardCheckpoint, record: Record, owner: str) -> None:
        self.checkpoint = checkpoint
        self._store = store
        self._record = record
        self._owner = owner

    def save(self, checkpoint: ShardCheckpoint) -> None:
        """Remember the place; a closed shard is held no longer. Raises LeaseLost when somebody else has the shard.

        Other errors leave it unknown whether the write was done; the next call finds out.
        """
        self._write({**_place(checkpoint), **(_NOBODY if checkpoint.closed else {})})
        self.checkpoint = checkpoint

    def give_up(self) -> None:
        """Let the next one take it at once. Do nothing for the shard from the moment of this call."""
        if not self.checkpoint.closed:
            self._write(_NOBODY)

    def _write(self, changes: Changes) -> None:
        for _ in range(_WRITE_ATTEMPTS):
            try:
                self._record = self._store.swap(self._record.item, self._record, changes)
            except Conflict:
                self._record = self._still_ours()
            else:
                return
        raise self._lost("its item changes under our hands")

    def _still_ours(self) -> Record:
        """The item, if an earlier write of ours that we believed failed is what changed it. Raises LeaseLost."""
        current = self._store.get(self._record.item)
        if current is None:
            raise self._lost("the migration was destroyed")
        if current.number("fence") != self._record.number("fence"):
            raise self._lost(f"{current.text('owner') or 'another worker'} has taken shard {self.checkpoint.shard}")
        return current

    def _lost(self, why: str) -> LeaseLost:
        return LeaseLost(self._record.item, self._owner, why)


def _item(checkpoint: ShardCheckpoint) -> str:
    return f"{_PREFIX}{checkpoint.stream}#{checkpoint.shard}"


def _place(checkpoint: ShardCheckpoint) -> Changes:
    return {
        "sequence": checkpoint.sequence,
        "closed": checkpoint.closed,
        "applied": checkpoint.applied,
        "stale": checkpoint.stale,
        "behind_ms": checkpoint.behind_ms,
    }


def _state(stream: str, record: Record) -> ShardState:
    checkpoint = ShardCheckpoint(
        stream=stream,
        shard=record.item.rpartition("#")[2],
        sequence=record.text("sequence"),
        closed=record.flag("closed"),
        applied=record.number("applied"),
        stale=record.number("stale"),
        behind_ms=record.number("behind_ms"),
    )
    worker = Worker(record.number("worker"), record.number("worker_fence"))
    return ShardState(checkpoint, worker if worker.place else None, record.text("owner"), record)
