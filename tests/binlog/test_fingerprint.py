"""A file's fingerprint is the second in which it was begun, and a digest of the GTIDs before it."""

import struct
import zlib
from itertools import chain, repeat

import pytest

from keyshift.binlog import packets
from keyshift.binlog.fingerprint import fingerprint_of


def event(kind: int, body: bytes, timestamp: int = 7) -> bytes:
    data = struct.pack("<IBIIIH", timestamp, kind, 1, 23 + len(body), 500, 0) + body
    return data + struct.pack("<I", zlib.crc32(data))


def description(timestamp: int = 7) -> bytes:
    return event(packets.FORMAT, b"\4\0" + b"8.4.0".ljust(50, b"\0") + b"\0" * 45 + b"\1", timestamp)


ROTATE = event(packets.ROTATE, struct.pack("<Q", 4) + b"binlog.000002", 0)
OTHER = event(packets.QUERY, b"")


@pytest.mark.parametrize("kind", [packets.PREVIOUS_GTIDS, packets.MARIADB_GTID_LIST])
def test_it_tells_files_by_time_and_by_what_precedes_them(kind: int) -> None:
    found = {
        fingerprint_of([ROTATE, description(timestamp), event(kind, gtids)])
        for timestamp in (7, 8)
        for gtids in (b"", b"aa")
    }
    assert len(found) == 4
    assert all(text.startswith(("7-", "8-")) for text in found)


def test_a_server_that_lists_no_gtids_has_only_the_time() -> None:
    assert fingerprint_of([ROTATE, description(), OTHER, event(packets.PREVIOUS_GTIDS, b"")]) == "7"
    assert fingerprint_of([ROTATE, description()]) == "7"
    assert fingerprint_of([ROTATE]) == ""


def test_no_more_is_taken_than_is_needed() -> None:
    assert fingerprint_of(chain([description(), OTHER], repeat(b"never looked at", 1 << 40))) == "7"
