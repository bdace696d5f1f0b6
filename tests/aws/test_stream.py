"""The stream calls: results per record, shards with their parents, reading from an exact place."""

import hashlib
import json
import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymap.lanes import hash_key
from keymap.wire import PACK_BYTES_MAX, Header, encode_pack
from keyshift.aws.clients import ClientError, Clients, KinesisClient, error_code
from keyshift.aws.resources import delete_stream, ensure_stream
from keyshift.aws.stream import (
    BYTES_PER_PUT_MAX,
    RECORDS_PER_PUT_MAX,
    Entry,
    IteratorExpired,
    Page,
    PutResult,
    Shard,
    StreamRecord,
    calls,
    get_records,
    iterator_at,
    iterator_for,
    put_records,
    shards,
)
from keyshift.process.clock import now_ms
from keyshift.process.stop import NEVER
from tests.servers.aws import unique
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import Answer, Fault, partial, reset_after, reset_before, server_error, throttle

RECORD_BYTES_MAX = 1024 * 1024  # of data and partition key; larger ones are asked for by stream


@pytest.fixture
def stream(clients: Clients) -> Iterator[str]:
    name = unique("stream")
    ensure_stream(clients.kinesis, name, "shop.1234abcd", shards=2, on_demand=False, retention_hours=24)
    yield name
    delete_stream(clients.kinesis, name)


@pytest.fixture(autouse=True)
def _no_tries_of_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyshift.aws.clients.ATTEMPTS_MAX", 1)


def _entries(count: int) -> list[Entry]:
    return [Entry(str(number).encode(), str(number % 8)) for number in range(count)]


def _read_shard(client: KinesisClient, stream: str, shard: str, after: str | None = None) -> list[StreamRecord]:
    iterator: str | None = iterator_for(client, stream, shard, after)
    found: list[StreamRecord] = []
    for _ in range(5):
        if iterator is None:
            break
        page = get_records(client, iterator)
        found += page.records
        iterator = page.next_iterator
        if not page.records and not page.behind_ms:
            break
        NEVER.sleep(0.05)
    return found


def _read_all(client: KinesisClient, stream: str) -> list[StreamRecord]:
    return [record for shard in shards(client, stream) for record in _read_shard(client, stream, shard.id)]


def test_every_accepted_record_has_its_place_and_can_be_read(clients: Clients, stream: str) -> None:
    before = now_ms()
    results = put_records(clients.kinesis, stream, _entries(100))
    assert all(result.accepted and result.shard and result.sequence_number for result in results)
    records = _read_all(clients.kinesis, stream)
    assert sorted(int(record.data) for record in records) == list(range(100))
    assert {(record.sequence_number, record.data) for record in records} == {
        (result.sequence_number, str(number).encode()) for number, result in enumerate(results)
    }
    assert all(record.partition_key == str(int(record.data) % 8) for record in records)
    assert all(before - 5000 < record.arrived_ms < now_ms() + 5000 for record in records)


def test_records_of_one_key_stay_in_the_order_of_their_calls(clients: Clients, stream: str) -> None:
    for number in range(10):
        put_records(clients.kinesis, stream, [Entry(str(number).encode(), "same")])
    assert [int(record.data) for record in _read_all(clients.kinesis, stream)] == list(range(10))


def test_a_hash_key_places_the_record(clients: Clients, stream: str) -> None:
    """The lanes are spread evenly over the hash space, so two shards get half of them each."""
    entries = [Entry(b"x", str(lane), hash_key(lane, 64)) for lane in range(64)]
    placed = [result.shard for result in put_records(clients.kinesis, stream, entries)]
    assert sorted(placed.count(shard.id) for shard in shards(clients.kinesis, stream)) == [32, 32]


def test_a_record_that_was_refused_says_so_and_the_others_are_there(
    faulty: Clients, kinesis_faults: FaultProxy, clients: Clients, stream: str
) -> None:
    kinesis_faults.rules = (Rule(partial(0.4)),)
    results = put_records(faulty.kinesis, stream, _entries(50))
    refused = [result for result in results if not result.accepted]
    assert 0 < len(refused) < 50
    assert {result.error for result in refused} == {"ProvisionedThroughputExceededException"}
    there = {int(record.data) for record in _read_all(clients.kinesis, stream)}
    assert there == {number for number, result in enumerate(results) if result.accepted}


@pytest.mark.parametrize("fault", [throttle, server_error, reset_before, reset_after])
def test_a_call_that_failed_as_a_whole_accepted_none(
    faulty: Clients, kinesis_faults: FaultProxy, stream: str, fault: object
) -> None:
    kinesis_faults.rules = (Rule(fault),)  # type: ignore[arg-type]
    results = put_records(faulty.kinesis, stream, _entries(3))
    assert len(results) == 3
    assert not any(result.accepted for result in results)


def test_what_no_repetition_mends_is_raised(clients: Clients) -> None:
    with pytest.raises(ClientError) as caught:
        put_records(clients.kinesis, unique("none"), _entries(1))
    assert error_code(caught.value) == "ResourceNotFoundException"


def test_reading_goes_on_right_behind_a_sequence_number(clients: Clients, stream: str) -> None:
    results = [put_records(clients.kinesis, stream, [Entry(bytes([n]), "same")])[0] for n in range(5)]
    found = _read_shard(clients.kinesis, stream, results[0].shard, results[2].sequence_number)
    assert [record.data for record in found] == [b"\x03", b"\x04"]


def test_the_end_of_an_open_shard_is_an_empty_page_with_a_next(clients: Clients, stream: str) -> None:
    (first, _) = shards(clients.kinesis, stream)
    page = get_records(clients.kinesis, iterator_for(clients.kinesis, stream, first.id, None))
    assert page.records == ()
    assert page.next_iterator


def test_a_limit_bounds_the_page(clients: Clients, stream: str) -> None:
    results = put_records(clients.kinesis, stream, [Entry(bytes([n]), "same") for n in range(9)])
    page = get_records(clients.kinesis, iterator_for(clients.kinesis, stream, results[0].shard, None), limit=4)
    assert len(page.records) == 4


def _always(status: int, answer: object) -> Fault:
    body = json.dumps(answer).encode()
    return lambda _call: Answer(status, body, {"content-type": "application/x-amz-json-1.1"})


def test_an_iterator_that_is_too_old_is_an_event_of_its_own(
    faulty: Clients, kinesis_faults: FaultProxy, stream: str
) -> None:
    iterator = iterator_for(faulty.kinesis, stream, shards(faulty.kinesis, stream)[0].id, None)
    kinesis_faults.rules = (Rule(_always(400, {"__type": "ExpiredIteratorException"})),)
    with pytest.raises(IteratorExpired):
        get_records(faulty.kinesis, iterator)


def test_other_failures_of_a_read_are_raised(faulty: Clients, kinesis_faults: FaultProxy, stream: str) -> None:
    iterator = iterator_for(faulty.kinesis, stream, shards(faulty.kinesis, stream)[0].id, None)
    kinesis_faults.rules = (Rule(throttle),)
    with pytest.raises(ClientError):
        get_records(faulty.kinesis, iterator)


def test_shards_are_listed_over_all_pages_with_their_parents(
    faulty: Clients, kinesis_faults: FaultProxy, stream: str
) -> None:
    ranges = {"HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "1"}}
    closed = {"SequenceNumberRange": {"StartingSequenceNumber": "1", "EndingSequenceNumber": "2"}}
    opened = {"SequenceNumberRange": {"StartingSequenceNumber": "3"}}
    first = [{"ShardId": "a", **ranges, **closed}, {"ShardId": "b", **ranges, **closed, "ParentShardId": "expired"}]
    second = [{"ShardId": "c", **ranges, **opened, "ParentShardId": "a", "AdjacentParentShardId": "b"}]
    kinesis_faults.rules = (
        Rule(_always(200, {"Shards": first, "NextToken": "more"}), times=1),
        Rule(_always(200, {"Shards": second})),
    )
    assert shards(faulty.kinesis, stream) == [
        Shard("a", (), closed=True),
        Shard("b", ("expired",), closed=True),
        Shard("c", ("a", "b"), closed=False),
    ]


def test_a_split_shard_is_the_parent_of_two(clients: Clients, stream: str, servers: str) -> None:
    if not servers.endswith("+local"):
        return  # ministack removes the parent and its records: kinesis-local shows what AWS does
    put_records(clients.kinesis, stream, [Entry(b"before", "0", "0")])
    (parent, other) = shards(clients.kinesis, stream)
    clients.kinesis.split_shard(StreamName=stream, ShardToSplit=parent.id, NewStartingHashKey=str(2**125))
    ensure_stream(clients.kinesis, stream, "x", shards=2, on_demand=False, retention_hours=24)  # waits
    found = {shard.id: shard for shard in shards(clients.kinesis, stream)}
    assert found[parent.id].closed
    assert not found[other.id].closed
    assert [shard.parents for shard in found.values()] == [(), (), (parent.id,), (parent.id,)]
    assert [record.data for record in _read_shard(clients.kinesis, stream, parent.id)] == [b"before"]


def test_the_end_of_a_closed_shard_has_no_next(clients: Clients, stream: str, servers: str) -> None:
    if not servers.endswith("+local"):
        return  # as above
    (parent, _) = shards(clients.kinesis, stream)
    clients.kinesis.split_shard(StreamName=stream, ShardToSplit=parent.id, NewStartingHashKey=str(2**125))
    page: Page | None = None
    iterator: str | None = iterator_for(clients.kinesis, stream, parent.id, None)
    while iterator:
        page = get_records(clients.kinesis, iterator)
        iterator = page.next_iterator
    assert page


@given(st.lists(st.integers(0, 1_000_000), max_size=1200))
def test_calls_keep_order_and_limits(sizes: list[int]) -> None:
    entries = [Entry(b"x" * size, "key") for size in sizes]
    cut = list(calls(entries))
    assert [entry for call in cut for entry in call] == entries
    assert all(0 < len(call) <= RECORDS_PER_PUT_MAX for call in cut)
    assert all(sum(entry.size_bytes for entry in call) <= BYTES_PER_PUT_MAX for call in cut)


def test_calls_are_as_full_as_they_may_be() -> None:
    assert [len(call) for call in calls(Entry(b"x", "k") for _ in range(1001))] == [500, 500, 1]
    big = Entry(b"x" * (1024 * 1024 - 1), "k")
    assert [len(call) for call in calls([big] * 11)] == [5, 5, 1]


def test_the_size_of_a_record_counts_its_key_in_bytes() -> None:
    assert Entry(b"123", "ä").size_bytes == 5


def test_an_error_code_means_not_accepted() -> None:
    assert PutResult("shard", "1").accepted
    assert not PutResult(error="InternalFailure").accepted


def test_a_partition_key_alone_places_by_its_md5(clients: Clients, stream: str) -> None:
    results = put_records(clients.kinesis, stream, [Entry(b"x", str(number)) for number in range(32)])
    upper = [int(hashlib.md5(str(number).encode()).hexdigest(), 16) >= 2**127 for number in range(32)]
    assert {(result.shard[-1], high) for result, high in zip(results, upper, strict=True)} == {
        ("0", False),
        ("1", True),
    }


def test_a_shard_is_read_from_a_moment_on(clients: Clients, stream: str) -> None:
    """A fail-over looks at what was sent since then; what precedes may be days."""
    (first,) = put_records(clients.kinesis, stream, [Entry(b"before", "same")])
    NEVER.sleep(1.5)
    since = now_ms()
    put_records(clients.kinesis, stream, [Entry(b"after", "same")])
    for at, expected in ((since - 500, [b"after"]), (since - 600_000, [b"before", b"after"])):
        page = get_records(clients.kinesis, iterator_at(clients.kinesis, stream, first.shard, at))
        assert [record.data for record in page.records] == expected


def test_a_full_pack_that_does_not_compress_is_a_record_that_kinesis_takes(clients: Clients, stream: str) -> None:
    header = Header("m" * 50, "d" * 64, 9999, 4095, "changes", "v" * 40, "v" * 40, 0, 2)
    lines = [random.Random(1).randbytes(PACK_BYTES_MAX - 101), b"x" * 100]
    entry = Entry(encode_pack(header, lines), "4095", hash_key(4095, 4096))
    assert PACK_BYTES_MAX < entry.size_bytes <= RECORD_BYTES_MAX
    assert put_records(clients.kinesis, stream, [entry] * 5)[4].accepted
    assert [len(call) for call in calls([entry] * 6)] == [5, 1]
