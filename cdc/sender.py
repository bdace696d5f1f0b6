"""The sending side: PutRecords calls in a few threads, each record answered for itself.

A lane has one record in flight, so calls may overlap as they like. A record that was not accepted rests its lane for a
jittered while, and goes again unchanged; other lanes go on. A call whose answer was lost counts as not accepted: the
records may then be on the stream twice, which consumers find STALE.

Where a record is a pointer, its change is put into S3 first, by threads of their own, so that large changes hold up
nobody else's; until both are done the record is not accepted.
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from cdc.claims import Store, nowhere
from cdc.outbox import Outbox
from cdc.records import Record
from keymap.lanes import hash_key
from keyshift.aws.stream import BYTES_PER_PUT_MAX, RECORDS_PER_PUT_MAX, Entry, PutResult, calls
from keyshift.process.backoff import Backoff

CALLS_MAX: Final = 4  # in flight: hides the round trip; what waits meanwhile makes the next records fuller
LINES_BYTES_MAX: Final = BYTES_PER_PUT_MAX  # of one call, before compression: calls then compress beside each other
# A shard takes 1,000 records a second, and each record costs all who handle it. So the more records a call has, the
# later the next one follows, and those of all lanes fill meanwhile; a change that comes alone is sent at once. The
# longest pause is below what anybody waits for: a stream for so many lanes has many shards.
RECORDS_PER_SECOND: Final = 1_000
PACE_SECONDS_MIN: Final = 0.01
PACE_SECONDS_MAX: Final = 0.1
CLAIM_CALLS_MAX: Final = 4  # puts to S3 at once; of the largest changes the outbox has room for one
Put = Callable[[Sequence[Entry]], list[PutResult]]


def pace_seconds(records: int) -> float:
    """How long after so many records the next ones are sent, at the soonest."""
    return min(PACE_SECONDS_MAX, max(PACE_SECONDS_MIN, records / RECORDS_PER_SECOND))


@dataclass(slots=True)
class _Rest:
    """A lane whose last record was not accepted: when it may go again."""

    backoff: Backoff
    until: float = 0.0


@dataclass(slots=True)
class Sent:
    """What was sent so far."""

    records: int = 0
    data_bytes: int = 0
    retries: int = 0
    last_error: str = ""
    claims: int = 0


class Sender:
    """Sends what an outbox holds. `put` is one call; `wake` is called from another thread when one is answered.

    `store` puts what fits no record into S3.
    """

    def __init__(  # noqa: PLR0913 - collaborators, handed in once
        self,
        put: Put,
        lanes: int,
        *,
        clock: Callable[[], float],
        wake: Callable[[], None],
        new_backoff: Callable[[], Backoff],
        calls_max: int = CALLS_MAX,
        store: Store = nowhere,
    ) -> None:
        self._put = put
        self._hash_keys = [hash_key(lane, lanes) for lane in range(lanes)]
        self._clock = clock
        self._wake = wake
        self._new_backoff = new_backoff
        self._calls_max = calls_max
        self._store = store
        self._pool = ThreadPoolExecutor(calls_max, "put-records")
        self._claims = ThreadPoolExecutor(CLAIM_CALLS_MAX, "put-claims")
        self._answers: deque[tuple[Sequence[Record], Future[list[PutResult]]]] = deque()
        self._rests: dict[int, _Rest] = {}
        self._closing = False
        self._paced_until = 0.0
        self.calls = 0  # in flight
        self.sent = Sent()

    def dispatch(self, outbox: Outbox) -> None:
        """Send what may be sent now, as far as calls are free."""
        now = self._clock()
        if now < self._paced_until:
            return
        resting, count = self._resting(now), 0
        while self.calls < self._calls_max and (records := outbox.take(RECORDS_PER_PUT_MAX, resting, LINES_BYTES_MAX)):
            self._send(records)
            count += len(records)
            self._paced_until = now + pace_seconds(count)

    def collect(self, outbox: Outbox) -> None:
        """Tell the outbox what was answered since. Raises what a call raised, which no repetition mends."""
        while self._answers:
            records, future = self._answers.popleft()
            if records[0].claimed is None:
                self.calls -= 1
            try:
                results = future.result()
            except BaseException:
                for record in records:
                    outbox.failed(record.lane)
                raise
            for record, result in zip(records, results, strict=True):
                self._answered(outbox, record, result)

    def next_due(self) -> float | None:
        """When something that waits may go (the clock's seconds); None when nothing waits for time to pass."""
        due = [rest.until for rest in self._rests.values()]
        if self._clock() < self._paced_until:
            due.append(self._paced_until)
        return min(due, default=None)

    def close(self) -> None:
        """Wait for the calls in flight, whose answers nobody will hear."""
        self._closing = True
        self._claims.shutdown(wait=True, cancel_futures=True)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _resting(self, now: float) -> set[int]:
        return {lane for lane, rest in self._rests.items() if rest.until > now}

    def _send(self, records: Sequence[Record]) -> None:
        """One call, and one more for each record that is a pointer."""
        for record in records:
            if record.claimed is not None:
                future = self._claims.submit(self._put_claimed, record)
                future.add_done_callback(lambda done, part=(record,): self._done(part, done))  # type: ignore[misc]
        part = [record for record in records if record.claimed is None]
        if part:
            self.calls += 1
            future = self._pool.submit(self._put_all, part)
            future.add_done_callback(lambda done: self._done(part, done))

    def _put_all(self, records: Sequence[Record]) -> list[PutResult]:
        """In a thread of the pool: the records are compressed here, beside the interpreter's other work."""
        entries = [self._entry(record) for record in records]
        return [result for call in calls(entries) for result in self._put(call)]  # one, unless nothing compresses

    def _entry(self, record: Record) -> Entry:
        return Entry(record.data, str(record.lane), self._hash_keys[record.lane])

    def _put_claimed(self, record: Record) -> list[PutResult]:
        """The object first: a record never points to nothing, and an object that no record names does no harm.

        The object may take long: a sender that is closed meanwhile, as one whose lease is lost, leaves the record.
        """
        assert record.claimed is not None
        error = record.claimed.put(self._store) or ("closed" if self._closing else "")
        return [PutResult(error=error)] if error else self._put([self._entry(record)])

    def _done(self, records: Sequence[Record], future: Future[list[PutResult]]) -> None:
        self._answers.append((records, future))
        self._wake()

    def _answered(self, outbox: Outbox, record: Record, result: PutResult) -> None:
        if result.accepted:
            self._rests.pop(record.lane, None)
            self.sent.records += 1
            self.sent.data_bytes += len(record.data)
            self.sent.claims += record.claimed is not None
            outbox.accepted(record.lane)
            return
        rest = self._rests.setdefault(record.lane, _Rest(self._new_backoff()))
        rest.until = self._clock() + rest.backoff.next()
        self.sent.retries += 1
        self.sent.last_error = result.error
        outbox.failed(record.lane)
