"""What tells a binlog file from another of the same name: when it was begun, and which transactions precede it.

A server that is reset, or restored, writes files of the same names again, and an offset in one of them looks like an
offset in the other. The first events of a file are never written again: a format description with the second in which
it was begun, and then, on every server since MySQL 5.7 and MariaDB 10.0, the GTIDs of all files before it. The
fingerprint is the second and a digest of these: ``1795840541-5f2a9c0d11aa02be``. Pure: events in, text out.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from keyshift.binlog import packets

LISTS: Final = frozenset({packets.PREVIOUS_GTIDS, packets.MARIADB_GTID_LIST})
_BETWEEN: Final = frozenset({packets.MARIADB_START_ENCRYPTION}) | packets.CONTROL
_DIGEST_BYTES: Final = 8


def begun(timestamp: int) -> str:
    """The fingerprint of a file whose format description was written at this second (since 1970)."""
    return str(timestamp)


def listed(fingerprint: str, content: bytes) -> str:
    """The same, now that the event of LISTS has come; `content` is its body without a checksum."""
    return f"{fingerprint.partition('-')[0]}-{blake2b(content, digest_size=_DIGEST_BYTES).hexdigest()}"


def fingerprint_of(events: Iterable[bytes]) -> str:
    """The fingerprint of the file that begins with these events; takes no more of them than it needs.

    "" where they end before the file's format description. Raises Malformed.
    """
    found, checksums = "", False
    for event in events:
        header = packets.header(event)
        if header.kind == packets.FORMAT:
            found, checksums = begun(header.timestamp), packets.has_checksum(event)
        elif header.kind in LISTS:
            return listed(found, packets.body(event, checksums))
        elif header.kind not in _BETWEEN:
            return found
    return found
