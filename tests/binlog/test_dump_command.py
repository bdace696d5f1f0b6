"""A dump begins exactly where it was asked to: at a position, or after the transactions of a set, tagged ones too."""

import struct
from collections.abc import Iterable

import pytest

from keymap.gtid import GtidSet
from keyshift.binlog import gtids, packets
from keyshift.binlog.dump_command import NON_BLOCKING, dump, dump_gtid
from keyshift.cli.demo.database import Database
from tests.binlog.raw import end_of_binlog, events_from, events_without, of_kind

TAGS = ["", "mytag", "", "mytag", "_9", "_9", "", "a" * 32]


def test_the_commands_are_laid_out_as_the_protocol_says() -> None:
    assert dump(7, "bin.000001", 4, NON_BLOCKING) == struct.pack("<BIHI", 18, 4, 1, 7) + b"bin.000001"
    gtids = GtidSet().encoded()
    assert gtids == b"\0" * 8
    assert dump_gtid(7, gtids) == struct.pack("<BHIIQI", 30, 0, 7, 0, 4, 8) + gtids


@pytest.mark.parametrize("position", [0, 3, 1 << 32])
def test_a_position_that_the_protocol_cannot_say_is_refused(position: int) -> None:
    with pytest.raises(ValueError, match=str(position)):
        dump(7, "bin.000001", position)


def names(events: Iterable[bytes]) -> list[str]:
    found = []
    for event in events:
        kind = packets.header(event).kind
        if kind == packets.GTID:
            found.append(gtids.untagged(packets.unsigned(event)).text)
        elif kind == packets.TAGGED_GTID:
            found.append(gtids.tagged(packets.unsigned(event)).text)
    return found


def create(database: Database, schema: str) -> None:
    with database.connect(schema) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT)")


def write(database: Database, schema: str, tags: Iterable[str]) -> None:
    """A transaction for each tag, "" for none."""
    with database.connect(schema) as connection, connection.cursor() as cursor:
        for tag in tags:
            cursor.execute(f"SET gtid_next = 'AUTOMATIC{tag and ':'}{tag}'")
            cursor.execute("INSERT INTO t () VALUES ()")


def test_a_dump_from_a_position_begins_with_the_event_there(database: Database, schema: str) -> None:
    file, position, _ = end_of_binlog(database)
    with database.connect(schema) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY)")
    events = events_from(database, file, position)
    heads = [packets.header(event) for event in events]
    assert [head.kind for head in heads[:2]] == [packets.ROTATE, packets.FORMAT]
    assert heads[2].log_pos - heads[2].size == position


def test_a_dump_without_all_but_the_last_transaction_is_the_last(mysql: Database, schema: str) -> None:
    """Whatever the tag of the last one, and in whatever file it lies."""
    create(mysql, schema)
    for tag in TAGS:
        _, _, before = end_of_binlog(mysql)
        write(mysql, schema, [tag])
        (last,) = names(events_without(mysql, before))
        assert (tag in last.split(":")) == bool(tag)
        assert not names(events_without(mysql, str(_with(before, last))))
        with mysql.connect() as connection, connection.cursor() as cursor:
            cursor.execute("FLUSH BINARY LOGS")


def test_a_dump_without_an_empty_set_is_all_there_is(mysql: Database, schema: str) -> None:
    create(mysql, schema)
    write(mysql, schema, TAGS)
    _, _, executed = end_of_binlog(mysql)
    everything = GtidSet()
    for gtid in names(events_without(mysql, "")):
        everything.add(gtid)
    assert str(everything) == str(GtidSet(executed))


def test_a_hole_in_the_set_is_sent(mysql: Database, schema: str) -> None:
    create(mysql, schema)
    _, _, before = end_of_binlog(mysql)
    write(mysql, schema, ["", "mytag", "mytag", "mytag", ""])
    sent = names(events_without(mysql, before))
    known = GtidSet(before)
    for gtid in (sent[0], sent[2], sent[4]):
        known.add(gtid)
    assert names(events_without(mysql, str(known))) == [sent[1], sent[3]]


def test_the_set_at_the_head_of_each_file_is_written_as_we_write_it(mysql: Database, schema: str) -> None:
    """Byte by byte, tagged and not: PREVIOUS_GTIDS has the same form."""
    create(mysql, schema)
    write(mysql, schema, TAGS)
    with mysql.connect() as connection, connection.cursor() as cursor:
        cursor.execute("FLUSH BINARY LOGS")
    file, _, executed = end_of_binlog(mysql)
    (previous,) = of_kind(events_from(mysql, file, 4), packets.PREVIOUS_GTIDS)
    assert packets.unsigned(previous) == GtidSet(executed).encoded()
    assert GtidSet(executed).encoded()[7] == 1, "it has tags"


def _with(gtid_set: str, gtid: str) -> GtidSet:
    found = GtidSet(gtid_set)
    found.add(gtid)
    return found
