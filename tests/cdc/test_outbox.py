"""The outbox and a stream that fails in every way: nothing is lost, and every lane arrives in order without a gap."""

from collections import defaultdict
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from cdc import outbox as module
from cdc.entries import Entry
from cdc.outbox import Outbox, Progress
from cdc.records import BARRIER, Record, Stamp
from keymap.change import Change, Source
from keymap.position import Position
from keymap.version import version
from keymap.wire import Header, decode_pack, encode_change
from keyshift.apply.gaps import Lanes

LANES = 3
STAMP = Stamp("demo.1", "digest", 1, LANES)
START = Position("binlog.000001", 4)


def change_line(text: str, padding: int = 0) -> bytes:
    source = Source("binlog.000001", 4, 0, "", "", 0)
    return encode_change(Change("c", "shop.purchase", None, {"id": 1, "note": "x" * padding}, text, source))


@dataclass
class History:
    """What was committed: transactions of changes with their lanes. The position behind number n is offset 100 n."""

    transactions: list[list[tuple[int, ...]]]

    def version(self, number: int, row: int) -> str:
        return version(1, 1, 100 * (number + 1), row)

    def position(self, number: int) -> Position:
        return Position("binlog.000001", 100 * (number + 1) + 99)

    def entries(self, number: int) -> list[Entry]:
        texts = (self.version(number, row) for row in range(len(self.transactions[number])))
        return [
            Entry(lanes, text, change_line(text)) for lanes, text in zip(self.transactions[number], texts, strict=True)
        ]

    def of_lane(self, lane: int) -> list[str]:
        return [
            self.version(number, row)
            for number, changes in enumerate(self.transactions)
            for row, lanes in enumerate(changes)
            if lane in lanes
        ]


@dataclass
class Consumer:
    """A lane's reader: it never steps over a gap, and drops what it has already."""

    applied: list[str] = field(default_factory=list)
    markers: list[tuple[int, int]] = field(default_factory=list)  # number, changes applied before
    lanes: Lanes = field(default_factory=lambda: Lanes({}, str))

    def read(self, data: bytes) -> None:
        header, changes = decode_pack(data)
        last = self.applied[-1] if self.applied else ""
        self.lanes.follow(header)
        if header.kind == BARRIER:
            self.markers.append((header.barrier, len(self.applied)))
        self.applied += [change.version for change in changes if change.version > last]


class World:
    """A daemon's life: it adds, sends, is answered or not, remembers, dies, and begins again where it remembered."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.consumers: dict[int, Consumer] = defaultdict(Consumer)
        self.remembered = Progress(START)
        self.late: list[Record] = []  # sent by a daemon that died, and still on their way
        self.start()

    def start(self) -> None:
        self.outbox = Outbox(STAMP, self.remembered, 1_000_000)
        self.next = sum(self.history.position(n).offset <= self.remembered.position.offset for n in self.numbers)
        self.sent: list[Record] = []

    @property
    def numbers(self) -> range:
        return range(len(self.history.transactions))

    def add(self) -> None:
        if self.next < len(self.history.transactions):
            self.outbox.add(self.history.entries(self.next), 10)
            self.outbox.end(self.history.position(self.next))
            self.next += 1

    def take(self, count: int, excluded: frozenset[int] = frozenset()) -> None:
        taken = self.outbox.take(count, excluded)
        lanes = [record.lane for record in self.sent + taken]
        assert len(lanes) == len(set(lanes)), "two records of one lane in flight"
        self.sent += taken

    def answer(self, which: int, outcome: str) -> None:
        if self.sent:
            record = self.sent.pop(which % len(self.sent))
            if outcome != "refused":
                self.consumers[record.lane].read(record.data)
            if outcome == "accepted":
                self.outbox.accepted(record.lane)
            else:
                self.outbox.failed(record.lane)

    def remember(self) -> None:
        progress = self.outbox.progress
        assert progress.position.offset >= self.remembered.position.offset
        self.remembered = progress

    def crash(self) -> None:
        self.late += self.sent
        self.start()

    def arrive_late(self, which: int) -> None:
        if self.late:
            record = self.late.pop(which % len(self.late))
            self.consumers[record.lane].read(record.data)

    def drain(self) -> None:
        while self.next < len(self.history.transactions) or not self.outbox.is_empty:
            self.add()
            self.take(10)
            while self.sent:
                self.answer(0, "accepted")
        self.remember()


HISTORIES = st.builds(
    History,
    st.lists(
        st.lists(st.sets(st.integers(0, LANES - 1), min_size=1).map(lambda lanes: tuple(sorted(lanes))), max_size=4),
        max_size=8,
    ),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add")),
        st.tuples(st.just("add")),
        st.tuples(st.just("take"), st.integers(1, 4), st.frozensets(st.integers(0, LANES - 1), max_size=2)),
        st.tuples(st.just("answer"), st.integers(0, 3), st.sampled_from(["accepted", "accepted", "refused", "lost"])),
        st.tuples(st.just("remember")),
        st.tuples(st.just("crash")),
        st.tuples(st.just("arrive_late"), st.integers(0, 5)),
    ),
    max_size=60,
)


@settings(max_examples=1000)
@given(HISTORIES, STEPS)
def test_every_change_reaches_each_of_its_lanes_in_order_whatever_fails(history: History, steps: list[tuple]) -> None:
    world = World(history)
    for step, *arguments in steps:
        getattr(world, step)(*arguments)
    world.drain()
    while world.late:
        world.arrive_late(0)
    for lane in range(LANES):
        assert world.consumers[lane].applied == history.of_lane(lane)
    progress = world.remembered
    if history.transactions:
        assert progress.position == history.position(len(history.transactions) - 1)
    assert progress.lanes == {lane: found[-1] for lane in range(LANES) if (found := history.of_lane(lane))}
    assert progress.changes == sum(map(len, history.transactions))
    assert world.outbox.pending_bytes == 0


@settings(max_examples=300)
@given(HISTORIES, STEPS)
def test_progress_is_never_ahead_of_what_the_stream_has(history: History, steps: list[tuple]) -> None:
    """At every moment, all changes before the position are in the stream, and each lane's last version is exact."""
    world = World(history)
    for step, *arguments in steps:
        getattr(world, step)(*arguments)
        progress = world.outbox.progress
        done = [number for number in world.numbers if history.position(number).offset <= progress.position.offset]
        for lane in range(LANES):
            expected = [found for found in history.of_lane(lane) if done and found < history.version(done[-1] + 1, 0)]
            assert world.consumers[lane].applied[: len(expected)] == expected
            assert progress.lanes.get(lane, "") == (expected[-1] if expected else "")


@settings(max_examples=300)
@given(HISTORIES, STEPS, st.integers(0, 8))
def test_a_barrier_is_done_when_each_lane_has_its_marker_behind_all_before_it(
    history: History, steps: list[tuple], after: int
) -> None:
    world = World(history)
    for _ in range(after):
        world.add()
    added = world.next
    world.outbox.barrier(7)
    for step, *arguments in steps:
        if step not in {"crash", "arrive_late", "remember"}:
            getattr(world, step)(*arguments)
        if found := world.outbox.next_barrier():
            break
    else:
        world.drain()
        found = world.outbox.next_barrier()
    assert found is not None
    assert found.number == 7
    assert found.progress.changes == sum(map(len, history.transactions[:added]))
    for lane in range(LANES):
        before = [text for text in history.of_lane(lane) if text < history.version(added, 0)]
        markers = world.consumers[lane].markers
        assert markers
        assert all(number == 7 and count >= len(before) for number, count in markers)
    assert world.outbox.next_barrier() is None


def headers(records: list[Record]) -> list[Header]:
    return [decode_pack(record.data)[0] for record in records]


def test_what_waits_behind_a_record_in_flight_goes_into_one_record() -> None:
    history = History([[(0,)]] * 5)
    world = World(history)
    world.add()
    world.take(10)
    for _ in range(4):
        world.add()
    assert world.outbox.take(10) == []
    world.answer(0, "accepted")
    (header,) = headers(world.outbox.take(10))
    assert (header.count, header.follows, header.last) == (4, history.version(0, 0), history.version(4, 0))


def test_a_failed_record_is_sent_again_unchanged_though_more_waits() -> None:
    world = World(History([[(0,)]] * 3))
    world.add()
    (first,) = world.outbox.take(10)
    world.add()
    world.outbox.failed(0)
    (again,) = world.outbox.take(10)
    assert again == first


def test_records_stay_within_their_size() -> None:
    outbox = Outbox(STAMP, Progress(START), 10_000_000)
    line = change_line(version(1, 1, 4, 0), padding=200_000)
    for number in range(10):
        outbox.add([Entry((0,), version(1, 1, 4, number), line)], 1)
    outbox.end(Position("binlog.000001", 100))
    counts = []
    while records := outbox.take(10):
        (header,) = headers(records)
        counts.append(header.count)
        outbox.accepted(0)
    assert counts == [4, 4, 2]
    assert outbox.progress.position.offset == 100


def test_it_is_full_by_bytes_and_has_room_again_when_they_are_accepted() -> None:
    outbox = Outbox(STAMP, Progress(START), 1_000)
    outbox.add([Entry((0, 1), version(1, 1, 4, 0), b"{}" * 200)], 1)
    assert not outbox.has_room()
    outbox.end(Position("binlog.000001", 100))
    for record in outbox.take(10):
        assert not outbox.has_room() or record.lane == 1
        outbox.accepted(record.lane)
    assert outbox.has_room()


def test_an_idle_source_moves_the_position_at_once_and_without_a_trace() -> None:
    outbox = Outbox(STAMP, Progress(START), 1_000)
    for offset in range(100, 1_000):
        outbox.end(Position("binlog.000001", offset))
    assert outbox.progress.position.offset == 999
    outbox.add([Entry((0,), version(1, 1, 1_000, 0), b"{}")], 1)
    outbox.end(Position("binlog.000001", 1_100))
    for offset in range(1_200, 2_000):
        outbox.end(Position("binlog.000001", offset))
    assert outbox.progress.position.offset == 999
    assert len(outbox._points) == 2
    outbox.take(1)
    outbox.accepted(0)
    assert outbox.progress.position.offset == 1_999


def test_the_lane_that_waits_longest_is_first() -> None:
    outbox = Outbox(STAMP, Progress(START), 1_000)
    for lane in (2, 0, 1):
        outbox.add([Entry((lane,), version(1, 1, 4, lane), b"{}")], 1)
    assert [record.lane for record in outbox.take(2)] == [2, 0]
    outbox.failed(2)
    assert [record.lane for record in outbox.take(2)] == [1, 2]


def test_the_first_markers_of_a_migration_are_barrier_zero() -> None:
    outbox = Outbox(STAMP, Progress(START), 1_000)
    outbox.barrier(0)
    records = outbox.take(10)
    assert [(header.kind, header.barrier, header.follows, header.count) for header in headers(records)] == [
        (BARRIER, 0, "", 0)
    ] * LANES
    for record in records:
        outbox.accepted(record.lane)
    barrier = outbox.next_barrier()
    assert barrier == module.Barrier(0, Progress(START))
