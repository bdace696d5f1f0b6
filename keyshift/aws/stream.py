"""The Kinesis stream, as small calls: write records, list shards, read a shard.

PutRecords promises no order and fails record by record, so what it answers is given per record and *not accepted* is
data. Whoever calls decides what may be sent beside what (docs/design, "Lanes": at most one record of a lane in flight).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from keyshift.aws.clients import BotoCoreError, ClientError, KinesisClient, error_code, is_throttle, is_transient

if TYPE_CHECKING:
    from mypy_boto3_kinesis.type_defs import GetRecordsOutputTypeDef, ShardTypeDef

RECORDS_PER_PUT_MAX: Final = 500  # Kinesis' limit
# Kinesis takes 10 MiB since 2025, look-alikes and older regions 5; a larger call gains nothing at 1 MiB/s per shard.
BYTES_PER_PUT_MAX: Final = 5 * 1024 * 1024
RECORDS_PER_GET_MAX: Final = 10_000  # Kinesis' limit; it stops at 10 MiB as well


@dataclass(frozen=True, slots=True)
class Entry:
    """A record to write. `hash_key` ("" = none) places it in the hash space instead of the partition key."""

    data: bytes
    partition_key: str
    hash_key: str = ""

    @property
    def size_bytes(self) -> int:
        """What the record counts towards the limits of Kinesis."""
        return len(self.data) + len(self.partition_key.encode())


@dataclass(frozen=True, slots=True)
class PutResult:
    """What became of one entry: accepted with a shard and a sequence number, or `error` (a code) and perhaps later."""

    shard: str = ""
    sequence_number: str = ""
    error: str = ""

    @property
    def accepted(self) -> bool:
        """Whether Kinesis has the record. If not, it may still have it: an answer can be lost."""
        return not self.error


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard and those that it came from; parents that have expired are not among the shards any more."""

    id: str
    parents: tuple[str, ...]
    closed: bool


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """A record as read. `arrived_ms` is when Kinesis took it, in milliseconds since 1970, 0 where it does not say."""

    sequence_number: str
    data: bytes
    partition_key: str
    arrived_ms: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """What one read gave. `next_iterator` is None at the end of a closed shard; `behind_ms` is the age of the page."""

    records: tuple[StreamRecord, ...]
    next_iterator: str | None
    behind_ms: int


class IteratorExpired(Exception):
    """The iterator is too old: take a new one after the last record that was read."""


def calls(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """The entries, in order, cut into calls that put_records may send."""
    call: list[Entry] = []
    size = 0
    for entry in entries:
        if call and (len(call) == RECORDS_PER_PUT_MAX or size + entry.size_bytes > BYTES_PER_PUT_MAX):
            yield call
            call, size = [], 0
        call.append(entry)
        size += entry.size_bytes
    if call:
        yield call


def put_records(client: KinesisClient, stream: str, entries: Sequence[Entry]) -> list[PutResult]:
    """Send the entries in one call; one result for each, in their order. At most 500 records and 5 MiB (see calls()).

    Where the whole call was throttled, or its answer lost, no entry is known to be accepted, and each result says so.
    Raises ClientError or BotoCoreError for what no repetition mends (no such stream, no permission).
    """
    records: list[Any] = [_record(entry) for entry in entries]
    try:
        answer = client.put_records(StreamName=stream, Records=records)
    except (ClientError, BotoCoreError) as error:
        if not (is_throttle(error) or is_transient(error)):
            raise
        return [PutResult(error=error_code(error) or type(error).__name__)] * len(entries)
    return [
        PutResult(one.get("ShardId", ""), one.get("SequenceNumber", ""), one.get("ErrorCode", ""))
        for one in answer["Records"]
    ]


def shards(client: KinesisClient, stream: str) -> list[Shard]:
    """All shards that still hold records or take new ones. Raises ClientError when there is no such stream."""
    found: list[Shard] = []
    request: dict[str, Any] = {"StreamName": stream}
    while True:
        answer = client.list_shards(**request)
        found += [_shard(one) for one in answer["Shards"]]
        if not answer.get("NextToken"):
            return found
        request = {"NextToken": answer["NextToken"]}


def iterator_for(client: KinesisClient, stream: str, shard: str, after: str | None) -> str:
    """An iterator at the shard's oldest record, or right behind the sequence number `after`.

    Where the record at `after` has expired, reading goes on at the oldest that is left: the reader must notice gaps.
    """
    start: Any = {"ShardIteratorType": "TRIM_HORIZON"}
    if after is not None:
        start = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": after}
    return client.get_shard_iterator(StreamName=stream, ShardId=shard, **start)["ShardIterator"]


def iterator_at(client: KinesisClient, stream: str, shard: str, at_ms: int) -> str:
    """An iterator at the first record that Kinesis took at, or after, this moment (ms since 1970, by its own clock)."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    start: Any = {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": at}
    return client.get_shard_iterator(StreamName=stream, ShardId=shard, **start)["ShardIterator"]


def get_records(client: KinesisClient, iterator: str, limit: int = RECORDS_PER_GET_MAX) -> Page:
    """Read on from the iterator; an empty page does not mean that the shard is at its end.

    Raises IteratorExpired; throttles (five reads per second and shard) and other failures as ClientError.
    """
    try:
        answer = client.get_records(ShardIterator=iterator, Limit=limit)
    except ClientError as error:
        if error_code(error) == "ExpiredIteratorException":
            raise IteratorExpired("the shard iterator has expired") from error
        raise
    return _page(answer)


def _record(entry: Entry) -> dict[str, object]:
    record: dict[str, object] = {"Data": entry.data, "PartitionKey": entry.partition_key}
    return record | {"ExplicitHashKey": entry.hash_key} if entry.hash_key else record


def _shard(shard: "ShardTypeDef") -> Shard:
    parents = (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))
    closed = bool(shard["SequenceNumberRange"].get("EndingSequenceNumber"))
    return Shard(shard["ShardId"], tuple(parent for parent in parents if parent), closed)


def _page(answer: "GetRecordsOutputTypeDef") -> Page:
    records = tuple(
        StreamRecord(one["SequenceNumber"], one["Data"], one["PartitionKey"], _milliseconds(one))
        for one in answer["Records"]
    )
    return Page(records, answer.get("NextShardIterator") or None, answer.get("MillisBehindLatest", 0))


def _milliseconds(record: Any) -> int:  # noqa: ANN401 - the stubs promise a field that look-alikes leave out
    arrived = record.get("ApproximateArrivalTimestamp")
    return round(arrived.timestamp() * 1000) if isinstance(arrived, datetime) else 0
