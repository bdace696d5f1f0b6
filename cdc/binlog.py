"""The source's binlog from a position on, as our own events: connection, bytes and their meaning put together."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Self

from cdc.captured import Ignores, all_matter
from cdc.connection import ReplicaConnection
from cdc.decoder import Decoder
from cdc.events import Event
from keymap.gtid import GtidSet
from keymap.position import Position
from keymap.schema import TableSchema
from keyshift.binlog.dump_command import FIRST_POSITION, POSITION_MAX, dump, dump_gtid
from keyshift.binlog.offsets import Offsets
from keyshift.mysql.connection import Connection, connection_settings, denials_named
from keyshift.process.source import SourceSettings

SILENCE_SECONDS_MAX: Final = 30.0  # without even a heartbeat the connection is dead, though TCP may not say so


class Binlog:
    """An open stream of events, beginning at `position`. For one thread; a context manager.

    `greet` is given the connection before anything is asked for on it; what it raises is raised here.
    `schemas` are the captured tables by name. `gtids`: the position's GTID set decides where to begin, else its file
    and offset. `described`: the source's table maps are complete (binlog_row_metadata=FULL). `ignores` is as in
    CapturedTables. Both the constructor and iteration raise PyMySQL's MySQLError, OSError or ConnectionEnded where the
    connection is at fault, and KeyshiftError where going on would lose something.
    """

    def __init__(  # noqa: PLR0913 - what a replica has to say when it connects
        self,
        source: SourceSettings,
        position: Position,
        schemas: Mapping[str, TableSchema],
        *,
        gtids: bool,
        described: bool,
        server_id: int,
        heartbeat_seconds: float,
        ignores: Ignores = all_matter,
        greet: Callable[[Connection], None] = lambda _: None,
    ) -> None:
        settings = connection_settings(source)
        settings["read_timeout"] = min(source.read_timeout_seconds, SILENCE_SECONDS_MAX)
        resumed = (position.file, position.offset) if gtids else ("", 0)
        offsets = Offsets(position.file, position.offset, resumed=resumed)
        known = ("", 0)
        if gtids:
            command = dump_gtid(server_id, GtidSet(position.gtid_set).encoded())
        elif position.offset <= POSITION_MAX:
            command = dump(server_id, position.file, max(position.offset, FIRST_POSITION))
        else:  # a file of over 4 GiB can only be begun anew
            command, known = dump(server_id, position.file, FIRST_POSITION), (position.file, position.offset)
        self._decoder = Decoder(schemas, offsets, described=described, known=known, ignores=ignores)
        with denials_named(source):
            self._connection = ReplicaConnection(
                settings, command, server_id=server_id, heartbeat_seconds=heartbeat_seconds, greet=greet
            )

    def __iter__(self) -> Iterator[Event]:
        """Events without end. An idle source sends a heartbeat in each interval, so this never blocks for longer."""
        return self._decoder.events(self._connection.packets())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection. Safe to repeat."""
        self._connection.close()
