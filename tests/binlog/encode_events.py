"""Bodies of events other than table maps and whole rows, from the format's documentation."""

import struct
import sys
import zlib
from collections.abc import Sequence

from tests.binlog.encode import Image, bitmap, image, lenenc, text

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_FIELDS_END = b"\0"


def gtid(source: bytes, number: int, committed_us: int = 0, *, flags: int = 1) -> bytes:
    """GTID (33): the source's UUID, the number, the logical clock, when it was committed, the transaction's size."""
    clock = b"\2" + struct.pack("<QQ", 7, 8)
    return (
        bytes([flags]) + source + struct.pack("<Q", number) + clock + committed_us.to_bytes(7, "little") + lenenc(300)
    )


def mariadb_gtid(sequence: int, domain: int, flags: int) -> bytes:
    """MariaDB's GTID (162), with six bytes that say nothing."""
    return struct.pack("<QIB", sequence, domain, flags) + bytes(6)


def _number(value: int) -> bytes:
    """MySQL's serialization: as many ones as there are further bytes, a zero, then the number."""
    size = min(max((value.bit_length() + 6) // 7, 1), 9)
    if size == 9:
        return b"\xff" + value.to_bytes(8, "little")
    return ((value << size) | ((1 << size - 1) - 1)).to_bytes(size, "little")


def _signed(value: int) -> bytes:
    return _number(value << 1 if value >= 0 else ~value << 1 | 1)


def tagged_gtid(source: bytes, tag: bytes, number: int, committed_us: int) -> bytes:
    """A GTID with a tag (42): a message of MySQL's serialization library."""
    fields = [
        _number(1),
        b"".join(map(_number, source)),
        _signed(number),
        _number(len(tag)) + tag,
        _signed(7),
        _signed(8),
        _number(committed_us),
    ]
    content = b"".join(_number(at) + field for at, field in enumerate(fields))
    for size_of_size in (1, 2):
        size = 1 + size_of_size + 1 + len(content)
        if len(_number(size)) == size_of_size:
            break
    return _number(1) + _number(size) + _number(0) + content


def query(schema: bytes, statement: bytes, variables: bytes = b"\0\0\0\0\0") -> bytes:
    """QUERY (2)."""
    return struct.pack("<IIBHH", 9, 0, len(schema), 0, len(variables)) + variables + schema + b"\0" + statement


def rotate(file: bytes, position: int) -> bytes:
    """ROTATE (4)."""
    return struct.pack("<Q", position) + file


def payload(events: Sequence[bytes], *, compressed: bool = True) -> bytes:
    """TRANSACTION_PAYLOAD (40): fields of type, length and value, then the events, which have no checksums."""
    whole = b"".join(events)
    data = zstd.compress(whole) if compressed else whole
    values = {1: len(data), 2: 0 if compressed else 255, 3: len(whole)}
    fields = b"".join(lenenc(kind) + text(lenenc(value)) for kind, value in values.items())
    return fields + _FIELDS_END + data


def compressed(body: bytes, begin: int) -> bytes:
    """MariaDB's compressed form (165 to 171) of a body, which is as it is up to `begin`."""
    rest = body[begin:]
    size = max((len(rest).bit_length() + 7) // 8, 1)
    return body[:begin] + bytes([0x80 | size]) + len(rest).to_bytes(size, "big") + zlib.compress(rest)


def partial_update(
    before: Image, after: Image, partial: Sequence[bool], columns: int, *, options: int = 1, table_id: int = 1
) -> bytes:
    """PARTIAL_UPDATE_ROWS (39) of one row; `partial` has one flag for each JSON column."""
    head = table_id.to_bytes(6, "little") + struct.pack("<HH", 1, 2) + lenenc(columns) + bitmap([True] * columns) * 2
    return head + image(before) + lenenc(options) + (bitmap(partial) if options else b"") + image(after)


def json_diff(operation: int, path: bytes, value: bytes | None) -> bytes:
    """One change of a document: replace 0, insert 1, remove 2 (which has no value)."""
    return bytes([operation]) + text(path) + (text(value) if value is not None else b"")
