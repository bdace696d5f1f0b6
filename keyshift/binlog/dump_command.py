"""The commands by which a replica asks for the binlog: bytes of a packet, without the protocol's header."""

import struct
from typing import Final

NON_BLOCKING: Final = 0x01  # the source ends the stream at the end of the binlog
_DUMP, _DUMP_GTID = 0x12, 0x1E
FIRST_POSITION: Final = 4  # behind a file's magic number
POSITION_MAX: Final = (1 << 32) - 1
_COMMAND: Final = struct.Struct("<BIHI")
_GTID_COMMAND: Final = struct.Struct("<BHII")
_GTID_POSITION: Final = struct.Struct("<QI")


def dump(server_id: int, file: str, position: int, flags: int = 0) -> bytes:
    """COM_BINLOG_DUMP: from `position` of `file` on, or for MariaDB with "" from @slave_connect_state on.

    `position` is the first byte of an event. Raises ValueError beyond 32 bits: the protocol has no more.
    """
    if not FIRST_POSITION <= position <= POSITION_MAX:
        raise ValueError(f"the binlog cannot be asked for from position {position}")
    return _COMMAND.pack(_DUMP, position, flags, server_id) + file.encode()


def dump_gtid(server_id: int, gtid_set: bytes, flags: int = 0) -> bytes:
    """COM_BINLOG_DUMP_GTID: all transactions that are not in this set (GtidSet.encoded), of all files."""
    command = _GTID_COMMAND.pack(_DUMP_GTID, flags, server_id, 0)  # 0 bytes of a file's name
    return command + _GTID_POSITION.pack(FIRST_POSITION, len(gtid_set)) + gtid_set
