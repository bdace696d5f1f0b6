"""The one door to mysql-replication: it connects to the source as a replica does; the packets are read here.

The library does the handshake, and nothing else (docs/decisions/0008): no event of its own is made, it never reconnects
by itself, and where to begin is said in our own command, because it knows no tagged GTIDs and no offset of today's
size. Packets are cut from what the socket gives, many at once.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn

import pymysql
from pymysqlreplication import BinLogStreamReader

_RECEIVE_BYTES: Final = 1 << 18  # at once
_HEAD: Final = struct.Struct("<HBB")  # a packet's length in three bytes, and its sequence number
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
    `heartbeat_seconds` how often an idle source gives a sign of life. `greet` is given the connection before the
    command is sent, to ask the very server that will answer it. Raises PyMySQL's MySQLError and OSError, and what
    `greet` does.
    """

    def __init__(
        self,
        settings: dict[str, Any],
        command: bytes,
        *,
        server_id: int,
        heartbeat_seconds: float,
        greet: Callable[[Any], None] = lambda _: None,
    ) -> None:
        self._command, self._greet = command, greet
        self._connection: Any = None
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
        """The events' bytes, without end, and b"" before each wait for more of them.

        Raises MySQLError, OSError and ConnectionEnded where the stream ends.
        """
        self._connection._sock.settimeout(self._connection._read_timeout)  # noqa: SLF001 - as PyMySQL before it reads
        received, at, sequence = b"", 0, 1
        parts: list[bytes] = []  # of an event that is larger than a packet
        while True:
            while len(received) - at < _HEAD.size:
                yield b""
                received, at = received[at:] + self._receive(), 0
            low, high, number = _HEAD.unpack_from(received, at)
            if number != sequence:
                raise ConnectionEnded("a packet of the connection was lost")
            sequence = (sequence + 1) & 0xFF
            begin = at + _HEAD.size
            at = begin + (low | high << 16)
            if at > len(received):
                yield b""
                received, begin, at = self._rest(received[begin:], at - begin), 0, at - begin
            if parts or at - begin == _FULL:
                parts.append(received[begin:at])
                if at - begin < _FULL:
                    whole, parts = b"".join(parts), []
                    yield whole[1:] if whole[0] == _OK else _ended(whole)
            elif at > begin + 1 and received[begin] == _OK:
                yield received[begin + 1 : at]
            else:
                _ended(received[begin:at])

    def close(self) -> None:
        """End the connection. Safe to repeat."""
        if self._connection is not None and self._connection.open:
            self._connection.close()

    def _dial(self, **arguments: Any) -> Any:  # noqa: ANN401 - PyMySQL's arguments and connection
        self._connection = pymysql.connect(**arguments)
        with self._connection.cursor() as cursor:
            cursor.execute(_CHECKSUMS)
        self._greet(self._connection)
        self._write = self._connection._write_bytes  # noqa: SLF001 - what the library sends its command by
        self._connection._write_bytes = self._send  # noqa: SLF001
        return self._connection

    def _send(self, data: bytes) -> None:
        """Pass on what the library sends, but for its dump command."""
        if data[4] in _DUMP:
            data = struct.pack("<I", len(self._command)) + self._command
        self._write(data)

    def _receive(self) -> bytes:
        """What has come, at least a byte."""
        data: bytes = self._connection._sock.recv(_RECEIVE_BYTES)  # noqa: SLF001 - PyMySQL reads nothing from here on
        if not data:
            raise ConnectionEnded("the connection to the source was lost")
        return data

    def _rest(self, begun: bytes, size: int) -> bytes:
        """At least `size` bytes, of which these are the first."""
        pieces, count = [begun], len(begun)
        while count < size:
            pieces.append(self._receive())
            count += len(pieces[-1])
        return b"".join(pieces)


def _ended(data: bytes) -> NoReturn:
    """Raise what a packet says that holds no event."""
    first = data[0] if data else -1
    if first == _ERROR:
        pymysql.err.raise_mysql_exception(data)
    if first == _END:
        raise ConnectionEnded("the source ended the stream, as it does when it shuts down")
    raise ConnectionEnded(f"the source sent a packet of an unknown kind ({first})")
