"""The binlog's events as bytes, as far as no table's columns are needed to read them. Pure: bytes in, facts out.

An event is given as the source sends it, without the protocol's OK byte before it; where a function takes `content`,
that is the event's body, without header and checksum. All raise Malformed on bytes that are not what they should be.

Layouts: MySQL's "Replication Protocol" and "Binlog Event" pages, and MariaDB's "Replication Protocol".
"""

import struct
import zlib
from functools import lru_cache
from typing import Final, NamedTuple

from keyshift.binlog import lenenc, serialized
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
ANCIENT_ROWS: Final = frozenset({20, 21, 22})  # of MySQL 5.1's betas: no server that we read writes them
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
_RESIDUE: Final = 0x2144DF1C  # the CRC32 of anything that is followed by its own CRC32
_PIECE_BYTES: Final = 5 * 1024  # what zlib works on without releasing the interpreter
_CRC32_RESIDUE: Final = 0x2144DF1C  # the CRC32 of whatever ends with its own CRC32, lowest byte first

QUERY_HEAD: Final = struct.Struct("<8xB2xH")  # thread, seconds; length of the database; error; length of variables
LOAD_QUERY_EXTRA: Final = 13  # bytes of EXECUTE_LOAD_QUERY's own between the fixed part of a query and its variables
_GTID: Final = struct.Struct("<x16sQ")
_COMMITTED_GTID: Final = struct.Struct("<x16sQB16xQ")  # two logical timestamps, then 7 bytes of time and one more
_LOGICAL_CLOCK: Final = 2  # says that those timestamps are there
_COMMITTED_MASK: Final = (1 << 55) - 1  # the bit above says that the time at the first source follows
_TAGGED_UUID, _TAGGED_NUMBER, _TAGGED_TAG, _TAGGED_COMMITTED = 1, 2, 3, 6
_TAGGED: Final[dict[int, serialized.Read[int] | serialized.Read[bytes]]] = {
    0: serialized.unsigned,  # flags
    _TAGGED_UUID: serialized.octets(16),
    _TAGGED_NUMBER: serialized.signed,
    _TAGGED_TAG: serialized.string,
    4: serialized.signed,  # the two logical timestamps
    5: serialized.signed,
    _TAGGED_COMMITTED: serialized.unsigned,
    7: serialized.unsigned,  # when it was committed at the first source
    8: serialized.unsigned,  # bytes of the transaction
    9: serialized.unsigned,  # version of the source, and of the first one
    10: serialized.unsigned,
    11: serialized.unsigned,  # ticket of its commit group
}
_MARIADB_GTID: Final = struct.Struct("<QIB")
_STANDALONE, _GROUP_COMMIT, _OF_XA = 1, 2, 64 | 128
_COMMIT_ID_BYTES: Final = 8
_START_ALTER, _ROLLBACK_ALTER = 2, 8  # in the byte that may follow; zero where the event is only padded
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


class Gtid(NamedTuple):
    """A transaction's name, and when it was committed at the source that sends it, in microseconds since 1970.

    `committed_us` is None where the event does not say (before MySQL 8.0.1).
    """

    text: str
    committed_us: int | None


def gtid(content: bytes) -> Gtid:
    """MySQL's GTID, ``uuid:number``; of an anonymous one only the time means something. Raises Malformed."""
    if len(content) >= _COMMITTED_GTID.size - 1:
        whole = (
            content if len(content) >= _COMMITTED_GTID.size else content + b"\0"
        )  # 8.0.1 has nothing behind the time
        source, number, clock, committed = _COMMITTED_GTID.unpack_from(whole)
        if clock == _LOGICAL_CLOCK:
            return Gtid(f"{_uuid(source)}:{number}", committed & _COMMITTED_MASK)
    if len(content) < _GTID.size:
        raise Malformed("a GTID event that is too short")
    source, number = _GTID.unpack_from(content)
    return Gtid(f"{_uuid(source)}:{number}", None)


def tagged_gtid(content: bytes) -> Gtid:
    """MySQL 8.3's GTID, ``uuid:tag:number``; without the tag where it is empty. Raises Malformed."""
    found = serialized.message(content, _TAGGED)
    try:
        source, number, tag = found[_TAGGED_UUID], found[_TAGGED_NUMBER], found[_TAGGED_TAG]
    except KeyError as missing:
        raise Malformed(f"a tagged GTID event without its field {missing}") from None
    assert isinstance(source, bytes)
    assert isinstance(tag, bytes)
    committed = found.get(_TAGGED_COMMITTED)
    assert not isinstance(number, bytes)
    assert not isinstance(committed, bytes)
    name = f"{_uuid(source)}:{_text(tag)}" if tag else _uuid(source)
    return Gtid(f"{name}:{number}", committed)


@lru_cache(maxsize=256)  # one for each server that transactions come from
def _uuid(source: bytes) -> str:
    digits = source.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def mariadb_gtid(content: bytes, server_id: int) -> tuple[str, bool]:
    """MariaDB's GTID, ``domain-server-sequence``, and whether its group is one statement that nothing closes."""
    if len(content) < _MARIADB_GTID.size:
        raise Malformed("a GTID event that is too short")
    sequence, domain, flags = _MARIADB_GTID.unpack_from(content)
    return f"{domain}-{server_id}-{sequence}", bool(flags & _STANDALONE)


def is_moot(content: bytes) -> bool:
    """Whether the statement of a MariaDB GTID's group changes nothing (binlog_alter_two_phase, 10.8 and newer).

    There an ALTER is logged twice: where it starts, and where it ends. Until then the table is what it was, and if the
    second group says that it was rolled back, it stays so. Source: MariaDB's Gtid_log_event, `flags_extra`.
    """
    flags = content[_MARIADB_GTID.size - 1]
    if not flags & _STANDALONE or flags & _OF_XA:
        return False
    at = _MARIADB_GTID.size + (_COMMIT_ID_BYTES if flags & _GROUP_COMMIT else 0)
    return bool(content[at] & (_START_ALTER | _ROLLBACK_ALTER)) if at < len(content) else False


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
    text = content[end + 1 :]
    if text == b"BEGIN":
        return "", "BEGIN"
    return content[begin:end].decode("utf-8", "backslashreplace"), text.decode("utf-8", "backslashreplace")


def load_query(content: bytes) -> tuple[str, str]:
    """The default database and the text of a LOAD DATA that was logged as a statement. Raises Malformed."""
    return query(content, LOAD_QUERY_EXTRA)


def rotate(content: bytes) -> tuple[str, int]:
    """The file that follows, and where in it reading goes on. Raises Malformed."""
    if len(content) <= _U64.size:
        raise Malformed("a rotation that names no file")
    (position,) = _U64.unpack_from(content)
    return _text(content[_U64.size :]), position


def heartbeat(content: bytes) -> str:
    """The file that the source is waiting at the end of. Raises Malformed."""
    return _text(content)


def heartbeat_v2(content: bytes) -> tuple[str, int]:
    """The file and the offset in it, beyond 32 bits, that the source is waiting at. Raises Malformed."""
    fields, _ = lenenc.fields(content)
    if _HEARTBEAT_FILE not in fields:
        raise Malformed("a heartbeat that names no file")
    return _text(fields[_HEARTBEAT_FILE]), lenenc.field_number(fields, _HEARTBEAT_OFFSET)


def is_one_phase(content: bytes) -> bool:
    """Whether an XA_PREPARE event is a commit: XA COMMIT ... ONE PHASE. Raises Malformed."""
    if not content:
        raise Malformed("an XA event without bytes")
    return content[0] != 0


def table_id(content: bytes) -> int:
    """The id of the table that a table map or a rows event is about. Raises Malformed."""
    if len(content) < TABLE_ID_BYTES:
        raise Malformed("an event that is too short for a table's id")
    return int.from_bytes(content[:TABLE_ID_BYTES], "little")


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
    return f"{_text(content[_NAME:schema_end])}.{_text(content[name:end])}"


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Malformed("a name that is not UTF-8") from None
