"""MariaDB's compressed events are the ordinary ones that they were made of, or they are refused."""

import struct
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyshift.binlog import compressed, packets
from keyshift.binlog.errors import Malformed
from keyshift.cli.demo.database import Database
from tests.binlog.raw import end_of_binlog, events_from

ROW_KINDS = {166: 23, 167: 24, 168: 25, 169: 30, 170: 31, 171: 32}


def deflated(data: bytes, *, size: int | None = None, head: int = 0x80) -> bytes:
    size = len(data) if size is None else size
    width = max(1, (size.bit_length() + 7) // 8)
    return bytes([head | width]) + size.to_bytes(width, "big") + zlib.compress(data)


def before_rows(kind: int, columns: int = 12, extra: bytes = b"") -> bytes:
    """What precedes the rows in an event of this compressed kind."""
    count = bytes([columns]) if columns < 251 else b"\xfc" + struct.pack("<H", columns)
    bitmaps = b"\xff" * ((columns + 7) // 8) * (2 if kind in {167, 170} else 1)
    v2 = struct.pack("<H", 2 + len(extra)) + extra if kind >= 169 else b""
    return b"\5\0\0\0\0\0\1\0" + v2 + count + bitmaps


@pytest.mark.parametrize("kind", ROW_KINDS)
@pytest.mark.parametrize("columns", [1, 8, 9, 250, 251, 4096])
@pytest.mark.parametrize("size", [1, 255, 256, 70_000])
def test_rows_come_out_as_they_went_in(kind: int, columns: int, size: int) -> None:
    data = bytes(size)
    begin = before_rows(kind, columns, b"extra")
    assert compressed.rows(kind, begin + deflated(data)) == (ROW_KINDS[kind], begin + data)


def test_a_length_of_four_bytes_is_read() -> None:
    data = bytes(1 << 24)
    assert compressed.rows(166, before_rows(166) + deflated(data)) == (23, before_rows(166) + data)


@given(st.binary(min_size=1, max_size=300), st.binary(max_size=40), st.binary(max_size=40))
def test_a_statement_comes_out_as_it_went_in(text: bytes, schema: bytes, variables: bytes) -> None:
    begin = struct.pack("<IIBHH", 1, 2, len(schema), 0, len(variables)) + variables + schema + b"\0"
    assert compressed.query(begin + deflated(text)) == begin + text


ROWS = before_rows(166)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (ROWS + deflated(b"rows" * 9, size=35), "does not hold the 35 bytes"),
        (ROWS + deflated(b"rows" * 9, size=37), "does not hold the 37 bytes"),
        (ROWS + deflated(b"rows" * 9)[:-1], "does not hold the 36 bytes"),
        (ROWS + deflated(b"rows" * 9) + b"more", "does not hold the 36 bytes"),
        (ROWS + deflated(b"rows" * 9, head=0x90), "unknown compression 1"),
        (ROWS + deflated(b"rows" * 9, head=0x00), "unknown form 0x1"),
        (ROWS + b"\x80" + zlib.compress(b"rows"), "unknown form 0x80"),
        (ROWS + b"\x85\0\0\0\0\4" + zlib.compress(b"rows"), "unknown form 0x85"),
        (ROWS + b"\x81\4no zlib", "compression is broken"),
        (ROWS + b"\x81\4", "does not hold the 4 bytes"),
        (ROWS + b"\x84\0", "does not hold"),
        (ROWS, "ends before its compressed bytes"),
        (ROWS[:9], "ends before its compressed bytes"),
        (ROWS[:8], "ends where a number should begin"),
        (b"", "ends where a number should begin"),
    ],
)
def test_rows_that_are_not_what_they_say_are_refused(body: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        compressed.rows(166, body)


def test_other_events_are_refused() -> None:
    with pytest.raises(Malformed, match="kind 30 is no compressed rows event"):
        compressed.rows(30, ROWS + deflated(b"rows"))
    with pytest.raises(Malformed, match="extra data of a wrong size"):
        compressed.rows(169, b"\5\0\0\0\0\0\1\0\1\0" + deflated(b"rows"))
    with pytest.raises(Malformed, match="too short"):
        compressed.query(b"\0" * 12)


def test_a_stream_that_inflates_beyond_what_it_says_takes_no_memory() -> None:
    """A hundred megabytes of zeros that say they are ten bytes."""
    body = ROWS + deflated(bytes(100_000_000), size=10)
    tracemalloc.start()
    try:
        with pytest.raises(Malformed, match="does not hold the 10 bytes"):
            compressed.rows(166, body)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@settings(max_examples=300)
@given(
    st.integers(165, 172),
    st.binary(max_size=60) | st.tuples(st.integers(0, 80), st.integers(0, 255), st.integers(0, 60)),
)
def test_no_bytes_make_it_fail_otherwise_than_by_a_refusal(kind: int, change: bytes | tuple[int, int, int]) -> None:
    """Random bytes; or a right event with a byte changed and its end cut off."""
    if isinstance(change, bytes):
        body = change
    else:
        at, value, cut = change
        good = bytearray(before_rows(kind) + deflated(b"some rows, none like the other"))
        good[at % len(good)] = value
        body = bytes(good[: len(good) - cut])
    try:
        found = compressed.query(body) if kind == 165 else compressed.rows(kind, body)[1]
    except Malformed:
        return
    assert isinstance(found, bytes)


@pytest.fixture
def compressing(mariadb: Database) -> Iterator[Database]:
    """A server that compresses events of more than ten bytes, the least it takes."""
    _globally(mariadb, "log_bin_compress_min_len = 10")
    yield mariadb
    _globally(mariadb, "log_bin_compress = OFF", "log_bin_compress_min_len = 256")


def changes(database: Database, schema: str) -> list[tuple[int, bytes]]:
    """Kind and body of all that inserts, updates, deletes and a long statement are logged as."""
    file, position, _ = end_of_binlog(database)
    with database.connect(schema) as connection, connection.cursor() as cursor:
        cursor.execute("SET timestamp = 1700000000")
        cursor.execute("CREATE OR REPLACE TABLE t (id INT PRIMARY KEY, v MEDIUMTEXT) COMMENT = %s", ("long " * 300,))
        cursor.execute("INSERT INTO t SELECT seq, REPEAT(seq, 99) FROM seq_1_to_2000")
        cursor.execute("INSERT INTO t VALUES (0, REPEAT('wide', 300000))")
        cursor.execute("UPDATE t SET v = CONCAT(v, 'more') WHERE id < 500")
        cursor.execute("DELETE FROM t WHERE id BETWEEN 100 AND 1900")
    found = []
    for event in events_from(database, file, position):
        kind = packets.header(event).kind
        if kind not in {packets.ROTATE, packets.FORMAT, packets.XID, packets.MARIADB_GTID, packets.TABLE_MAP}:
            found.append((kind, packets.body(packets.verified(event), checksum=True)))
    return found


def test_compressed_events_of_a_server_are_its_ordinary_ones(compressing: Database, schema: str) -> None:
    _globally(compressing, "log_bin_compress = OFF")
    plain = changes(compressing, schema)
    _globally(compressing, "log_bin_compress = ON")
    sent = changes(compressing, schema)
    assert {kind for kind, _ in sent} == {165, 166, 167, 168}
    assert sum(len(body) for _, body in sent) < sum(len(body) for _, body in plain) / 10
    found = [(2, compressed.query(body)) if kind == 165 else compressed.rows(kind, body) for kind, body in sent]
    assert [_comparable(*each) for each in found] == [_comparable(*each) for each in plain]
    (statement,) = (packets.query(body) for kind, body in found if kind == 2)
    assert statement == (
        schema,
        f"CREATE OR REPLACE TABLE t (id INT PRIMARY KEY, v MEDIUMTEXT) COMMENT = '{'long ' * 300}'",
    )


def _comparable(kind: int, body: bytes) -> tuple[int, bytes]:
    """Rows without the table's id, a statement without what its session was set to: they differ from run to run."""
    return (kind, "\n".join(packets.query(body)).encode()) if kind == 2 else (kind, body[6:])


def _globally(database: Database, *variables: str) -> None:
    with database.connect() as connection, connection.cursor() as cursor:
        for setting in variables:
            cursor.execute(f"SET GLOBAL {setting}")
