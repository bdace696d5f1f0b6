"""The events that begin a transaction with its name: the GTIDs of MySQL, with tags and without, and MariaDB's.

`content` is an event's body, without header and checksum. All raise Malformed on bytes that cannot be one.

Layouts: MySQL's "Binlog Event" pages, and MariaDB's "Replication Protocol".
"""

import struct
from functools import lru_cache
from typing import Final, NamedTuple

from keyshift.binlog import serialized
from keyshift.binlog.errors import Malformed
from keyshift.binlog.packets import text

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


class Gtid(NamedTuple):
    """A transaction's name, and when it was committed at the source that sends it, in microseconds since 1970.

    `committed_us` is None where the event does not say (before MySQL 8.0.1).
    """

    text: str
    committed_us: int | None


def untagged(content: bytes) -> Gtid:
    """MySQL's GTID, ``uuid:number``; of an anonymous one only the time means something. Raises Malformed."""
    if len(content) >= _COMMITTED_GTID.size - 1:
        # 8.0.1 has nothing behind the time.
        whole = content if len(content) >= _COMMITTED_GTID.size else content + b"\0"
        source, number, clock, committed = _COMMITTED_GTID.unpack_from(whole)
        if clock == _LOGICAL_CLOCK:
            return Gtid(f"{_uuid(source)}:{number}", committed & _COMMITTED_MASK)
    if len(content) < _GTID.size:
        raise Malformed("a GTID event that is too short")
    source, number = _GTID.unpack_from(content)
    return Gtid(f"{_uuid(source)}:{number}", None)


def tagged(content: bytes) -> Gtid:
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
    name = f"{_uuid(source)}:{text(tag)}" if tag else _uuid(source)
    return Gtid(f"{name}:{number}", committed)


@lru_cache(maxsize=256)  # one for each server that transactions come from
def _uuid(source: bytes) -> str:
    digits = source.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def mariadb(content: bytes, server_id: int) -> tuple[str, bool]:
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
