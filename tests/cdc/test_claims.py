"""Changes that fit no record: the object is there before any record names it, and nothing else waits for it."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdc import outbox as module
from cdc.entries import Entry
from cdc.outbox import Outbox, Progress
from cdc.sender import Sender
from keymap.claims import Claim
from keymap.wire import PACK_BYTES_MAX, decode_pack
from keyshift.aws.stream import Entry as StreamEntry
from keyshift.aws.stream import PutResult
from keyshift.process.backoff import Backoff
from tests.cdc.outbox_life import HISTORIES, LANES, STAMP, START, STEPS, Consumer, History, World, change_line

LINE_BYTES_MAX = 400  # of a record in these tests


class Bucket(dict[str, bytes]):
    """Objects by name. `fetch` fails the test where a record points to nothing."""

    def fetch(self, claim: Claim) -> bytes:
        assert claim.object in self, f"a record points to {claim.object}, and it is not there"
        return self[claim.object]

    def store(self, name: str, data: bytes) -> str:
        assert self.get(name, data) == data, "the same change is another object"
        self[name] = data
        return ""


class BigHistory(History):
    """Every third change fits no record."""

    def entries(self, number: int) -> list[Entry]:
        found = super().entries(number)
        return [
            entry._replace(line=change_line(entry.version, padding=500 if (number + row) % 3 == 0 else 0))
            for row, entry in enumerate(found)
        ]


@dataclass
class Reader(Consumer):
    """A consumer with the bucket at hand."""

    bucket: Bucket = field(default_factory=Bucket)

    def read(self, data: bytes) -> None:
        header, changes = decode_pack(data, self.bucket.fetch)
        last = self.applied[-1] if self.applied else ""
        assert header.follows <= last
        self.applied += [change.version for change in changes if change.version > last]


class BigWorld(World):
    """A daemon's life with a bucket that refuses, does what is asked and loses the answer, or is fine."""

    def __init__(self, history: History) -> None:
        self.bucket = Bucket()
        self.s3 = "fine"
        super().__init__(history)
        self.consumers = defaultdict(lambda: Reader(bucket=self.bucket))

    def bucket_is(self, state: str) -> None:
        self.s3 = state

    def store(self, name: str, data: bytes) -> str:
        if self.s3 != "refuses":
            self.bucket.store(name, data)
        return "" if self.s3 == "fine" else "SlowDown"

    def answer(self, which: int, outcome: str) -> None:
        if self.sent:
            index = which % len(self.sent)
            claimed = self.sent[index].claimed
            if claimed is not None and claimed.put(self.store):
                self.outbox.failed(self.sent.pop(index).lane)
                return
        super().answer(which, outcome)

    def crash(self) -> None:
        """Between the object and the record, or before the object: then the record was not sent either."""
        self.sent = [one for one in self.sent if one.claimed is None or not one.claimed.put(self.store)]
        super().crash()

    def drain(self) -> None:
        self.s3 = "fine"
        super().drain()


BIG_HISTORIES = HISTORIES.map(lambda history: BigHistory(history.transactions))
BIG_STEPS = st.lists(
    st.tuples(st.just("bucket_is"), st.sampled_from(["fine", "refuses", "loses the answer"])), max_size=5
).flatmap(lambda states: STEPS.flatmap(lambda steps: st.permutations([*steps, *states])))


@pytest.fixture
def _small_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PACK_BYTES_MAX", LINE_BYTES_MAX)


@pytest.mark.usefixtures("_small_records")
@settings(max_examples=500)
@given(BIG_HISTORIES, BIG_STEPS)
def test_every_change_reaches_each_of_its_lanes_in_order_whatever_s3_does(history: History, steps: list[tuple]) -> None:
    world = BigWorld(history)
    world.live(steps)
    for lane in range(LANES):
        assert world.consumers[lane].applied == history.of_lane(lane)
    if history.transactions:
        assert world.remembered.position == history.position(len(history.transactions) - 1)
    assert world.outbox.pending_bytes == 0
    assert len(world.bucket) <= sum(map(len, history.transactions))


def entry(number: int, *lanes: int, big: bool = True) -> Entry:
    version = History([]).version(number, 0)
    return Entry(lanes, version, change_line(version, padding=PACK_BYTES_MAX if big else 0))


class Service:
    """S3 and the stream as a sender sees them; what is done is noted in order."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.bucket = Bucket()
        self.store_errors: list[str] = []
        self.put_errors: list[str] = []
        self.open = threading.Event()
        self.open.set()

    def store(self, name: str, data: bytes) -> str:
        self.open.wait(10)
        if self.store_errors:
            self.done.append("refused")
            return self.store_errors.pop()
        self.done.append("object")
        return self.bucket.store(name, data)

    def put(self, entries: Sequence[StreamEntry]) -> list[PutResult]:
        for one in entries:
            _, changes = decode_pack(one.data, self.bucket.fetch)
            self.done.append(f"lane {one.partition_key}: {len(changes)}")
        return [PutResult(error=self.put_errors.pop() if self.put_errors else "") for _ in entries]


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def sender(service: Service) -> Iterator[Sender]:
    made = Sender(
        service.put,
        LANES,
        clock=time.monotonic,
        wake=lambda: None,
        new_backoff=lambda: Backoff(max_seconds=0.01),
        store=service.store,
    )
    yield made
    service.open.set()
    made.close()


@pytest.fixture
def outbox() -> Outbox:
    return Outbox(STAMP, Progress(START), 10_000_000)


def run_until(sender: Sender, outbox: Outbox, happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline
        sender.dispatch(outbox)
        time.sleep(0.001)
        sender.collect(outbox)


def test_the_object_is_there_before_the_record(sender: Sender, outbox: Outbox, service: Service) -> None:
    outbox.add([entry(1, 0)], 1)
    outbox.end(START)
    run_until(sender, outbox, lambda: outbox.is_empty)
    assert service.done == ["object", "lane 0: 1"]
    assert (sender.sent.records, sender.sent.claims, sender.calls) == (1, 1, 0)
    (name,) = service.bucket
    assert name.startswith(f"claims/{entry(1, 0).version}-")


def test_a_bucket_that_refuses_is_asked_again_and_counts_as_not_sent(
    sender: Sender, outbox: Outbox, service: Service
) -> None:
    service.store_errors = ["SlowDown"] * 3
    outbox.add([entry(1, 0)], 1)
    run_until(sender, outbox, lambda: outbox.is_empty)
    assert service.done == ["refused"] * 3 + ["object", "lane 0: 1"]
    assert (sender.sent.retries, sender.sent.last_error) == (3, "SlowDown")


def test_a_record_whose_answer_was_lost_goes_again_and_its_object_does_not(
    sender: Sender, outbox: Outbox, service: Service
) -> None:
    service.put_errors = ["ConnectionClosedError"]
    outbox.add([entry(1, 0)], 1)
    run_until(sender, outbox, lambda: outbox.is_empty)
    assert service.done == ["object", "lane 0: 1", "lane 0: 1"]


def test_while_s3_hangs_the_other_lanes_go_on_and_this_one_waits(
    sender: Sender, outbox: Outbox, service: Service
) -> None:
    service.open.clear()
    for number in range(5):
        outbox.add([entry(number, 0)], 1)
    outbox.add([entry(5, 0, big=False)], 1)
    outbox.add([entry(6, 1, big=False)], 1)
    run_until(sender, outbox, lambda: "lane 1: 1" in service.done)
    assert outbox.in_flight == 1
    assert service.done == ["lane 1: 1"]
    service.open.set()
    run_until(sender, outbox, lambda: outbox.is_empty)
    assert service.done[1:] == ["object", "lane 0: 1"] * 5 + ["lane 0: 1"]


def test_a_sender_that_was_closed_while_s3_took_its_time_sends_nothing_more(
    sender: Sender, outbox: Outbox, service: Service
) -> None:
    """Its lease may be another's by now."""
    service.open.clear()
    outbox.add([entry(1, 0)], 1)
    sender.dispatch(outbox)
    closing = threading.Thread(target=sender.close)
    closing.start()
    while not sender._closing:
        time.sleep(0.001)
    service.open.set()
    closing.join(10)
    assert service.done == ["object"]


def test_a_change_of_several_lanes_is_one_object(sender: Sender, outbox: Outbox, service: Service) -> None:
    outbox.add([entry(1, 0, 1, 2)], 1)
    run_until(sender, outbox, lambda: outbox.is_empty)
    assert len(service.bucket) == 1
    assert sorted(one for one in service.done if one != "object") == ["lane 0: 1", "lane 1: 1", "lane 2: 1"]


def test_what_no_repetition_mends_is_raised(sender: Sender, outbox: Outbox, service: Service) -> None:
    def refuse(_name: str, _data: bytes) -> str:
        raise PermissionError("not allowed")

    sender._store = refuse
    outbox.add([entry(1, 0)], 1)
    with pytest.raises(PermissionError):
        run_until(sender, outbox, lambda: outbox.is_empty)
    assert service.done == []


def test_a_large_change_has_a_record_to_itself(outbox: Outbox) -> None:
    for number, big in enumerate((False, False, True, True, False)):
        outbox.add([entry(number, 0, big=big)], 1)
    records = []
    while taken := outbox.take(1):
        records += taken
        outbox.accepted(0)
    assert [record.claimed is not None for record in records] == [False, True, True, False]
    assert all(len(record.data) < 2000 for record in records)
