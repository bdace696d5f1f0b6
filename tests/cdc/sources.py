"""Reading the binlog of a throw-away server in tests, as far as it goes at the moment."""

from collections.abc import Callable, Iterable

from cdc.binlog import Binlog
from cdc.events import Event, Idle, Image, Rows
from keymap.position import Position
from keymap.schema import TableSchema
from keyshift.cli.demo.database import Database
from keyshift.mysql.connection import connect
from keyshift.mysql.facts import ServerFacts, read_facts, read_position
from keyshift.mysql.schema import read_schemas
from tests.mysql.sources import source_of

HEARTBEAT_SECONDS = 0.1


def facts_and_end(database: Database) -> tuple[ServerFacts, Position]:
    """The server's facts, and the end of its binlog when nobody writes to it."""
    connection = connect(source_of(database))
    try:
        facts = read_facts(connection)
        return facts, read_position(connection, facts)
    finally:
        connection.close()


def schemas_of(database: Database, *tables: str) -> dict[str, TableSchema]:
    connection = connect(source_of(database))
    try:
        return read_schemas(connection, tables)
    finally:
        connection.close()


def open_binlog(
    database: Database,
    position: Position,
    schemas: dict[str, TableSchema],
    *,
    gtids: bool | None = None,
    server_id: int = 90_001,
    described: bool = True,
) -> Binlog:
    by_gtid = database.flavour == "mysql" if gtids is None else gtids
    return Binlog(
        source_of(database),
        position,
        schemas,
        gtids=by_gtid,
        described=described,
        server_id=server_id,
        heartbeat_seconds=HEARTBEAT_SECONDS,
    )


def is_at(position: Position) -> Callable[[Event], bool]:
    """Whether the source says that it waits at, or behind, this position."""
    return lambda event: (
        isinstance(event, Idle) and (event.place.file, event.place.end) >= (position.file, position.offset)
    )


def read_events(
    database: Database,
    position: Position,
    schemas: dict[str, TableSchema],
    *,
    gtids: bool | None = None,
    server_id: int = 90_001,
    described: bool = True,
) -> list[Event]:
    """All events from the position up to the present end of the binlog."""
    _, end = facts_and_end(database)
    events: list[Event] = []
    with open_binlog(database, position, schemas, gtids=gtids, server_id=server_id, described=described) as binlog:
        for event in binlog:
            events.append(event)
            if is_at(end)(event):
                return events
    raise AssertionError("the stream ended")


def images(events: Iterable[Event], table: str) -> list[Image]:
    return [image for event in events if isinstance(event, Rows) and event.table == table for image in event.images]
