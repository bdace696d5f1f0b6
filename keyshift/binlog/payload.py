"""TRANSACTION_PAYLOAD: a transaction of MySQL 8.0.20+, compressed into one event (binlog_transaction_compression).

Its events come out one at a time. Memory is bounded by the largest of them, a buffer, and the window of the
compression (2 MiB at the default level, 128 MiB at the highest), never by the transaction: a few hundred bytes of
zstd can stand for gigabytes.

Layout: MySQL's documentation of Transaction_payload_event; fields of type, length and value, then the compressed bytes.
"""

from collections.abc import Iterator
from typing import Final

from keyshift.binlog import lenenc, packets
from keyshift.binlog.errors import Malformed
from keyshift.zstd import zstd

_SIZE, _COMPRESSION, _UNCOMPRESSED_SIZE = 1, 2, 3  # the fields
_ZSTD, _NONE = 0, 255
_PIECE_BYTES_MAX: Final = 64 * 1024  # in and out of the decompressor at a time
_SIZE_AT, _SIZE_END = 9, 13  # where an event's header says its size


def events(body: bytes) -> Iterator[bytes]:
    """The events of the transaction: each with its header, none with a checksum. Raises Malformed, at last at the end.

    So nothing that came out may be taken for true before all of it has.
    """
    fields, at = lenenc.fields(body)
    data = memoryview(body)[at:]
    if lenenc.field_number(fields, _SIZE) != len(data):
        raise Malformed(f"a compressed transaction of {len(data)} bytes that says another size")
    compression = lenenc.field_number(fields, _COMPRESSION) if _COMPRESSION in fields else _NONE
    if compression == _ZSTD:
        yield from _split(_decompressed(data), lenenc.field_number(fields, _UNCOMPRESSED_SIZE))
    elif compression == _NONE:
        yield from _split(_pieces(data), len(data))
    else:
        raise Malformed(f"a transaction with the unknown compression {compression}")


def _pieces(data: memoryview) -> Iterator[memoryview]:
    for at in range(0, len(data), _PIECE_BYTES_MAX):
        yield data[at : at + _PIECE_BYTES_MAX]


def _decompressed(data: memoryview) -> Iterator[bytes]:
    """What one or more frames of zstd hold."""
    frame = zstd.ZstdDecompressor()
    waiting: bytes | memoryview
    try:
        for waiting in _pieces(data):
            while waiting or not (frame.needs_input or frame.eof):
                frame = zstd.ZstdDecompressor() if frame.eof else frame
                yield frame.decompress(waiting, _PIECE_BYTES_MAX)
                waiting = frame.unused_data if frame.eof else b""  # noqa: PLW2901 - what is left of the piece
    except zstd.ZstdError:
        raise Malformed("a transaction whose compression is broken") from None
    if not frame.eof:
        raise Malformed("a transaction whose compressed bytes are cut off")


def _split(pieces: Iterator[bytes] | Iterator[memoryview], total: int) -> Iterator[bytes]:
    """Cut events out of the bytes that come; `total` is how many bytes there will be."""
    buffer, begun = bytearray(), 0  # bytes that are in no event yet; bytes before them
    for piece in pieces:
        buffer += piece
        if begun + len(buffer) > total:
            raise Malformed(f"a transaction that is longer than the {total} bytes it says")
        at = 0
        while (end := at + _size(buffer, at, total - begun)) <= len(buffer):
            yield bytes(buffer[at:end])
            begun, at = begun + end - at, end
        del buffer[:at]
    if buffer or begun != total:
        raise Malformed(f"a transaction that ends within an event, or has not the {total} bytes it says")


def _size(buffer: bytearray, at: int, left: int) -> int:
    """The size of the event that begins at `at`: one byte more than there are while its header is not there."""
    if len(buffer) - at < packets.HEADER_BYTES:
        return len(buffer) - at + 1
    size = int.from_bytes(buffer[at + _SIZE_AT : at + _SIZE_END], "little")
    if not packets.HEADER_BYTES <= size <= left:
        raise Malformed(f"an event of {size} bytes where a compressed transaction has {left} left")
    if buffer[at + packets.KIND] == packets.TRANSACTION_PAYLOAD:
        raise Malformed("a compressed transaction within another")
    return size
