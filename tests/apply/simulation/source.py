"""Kinesis and Lambda's event source mapping, as AWS promises them and no better.

A mapping reads each shard in order, several batches at once, each of some partition keys (parallelization factor);
a child only after its parents. What failed is delivered again: what an answer names and what follows, or all of it, in
halves where bisect is on. Pure: who invokes, and when, is elsewhere.
"""

import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from zlib import crc32

from keymap.lanes import HASH_SPACE, hash_key
from keyshift.aws.stream import StreamRecord
from tests.apply.history import LANES

Batch = list[StreamRecord]
Answer = dict[str, Any] | None  # None: the invocation raised, timed out, or its answer was lost


@dataclass(slots=True)
class Shard:
    """Part of the hash space, from `first` up to below `end`. A closed one takes no more records."""

    id: str
    parents: tuple[str, ...]
    first: int
    end: int
    records: list[StreamRecord] = field(default_factory=list)
    closed: bool = False


class Stream:
    """Shards in the order in which they came to be."""

    def __init__(self, shards: int) -> None:
        self.shards: list[Shard] = []
        self._sequence = 49_600_000
        for number in range(shards):
            self._open((), number * HASH_SPACE // shards, (number + 1) * HASH_SPACE // shards)

    def put(self, lane: int, data: bytes) -> None:
        """Take a record of a lane."""
        place = int(hash_key(lane, LANES))
        (shard,) = (one for one in self.shards if not one.closed and one.first <= place < one.end)
        self._sequence += 1
        shard.records.append(StreamRecord(str(self._sequence), data, str(lane)))

    def reshard(self, chance: random.Random) -> None:
        """Split a shard, or merge two that are neighbours."""
        there = sorted((one for one in self.shards if not one.closed), key=lambda shard: shard.first)
        at = chance.randrange(len(there))
        if at and chance.random() < 0.5:
            self._close(*there[at - 1 : at + 1])
            self._open((there[at - 1].id, there[at].id), there[at - 1].first, there[at].end)
            return
        shard = there[at]
        middle = chance.randrange(shard.first + 1, shard.end)
        self._close(shard)
        self._open((shard.id,), shard.first, middle)
        self._open((shard.id,), middle, shard.end)

    def _open(self, parents: tuple[str, ...], first: int, end: int) -> None:
        self.shards.append(Shard(f"shardId-{len(self.shards):012d}", parents, first, end))

    @staticmethod
    def _close(*shards: Shard) -> None:
        for shard in shards:
            shard.closed = True


class Listed(Protocol):
    """A stream as its reader sees it; the records of a shard only grow."""

    shards: list[Shard]


class Poller:
    """One of the concurrent batches of a shard: its records of some partition keys, in order, one batch at a time."""

    def __init__(self, shard: Shard, slot: int, mapping: "Mapping") -> None:
        self.shard = shard
        self.busy = False
        self._slot, self._mapping = slot, mapping
        self._read = 0  # of the shard's records
        self._unread: list[StreamRecord] = []
        self._left: deque[Batch] = deque()  # to be delivered again before anything else

    def look(self) -> bool:
        """Whether there is something to deliver."""
        fresh = self.shard.records[self._read :]
        self._read += len(fresh)
        factor = self._mapping.factor
        self._unread += [one for one in fresh if crc32(one.partition_key.encode()) % factor == self._slot]
        return bool(self._left or self._unread)

    def take(self) -> Batch:
        """The next batch; `answered` must follow."""
        assert not self.busy
        self.busy = True
        if self._left:
            return self._left.popleft()
        count = self._mapping.chance.randrange(1, self._mapping.batch_records_max + 1)
        batch, self._unread = self._unread[:count], self._unread[count:]
        return batch

    def answered(self, batch: Batch, answer: Answer) -> None:
        """Keep what is to be delivered again."""
        self.busy = False
        again = undelivered(batch, answer)
        if answer is None and self._mapping.bisects and len(again) > 1:
            middle = len(again) // 2
            self._left.extendleft([again[middle:], again[:middle]])
        elif again:
            self._left.appendleft(again)


def undelivered(batch: Batch, answer: Answer) -> Batch:
    """What Lambda delivers again: from the lowest that an answer names on; all, where it names what is not there."""
    if answer is None:
        return batch
    named = [one["itemIdentifier"] for one in answer["batchItemFailures"]]
    numbers = [record.sequence_number for record in batch]
    if not named:
        return []
    return batch[min(map(numbers.index, named)) :] if set(named) <= set(numbers) else batch


class Mapping:
    """The event source mapping of one stream: `ready` pollers may each deliver a batch."""

    def __init__(
        self, stream: Listed, chance: random.Random, *, factor: int, batch_records_max: int, bisects: bool
    ) -> None:
        self.chance, self.factor = chance, factor
        self.batch_records_max, self.bisects = batch_records_max, bisects
        self._stream = stream
        self._pollers: dict[str, list[Poller]] = {}

    def ready(self) -> list[Poller]:
        """Those that have something to deliver, and are not waiting for an answer."""
        return [poller for poller in self._readable() if not poller.busy and poller.look()]

    @property
    def idle(self) -> bool:
        """Whether all that there is was delivered, and done."""
        at_work = any(poller.busy or poller.look() for poller in self._readable())
        return not at_work and len(self._pollers) == len(self._stream.shards)

    def _readable(self) -> Iterator[Poller]:
        finished = {shard.id for shard in self._stream.shards if self._is_finished(shard)}
        waiting = {shard.id for shard in self._stream.shards} - finished
        for shard in self._stream.shards:
            if waiting.isdisjoint(shard.parents):
                yield from self._of(shard)

    def _is_finished(self, shard: Shard) -> bool:
        begun = shard.id in self._pollers
        return begun and shard.closed and not any(poller.busy or poller.look() for poller in self._of(shard))

    def _of(self, shard: Shard) -> list[Poller]:
        if shard.id not in self._pollers:
            self._pollers[shard.id] = [Poller(shard, slot, self) for slot in range(self.factor)]
        return self._pollers[shard.id]


class Shuffled:
    """No mapping that AWS has: delivers in any order, some of it twice, and what failed at some other time."""

    def __init__(self, records: Sequence[StreamRecord], chance: random.Random, *, batch_records_max: int) -> None:
        self.chance, self.batch_records_max = chance, batch_records_max
        self.busy = False
        self._waiting = [*records, *chance.choices(records, k=len(records) // 2)] if records else []
        self._out = 0

    def ready(self) -> list["Shuffled"]:
        return [self] if self._waiting and self._out < 4 else []

    @property
    def idle(self) -> bool:
        return not self._waiting and not self._out

    def take(self) -> Batch:
        self._out += 1
        self.chance.shuffle(self._waiting)
        count = self.chance.randrange(1, self.batch_records_max + 1)
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    def answered(self, batch: Batch, answer: Answer) -> None:
        self._out -= 1
        self._waiting += undelivered(batch, answer)
