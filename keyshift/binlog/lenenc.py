"""Length-encoded numbers, and fields written as type, length and value, as MySQL writes them into some events."""

from typing import Final

from keyshift.binlog.errors import Malformed

_WIDTHS: Final = {0xFC: 2, 0xFD: 3, 0xFE: 8}  # by the first byte; below 0xFB it is the number itself
_ONE_BYTE_MAX: Final = 0xFA
_END_OF_FIELDS: Final = 0


def number(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins at `at`, and where it ends. Raises Malformed."""
    if at >= len(data):
        raise Malformed("an event that ends where a number should begin")
    first = data[at]
    if first <= _ONE_BYTE_MAX:
        return first, at + 1
    if first not in _WIDTHS:
        raise Malformed(f"a number that begins with {first:#x}")
    end = at + 1 + _WIDTHS[first]
    if end > len(data):
        raise Malformed("an event that ends within a number")
    return int.from_bytes(data[at + 1 : end], "little"), end


def fields(data: bytes) -> tuple[dict[int, bytes], int]:
    """The values of the fields that `data` begins with, by type, and where they end: after type 0. Raises Malformed."""
    found: dict[int, bytes] = {}
    kind, at = number(data, 0)
    while kind != _END_OF_FIELDS:
        size, begin = number(data, at)
        if size > len(data) - begin or kind in found:
            raise Malformed(f"an event whose field {kind} does not fit")
        found[kind] = data[begin : begin + size]
        kind, at = number(data, begin + size)
    return found, at


def field_number(found: dict[int, bytes], kind: int) -> int:
    """The number that is the value of a field. Raises Malformed when there is none, or no number."""
    if kind not in found:
        raise Malformed(f"an event without its field {kind}")
    value, end = number(found[kind], 0)
    if end != len(found[kind]):
        raise Malformed(f"an event whose field {kind} is no number")
    return value
