"""The one door to mysql-replication: it connects to the source as a replica does; the packets are read here.

The library does the handshake, and nothing else (docs/decisions/0008): no event of its own is made, it never reconnects
by itself, and where to begin is said in our own command, because it knows no tagged GTIDs and no offset of today's
size. Packets are read from the connection's socket through a buffer of a size that suits a stream.
"""

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, NoReturn

import pymysql
from pymysqlreplication import BinLogStreamReader

_BUFFER_BYTES: Final = 1 << 18
_PACKET: Final = struct.Struct("<HBBB")  # length in three bytes, sequence number, the packet's first byte
_FULL: Final = 0xFFFFFF  # a packet of this length goes on in the next one
_OK, _ERROR, _END = 0x00, 0xFF, 0xFE
_DUMP: Final = frozenset({0x12, 0x1E})  # COM_BINLOG_DUMP and COM_BINLOG_DUMP_GTID
_CHECKSUMS: Final = "SET @master_binlog_checksum = @@global.binlog_checksum"


class ConnectionEnded(Exception):
    """The source ended the stream, as it does when it shuts down. Begin anew from a position."""


class _Anywhere(list[str]):
    """A GTID set for the library to begin at: empty, and yet not taken for none. Our own command replaces it."""

    def __bool__(self) -> bool:
        return True


class ReplicaConnection:
    """A connection on which the source sends its binlog.

    `settings` are PyMySQL's arguments; `command` is the dump command to send (keyshift.binlog.dump_command);
    `heartbeat_seconds` how often an idle source gives a sign of life. Raises PyMySQL's MySQLError and OSError.
    """

    def __init__(self, settings: dict[str, Any], command: bytes, *, server_id: int, heartbeat_seconds: float) -> None:
        self._command = command
        self._connection: Any = None
        self._stream: BinaryIO | None = None
        reader = BinLogStreamReader(
            settings,
            server_id=server_id,
            blocking=True,
            auto_position=_Anywhere(),
            slave_heartbeat=heartbeat_seconds,
            enable_logging=False,
            pymysql_wrapper=self._dial,
        )
        try:
            reader._BinLogStreamReader__connect_to_stream()  # noqa: SLF001 - its reading begins with this step
        except BaseException:
            self.close()
            raise

    def packets(self) -> Iterator[bytes]:
        """The events' bytes, without end. Raises MySQLError, OSError and ConnectionEnded where the stream ends."""
        stream, sequence = self._opened(), 1
        while True:
            length, high, number, first = _PACKET.unpack(_exactly(stream, _PACKET.size))
            length |= high << 16
            if number != sequence:
                raise ConnectionEnded("a packet of the connection was lost")
            sequence = (sequence + 1) & 0xFF
            data = _exactly(stream, length - 1)
            if first != _OK:
                _ended(first, data)
            if length == _FULL:
                rest, sequence = _continued(stream, sequence)
                data += rest
            yield data

    def close(self) -> None:
        """End the connection. Safe to repeat."""
        if self._stream is not None:
            self._stream.close()
        if self._connection is not None and self._connection.open:
            self._connection.close()

    def _dial(self, **arguments: Any) -> Any:  # noqa: ANN401 - PyMySQL's arguments and connection
        self._connection = pymysql.connect(**arguments)
        with self._connection.cursor() as cursor:
            cursor.execute(_CHECKSUMS)
        self._write = self._connection._write_bytes  # noqa: SLF001 - what the library sends its command by
        self._connection._write_bytes = self._send  # noqa: SLF001
        return self._connection

    def _send(self, data: bytes) -> None:
        """Pass on what the library sends, but for its dump command."""
        if data[4] in _DUMP:
            data = struct.pack("<I", len(self._command)) + self._command
        self._write(data)

    def _opened(self) -> BinaryIO:
        socket = self._connection._sock  # noqa: SLF001 - what PyMySQL reads from; nothing is in its own buffer now
        socket.settimeout(self._connection._read_timeout)  # noqa: SLF001
        self._stream = socket.makefile("rb", buffering=_BUFFER_BYTES)
        return self._stream


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise ConnectionEnded("the connection to the source was lost")
    return data


def _continued(stream: BinaryIO, sequence: int) -> tuple[bytes, int]:
    """The rest of an event that is larger than a packet, and the number of the packet behind it."""
    parts = []
    while True:
        length, high, number = struct.unpack("<HBB", _exactly(stream, 4))
        length |= high << 16
        if number != sequence:
            raise ConnectionEnded("a packet of the connection was lost")
        sequence = (sequence + 1) & 0xFF
        parts.append(_exactly(stream, length))
        if length != _FULL:
            return b"".join(parts), sequence


def _ended(first: int, data: bytes) -> NoReturn:
    if first == _ERROR:
        pymysql.err.raise_mysql_exception(bytes([first]) + data)
    if first == _END:
        raise ConnectionEnded("the source ended the stream, as it does when it shuts down")
    raise ConnectionEnded(f"the source sent a packet of an unknown kind ({first})")
