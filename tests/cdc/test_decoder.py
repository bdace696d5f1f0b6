"""Bytes to events: the right one, or a refusal with its position; what is not captured does no harm."""

import contextlib
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.decoder import Decoder
from cdc.events import Begin, Commit, FileHeader, Idle, NewFile, Passed, Prepare, Query, Rows
from keymap.errors import KeyshiftError
from keymap.schema import Column, TableSchema
from keyshift.binlog import packets
from keyshift.binlog.fingerprint import fingerprint_of
from keyshift.binlog.offsets import Offsets

ORDERS = TableSchema("shop", "orders", (Column("id", "int", "int", False),), ("id",))


def packet(kind: int, body: bytes = b"", *, log_pos: int = 500, flags: int = 0, checksum: bool = True) -> bytes:
    size = 19 + len(body) + 4 * checksum
    data = struct.pack("<IBIIIH", 7, kind, 1, size, log_pos % (1 << 32), flags) + body
    return data + struct.pack("<I", zlib.crc32(data)) if checksum else data


def described(checksum: bool) -> bytes:  # a format description, log_pos 0: it lies in no file
    return packet(packets.FORMAT, b"\4\0" + b"8.4.0".ljust(50, b"\0") + b"\0" * 45 + bytes([checksum]), log_pos=0)


def decoder(*, checksum: bool = True, known: tuple[str, int] = ("", 0), full: bool = True) -> Decoder:
    made = Decoder({"shop.orders": ORDERS}, Offsets("binlog.000001", 400), described=full, known=known)
    assert type(made.event(described(checksum))) is Passed
    return made


def table_map(name: bytes = b"orders", *, names: bool = True, kind: int = 3) -> bytes:
    body = (
        struct.pack("<Q", 5)[:6]
        + b"\1\0"
        + b"\4shop\0"
        + bytes([len(name)])
        + name
        + b"\0"
        + bytes([1, kind])
        + b"\0\0"
    )
    return body + (b"\1\1\0" + b"\4\3\2id" + b"\x08\1\0" if names else b"")


def insert(*numbers: int) -> bytes:
    rows = b"".join(b"\0" + struct.pack("<i", number) for number in numbers)
    return struct.pack("<Q", 5)[:6] + b"\1\0" + b"\2\0" + b"\1" + b"\xff" + rows


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
        (packet(packets.PREVIOUS_GTIDS, b"whatever"), FileHeader),
        (packet(packets.MARIADB_GTID_LIST, b"whatever"), FileHeader),
        (packet(packets.MARIADB_START_ENCRYPTION, b"whatever"), FileHeader),
        (packet(200, b"of a later version", flags=packets.IGNORABLE), Passed),
    ]
    for data, kind in cases:
        assert type(decoder().event(data)) is kind
    gtid = decoder().event(cases[0][0])
    assert isinstance(gtid, Begin)
    assert (gtid.gtid, gtid.committed_us) == ("00010203-0405-0607-0809-0a0b0c0d0e0f:9", None)
    mariadb = decoder().event(cases[2][0])
    assert isinstance(mariadb, Begin)
    assert (mariadb.gtid, mariadb.standalone) == ("3-1-5", True)
    text = decoder().event(cases[3][0])
    assert isinstance(text, Query)
    assert (text.schema, text.text, text.place.timestamp) == ("shop", "DROP TABLE é", 7)


@pytest.mark.parametrize("checksum", [True, False])
def test_rows_are_read_with_checksums_and_without(checksum: bool) -> None:
    reader = decoder(checksum=checksum)
    assert reader.event(packet(packets.TABLE_MAP, table_map(), checksum=checksum)) is None
    rows = reader.event(packet(30, insert(1, -2), checksum=checksum))
    assert isinstance(rows, Rows)
    assert (rows.table, rows.images) == ("shop.orders", [(None, {"id": 1}), (None, {"id": -2})])


def test_a_checksum_that_does_not_fit_stops() -> None:
    reader = decoder()
    reader.event(packet(packets.TABLE_MAP, table_map()))
    data = bytearray(packet(30, insert(1)))
    data[-6] ^= 1
    with pytest.raises(KeyshiftError, match=r"the event before binlog\.000001:\d+ cannot be read.*checksum"):
        reader.event(bytes(data))


def payload(*events: bytes, kind: int = packets.TRANSACTION_PAYLOAD) -> bytes:
    inner = b"".join(events)
    fields = b"\2\3\xfc\xff\0" + b"\1\3\xfc" + struct.pack("<H", len(inner)) + b"\0"
    return packet(kind, fields + inner)


def test_the_rows_of_a_compressed_transaction_lie_at_one_place_and_count_through() -> None:
    reader = decoder()
    begin = struct.pack("<IIBHH", 1, 2, 0, 0, 0) + b"\0BEGIN"
    inner = [packet(packets.QUERY, begin, checksum=False), packet(packets.TABLE_MAP, table_map(), checksum=False)]
    inner += [packet(30, insert(1, 2), checksum=False), packet(30, insert(3), checksum=False)]
    inner.append(packet(packets.XID, b"\0" * 8, checksum=False))
    data = payload(*inner)
    found = list(reader.events([data]))
    assert [type(event) for event in found] == [Query, Rows, Rows, Commit]
    assert {(event.place.offset, event.place.end) for event in found} == {(500 - len(data), 500)}
    assert [(event.first, len(event.images)) for event in found if isinstance(event, Rows)] == [(0, 2), (2, 1)]


def test_a_compressed_transaction_commits_only_once_all_of_it_was_read() -> None:
    """Its last bytes may be the ones that are wrong."""
    inner = [packet(packets.XID, b"\0" * 8, checksum=False), b"rest"]
    events = decoder().events([payload(*inner)])
    with pytest.raises(KeyshiftError, match="cannot be read"):
        next(events)


@pytest.mark.parametrize("kind", [packets.INCIDENT, 20, 21, 22, 43, 200])
def test_an_event_that_may_hide_a_change_is_refused_with_its_position(kind: int) -> None:
    with pytest.raises(KeyshiftError, match=rf"type {kind} at binlog\.000001:400"):
        decoder().event(packet(kind, b"x" * 77))


def test_rows_of_a_table_that_was_not_announced_stop() -> None:
    with pytest.raises(KeyshiftError, match=r"the change at binlog\.000001:\d+ is of a table"):
        decoder().event(packet(30, b"\5\0\0\0\0\0" + b"\0" * 20))


def test_rows_of_other_tables_pass_whatever_they_are() -> None:
    """Also of kinds, and of tables, that cannot be read."""
    reader = decoder()
    other = struct.pack("<Q", 5)[:6] + b"\1\0" + b"\4shop\0" + b"\5other\0" + b"\1\xf2\0"
    assert reader.event(packet(packets.TABLE_MAP, other)) is None
    for kind in (*packets.ROWS, packets.PARTIAL_UPDATE, *packets.ROWS_COMPRESSED):
        assert type(reader.event(packet(kind, b"\5\0\0\0\0\0\1\0nonsense"))) is Passed
    assert type(reader.event(packet(31, b"\xff\xff\xff\0\0\0\1\0"))) is Passed, "the end of a statement without rows"


def test_a_table_map_without_names_is_refused_where_the_source_can_log_them() -> None:
    with pytest.raises(KeyshiftError, match="binlog_row_metadata was not FULL"):
        decoder().event(packet(packets.TABLE_MAP, table_map(names=False)))


def test_where_the_source_logs_no_names_the_schema_supplies_them_and_must_fit() -> None:
    reader = decoder(full=False)
    reader.event(packet(packets.TABLE_MAP, table_map(names=False)))
    rows = reader.event(packet(30, insert(4)))
    assert isinstance(rows, Rows)
    assert rows.images == [(None, {"id": 4})]
    with pytest.raises(KeyshiftError, match="column id is of another type there"):
        reader.event(packet(packets.TABLE_MAP, table_map(names=False, kind=10)))


def test_rows_that_were_read_before_are_passed_however_their_table_looked_then() -> None:
    reader = decoder(known=("binlog.000001", 600))
    assert reader.event(packet(packets.TABLE_MAP, table_map(kind=10), log_pos=550)) is None
    assert type(reader.event(packet(30, insert(1), log_pos=600))) is Passed
    assert reader.event(packet(packets.TABLE_MAP, table_map(), log_pos=700)) is None
    assert type(reader.event(packet(30, insert(1), log_pos=800))) is Rows


@given(st.binary(max_size=80) | st.builds(packet, st.integers(0, 255), st.binary(max_size=60)))
def test_no_bytes_make_it_fail_otherwise_than_by_a_refusal(data: bytes) -> None:
    with contextlib.suppress(KeyshiftError):
        for _ in decoder().events([data]):
            pass


def test_a_files_first_events_say_which_file_it_is() -> None:
    """Only those that lie in it: a description that is repeated for a later position says less than is known."""
    made = decoder()
    real = packet(packets.FORMAT, b"\4\0" + b"8.4.0".ljust(50, b"\0") + b"\0" * 45 + b"\1", log_pos=120)
    kinds = (packets.MARIADB_START_ENCRYPTION, packets.PREVIOUS_GTIDS)
    found = [made.event(event) for event in (real, *(packet(kind, b"gtids") for kind in kinds))]
    texts = [event.fingerprint for event in found if isinstance(event, FileHeader)]
    assert texts[:2] == ["7", "7"]
    assert texts[2] == fingerprint_of([real, packet(packets.PREVIOUS_GTIDS, b"gtids")])
