"""A made-up history of changes, and the life of an outbox that sends it while the stream fails in every way."""

from collections import defaultdict
from dataclasses import dataclass, field

from hypothesis import strategies as st

from cdc.entries import Entry
from cdc.outbox import Outbox, Progress
from cdc.records import BARRIER, Record, Stamp
from keymap.change import Change, Source
from keymap.position import Position
from keymap.version import version
from keymap.wire import decode_pack, encode_change
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

    def live(self, steps: list[tuple]) -> None:
        """All of the steps; then everything is sent that there is, and what was late arrives."""
        for step, *arguments in steps:
            getattr(self, step)(*arguments)
        self.drain()
        while self.late:
            self.arrive_late(0)

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
