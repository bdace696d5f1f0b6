"""A binlog file of MariaDB that ends in half an event, and whether the next file goes on where it broke off.

A server that dies while its disk is full leaves such a file. It begins the next one when it comes back, but sends no
replica beyond the half event (error 1236), though nothing is missing: what was not written whole was never committed.
MariaDB's state of GTIDs proves it. The next file lists the last GTID of each series; where that is what the events of
the broken file come to, no transaction is hidden behind the half event, as it would be if the middle of a file were
damaged (docs/decisions/0025). MySQL cuts such a file itself.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Final

from cdc.connection import ConnectionEnded, ReplicaConnection
from keymap.position import Position
from keyshift.binlog import packets
from keyshift.binlog.dump_command import FIRST_POSITION, NON_BLOCKING, dump
from keyshift.binlog.errors import Malformed
from keyshift.binlog.gtid_state import FileState, GtidState, State, first_list
from keyshift.mysql.connection import Connection, MySQLError, connection_settings, error_number, query
from keyshift.process.source import SourceSettings

_REFUSED: Final = 1236
_TRUNCATED: Final = "truncated in the middle of event"
_HEARTBEAT_SECONDS: Final = 30.0  # none is wanted: the source ends these streams by itself


def is_torn(error: BaseException) -> bool:
    """Whether the source says that its file ends in the middle of an event."""
    return error_number(error) == _REFUSED and _TRUNCATED in str(error).casefold()


def behind_torn(source: SourceSettings, position: Position, server_id: int) -> Position | None:
    """The beginning of the file that goes on where the position's file is torn; None where that is not proven.

    Everything before the half event must have been read. Reads the whole file. Ends another stream that the source
    sends under our server id. Raises MySQLError, OSError and ConnectionEnded, where the source cannot be asked.
    """
    files: list[str] = []
    with _sent(source, position.file, server_id, files) as events:
        state = _state_where_torn(events)
    following = files[files.index(position.file) + 1 :] if position.file in files else []
    if state is None or not following:
        return None
    with _sent(source, following[0], server_id, []) as events:
        listed = _listed(events)
    if listed is None or not state.precedes(listed):
        return None
    return replace(position, file=following[0], offset=FIRST_POSITION, fingerprint="")


@contextmanager
def _sent(source: SourceSettings, file: str, server_id: int, files: list[str]) -> Iterator[Iterator[bytes]]:
    """The events from a file's beginning on; `files` is filled with the names that the source has, in order."""

    def ask(connection: Connection) -> None:
        files.extend(str(row[0]) for row in query(connection, "SHOW BINARY LOGS"))

    settings, command = connection_settings(source), dump(server_id, file, FIRST_POSITION, NON_BLOCKING)
    connection = ReplicaConnection(
        settings, command, server_id=server_id, heartbeat_seconds=_HEARTBEAT_SECONDS, greet=ask
    )
    with closing(connection):
        yield filter(None, connection.packets())


def _state_where_torn(events: Iterator[bytes]) -> FileState | None:
    """The state at the half event; None where another file follows, so that there is none, or nothing can be read."""
    state, begun = GtidState(), False
    try:
        for event in events:
            kind = packets.header(event).kind
            if kind == packets.ROTATE and begun:
                return None
            begun = begun or kind == packets.MARIADB_GTID_LIST
            state.feed(event)
    except MySQLError as error:
        if not is_torn(error):
            raise
        return state.state
    except Malformed:
        return None
    return None


def _listed(events: Iterator[bytes]) -> State | None:
    try:
        return first_list(events)
    except (ConnectionEnded, Malformed):
        return None
