"""The second door to PyMySQL: a SELECT whose rows are read from its stream, past its own row reader.

PyMySQL sends the statement and reads what comes before the rows (column count and definitions); then its buffered file
is read in blocks, and a reader of keyshift.mysql.text_rows takes whole rows from them. What PyMySQL 1.2 keeps to itself
and is used here: `query(unbuffered=True)`, `_result` (field_count, unbuffered_active, connection), `_rfile`,
`_next_seq_id`, `_read_bytes`, `_force_close`. It asks the server neither for compression nor for CLIENT_DEPRECATE_EOF,
so rows end with an EOF packet (five bytes, the first 0xFE) or with an error packet (the first byte 0xFF).

A result is read to its end or its connection is closed: the next use of that fails as on any lost one.
"""

from typing import Any, Final, Protocol, cast

from pymysql import err
from pymysql.constants import CR, SERVER_STATUS

from keymap.values import Row
from keyshift.mysql.connection import Connection
from keyshift.mysql.text_rows import HEADER, PACKET_MAX, Extra, TextRows

BLOCK_BYTES: Final = 128 * 1024  # of the stream at a time, at most; a socket seldom holds more
_EOF_BYTES_MAX = 8  # with nine, 0xFE is the length of a value
_LOST = "Lost connection to MySQL server during query"


class Packets(Protocol):
    """What reads the row packets of a result."""

    @property
    def width(self) -> int:
        """How many columns the result must have."""

    def scan(self, data: bytes, at: int, sequence: int) -> tuple[int, int]:
        """Read packets from `at` on while they are whole, plain rows and `sequence` numbers them.

        Gives where it stopped, and the sequence number that the packet there should have.
        """

    def row(self, packet: bytes) -> None:
        """Read one row packet of any length, without its headers."""


class _Kept:
    """All rows, by a reader of them."""

    def __init__(self, reader: TextRows) -> None:
        self._reader = reader
        self.rows: list[Row] = []
        self.extras: list[Extra] = []
        self.width = reader.width

    def scan(self, data: bytes, at: int, sequence: int) -> tuple[int, int]:
        return self._reader.scan(data, at, sequence, self.rows, self.extras)

    def row(self, packet: bytes) -> None:
        self._reader.row(packet, self.rows, self.extras)


def select_rows(connection: Connection, statement: str, reader: TextRows) -> tuple[list[Row], list[Extra]]:
    """All rows of one SELECT, and the extra columns of each if the reader has any; raises as read_packets does."""
    kept = _Kept(reader)
    read_packets(connection, statement, kept)
    return kept.rows, kept.extras


def read_packets(connection: Connection, statement: str, reader: Packets) -> None:
    """Let the reader have all rows of one SELECT. A % in the statement means itself.

    Raises MySQLError as a cursor of PyMySQL does, and UnreadableRow where a row is not what the reader expects. After
    an error that the server sent, the connection is still good.
    """
    connection.query(statement, unbuffered=True)
    stream = _Stream(connection)
    try:
        if stream.columns != reader.width:
            raise err.InternalError(
                CR.CR_MALFORMED_PACKET, f"a result of {stream.columns} columns instead of {reader.width}"
            )
        _read(stream, reader)
    finally:
        stream.end()


def _read(stream: "_Stream", reader: Packets) -> None:
    while True:
        stream.at, stream.sequence = reader.scan(stream.data, stream.at, stream.sequence)
        if stream.missing():
            stream.more()
            continue
        packet = stream.packet()
        if packet[:1] == b"\xff":
            stream.is_at_end = True
            err.raise_mysql_exception(packet)
        if packet[:1] == b"\xfe" and len(packet) <= _EOF_BYTES_MAX:
            stream.is_at_end = not int.from_bytes(packet[3:5], "little") & SERVER_STATUS.SERVER_MORE_RESULTS_EXISTS
            return
        reader.row(packet)


class _Stream:
    """The packets of one result behind its column definitions, in blocks: `data` from `at` on is not read yet."""

    def __init__(self, connection: Connection) -> None:
        self._inner = cast("Any", connection)  # its internals are not typed
        result, self._inner._result = self._inner._result, None  # noqa: SLF001 - see the module's text
        result.unbuffered_active, result.connection = False, None  # else it would read on by itself
        self.columns: int = result.field_count
        self.data, self.at = b"", 0
        self.sequence: int = self._inner._next_seq_id  # noqa: SLF001
        self.is_at_end = False

    def missing(self) -> int:
        """How many bytes of the packet at `at` are still to come, as far as is known; 0 where it is whole."""
        have = len(self.data) - self.at
        return max(0, HEADER - have if have < HEADER else HEADER + self._length() - have)

    def more(self) -> None:
        """Read on: what the socket holds, but all of a packet that is larger than a block."""
        missing = self.missing()
        if len(self.data) - self.at >= HEADER:
            self._check_sequence()  # before a length that may be none is waited for
        rest = self._inner._read_bytes(missing) if missing > BLOCK_BYTES else self._read_block()  # noqa: SLF001
        self.data, self.at = self.data[self.at :] + rest, 0

    def packet(self) -> bytes:
        """The packet at `at`, put together if it goes on in further ones."""
        parts = []
        while True:
            while self.missing():
                self.more()
            begin, length = self.at + HEADER, self._length()
            self._check_sequence()
            self.at, self.sequence = begin + length, (self.sequence + 1) % 256
            parts.append(self.data[begin : self.at])
            if length < PACKET_MAX:
                return b"".join(parts)

    def end(self) -> None:
        """Give the connection back, or close it where there is or may be more on it that nobody has read."""
        if not self.is_at_end or self.at < len(self.data):
            self._inner._force_close()  # noqa: SLF001 - see the module's text

    def _length(self) -> int:
        return int.from_bytes(self.data[self.at : self.at + 3], "little")

    def _read_block(self) -> bytes:
        try:
            block: bytes = self._inner._rfile.read1(BLOCK_BYTES)  # noqa: SLF001 - see the module's text
        except OSError as error:  # a timeout too
            raise err.OperationalError(CR.CR_SERVER_LOST, f"{_LOST} ({error})") from error
        if not block:
            raise err.OperationalError(CR.CR_SERVER_LOST, _LOST)
        return block

    def _check_sequence(self) -> None:
        number = self.data[self.at + HEADER - 1]
        if number == self.sequence:
            return
        if number == 0:  # how MariaDB says that it shuts down
            raise err.OperationalError(CR.CR_SERVER_LOST, _LOST)
        message = f"Packet sequence number wrong - got {number} expected {self.sequence}"
        raise err.InternalError(message)
