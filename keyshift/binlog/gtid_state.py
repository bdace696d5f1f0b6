"""MariaDB's binlog state: the last GTID of each domain and server, which each file lists of all files before it.

Computed from the events of one file it must be what the next file lists: then nothing of that file was missed. Pure.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from keyshift.binlog import gtids, packets
from keyshift.binlog.errors import Malformed

Series = tuple[int, int]  # a domain, and a server in it
State = Mapping[Series, int]  # the last sequence number of each
_COUNT: Final = struct.Struct("<I")
_COUNT_MASK: Final = (1 << 28) - 1  # the rest are flags
_ENTRY: Final = struct.Struct("<IIQ")


@dataclass(frozen=True, slots=True)
class FileState:
    """The state at the end of a file: with its last transaction, and `without` it, should it have no end."""

    last: State
    without: State

    def precedes(self, listed: State) -> bool:
        """Whether a file that lists this state follows, with no transaction between that the events did not show."""
        return listed in (self.last, self.without)


def listed_state(content: bytes) -> State:
    """The state of a GTID_LIST event, given its body without a checksum. Raises Malformed."""
    try:
        count = _COUNT.unpack_from(content)[0] & _COUNT_MASK
        entries = [_ENTRY.unpack_from(content, _COUNT.size + _ENTRY.size * number) for number in range(count)]
    except struct.error:
        raise Malformed("a list of GTIDs that is too short") from None
    return {(domain, server): sequence for domain, server, sequence in entries}


class GtidState:
    """Follows the events of one file, from its beginning."""

    def __init__(self) -> None:
        self._checksums = False
        self._last: dict[Series, int] | None = None
        self._without: State = {}

    def feed(self, event: bytes) -> None:
        """One more event. Raises Malformed."""
        header = packets.header(event)
        if header.kind == packets.FORMAT:
            self._checksums = packets.has_checksum(event)
        elif header.kind == packets.MARIADB_GTID_LIST:
            self._last = dict(listed_state(packets.body(event, self._checksums)))
            self._without = dict(self._last)
        elif header.kind == packets.MARIADB_GTID and self._last is not None:
            gtid, _ = gtids.mariadb(packets.body(event, self._checksums), header.server_id)
            domain, server, sequence = map(int, gtid.split("-"))
            self._without = dict(self._last)
            self._last[domain, server] = sequence

    @property
    def state(self) -> FileState | None:
        """What was found; None as long as the file has not said what precedes it."""
        return None if self._last is None else FileState(self._last, self._without)


def first_list(events: Iterable[bytes]) -> State | None:
    """What the file lists that begins with these events, of which no more are taken; None where it lists nothing."""
    follower = GtidState()
    for event in events:
        follower.feed(event)
        if follower.state is not None:
            return follower.state.last
    return None
