"""Small events say what the server itself says of them, and bytes that are no event are refused."""

import contextlib
import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keyshift.binlog import gtids, packets
from keyshift.binlog.errors import Malformed
from keyshift.cli.demo.database import Database
from tests.binlog.raw import TAGGED, busy, end_of_binlog, events_from, events_without, of_kind, shown


def event(kind: int, body: bytes = b"", *, log_pos: int = 500, checksum: bool = True) -> bytes:
    size = 19 + len(body) + (4 if checksum else 0)
    whole = struct.pack("<IBIIIH", 7, kind, 1, size, log_pos, 0) + body
    return whole + struct.pack("<I", zlib.crc32(whole)) if checksum else whole


def bodies(events: list[bytes], *kinds: int) -> list[bytes]:
    return [packets.body(each, checksum=True) for each in of_kind(events, *kinds)]


def test_a_header_and_a_body_are_what_they_were_made_of() -> None:
    made = event(16, b"\5\0\0\0\0\0\0\0", log_pos=900)
    assert packets.header(made) == packets.Header(7, 16, 1, 31, 900, 0)
    assert made[packets.KIND] == 16
    assert packets.body(packets.verified(made), checksum=True) == b"\5\0\0\0\0\0\0\0"
    assert packets.body(event(16, b"12345678", checksum=False), checksum=False) == b"12345678"


@given(st.binary(max_size=60), st.integers(0, 255), st.integers(0, 1000))
def test_a_checksum_fits_its_event_and_no_other(body: bytes, kind: int, at: int) -> None:
    made = event(kind, body)
    assert packets.verified(made) == made
    bad = bytearray(made)
    bad[at % len(bad)] ^= 0x40
    with pytest.raises(Malformed, match="checksum"):
        packets.verified(bytes(bad))


@given(st.binary(max_size=60), st.booleans())
def test_an_event_shows_whether_it_has_a_checksum(body: bytes, checksum: bool) -> None:
    assert packets.unsigned(event(4, body, checksum=checksum)) == body


def test_a_format_description_says_whether_checksums_follow() -> None:
    assert packets.has_checksum(event(15, b"description\1"))
    assert not packets.has_checksum(event(15, b"description\0"))
    with pytest.raises(Malformed, match="unknown kind 2"):
        packets.has_checksum(event(15, b"description\2"))


def statement(text: bytes, schema: bytes = b"shop", extra: bytes = b"") -> bytes:
    return struct.pack("<IIBHH", 1, 2, len(schema), 0, 3) + extra + b"\1\2\3" + schema + b"\0" + text


def test_statements_have_their_database_and_text() -> None:
    assert packets.query(statement("DROP TABLE é".encode())) == ("shop", "DROP TABLE é")
    assert packets.query(statement(b"DROP TABLE \xe9", b"")) == ("", "DROP TABLE \\xe9")
    assert packets.query(statement(b"BEGIN")) == ("", "BEGIN")
    assert packets.query(statement(b"DROP TABLE t -- \0BEGIN")) == ("shop", "DROP TABLE t -- \0BEGIN")
    assert packets.load_query(statement(b"LOAD DATA", extra=b"x" * 13)) == ("shop", "LOAD DATA")


def test_the_other_small_events_are_read() -> None:
    assert packets.rotate(struct.pack("<Q", 4) + b"binlog.000002") == ("binlog.000002", 4)
    assert packets.heartbeat(b"binlog.000001") == "binlog.000001"
    assert packets.heartbeat_v2(b"\1\3bin\2\x09\xfe\0\0\0\0\1\0\0\0\0") == ("bin", 1 << 32)
    assert packets.heartbeat_v2(b"\2\1\4\7\2ab\1\3bin\0") == ("bin", 4), "fields that are not known are passed over"
    assert packets.is_one_phase(b"\1rest")
    assert not packets.is_one_phase(b"\0rest")
    table_map = b"\5\0\0\0\0\1" + b"\1\0" + b"\4shop\0" + b"\6orders\0" + b"\1\xf2\0"
    assert packets.table_name(table_map) == "shop.orders"


PARSERS: list[Callable[[bytes], Any]] = [
    packets.header,
    packets.verified,
    packets.unsigned,
    packets.has_checksum,
    lambda data: packets.body(data, checksum=True),
    gtids.untagged,
    gtids.tagged,
    lambda data: gtids.mariadb(data, 1),
    packets.query,
    packets.load_query,
    packets.rotate,
    packets.heartbeat,
    packets.heartbeat_v2,
    packets.is_one_phase,
    packets.table_name,
]
USE_HEARTBEAT_V2 = 0x02  # of a dump command of MySQL 8.0.26+
SAMPLES = [
    TAGGED,
    statement(b"BEGIN"),
    b"\1" + bytes(range(16)) + struct.pack("<Q", 9) + b"\2" + b"\1" * 30,
    b"\1\3bin\2\x09\xfe\0\0\0\0\1\0\0\0\0",
    b"\5\0\0\0\0\1\1\0\4shop\0\6orders\0\1\xf2\0",
    event(4, struct.pack("<Q", 4) + b"binlog.000002"),
]


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """A sample that was cut, or had bytes changed."""
    data = bytearray(draw(st.sampled_from(SAMPLES)))
    for _ in range(draw(st.integers(0, 3))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFB, 0xFE, 0xFF]))
    return bytes(data[: draw(st.integers(0, len(data)))])


@settings(max_examples=600)
@given(st.binary(max_size=80) | broken())
@example(b"")
def test_no_bytes_make_a_parser_fail_otherwise_than_by_a_refusal(data: bytes) -> None:
    for parse in PARSERS:
        with contextlib.suppress(Malformed):
            parse(data)


@pytest.mark.parametrize("sample", range(len(SAMPLES)))
def test_what_was_cut_off_is_not_read_as_if_it_were_whole(sample: int) -> None:
    """Lengths are checked: a slice would be shorter without a word. A text's own end is not marked by anything."""
    parse, required = [
        (gtids.tagged, len(TAGGED)),
        (packets.query, 21),
        (gtids.untagged, 25),
        (packets.heartbeat_v2, len(SAMPLES[3])),
        (packets.table_name, 21),
        (packets.header, len(SAMPLES[5])),
    ][sample]
    parse(SAMPLES[sample])
    for size in range(required):
        with pytest.raises(Malformed):
            parse(SAMPLES[sample][:size])


def test_every_event_has_the_size_and_checksum_that_it_says(database: Database, schema: str) -> None:
    file, position, _ = end_of_binlog(database)
    busy(database, schema)
    events = events_from(database, file, position)
    for each in events:
        assert packets.header(packets.verified(each)).size == len(each)
    assert packets.rotate(packets.unsigned(events[0])) == (file, position)
    assert packets.has_checksum(events[1])
    ends = [found.log_pos for found in map(packets.header, events) if found.log_pos]
    listed = [end for end, kind, _ in shown(database, file, position) if kind != "Annotate_rows"]
    assert ends == listed


def test_the_log_that_a_killed_server_left_open_is_whole(database: Database, schema: str) -> None:
    """Its format description still says that it is being written."""
    file, _, _ = end_of_binlog(database)
    busy(database, schema)
    database.kill()
    database.start()
    events = events_from(database, file, 4)
    assert end_of_binlog(database)[0] > file, "the server began another file, which follows"
    assert packets.rotate(packets.unsigned(events[0])) == (file, 4)
    for each in events[1:]:
        if packets.header(each).kind != packets.ROTATE:
            assert packets.header(packets.verified(each)).size == len(each)
    assert len(of_kind(events, packets.FORMAT)) > 1


def test_events_of_a_source_without_checksums_are_whole(database: Database, schema: str) -> None:
    _globally(database, "binlog_checksum = NONE")
    try:
        file, position, _ = end_of_binlog(database)
        busy(database, schema)
        events = events_from(database, file, position, checksum="NONE")
    finally:
        _globally(database, "binlog_checksum = CRC32")
    assert packets.rotate(packets.unsigned(events[0])) == (file, position)
    assert not packets.has_checksum(events[1])
    assert packets.query(packets.body(of_kind(events, packets.QUERY)[-1], checksum=False))[1].endswith("雪'")


def test_statements_are_those_that_the_server_shows(database: Database, schema: str) -> None:
    file, position, _ = end_of_binlog(database)
    busy(database, schema)
    found = [packets.query(body) for body in bodies(events_from(database, file, position), packets.QUERY)]
    listed = [text.split(" /* xid=")[0] for _, kind, text in shown(database, file, position) if kind == "Query"]
    assert [text if text == "BEGIN" else f"use `{name}`; {text}" for name, text in found] == listed
    assert found[-1] == (schema, "ALTER TABLE t COMMENT = 'größer: 雪'")


def test_a_heartbeat_of_the_second_version_says_where_the_source_is(mysql: Database, schema: str) -> None:
    """It is what the source sends after all that a GTID set contains was skipped."""
    with mysql.connect(schema) as connection, connection.cursor() as cursor:
        cursor.execute("FLUSH BINARY LOGS")
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY)")
    file, position, executed = end_of_binlog(mysql)
    with mysql.connect(schema) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO t VALUES (1)")
    events = events_without(mysql, executed, flags=USE_HEARTBEAT_V2)
    (heartbeat,) = of_kind(events, packets.HEARTBEAT_V2)
    assert packets.heartbeat_v2(packets.unsigned(heartbeat)) == (file, position)
    (heartbeat,) = of_kind(events_without(mysql, executed), packets.HEARTBEAT)
    assert packets.heartbeat(packets.unsigned(heartbeat)) == file
    assert packets.header(heartbeat).log_pos == position


def _globally(database: Database, setting: str) -> None:
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"SET GLOBAL {setting}")
