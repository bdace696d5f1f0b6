"""Positions beyond 32 bits, and bytes that are no event: right, or refused with the position."""

import contextlib
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdc import packets
from cdc.decoder import Decoder
from cdc.events import Begin, Commit, Idle, NewFile, Passed, Prepare, Query
from cdc.packets import Header, Offsets
from keymap.errors import KeyshiftError

GIB = 1 << 30


def packet(kind: int, body: bytes = b"", *, log_pos: int = 500, size: int | None = None, timestamp: int = 7) -> bytes:
    whole = 19 + len(body) + 4 if size is None else size
    header = struct.pack("<xIBIIIH", timestamp, kind, 1, whole, log_pos % (1 << 32), 0)
    return header + body + b"\xde\xad\xbe\xef"


class NoParser:
    """A library that is never asked."""

    def parsed(self) -> Any:
        raise NotImplementedError

    def know(self, table_id: int, definition: Any) -> None:
        raise NotImplementedError

    def forget(self) -> None:
        pass


def decoder(offset: int = 400) -> Decoder:
    return Decoder(NoParser(), {}, Offsets("binlog.000001", offset))


@settings(deadline=None)
@given(st.lists(st.integers(30, GIB), min_size=1, max_size=30), st.integers(4, 1 << 34))
def test_offsets_are_kept_beyond_32_bits(sizes: list[int], start: int) -> None:
    offsets, at = Offsets("binlog.000001", start), start
    for size in sizes:
        begin, at = at, at + size
        assert offsets.passed(Header(0, 2, 1, size, at % (1 << 32), 0)) == begin
        assert offsets.end == at


def test_an_event_that_lies_in_no_file_moves_nothing() -> None:
    offsets = Offsets("binlog.000001", 400)
    assert offsets.passed(Header(0, 15, 1, 100, 0, 0)) == 400
    assert offsets.end == 400


def test_what_a_gtid_set_contains_is_skipped_over() -> None:
    offsets = Offsets("binlog.000001", 4)
    assert offsets.passed(Header(0, 33, 1, 79, 100_079, 0)) == 100_000
    offsets.reached("binlog.000001", 200_000)
    assert offsets.end == 200_000
    offsets.reached("binlog.000001", 150_000)
    offsets.reached("binlog.000002", 300_000)
    assert offsets.end == 200_000, "a heartbeat about an earlier place, or another file, moves nothing"


def test_a_resumed_position_beyond_four_gib_is_taken_up_again() -> None:
    """The source begins at the start of the file and skips 5 GiB; their upper bits are in no event."""
    offsets = Offsets("binlog.000007", 5 * GIB, resumed=("binlog.000007", 5 * GIB))
    offsets.rotated("binlog.000007", 4)
    assert offsets.passed(Header(0, 33, 1, 79, (5 * GIB + 79) % (1 << 32), 0)) == 5 * GIB
    offsets.rotated("binlog.000008", 4)
    assert offsets.end == 4


def test_the_small_events_are_read() -> None:
    uuid = bytes(range(16))
    query = struct.pack("<IIBHH", 1, 2, 4, 0, 3) + b"\1\2\3" + b"shop\0" + "DROP TABLE é".encode()
    cases = [
        (packet(packets.GTID, b"\0" + uuid + struct.pack("<Q", 9) + b"\2"), Begin),
        (packet(packets.ANONYMOUS_GTID, b"\0" * 25), Begin),
        (packet(packets.MARIADB_GTID, struct.pack("<QIB", 5, 3, 1)), Begin),
        (packet(packets.QUERY, query), Query),
        (packet(packets.XID, b"\0" * 8), Commit),
        (packet(packets.XA_PREPARE, b"\0rest"), Prepare),
        (packet(packets.XA_PREPARE, b"\1rest"), Commit),
        (packet(packets.ROTATE, struct.pack("<Q", 4) + b"binlog.000002"), NewFile),
        (packet(packets.HEARTBEAT, b"binlog.000001"), Idle),
        (packet(packets.STOP), Passed),
        (packet(packets.PREVIOUS_GTIDS, b"whatever"), Passed),
        (packet(200, b"of a later version"), Passed),
    ]
    for data, kind in cases:
        assert type(decoder().event(data)) is kind
    gtid = decoder().event(cases[0][0])
    assert isinstance(gtid, Begin)
    assert gtid.gtid == "00010203-0405-0607-0809-0a0b0c0d0e0f:9"
    mariadb = decoder().event(cases[2][0])
    assert isinstance(mariadb, Begin)
    assert (mariadb.gtid, mariadb.standalone) == ("3-1-5", True)
    text = decoder().event(cases[3][0])
    assert isinstance(text, Query)
    assert (text.schema, text.text, text.place.timestamp) == ("shop", "DROP TABLE é", 7)


@pytest.mark.parametrize(
    "kind",
    [
        packets.INCIDENT,
        packets.TRANSACTION_PAYLOAD,
        packets.TAGGED_GTID,
        packets.MARIADB_QUERY_COMPRESSED,
    ],
)
def test_an_event_that_may_hide_a_change_is_refused_with_its_position(kind: int) -> None:
    with pytest.raises(KeyshiftError, match=rf"event type {kind} at binlog\.000001:400"):
        decoder().event(packet(kind, b"x" * 77))


def test_rows_of_a_table_that_was_not_announced_stop() -> None:
    with pytest.raises(KeyshiftError, match=r"the change at binlog\.000001:\d+ is of a table"):
        decoder().event(packet(30, b"\5\0\0\0\0\0" + b"\0" * 20))


def test_rows_of_other_tables_pass_whatever_they_are() -> None:
    """Also of kinds, and of tables, that cannot be read."""
    reader = decoder()
    table_map = struct.pack("<Q", 5)[:6] + b"\1\0" + b"\4shop\0" + b"\5other\0" + b"\1\xf2\0"
    assert type(reader.event(packet(packets.TABLE_MAP, table_map))) is Passed
    for kind in (23, 24, 25, 30, 31, 32, packets.PARTIAL_UPDATE, *range(166, 172)):
        assert type(reader.event(packet(kind, b"\5\0\0\0\0\0\1\0nonsense"))) is Passed
    assert type(reader.event(packet(31, b"\xff\xff\xff\0\0\0\1\0"))) is Passed, "the end of a statement without rows"


@settings(deadline=None)
@given(st.binary(max_size=80) | st.builds(packet, st.integers(0, 255), st.binary(max_size=60)))
def test_no_bytes_make_it_fail_otherwise_than_by_a_refusal(data: bytes) -> None:
    with contextlib.suppress(KeyshiftError):
        decoder().event(data)
