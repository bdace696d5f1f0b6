"""The daemon: its real outbox between the source's transactions and the stream, its checkpoint, and its deaths."""

import random
from collections.abc import Callable, Iterator
from typing import Final

from cdc.outbox import Outbox, Progress
from cdc.records import Record, Stamp
from keymap.patch import Patch
from keyshift.control import barrier
from keyshift.control.checkpoint import Checkpoint, record_start, save_checkpoint
from keyshift.control.lease import CAPTURE, Lease
from keyshift.control.store import Store
from tests.apply.history import LANES
from tests.apply.keymaps import MIGRATION
from tests.apply.simulation.timeline import Timeline

Put = Callable[[int, bytes], None]  # a lane's record, into the stream
SERVER: Final = "server"


class Capture:
    """`objects` is the bucket of what fits no record; `before_marker` what each marker (number, lane) stands behind."""

    def __init__(self, timeline: Timeline, put: Put, store: Store, chance: random.Random) -> None:
        self.objects: dict[str, bytes] = {}
        self.before_marker: dict[tuple[int, int], int] = {}
        self._timeline, self._put, self._store, self._chance = timeline, put, store, chance
        self._lease = Lease(store, CAPTURE, "daemon", 1_000_000, lambda: 0.0)
        assert self._lease.try_acquire()
        record_start(self._lease, timeline.start, SERVER)
        self._checkpoint = Progress(timeline.start)
        self._asked = self._sent = 0  # the newest barriers
        self._late: list[Record] = []  # sent by a daemon that died, and still on their way
        self._patches = [list(timeline.by_lane(one)) for one in timeline.captured]
        self._begin()

    def _begin(self) -> None:
        stamp = Stamp(MIGRATION, self._timeline.keymap.digest, 1, LANES)
        self._outbox = Outbox(stamp, self._checkpoint, 1_000_000)
        barrier.renumber(self._lease)
        self._next = sum(self._checkpoint.position.contains(one.end) for one in self._timeline.captured)
        self._marked = 0

    @property
    def finished(self) -> bool:
        """Whether everything is on the stream, and known to be."""
        done = self._next == len(self._timeline.captured) and self._outbox.is_empty and not self._late
        return done and self._sent >= self._asked

    def step(self) -> None:
        """Do one thing that a daemon does."""
        reads = 10 if self._next < len(self._timeline.captured) else 0
        late = 3 if self._late else 0
        dies = 0 if self.finished else 0.5
        (what,) = self._chance.choices(
            (self._read, self._send, self._barriers, self._remember, self._arrive, self._die),
            (reads, 10, 4, 2, late, dies),
        )
        what()

    def _remember(self) -> None:
        done = self._checkpoint = self._outbox.progress
        checkpoint = Checkpoint(done.position, done.lanes, done.last_version, done.changes, SERVER)
        save_checkpoint(self._lease, checkpoint)

    def _arrive(self) -> None:
        self._store_and_put(self._late.pop(self._chance.randrange(len(self._late))))

    def ask(self) -> int:
        """Somebody wants to know when everything up to now is applied; gives the barrier's number."""
        position = self._timeline.captured[self._next - 1].end if self._next else self._timeline.start
        self._asked = barrier.request(self._store, position)
        return self._asked

    def before(self, number: int, lane: int) -> list[Patch]:
        """What must be applied when this marker is recorded."""
        count = self.before_marker[number, lane]
        return [patch for by_lane in self._patches[:count] for one, patch in by_lane if one == lane]

    @property
    def every(self) -> Iterator[tuple[int, Patch]]:
        """What all captured changes ask of items, each with its lane."""
        return (one for by_lane in self._patches for one in by_lane)

    def _read(self) -> None:
        transaction = self._timeline.captured[self._next]
        self._outbox.add(self._timeline.entries(transaction), 1_000)
        self._outbox.end(transaction.end)
        self._next += 1

    def _send(self) -> None:
        """One call to the stream, which takes its records in any order, if at all."""
        taken = self._outbox.take(self._chance.randrange(1, LANES + 1))
        self._chance.shuffle(taken)
        for record in taken:
            draw = self._chance.random()
            if draw < 0.85:
                self._store_and_put(record)
            (self._outbox.accepted if draw < 0.75 else self._outbox.failed)(record.lane)

    def _store_and_put(self, record: Record) -> None:
        if record.claimed:
            assert not record.claimed.put(self._stored)
        self._put(record.lane, record.data)

    def _stored(self, name: str, data: bytes) -> str:
        self.objects[name] = data
        return ""

    def _die(self) -> None:
        """And begin again at the checkpoint. What was sent may arrive later."""
        self._late += self._outbox.take(self._chance.randrange(1, LANES + 1))
        self._begin()

    def _barriers(self) -> None:
        asked = barrier.pending(self._store)
        if asked and asked.number != self._marked and self._outbox.position.contains(asked.position):
            self._marked = asked.number
            self._outbox.barrier(asked.number)
            for lane in range(LANES):
                place = asked.number, lane
                self.before_marker[place] = min(self._next, self.before_marker.get(place, self._next))
        while sent := self._outbox.next_barrier():
            barrier.mark_sent(self._lease, sent.number, sent.progress.last_version, sent.progress.changes)
            self._sent = max(self._sent, sent.number)
