"""Events as a throw-away server sends them: bytes, from a position or a GTID set to the end of its binlog."""

import contextlib
import struct
from collections.abc import Iterator
from typing import Any

from keymap.gtid import GtidSet
from keyshift.binlog import packets
from keyshift.binlog.dump_command import NON_BLOCKING, dump, dump_gtid
from keyshift.cli.demo.database import Database

SERVER_ID = 90_211


def raw_events(database: Database, command: bytes, *, checksum: str = "CRC32") -> Iterator[bytes]:
    """What the server answers to a dump command that has the flag NON_BLOCKING."""
    with database.connect() as connection:
        with connection.cursor() as cursor:
            cursor.execute("SET @master_binlog_checksum = %s, @source_binlog_checksum = %s", (checksum, checksum))
            cursor.execute("SET @mariadb_slave_capability = 4")
        stream: Any = connection
        stream._write_bytes(struct.pack("<I", len(command)) + command)
        stream._next_seq_id = 1
        while (packet := stream._read_packet().get_all_data())[0] == 0:
            yield packet[1:]
        assert packet[0] == 0xFE
        connection._force_close()  # type: ignore[attr-defined]


def events_from(
    database: Database, file: str, position: int, *, checksum: str = "CRC32", flags: int = 0
) -> list[bytes]:
    """All events from there on, after those that lie in no file."""
    return list(raw_events(database, dump(SERVER_ID, file, position, NON_BLOCKING | flags), checksum=checksum))


def events_without(database: Database, gtid_set: str, *, flags: int = 0) -> list[bytes]:
    """All events of transactions that are not in the set."""
    command = dump_gtid(SERVER_ID, GtidSet(gtid_set).encoded(), NON_BLOCKING | flags)
    return list(raw_events(database, command))


def of_kind(events: list[bytes], *kinds: int) -> list[bytes]:
    return [event for event in events if packets.header(event).kind in kinds]


def end_of_binlog(database: Database) -> tuple[str, int, str]:
    """File, position and (MySQL) the executed GTID set."""
    with database.connect() as connection, connection.cursor() as cursor:
        for statement in ("SHOW BINARY LOG STATUS", "SHOW MASTER STATUS"):
            with contextlib.suppress(Exception):
                cursor.execute(statement)
                row: Any = cursor.fetchone()
                executed = row[4].replace("\n", "") if len(row) > 4 else ""
                return row[0], row[1], executed
    raise AssertionError("no binlog")


TAGGED = bytes.fromhex(  # of MySQL 9.7.4, with the tag "mytag"
    "02720000000210e9025a9895034d0222c503a102ec04f103000000020404060a6d7974616708080a100c7f674c1d7fc6600610e9041283120b"
)


# On servers.


def shown(database: Database, file: str, position: int) -> list[tuple[int, str, str]]:
    """End, kind and description of each event from there on, as the server shows them."""
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"SHOW BINLOG EVENTS IN '{file}' FROM {position}")
        rows: Any = cursor.fetchall()
        return [(row[4], row[2], row[5]) for row in rows]


def busy(database: Database, schema: str) -> None:
    """Transactions with and without tags, a statement of its own, one with odd letters."""
    with database.connect(schema) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(99)) CHARACTER SET utf8mb4")
        cursor.execute("INSERT INTO t VALUES (1, 'one'), (2, 'two')")
        if database.flavour == "mysql":
            cursor.execute("SET gtid_next = 'AUTOMATIC:mytag'")
        cursor.execute("UPDATE t SET v = 'three' WHERE id = 1")
        if database.flavour == "mysql":
            cursor.execute("SET gtid_next = 'AUTOMATIC:_0'")
        cursor.execute("DELETE FROM t WHERE id = 2")
        if database.flavour == "mysql":
            cursor.execute("SET gtid_next = 'AUTOMATIC'")
        cursor.execute("ALTER TABLE t COMMENT = 'größer: 雪'")
