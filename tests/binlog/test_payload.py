"""A compressed transaction is the transaction it was made of, one event at a time, or it is refused."""

import tracemalloc
from collections.abc import Iterator
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyshift.binlog import packets, payload
from keyshift.binlog.errors import Malformed
from keyshift.cli.demo.database import Database
from keyshift.zstd import zstd
from tests.binlog.raw import end_of_binlog, events_from, of_kind
from tests.binlog.test_packets import event

MIB = 1 << 20


def lenenc(number: int) -> bytes:
    return bytes([number]) if number < 251 else b"\xfe" + number.to_bytes(8, "little")


def field(kind: int, number: int) -> bytes:
    value = lenenc(number)
    return lenenc(kind) + lenenc(len(value)) + value


def made(data: bytes, uncompressed: int, compression: int | None = 0, *, size: int | None = None) -> bytes:
    """The body of a payload event around bytes that are compressed already."""
    head = b"" if compression is None else field(2, compression) + field(3, uncompressed)
    return head + field(1, len(data) if size is None else size) + b"\0" + data


def inner(body: bytes = b"", kind: int = 30) -> bytes:
    return event(kind, body, checksum=False)


EVENTS = [inner(b"BEGIN", 2), inner(b"rows" * 99), inner(b"x" * 200_000), inner(), inner(b"12345678", 16)]
WHOLE = b"".join(EVENTS)


@pytest.mark.parametrize("level", [1, 3, 19])
def test_the_events_come_out_as_they_went_in(level: int) -> None:
    assert list(payload.events(made(zstd.compress(WHOLE, level), len(WHOLE)))) == EVENTS


def test_what_was_not_compressed_comes_out_too() -> None:
    """As the server writes it when it has no field for a compression, and when it says that there is none."""
    assert list(payload.events(made(WHOLE, len(WHOLE), None))) == EVENTS
    assert list(payload.events(made(WHOLE, len(WHOLE), 255))) == EVENTS


def test_a_stream_of_several_frames_is_one_transaction() -> None:
    data = zstd.compress(WHOLE[:70_000]) + zstd.compress(WHOLE[70_000:70_001]) + zstd.compress(WHOLE[70_001:])
    assert list(payload.events(made(data, len(WHOLE)))) == EVENTS


@given(st.lists(st.integers(0, 200_000), max_size=6))
def test_events_of_any_size_are_cut_where_they_end(sizes: list[int]) -> None:
    events = [inner(bytes([number]) * size) for number, size in enumerate(sizes)]
    whole = b"".join(events)
    assert list(payload.events(made(zstd.compress(whole), len(whole)))) == events


GOOD = zstd.compress(WHOLE)
NESTED = inner(b"", packets.TRANSACTION_PAYLOAD)
LONG = inner()[:9] + b"\xff\xff\xff\xff" + inner()[13:]
SHORT = inner()[:9] + b"\x12\0\0\0" + inner()[13:]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (made(GOOD, len(WHOLE), 1), "unknown compression 1"),
        (made(GOOD, len(WHOLE) - 1), "longer than"),
        (made(GOOD, len(WHOLE) - len(EVENTS[-1])), "longer than"),
        (made(GOOD, len(WHOLE) + 1), "ends within an event"),
        (made(GOOD, len(WHOLE), size=len(GOOD) - 1), "says another size"),
        (made(GOOD[:-1], len(WHOLE)), "cut off"),
        (made(GOOD[:50], len(WHOLE)), "cut off"),
        (made(b"", 0), "cut off"),
        (made(GOOD + b"more", len(WHOLE)), "broken"),
        (made(b"no zstd at all", 14), "broken"),
        (made(zstd.compress(NESTED), len(NESTED)), "within another"),
        (made(zstd.compress(LONG), len(LONG)), "an event of 4294967295 bytes"),
        (made(zstd.compress(SHORT), len(SHORT)), "an event of 18 bytes"),
        (made(zstd.compress(inner()[:18]), 18), "ends within an event"),
        (field(2, 0) + field(1, len(GOOD)) + b"\0" + GOOD, "without its field 3"),
        (b"\0" + GOOD, "without its field 1"),
        (b"\1\x09\4", "does not fit"),
        (b"", "ends where a number should begin"),
    ],
)
def test_a_payload_that_does_not_hold_what_it_says_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        list(payload.events(body))


def test_fields_of_later_versions_are_passed_over() -> None:
    assert list(payload.events(field(77, 1 << 40) + made(GOOD, len(WHOLE)))) == EVENTS


@settings(max_examples=300)
@given(st.binary(max_size=60) | st.tuples(st.integers(0, 120), st.integers(0, 255)))
def test_no_bytes_make_it_fail_otherwise_than_by_a_refusal(change: bytes | tuple[int, int]) -> None:
    """Random bytes; or a byte of a right one changed, which zstd without its own checksum need not notice."""
    if isinstance(change, bytes):
        body = change
    else:
        good = bytearray(made(zstd.compress(b"".join(EVENTS[:2])), len(b"".join(EVENTS[:2]))))
        good[change[0] % len(good)] = change[1]
        body = bytes(good)
    try:
        found = list(payload.events(body))
    except Malformed:
        return
    assert all(packets.header(each).size == len(each) for each in found)


def peak_of(events: Iterator[bytes]) -> int:
    """Bytes of memory that going through the events needs at most. What a C library takes for itself is not in it."""
    tracemalloc.start()
    try:
        for _ in events:
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_is_bounded_by_the_largest_event() -> None:
    """Half a gigabyte in some fifty thousand bytes: whoever inflates it whole, or counts on its size, shows."""
    one = inner(b"\0" * 99_981)
    count = 5000
    compressor = zstd.ZstdCompressor()
    data = b"".join(compressor.compress(one * 100) for _ in range(count // 100)) + compressor.flush()
    assert len(data) < MIB
    assert peak_of(payload.events(made(data, count * len(one)))) < 2 * MIB


def test_a_promise_of_a_huge_event_takes_no_memory_before_it_comes() -> None:
    head = inner()[:9] + (3 << 30).to_bytes(4, "little") + inner()[13:]
    body = made(zstd.compress(head + b"x" * 1000), 4 << 30)
    with pytest.raises(Malformed):
        list(payload.events(body))
    tracemalloc.start()
    try:
        with pytest.raises(Malformed):
            list(payload.events(body))
        assert tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()


ROWS = 120_000


def transaction(database: Database, schema: str, *, compressed: str) -> list[bytes]:
    """The events of a transaction that inserts many rows and changes and deletes some, as the server sends them."""
    file, position, _ = end_of_binlog(database)
    with database.connect(schema) as connection, connection.cursor() as cursor:
        cursor.execute(f"SET binlog_transaction_compression = {compressed}")
        cursor.execute("SET timestamp = 1700000000, cte_max_recursion_depth = 1000000")
        cursor.execute("BEGIN")
        cursor.execute(
            "INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %s)"
            " SELECT i, CONCAT('a value that compresses well ', i), IF(i %% 7, NULL, i / 3) FROM n",
            (ROWS,),
        )
        cursor.execute("UPDATE t SET v = REPEAT('long ', 10000) WHERE id < 9")
        cursor.execute("DELETE FROM t WHERE id % 10 = 0")
        cursor.execute("COMMIT")
        cursor.execute("DELETE FROM t")  # makes room for the other way; a transaction of its own
    return events_from(database, file, position)


def test_a_large_transaction_is_the_same_compressed_or_not(mysql: Database, schema: str) -> None:
    with mysql.connect(schema) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(10000) CHARACTER SET latin1, d DECIMAL(9, 2))")
        cursor.execute("ALTER TABLE t MODIFY v MEDIUMTEXT")
    sent = _first_transaction(transaction(mysql, schema, compressed="OFF"))
    plain = [_comparable(each, packets.body(each, checksum=True)) for each in sent]
    compressed = transaction(mysql, schema, compressed="ON")
    body = packets.body(of_kind(compressed, packets.TRANSACTION_PAYLOAD)[0], checksum=True)
    found = list(payload.events(body))
    assert all(packets.header(each).size == len(each) for each in found)
    assert [_comparable(each, packets.body(each, checksum=False)) for each in found] == plain
    largest, total = max(map(len, found)), sum(map(len, found))
    del found
    assert len(body) < total / 8
    assert peak_of(payload.events(body)) < 4 * largest + MIB < total / 4


def _first_transaction(events: list[bytes]) -> Iterator[bytes]:
    """From BEGIN to the end of the transaction."""
    begin = next(at for at, each in enumerate(events) if packets.header(each).kind == packets.GTID)
    for each in islice(events, begin + 1, None):
        yield each
        if packets.header(each).kind == packets.XID:
            return


def _comparable(event: bytes, body: bytes) -> tuple[int, bytes]:
    """Kind and body; not the number of the transaction, nor what its session was set to."""
    kind = packets.header(event).kind
    if kind == packets.XID:
        return kind, b""
    if kind == packets.QUERY:
        return kind, "\n".join(packets.query(body)).encode()
    return kind, body
