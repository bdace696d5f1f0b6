"""The binlog's events as bytes, as far as no table's columns are needed to read them. Pure: bytes in, facts out.

An event is given as the source sends it, without the protocol's OK byte before it; where a function takes `content`,
that is the event's body, without header and checksum. All raise Malformed on bytes that are not what they should be.

Layouts: MySQL's "Replication Protocol" and "Binlog Event" pages, and MariaDB's "Replication Protocol".
"""

import struct
import zlib
from typing import Final, NamedTuple

from keyshift.binlog import lenenc
from keyshift.binlog.errors import Malformed

QUERY, STOP, ROTATE, INTVAR, APPEND_BLOCK, DELETE_FILE = 2, 3, 4, 5, 9, 11
RAND, USER_VAR, FORMAT, XID, BEGIN_LOAD_QUERY, EXECUTE_LOAD_QUERY, TABLE_MAP = 13, 14, 15, 16, 17, 18, 19
INCIDENT, HEARTBEAT, IGNORABLE_EVENT, ROWS_QUERY, GTID, ANONYMOUS_GTID, PREVIOUS_GTIDS = 26, 27, 28, 29, 33, 34, 35
TRANSACTION_CONTEXT, VIEW_CHANGE, XA_PREPARE, PARTIAL_UPDATE = 36, 37, 38, 39
TRANSACTION_PAYLOAD, HEARTBEAT_V2, TAGGED_GTID = 40, 41, 42
MARIADB_ANNOTATE_ROWS, MARIADB_CHECKPOINT, MARIADB_GTID, MARIADB_GTID_LIST = 160, 161, 162, 163
MARIADB_START_ENCRYPTION, MARIADB_QUERY_COMPRESSED = 164, 165

INSERTS: Final = frozenset({23, 30})  # WRITE_ROWS v1 and v2
UPDATES: Final = frozenset({24, 31})
DELETES: Final = frozenset({25, 32})
ROWS: Final = INSERTS | UPDATES | DELETES
ROWS_COMPRESSED: Final = frozenset(range(166, 172))  # MariaDB's: v1, then v2
CONTROL: Final = frozenset({FORMAT, ROTATE, HEARTBEAT, HEARTBEAT_V2})  # they may lie in no file
# What changes nothing, or belongs to a statement that is an event of its own.
SILENT: Final = frozenset(
    {
        *(STOP, INTVAR, RAND, USER_VAR, APPEND_BLOCK, DELETE_FILE, BEGIN_LOAD_QUERY),
        *(IGNORABLE_EVENT, ROWS_QUERY, PREVIOUS_GTIDS, TRANSACTION_CONTEXT, VIEW_CHANGE),
        *(MARIADB_ANNOTATE_ROWS, MARIADB_CHECKPOINT, MARIADB_GTID_LIST, MARIADB_START_ENCRYPTION),
    }
)
IGNORABLE: Final = 0x80  # the flag of an event that a reader may pass over if it does not know it

HEADER: Final = struct.Struct("<IBIIIH")
HEADER_BYTES: Final = HEADER.size
KIND: Final = 4  # which of an event's bytes says its kind
CHECKSUM_BYTES: Final = 4
TABLE_ID_BYTES: Final = 6
NO_TABLE: Final = 0xFFFFFF  # the table id of an event without rows that only ends a statement
_NO_CHECKSUM, _CRC32 = 0, 1
_PIECE_BYTES: Final = 5 * 1024  # what zlib works on without releasing the interpreter
_CRC32_RESIDUE: Final = 0x2144DF1C  # the CRC32 of whatever ends with its own CRC32, lowest byte first

QUERY_HEAD: Final = struct.Struct("<8xB2xH")  # thread, seconds; length of the database; error; length of variables
LOAD_QUERY_EXTRA: Final = 13  # bytes of EXECUTE_LOAD_QUERY's own between the fixed part of a query and its variables
_U64: Final = struct.Struct("<Q")
_HEARTBEAT_FILE, _HEARTBEAT_OFFSET = 1, 2
_NAME: Final = 9  # where the database's name begins in a table map, its length before it


class Header(NamedTuple):
    """An event's header. `log_pos` is where the next event begins, modulo 4 GiB; 0 in events that lie in no file."""

    timestamp: int
    kind: int
    server_id: int
    size: int
    log_pos: int
    flags: int


_make_header: Final = tuple.__new__  # of what is known to be right: half the time that the class itself takes


def header(event: bytes) -> Header:
    """The header of an event. Raises Malformed when the event has not the size that its header says."""
    try:
        found = _make_header(Header, HEADER.unpack_from(event))
    except struct.error:
        raise Malformed(f"an event of {len(event)} bytes is shorter than its header") from None
    if found.size != len(event):
        raise Malformed(f"an event of {len(event)} bytes that says it has {found.size}")
    return found


def body(event: bytes, checksum: bool) -> bytes:  # noqa: FBT001 - a property of the stream, handed through
    """What follows the header, up to the checksum if the event has one."""
    end = len(event) - CHECKSUM_BYTES if checksum else len(event)
    if end < HEADER_BYTES:
        raise Malformed(f"an event of {len(event)} bytes has no room for its checksum")
    return event[HEADER_BYTES:end]


def is_mariadb(body: bytes) -> bool:
    """Whether a format description is of a MariaDB: the server's version is 50 bytes of it, behind two."""
    return b"MariaDB" in body[2:52]


def has_checksum(format_event: bytes) -> bool:
    """Whether the events from this format description on, it included, end with a CRC32. Raises Malformed.

    The byte before the last four says so; those are there in any case.
    """
    if len(format_event) < HEADER_BYTES + CHECKSUM_BYTES + 1:
        raise Malformed("a format description that is too short")
    algorithm = format_event[-CHECKSUM_BYTES - 1]
    if algorithm not in {_NO_CHECKSUM, _CRC32}:
        raise Malformed(f"checksums of the unknown kind {algorithm}")
    return algorithm == _CRC32


def verified(event: bytes) -> bytes:
    """The event, which ends with a checksum that fits. Raises Malformed when it does not."""
    if (_crc32(event) if len(event) <= _PIECE_BYTES else _crc32_of_pieces(event)) != _CRC32_RESIDUE:
        raise Malformed("an event whose checksum does not fit")
    return event


_crc32: Final = zlib.crc32


def _crc32_of_pieces(data: bytes) -> int:
    """In pieces of which none is worth giving the interpreter away: to get it back takes longer than they do."""
    view, found = memoryview(data), 0
    for begin in range(0, len(data), _PIECE_BYTES):
        found = _crc32(view[begin : begin + _PIECE_BYTES], found)
    return found


def unsigned(event: bytes) -> bytes:
    """The body of an event that may have a checksum or not: one that lies in no file, or before any description."""
    return body(event, zlib.crc32(event) == _CRC32_RESIDUE)


def query(content: bytes, extra: int = 0) -> tuple[str, str]:
    """The default database and the text of a QUERY event; `extra` bytes lie before its variables in other events.

    What is not UTF-8 is shown as escapes: keywords and names that matter are readable in every client character set.
    BEGIN, which most transactions of MySQL have, is given without its database. Raises Malformed.
    """
    if len(content) < QUERY_HEAD.size:
        raise Malformed("a statement's event that is too short")
    schema_length, variables_length = QUERY_HEAD.unpack_from(content)
    begin = QUERY_HEAD.size + extra + variables_length
    end = begin + schema_length
    if end >= len(content) or content[end]:
        raise Malformed("a statement's event with lengths that do not fit")
    statement = content[end + 1 :]
    if statement == b"BEGIN":
        return "", "BEGIN"
    return content[begin:end].decode("utf-8", "backslashreplace"), statement.decode("utf-8", "backslashreplace")


def load_query(content: bytes) -> tuple[str, str]:
    """The default database and the text of a LOAD DATA that was logged as a statement. Raises Malformed."""
    return query(content, LOAD_QUERY_EXTRA)


def rotate(content: bytes) -> tuple[str, int]:
    """The file that follows, and where in it reading goes on. Raises Malformed."""
    if len(content) <= _U64.size:
        raise Malformed("a rotation that names no file")
    (position,) = _U64.unpack_from(content)
    return text(content[_U64.size :]), position


def heartbeat(content: bytes) -> str:
    """The file that the source is waiting at the end of. Raises Malformed."""
    return text(content)


def heartbeat_v2(content: bytes) -> tuple[str, int]:
    """The file and the offset in it, beyond 32 bits, that the source is waiting at. Raises Malformed."""
    fields, _ = lenenc.fields(content)
    if _HEARTBEAT_FILE not in fields:
        raise Malformed("a heartbeat that names no file")
    return text(fields[_HEARTBEAT_FILE]), lenenc.field_number(fields, _HEARTBEAT_OFFSET)


def is_one_phase(content: bytes) -> bool:
    """Whether an XA_PREPARE event is a commit: XA COMMIT ... ONE PHASE. Raises Malformed."""
    if not content:
        raise Malformed("an XA event without bytes")
    return content[0] != 0


def table_name(content: bytes) -> str:
    """Which table a table map is about, ``db.table``. Raises Malformed."""
    try:
        schema_end = _NAME + content[_NAME - 1]
        name = schema_end + 2
        end = name + content[schema_end + 1]
        if content[schema_end] or content[end]:
            raise Malformed("a table map whose names do not end")
    except IndexError:
        raise Malformed("a table map that ends within a name") from None
    return f"{text(content[_NAME:schema_end])}.{text(content[name:end])}"


def text(content: bytes) -> str:
    """A name. Raises Malformed where it is not UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Malformed("a name that is not UTF-8") from None
