"""The one door to mysql-replication: a connection to the binlog from a position on, as our own events.

The library does the handshake and reads table maps and rows; all else it would do is kept from it (decision 0008):

* Packets are read here and given to it one at a time, and only those that it is needed for. So a table that is not
  captured costs its name alone, and one that the library cannot even describe (VECTOR, COMPRESSED) does no harm.
* It never reconnects by itself: a third call of its connect function is the end of this stream. Whoever reads opens a
  new one at a position between two transactions.
* No filters, no freeze_schema: both hand rows to the wrong table after a restart of the server.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Self

from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.event import FormatDescriptionEvent, RotateEvent
from pymysqlreplication.row_event import DeleteRowsEvent, TableMapEvent, UpdateRowsEvent, WriteRowsEvent

from cdc.decoder import Decoder
from cdc.events import Event
from cdc.packets import Offsets
from keymap.errors import KeyshiftError
from keymap.position import Position
from keymap.schema import TableSchema
from keyshift.mysql.connection import connection_settings
from keyshift.process.settings import SourceSettings

SILENCE_SECONDS_MAX: Final = 30.0  # without even a heartbeat the connection is dead, though TCP may not say so
_OFFSET_MAX: Final = (1 << 32) - 1  # the protocol's
_FIRST_OFFSET: Final = 4  # behind a file's magic number
_CONNECTIONS = 2  # the stream, and one on which the library asks for the server's variables
_END_OF_STREAM, _END_BYTES_MAX = 0xFE, 8


class ConnectionEnded(Exception):
    """The source ended the stream, as it does when it shuts down. Begin anew from a position."""


class Library:
    """The library's reader, made to do what it is told. Its events are of types that it does not declare."""

    def __init__(self, settings: dict[str, Any], **options: Any) -> None:  # noqa: ANN401 - the library's options
        self._connections: list[Any] = []
        self._read: Callable[[], Any] = lambda: None
        self._in_hand: Any = None  # the packet that the library is given when it reads; None: the next one
        self._given = False
        self._reader = BinLogStreamReader(
            settings,
            blocking=True,
            resume_stream=True,
            only_events=[
                *(FormatDescriptionEvent, RotateEvent, TableMapEvent),
                *(WriteRowsEvent, UpdateRowsEvent, DeleteRowsEvent),
            ],
            filter_non_implemented_events=False,
            enable_logging=False,
            **options,
        )
        self._dial: Callable[..., Any] = self._reader.pymysql_wrapper
        self._reader.pymysql_wrapper = self._connect

    def open(self) -> bytes:
        """Connect, and give the first packet, which names the file. Raises MySQLError, OSError, ConnectionEnded."""
        self._reader.fetchone()
        self._connections[1].close()  # asked what it was needed for
        return self._data()

    def read(self) -> bytes:
        """The next packet, whatever it is. Raises MySQLError, OSError, ConnectionEnded."""
        self._in_hand = self._read()
        return self._data()

    def parsed(self) -> Any:  # noqa: ANN401 - the library's event
        """What the library makes of the packet that was read last; at most once for each."""
        self._given = False
        return self._reader.fetchone()

    def know(self, table_id: int, definition: Any) -> None:  # noqa: ANN401 - the library's table
        """From now on rows with this id are of this table."""
        self._reader.table_map[table_id] = definition

    def forget(self) -> None:
        """No id is known any more."""
        self._reader.table_map.clear()

    def close(self) -> None:
        """End the connections. Safe to repeat."""
        for connection in self._connections:
            if connection.open:
                connection.close()

    def _data(self) -> bytes:
        data: bytes = self._in_hand.get_all_data()
        if data[0] == _END_OF_STREAM and len(data) <= _END_BYTES_MAX:
            raise ConnectionEnded("the source ended the stream, as it does when it shuts down")
        return data

    def _connect(self, **arguments: Any) -> Any:  # noqa: ANN401 - PyMySQL's arguments and connection
        if len(self._connections) == _CONNECTIONS:
            raise ConnectionEnded("the connection to the source was lost")
        if "db" in arguments:
            arguments["database"] = arguments.pop("db")
        self._connections.append(self._dial(**arguments))
        if len(self._connections) == _CONNECTIONS:  # the stream has begun: from here on its packets pass through us
            stream = self._connections[0]
            self._read, stream._read_packet = stream._read_packet, self._give  # noqa: SLF001 - what the library calls
        return self._connections[-1]

    def _give(self) -> Any:  # noqa: ANN401 - PyMySQL's packet
        assert not self._given, "the library wants a second packet"
        if self._in_hand is None:
            self._in_hand = self._read()
        self._given = True
        return self._in_hand


class Binlog:
    """An open stream of events, beginning at `position`. For one thread; a context manager.

    `schemas` are the captured tables by name. `gtids`: the position's GTID set decides where to begin, else its file
    and offset. Both the constructor and iteration raise PyMySQL's MySQLError, OSError or ConnectionEnded where the
    connection is at fault, and KeyshiftError where going on would lose something.
    """

    def __init__(  # noqa: PLR0913 - what a replica has to say when it connects
        self,
        source: SourceSettings,
        position: Position,
        schemas: Mapping[str, TableSchema],
        *,
        gtids: bool,
        server_id: int,
        heartbeat_seconds: float,
    ) -> None:
        settings = connection_settings(source)
        settings["read_timeout"] = min(source.read_timeout_seconds, SILENCE_SECONDS_MAX)
        where = _begin_at(position, gtids=gtids)
        self._library = Library(settings, server_id=server_id, slave_heartbeat=heartbeat_seconds, **where)
        resumed = (position.file, position.offset) if gtids else ("", 0)
        offsets = Offsets(position.file, position.offset, resumed=resumed)
        self._decoder = Decoder(self._library, schemas, offsets)
        try:
            self._first = self._library.open()
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[Event]:
        """Events without end. An idle source sends a heartbeat in each interval, so this never blocks for longer."""
        packet = self._first
        while True:
            yield self._decoder.event(packet)
            packet = self._library.read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection. Safe to repeat."""
        self._library.close()


class _EmptySet(list[str]):
    """An empty GTID set that the library does not take for none at all: everything is to be sent."""

    def __bool__(self) -> bool:
        return True


def _begin_at(position: Position, *, gtids: bool) -> dict[str, Any]:
    if gtids:
        _require_no_tags(position.gtid_set)
        return {"auto_position": position.gtid_set or _EmptySet()}
    # A file of over 4 GiB can only be begun anew; the assembler drops what it knows.
    offset = position.offset if position.offset <= _OFFSET_MAX else _FIRST_OFFSET
    return {"log_file": position.file, "log_pos": max(offset, _FIRST_OFFSET)}


def _require_no_tags(gtid_set: str) -> None:
    pieces = (piece for part in gtid_set.split(",") for piece in part.split(":")[1:])
    if any(not piece[:1].isdecimal() for piece in pieces):
        message = "the source has transactions with tagged GTIDs, which are not read yet"
        remedy = "Stop using tags (gtid_next='AUTOMATIC:tag'), and capture from a server without them"
        raise KeyshiftError(message, remedy)
