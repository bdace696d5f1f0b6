"""What is on its way to the stream: lanes with one record in flight each, and how far everything is accepted.

A lane's changes wait in order; when its record in flight is accepted, all that waits goes into the next one (up to a
record's size). So a slow stream gets few, full records, and an idle one gets small records at once. A record that was
not accepted is sent again unchanged before anything later of its lane, because the first try may have been accepted
after all: then the two are the same record twice, and nothing between them.

A change that is larger than a record has one to itself, with a pointer (cdc.claims): the lane waits while the change is
put into S3 as it waits for the record, and the others go on.

`progress` moves only past whole transactions of which every record was accepted, with nothing earlier outstanding:
acknowledge, then remember (docs/design, "Checkpoint, lease, barrier, phase"). Pure: who sends, and when, is elsewhere.
"""

import sys
from collections import deque
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from cdc.claims import Claimed
from cdc.entries import OVERHEAD_BYTES, Entry
from cdc.records import Record, Stamp
from keymap.position import Position
from keymap.wire import PACK_BYTES_MAX

CLAIM_WEIGHT: Final = 4  # a change on its way to S3 is also compressed, and in the buffers of the call


@dataclass(frozen=True, slots=True)
class Progress:
    """How far everything is accepted: a position between two transactions, each lane's last version before it, the
    newest version of all ("" if there is none) and the number of changes, counted from the capture's start.
    `ahead_since_ms` is as in the checkpoint (keyshift.control.checkpoint); it says nothing of how far.
    """

    position: Position
    lanes: Mapping[int, str] = field(default_factory=dict)
    last_version: str = ""
    changes: int = 0
    ahead_since_ms: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Barrier:
    """A barrier of which every marker was accepted, with the progress up to it."""

    number: int
    progress: Progress


@dataclass(slots=True, eq=False)
class _Point:
    """Everything up to `position`, since the point before: done when nothing of it is outstanding."""

    outstanding: int = 0
    position: Position | None = None  # None while it is still being added to
    lanes: dict[int, str] = field(default_factory=dict)
    last_version: str = ""
    changes: int = 0
    barrier: int | None = None


@dataclass(slots=True, eq=False)
class _Pack:
    """A record to be: lines in order, or one that is `claimed`, alone.

    The last `count` of them belong to `point`, those before as `parts` says.
    """

    follows: str
    last: str
    barrier: int | None = None
    lines: list[bytes] = field(default_factory=list)
    line_bytes: int = 0
    size_bytes: int = 0
    point: _Point | None = None
    count: int = 0
    parts: list[tuple[_Point, int]] = field(default_factory=list)
    claimed: Claimed | None = None

    def belongs_to(self, point: _Point) -> None:
        """The newest line does, as the first one."""
        if self.point is not None:
            self.parts.append((self.point, self.count))
        self.point, self.count = point, 1

    def accepted(self) -> None:
        """Its lines are not outstanding any more."""
        assert self.point is not None
        self.point.outstanding -= self.count
        for point, count in self.parts:
            point.outstanding -= count


@dataclass(slots=True, eq=False)
class _Lane:
    """One lane: the version at its end, the packs that wait, and the record that is sent (or to be sent again)."""

    tail: str
    waiting: deque[_Pack] = field(default_factory=deque)
    sending: tuple[_Pack, Record] | None = None


class Outbox:
    """Not for use by several threads at once."""

    def __init__(self, stamp: Stamp, progress: Progress, bytes_max: int) -> None:
        self._stamp = stamp
        self._bytes_max = bytes_max
        self._lanes = {lane: _Lane(progress.lanes.get(lane, "")) for lane in range(stamp.lanes)}
        self._ready: dict[
            int, None
        ] = {}  # lanes with something to send and nothing in flight, the longest waiting first
        self._points: deque[_Point] = deque([_Point()])
        self._position, self._last_version, self._changes = progress.position, progress.last_version, progress.changes
        self._accepted_lanes = dict(progress.lanes)
        self._barriers: deque[Barrier] = deque()
        self.in_flight = 0  # records
        self.pending_bytes = 0  # waiting or in flight, as they take memory

    @property
    def progress(self) -> Progress:
        """How far everything is accepted; it never goes back."""
        return Progress(self._position, dict(self._accepted_lanes), self._last_version, self._changes)

    @property
    def position(self) -> Position:
        """The position up to which everything is accepted."""
        return self._position

    @property
    def is_empty(self) -> bool:
        """Whether all that was added is accepted."""
        return not self.in_flight and not self._ready

    def has_room(self) -> bool:
        """Whether more may be added: bounded by bytes, so that a slow stream slows the reading down."""
        return self.pending_bytes < self._bytes_max

    def add(self, entries: Iterable[Entry], count_max: int) -> int:
        """Add the next changes of what is being added, to each of their lanes, as far as there is room for them.

        Gives how many: fewer than `count_max`, with room left, means that there are no more of them.
        """
        count = 0
        for entry in entries:
            self._add(entry)
            count += 1
            if count == count_max or self.pending_bytes >= self._bytes_max:
                break
        return count

    def _add(self, entry: Entry) -> None:
        numbers, version, line = entry
        line_bytes = len(line)
        claimed = Claimed.of(entry, self._stamp.claims) if line_bytes > PACK_BYTES_MAX else None
        size_bytes = line_bytes + OVERHEAD_BYTES if claimed is None else entry.size_bytes * CLAIM_WEIGHT
        point = self._points[-1]
        point.changes += 1
        point.last_version = version
        point.outstanding += len(numbers)
        self.pending_bytes += size_bytes * len(numbers)
        for number in numbers:
            point.lanes[number] = version
            lane = self._lanes[number]
            pack = lane.waiting[-1] if lane.waiting else None
            if pack is None or pack.barrier is not None or pack.line_bytes + line_bytes > PACK_BYTES_MAX:
                pack = self._new_pack(number, lane)
            pack.lines.append(line)
            pack.line_bytes += line_bytes + 1
            pack.size_bytes += size_bytes
            pack.last = lane.tail = version
            if pack.point is point:
                pack.count += 1
            else:
                pack.belongs_to(point)
            pack.claimed = claimed

    def end(self, position: Position) -> None:
        """Everything up to `position`, which lies between two transactions, has been added."""
        point = self._points[-1]
        if not point.outstanding and len(self._points) > 1:
            self._points[-2].position = position  # nothing lies between the two: they are done together
            return
        point.position = position
        self._points.append(_Point())
        self._advance()

    def barrier(self, number: int) -> None:
        """Add one marker to every lane, behind all that was added; between two transactions only."""
        point = self._points[-1]
        assert not point.outstanding, "a barrier within a transaction"
        point.barrier, point.outstanding = number, len(self._lanes)
        for lane_number, lane in self._lanes.items():
            lane.waiting.append(_Pack(follows=lane.tail, last=lane.tail, barrier=number, point=point, count=1))
            self._offer(lane_number, lane)
        point.position = self._points[-2].position if len(self._points) > 1 else self._position
        self._points.append(_Point())

    def take(self, count_max: int, excluded: Container[int] = (), bytes_max: int = sys.maxsize) -> list[Record]:
        """The next records to send, at most one of each lane, none of the `excluded` lanes.

        One, or as many as `count_max` whose lines are within `bytes_max`. Each must be answered by accepted() or
        failed().
        """
        found: list[Record] = []
        for number in [number for number in self._ready if number not in excluded][:count_max]:
            lane = self._lanes[number]
            bytes_max -= lane.waiting[0].line_bytes if lane.sending is None else lane.sending[1].lines_bytes
            if bytes_max < 0 and found:
                break
            del self._ready[number]
            found.append(self._record(number, lane))
        self.in_flight += len(found)
        return found

    def accepted(self, number: int) -> None:
        """The stream has the lane's record."""
        lane = self._lanes[number]
        assert lane.sending is not None
        pack, _ = lane.sending
        lane.sending = None
        self.in_flight -= 1
        self.pending_bytes -= pack.size_bytes
        pack.accepted()
        if lane.waiting:
            self._ready[number] = None
        self._advance()

    def failed(self, number: int) -> None:
        """The lane's record was not accepted, or its answer was lost: it will be sent again as it is."""
        self.in_flight -= 1
        self._ready[number] = None

    def next_barrier(self) -> Barrier | None:
        """A barrier whose last marker was accepted; each is given once, in order."""
        return self._barriers.popleft() if self._barriers else None

    def _new_pack(self, number: int, lane: _Lane) -> _Pack:
        pack = _Pack(follows=lane.tail, last=lane.tail)
        lane.waiting.append(pack)
        self._offer(number, lane)
        return pack

    def _offer(self, number: int, lane: _Lane) -> None:
        if lane.sending is None:
            self._ready.setdefault(number)

    def _record(self, number: int, lane: _Lane) -> Record:
        if lane.sending is None:
            pack = lane.waiting.popleft()
            lane.sending = pack, self._made(number, pack)
        return lane.sending[1]

    def _made(self, number: int, pack: _Pack) -> Record:
        header = self._stamp.header(number, pack.follows, pack.last, count=len(pack.lines), barrier=pack.barrier)
        lines, pack.lines = pack.lines, []  # the record forgets them once it is made
        return Record(header, lines, pack.line_bytes, pack.claimed)

    def _advance(self) -> None:
        """Move past every point that is done, from the oldest on."""
        while (point := self._points[0]).position is not None and not point.outstanding:
            self._points.popleft()
            self._position = point.position
            self._accepted_lanes.update(point.lanes)
            self._last_version = point.last_version or self._last_version
            self._changes += point.changes
            if point.barrier is not None:
                self._barriers.append(Barrier(point.barrier, self.progress))
