"""The events of a throw-away server as they lie in its binlog files, without any client between."""

import struct
from collections.abc import Iterable, Iterator

from keyshift.binlog import packets
from keyshift.binlog.columns import field_of
from keyshift.binlog.rowevents import Table
from keyshift.binlog.tablemap import parse_table_map
from keyshift.cli.demo.database import Database
from tests.mysql.sources import execute

_MAGIC = b"\xfebin"


def new_file(database: Database) -> str:
    """Let the server begin another file, and give its name."""
    show = "SHOW MASTER STATUS" if database.flavour == "mariadb" else "SHOW BINARY LOG STATUS"
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("FLUSH BINARY LOGS")
        cursor.execute(show)
        row = cursor.fetchone()
    assert row is not None
    return str(row[0])


def events(database: Database, file: str) -> Iterator[bytes]:
    """All whole events of a file, with their headers and checksums."""
    data = (database.directory / "data" / file).read_bytes()
    assert data.startswith(_MAGIC)
    at = len(_MAGIC)
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at + 9)
        yield data[at : at + size]
        at += size


def logged(database: Database, schema: str, *statements: str) -> list[bytes]:
    """The events of these statements, and of the server's own at the head of a file."""
    file = new_file(database)
    execute(database, *statements, schema=schema)
    return list(events(database, file))


def body(event: bytes) -> bytes:
    """Without the header and the checksum."""
    return event[19:-4]


def with_tables(found: Iterable[bytes]) -> Iterator[tuple[int, bytes, Table]]:
    """Kind and body of each event behind a table map, with the table that the last one describes."""
    table: Table | None = None
    for event in found:
        kind, content = packets.header(event).kind, body(event)
        if kind == packets.TABLE_MAP:
            described = parse_table_map(content)
            table = Table(described, [field_of(one, None, one.name or "") for one in described.columns])
        elif table is not None:
            yield kind, content, table
