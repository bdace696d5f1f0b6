"""GTID events say which transaction begins, as the server itself shows it."""

import struct
from typing import Any

import pytest

from keyshift.binlog import gtids, packets
from keyshift.binlog.errors import Malformed
from keyshift.binlog.gtids import Gtid
from keyshift.cli.demo.database import Database
from tests.binlog.raw import TAGGED, busy, end_of_binlog, events_from, shown

UUID = "00010203-0405-0607-0809-0a0b0c0d0e0f"


@pytest.mark.parametrize(
    ("rest", "committed"),
    [
        (b"", None),  # MySQL 5.6
        (b"\2" + b"\0" * 16, None),  # 5.7
        (b"\2" + b"\1" * 16 + (1 << 50 | 5).to_bytes(7, "little"), 1 << 50 | 5),  # 8.0.1
        (b"\2" + b"\1" * 16 + (5).to_bytes(7, "little") + b"\xfc\0\2" + b"\xff" * 4, 5),
        (b"\2" + b"\1" * 16 + (1 << 55 | 6).to_bytes(7, "little") + (5).to_bytes(7, "little") + b"\xfc\0\2", 6),
        (b"\1" + b"\1" * 40, None),
    ],
)
def test_a_gtid_has_the_time_of_its_commit_from_8_0_1_on(rest: bytes, committed: int | None) -> None:
    body = b"\1" + bytes(range(16)) + struct.pack("<Q", 9) + rest
    assert gtids.untagged(body) == Gtid(f"{UUID}:9", committed)


def test_a_tagged_gtid_has_all_three_parts() -> None:
    assert gtids.tagged(TAGGED) == Gtid("08ba2d4c-e593-11f1-a876-02fc00000001:mytag:1", 1795255512681575)
    untagged = TAGGED.replace(b"\n" + b"mytag", b"\0").replace(b"\2\x72", b"\2\x68")
    assert gtids.tagged(untagged).text == "08ba2d4c-e593-11f1-a876-02fc00000001:1"


def test_a_field_that_a_later_version_added_is_passed_over_only_if_it_may_be() -> None:
    later = TAGGED + b"\x2a\xff"
    size = bytes([len(later) << 1])
    assert gtids.tagged(b"\2" + size + later[2:]).text.endswith(":mytag:1")
    with pytest.raises(Malformed, match="unknown field 21"):
        gtids.tagged(b"\2" + size + bytes([22 << 1]) + later[3:])


def test_a_mariadb_gtid_says_whether_it_stands_alone() -> None:
    assert gtids.mariadb(struct.pack("<QIB", 5, 3, 1), 1) == ("3-1-5", True)
    assert gtids.mariadb(struct.pack("<QIB", 1 << 63, 3, 12), 1) == ("3-1-9223372036854775808", False)


@pytest.mark.parametrize(
    ("flags", "rest", "moot"),
    [
        (1, b"", False),
        (1, bytes(6), False),  # padded
        (33, b"\2" + bytes(5), True),  # START ALTER
        (33, b"\4" + bytes(8), False),  # COMMIT ALTER, with the number of its start
        (33, b"\x08" + bytes(8), True),  # ROLLBACK ALTER
        (35, b"\2" * 8 + b"\0", False),  # a commit id comes first
        (35, bytes(8) + b"\2", True),
        (35, bytes(8), False),
        (97, b"\2" * 6, False),  # of XA: other bytes stand there
        (4, b"\2" + bytes(5), False),  # a transaction
    ],
)
def test_an_alter_that_has_only_begun_or_was_rolled_back_is_moot(flags: int, rest: bytes, moot: bool) -> None:
    assert gtids.is_moot(struct.pack("<QIB", 5, 3, flags) + rest) is moot


def test_gtids_are_those_that_the_server_shows(database: Database, schema: str) -> None:
    file, position, _ = end_of_binlog(database)
    busy(database, schema)
    found = []
    for each in events_from(database, file, position):
        head, body = packets.header(each), packets.unsigned(each)
        if head.kind == packets.GTID:
            found.append(gtids.untagged(body).text)
        elif head.kind == packets.TAGGED_GTID:
            found.append(gtids.tagged(body).text)
        elif head.kind == packets.MARIADB_GTID:
            text, standalone = gtids.mariadb(body, head.server_id)
            found.append(f"{'' if standalone else 'BEGIN '}GTID {text}")
    listed = [text for _, kind, text in shown(database, file, position) if kind.lower().startswith("gtid")]
    if database.flavour == "mysql":
        assert sum(":mytag:" in text or ":_0:" in text for text in found) == 2
        listed = [text.split("'")[1] for text in listed]
    assert found == listed
    assert len(found) == 5


def test_commits_lie_between_the_clocks_before_and_after_them(mysql: Database, schema: str) -> None:
    """Both kinds of GTID; the source's clock in microseconds."""
    file, position, _ = end_of_binlog(mysql)
    clocks = []
    with mysql.connect(schema) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY)")
        for number, tag in enumerate(["", ":mytag", ""]):
            cursor.execute(f"SET gtid_next = 'AUTOMATIC{tag}'")
            clocks.append(_clock(cursor))
            cursor.execute(f"INSERT INTO t VALUES ({number})")
            clocks.append(_clock(cursor))
    found = []
    for each in events_from(mysql, file, position):
        kind = packets.header(each).kind
        if kind in {packets.GTID, packets.TAGGED_GTID}:
            parse = gtids.untagged if kind == packets.GTID else gtids.tagged
            found.append(parse(packets.unsigned(each)).committed_us)
    assert len(found) == 4
    for committed, before, after in zip(found[1:], clocks[::2], clocks[1::2], strict=True):
        assert committed is not None
        assert before <= committed <= after


def _clock(cursor: Any) -> int:
    cursor.execute("SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS UNSIGNED)")
    return int(cursor.fetchone()[0])
