"""The binlog's events as bytes, as far as no table's columns are needed to read them. Pure: bytes in, facts out.

The library parses these events too, but drops what it does not know, fails on a status variable newer than itself, and
reads every table map in full, also of tables that are nobody's business. Here an event that is not captured costs its
header and a table's name, and one that cannot be read is known by its number.

Layouts: "MySQL Internals, Event Data for Specific Event Types", and MariaDB's "GTID Event"; see docs/decisions/0008.
"""

import struct
from typing import Final, NamedTuple

QUERY, STOP, ROTATE, INTVAR, RAND, USER_VAR, FORMAT, XID = 2, 3, 4, 5, 13, 14, 15, 16
EXECUTE_LOAD_QUERY, TABLE_MAP, INCIDENT, HEARTBEAT = 18, 19, 26, 27
GTID, ANONYMOUS_GTID, PREVIOUS_GTIDS, XA_PREPARE = 33, 34, 35, 38
PARTIAL_UPDATE, TRANSACTION_PAYLOAD, HEARTBEAT_V2, TAGGED_GTID = 39, 40, 41, 42
MARIADB_GTID, MARIADB_QUERY_COMPRESSED = 162, 165
INSERTS: Final = frozenset({23, 30})  # WRITE_ROWS v1 and v2
UPDATES: Final = frozenset({24, 31})
DELETES: Final = frozenset({25, 32})
ROWS: Final = INSERTS | UPDATES | DELETES
UNREADABLE_ROWS: Final = frozenset({20, 21, 22, PARTIAL_UPDATE, *range(166, 172)})

_HEADER = struct.Struct("<xIBIIIH")  # the first byte is the protocol's OK
_QUERY = struct.Struct("<IIBHH")
_LOAD_QUERY_EXTRA = 13  # bytes of EXECUTE_LOAD_QUERY's own between the fixed part of a query and its variables
_CHECKSUM = 4
_CRC32 = 1
_STANDALONE = 1
NO_TABLE: Final = 0xFFFFFF  # the table id of an event without rows that only ends a statement


class Header(NamedTuple):
    """An event's header. `log_pos` is where the next event begins, modulo 4 GiB; 0 in events that lie in no file."""

    timestamp: int
    kind: int
    server_id: int
    size: int
    log_pos: int
    flags: int


class TableMap(NamedTuple):
    """A table map: which table an id stands for from here on, and the bytes that describe its columns."""

    table_id: int
    table: str
    definition: bytes


def header(packet: bytes) -> Header:
    """The header of a packet. Raises struct.error when it is too short to be an event."""
    return Header(*_HEADER.unpack_from(packet))


def body(packet: bytes) -> bytes:
    """What lies between header and checksum."""
    return packet[_HEADER.size : -_CHECKSUM]


def has_checksum(format_packet: bytes) -> bool:
    """Whether the events after this format description end with a CRC32. It says so of itself in its last byte."""
    return format_packet[-_CHECKSUM - 1] == _CRC32


def query(content: bytes, extra: int = 0) -> tuple[str, str]:
    """The default database and the text of a QUERY event; `extra` bytes lie before its variables in other events.

    What is not UTF-8 is shown as escapes: keywords and names that matter are readable in every client character set.
    """
    _, _, schema_length, _, variables_length = _QUERY.unpack_from(content)
    begin = _QUERY.size + extra + variables_length
    schema = content[begin : begin + schema_length].decode("utf-8", "backslashreplace")
    return schema, content[begin + schema_length + 1 :].decode("utf-8", "backslashreplace")


def load_query(content: bytes) -> tuple[str, str]:
    """The default database and the text of a LOAD DATA that was logged as a statement."""
    return query(content, _LOAD_QUERY_EXTRA)


def gtid(content: bytes) -> str:
    """MySQL's GTID, ``uuid:number``."""
    _, source, number = struct.unpack_from("<B16sQ", content)
    digits = source.hex()
    uuid = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    return f"{uuid}:{number}"


def mariadb_gtid(content: bytes, server_id: int) -> tuple[str, bool]:
    """MariaDB's GTID, ``domain-server-sequence``, and whether its group is one statement that nothing closes."""
    sequence, domain, flags = struct.unpack_from("<QIB", content)
    return f"{domain}-{server_id}-{sequence}", bool(flags & _STANDALONE)


def rotate(content: bytes) -> tuple[str, int]:
    """The file that follows, and where in it reading goes on."""
    (position,) = struct.unpack_from("<Q", content)
    return content[8:].decode(), position


def heartbeat(content: bytes) -> str:
    """The file that the source is waiting at the end of."""
    return content.decode()


def is_one_phase(content: bytes) -> bool:
    """Whether an XA_PREPARE event is a commit: XA COMMIT ... ONE PHASE."""
    return content[0] != 0


def table_id(content: bytes) -> int:
    """The id of the table that a rows event is about."""
    return int.from_bytes(content[:6], "little")


def table_map(content: bytes) -> TableMap:
    """Which table a table map is about; what its columns are, stays in bytes."""
    schema_end = 9 + content[8]
    name_begin = schema_end + 2
    name_end = name_begin + content[schema_end + 1]
    table = f"{content[9:schema_end].decode()}.{content[name_begin:name_end].decode()}"
    return TableMap(table_id(content), table, content[6:])


class Offsets:
    """Where in the binlog we are, kept beyond the 32 bits that events carry: a huge transaction makes a file of more.

    Not every byte of a file is sent (what a GTID set contains is skipped), so the position is moved forward to the next
    one that agrees in its lower 32 bits. `resumed` is a position, of our own making, up to which the file is known to
    be skipped; without it a skip over 4 GiB or more would go unnoticed.
    """

    def __init__(self, file: str, offset: int, *, resumed: tuple[str, int] = ("", 0)) -> None:
        self.file, self.end = file, offset
        self._resumed = resumed

    def rotated(self, file: str, offset: int) -> None:
        """Reading goes on at `offset` of `file`."""
        resumed_file, resumed_offset = self._resumed
        skipped = file == resumed_file and offset <= resumed_offset and resumed_offset > _WRAP
        self.file, self.end = file, resumed_offset if skipped else offset

    def passed(self, event: Header) -> int:
        """Move behind an event; gives the offset at which it began. An event that lies in no file moves nothing."""
        if event.log_pos == 0:
            return self.end
        self.end += (event.log_pos - self.end) % _WRAP
        return self.end - event.size

    def reached(self, file: str, log_pos: int) -> None:
        """The source waits at this position: what lies before it and was not sent, will not come."""
        ahead = (log_pos - self.end) % _WRAP
        if file == self.file and ahead < _WRAP // 2:  # else it is about a position that we have passed
            self.end += ahead


_WRAP = 1 << 32
