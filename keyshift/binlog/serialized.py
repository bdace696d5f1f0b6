"""Messages of MySQL's serialization library, in which its newer events are written.

A number takes 1 to 9 bytes, lowest first: as many ones as it has further bytes, a zero, then its value; nine bytes are
a full 64 bits. A signed one has its sign lowest, -1 being 1. A message has a version, its size in bytes, the highest
field that a reader must know, then fields in rising order, each with its number; their types are agreed beforehand.
Source: "MySQL Serialization Library" in MySQL's own documentation (libs/mysql/serialization).
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from keyshift.binlog.errors import Malformed

_VERSION: Final = 1
_WIDE: Final = 9  # bytes of the longest number
_Value = TypeVar("_Value")
Read = Callable[[bytes, int], tuple[_Value, int]]  # a field's value and where it ends


def unsigned(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins at `at`, and where it ends. Raises Malformed."""
    if at >= len(data):
        raise Malformed("a message that ends within a field")
    first = data[at]
    if not first & 1:  # most are below 128
        return first >> 1, at + 1
    size = (~first & (first + 1)).bit_length()  # the lowest zero's place, from 1
    end = at + size
    if end > len(data):
        raise Malformed("a message that ends within a number")
    value = int.from_bytes(data[at:end], "little")
    return value >> (size if size < _WIDE else 8), end


def signed(data: bytes, at: int) -> tuple[int, int]:
    """The signed number that begins at `at`, and where it ends. Raises Malformed."""
    value, end = unsigned(data, at)
    return (~(value >> 1) if value & 1 else value >> 1), end


def string(data: bytes, at: int) -> tuple[bytes, int]:
    """Bytes with their length before them. Raises Malformed."""
    size, begin = unsigned(data, at)
    if size > len(data) - begin:
        raise Malformed("a message that ends within a string")
    return data[begin : begin + size], begin + size


def octets(count: int) -> Read[bytes]:
    """A reader of `count` bytes, each of which is written as a number."""

    def read(data: bytes, at: int) -> tuple[bytes, int]:
        found = bytearray()
        try:
            for _ in range(count):
                octet = data[at]
                if octet & 1:
                    octet, at = unsigned(data, at)
                else:  # as `unsigned` does, without a call
                    octet, at = octet >> 1, at + 1
                found.append(octet)
        except (IndexError, ValueError):
            raise Malformed("a message that ends within bytes, or has one above 255") from None
        return bytes(found), at

    return read


def message(data: bytes, fields: Mapping[int, Read[int] | Read[bytes]]) -> dict[int, int | bytes]:
    """The fields of a message that is all of `data`, by their numbers. Raises Malformed.

    Fields that are not among `fields` are newer than this reader: they end what can be read, and are passed over only
    if the message says that they may be.
    """
    version, at = unsigned(data, 0)
    size, at = unsigned(data, at)
    required, at = unsigned(data, at)
    if version != _VERSION or size != len(data):
        raise Malformed(f"a message of version {version} and {size} bytes in {len(data)} bytes")
    found: dict[int, int | bytes] = {}
    last = -1
    while at < len(data):
        number, at = unsigned(data, at)
        if number <= last:
            raise Malformed(f"a message with field {number} after field {last}")
        if number not in fields:
            if number < required:
                raise Malformed(f"a message with the unknown field {number}")
            break
        found[number], at = fields[number](data, at)
        last = number
    return found
