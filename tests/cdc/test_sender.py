"""Calls to the stream: how soon one follows another, how much goes into one, and where records are compressed."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from cdc.entries import Entry
from cdc.outbox import Outbox, Progress
from cdc.records import Stamp
from cdc.sender import PACE_SECONDS_MAX, PACE_SECONDS_MIN, Sender, pace_seconds
from keymap.position import Position
from keymap.version import version
from keyshift.aws.stream import BYTES_PER_PUT_MAX, PutResult
from keyshift.aws.stream import Entry as Sent
from keyshift.process.backoff import Backoff

LANES = 8


@dataclass
class Stream:
    """Accepts everything, and notes it; the clock stands still unless a test moves it."""

    now: float = 100.0
    calls: list[Sequence[Sent]] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)

    def put(self, entries: Sequence[Sent]) -> list[PutResult]:
        self.calls.append(entries)
        self.threads.add(threading.current_thread().name)
        return [PutResult("shard", "1")] * len(entries)


@pytest.fixture
def stream() -> Stream:
    return Stream()


@pytest.fixture
def sender(stream: Stream):
    made = Sender(stream.put, LANES, clock=lambda: stream.now, wake=lambda: None, new_backoff=Backoff)
    yield made
    made.close()


@pytest.fixture
def outbox() -> Outbox:
    return Outbox(Stamp("m.1", "digest", 1, LANES), Progress(Position("binlog.000001", 4)), 1 << 30)


def add(outbox: Outbox, number: int, lane: int = 0, line: bytes = b"{}") -> None:
    outbox.add([Entry((lane,), version(1, 1, number, 0), line)], 1)


def answered(sender: Sender, outbox: Outbox, until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.001)
        sender.collect(outbox)


def test_a_change_that_comes_alone_is_sent_at_once_and_what_follows_it_soon(
    sender: Sender, outbox: Outbox, stream: Stream
) -> None:
    add(outbox, 1)
    sender.dispatch(outbox)
    answered(sender, outbox, lambda: outbox.is_empty)
    for number in (2, 3):
        add(outbox, number)
        sender.dispatch(outbox)
    assert outbox.in_flight == 0
    due = sender.next_due()
    assert due == stream.now + PACE_SECONDS_MIN
    stream.now = due
    sender.dispatch(outbox)
    answered(sender, outbox, lambda: outbox.is_empty)
    assert [len(call) for call in stream.calls] == [1, 1], "two changes in one record"
    stream.now += PACE_SECONDS_MIN
    assert sender.next_due() is None, "nothing waits for time to pass"


def test_however_fast_changes_come_a_single_shard_takes_their_records(
    sender: Sender, outbox: Outbox, stream: Stream
) -> None:
    begun, end = stream.now, stream.now + 2
    number = 0
    while stream.now < end:
        for lane in range(LANES):
            number += 1
            add(outbox, number, lane)
        sender.dispatch(outbox)
        answered(sender, outbox, lambda: not outbox.in_flight)
        stream.now += 0.001
    sent = sum(map(len, stream.calls))
    assert sent / (stream.now - begun) <= 1_000
    assert sent / (stream.now - begun) > 500
    assert pace_seconds(64) == 0.064
    assert pace_seconds(4_096) == PACE_SECONDS_MAX


def test_much_goes_in_several_calls_at_once_each_within_the_limit(
    sender: Sender, outbox: Outbox, stream: Stream
) -> None:
    for lane in range(LANES):
        add(outbox, lane, lane, line=b"x" * 899_000)
    sender.dispatch(outbox)
    answered(sender, outbox, lambda: outbox.is_empty)
    assert sorted(len(call) for call in stream.calls) == [3, 5]
    assert all(sum(entry.size_bytes for entry in call) <= BYTES_PER_PUT_MAX for call in stream.calls)


def test_a_record_is_made_in_the_thread_that_sends_it_and_once(sender: Sender, outbox: Outbox, stream: Stream) -> None:
    add(outbox, 1)
    (record,) = outbox.take(1)
    assert record._data is None, "not by who takes it"
    data = record.data
    outbox.failed(0)
    (again,) = outbox.take(1)
    assert again is record
    assert again.data is data
    outbox.failed(0)
    sender.dispatch(outbox)
    answered(sender, outbox, lambda: outbox.is_empty)
    assert stream.calls[0][0].data is data
    assert all(name.startswith("put-records") for name in stream.threads)
