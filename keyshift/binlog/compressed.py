"""MariaDB's compressed events (log_bin_compress) as the ordinary events that they stand for.

What precedes the compressed bytes is as in the ordinary event. Those begin with a byte that says the kind and the
bytes of their length, and the length itself, highest byte first (MariaDB, sql/log_event.cc, row_log_event_uncompress).
"""

import zlib
from typing import Final

from keyshift.binlog import lenenc, packets
from keyshift.binlog.errors import Malformed

_FIRST_V2: Final = 169
_ORDINARY: Final = {166: 23, 167: 24, 168: 25, 169: 30, 170: 31, 171: 32}
_ROWS_HEADER: Final = packets.TABLE_ID_BYTES + 2  # the table's id and flags
_EXTRA_SIZE_MIN: Final = 2  # bytes that say how many there are, themselves included
_COMPRESSED, _ALGORITHM, _LENGTH_BYTES = 0x80, 0x70, 0x07
_ZLIB: Final = 0
_LENGTH_BYTES_MAX: Final = 4
_QUERY_FIXED: Final = 13
_QUERY_SCHEMA, _QUERY_VARIABLES = 8, 11  # where their lengths are


def query(body: bytes) -> bytes:
    """The body of the QUERY event that a QUERY_COMPRESSED event stands for. Raises Malformed."""
    if len(body) < _QUERY_FIXED:
        raise Malformed("a compressed statement's event that is too short")
    variables = int.from_bytes(body[_QUERY_VARIABLES:_QUERY_FIXED], "little")
    return _inflated(body, _QUERY_FIXED + variables + body[_QUERY_SCHEMA] + 1)


def rows(kind: int, body: bytes) -> tuple[int, bytes]:
    """The kind and the body of the rows event that a compressed one stands for. Raises Malformed."""
    if kind not in _ORDINARY:
        raise Malformed(f"an event of kind {kind} is no compressed rows event")
    ordinary = _ORDINARY[kind]
    return ordinary, _inflated(body, _data_begin(ordinary, kind >= _FIRST_V2, body))


def _data_begin(ordinary: int, v2: bool, body: bytes) -> int:  # noqa: FBT001 - the layout's two versions
    """Where the rows begin: behind the column count and the bitmaps of which columns are present."""
    at = _ROWS_HEADER
    if v2:
        extra = int.from_bytes(body[at : at + _EXTRA_SIZE_MIN], "little")
        if extra < _EXTRA_SIZE_MIN:
            raise Malformed("a compressed rows event with extra data of a wrong size")
        at += extra
    columns, at = lenenc.number(body, at)
    bitmap = (columns + 7) // 8
    return at + bitmap * (2 if ordinary in packets.UPDATES else 1)


def _inflated(body: bytes, at: int) -> bytes:
    """All before `at` as it is, then what the bytes from there on inflate to: what they say, not a byte more."""
    if at >= len(body):
        raise Malformed("a compressed event that ends before its compressed bytes")
    head = body[at]
    width = head & _LENGTH_BYTES
    if not head & _COMPRESSED or not 1 <= width <= _LENGTH_BYTES_MAX:
        raise Malformed(f"a compressed event with the unknown form {head:#x}")
    if (head & _ALGORITHM) >> 4 != _ZLIB:
        raise Malformed(f"a compressed event with the unknown compression {(head & _ALGORITHM) >> 4}")
    begin = at + 1 + width
    size = int.from_bytes(body[at + 1 : begin], "big")
    return body[:at] + _decompressed(memoryview(body)[begin:], size)


def _decompressed(data: memoryview, size: int) -> bytes:
    stream = zlib.decompressobj()
    try:
        found = stream.decompress(data, size + 1)  # one more, so that the end of the stream is reached
    except zlib.error:
        raise Malformed("an event whose compression is broken") from None
    if len(found) != size or not stream.eof or stream.unused_data:
        raise Malformed(f"a compressed event that does not hold the {size} bytes it says")
    return found
