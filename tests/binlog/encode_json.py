"""MySQL's binary JSON, written from the description in its sources (json_binary.h): small, large, nested, inlined."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.binlog import encode_values

SMALL_OBJECT, LARGE_OBJECT, SMALL_ARRAY, LARGE_ARRAY, LITERAL = 0, 1, 2, 3, 4
INT16, UINT16, INT32, UINT32, INT64, UINT64, DOUBLE, STRING, OPAQUE = 5, 6, 7, 8, 9, 10, 11, 12, 15
TYPE_DECIMAL, TYPE_TIMESTAMP, TYPE_DATE, TYPE_TIME, TYPE_DATETIME, TYPE_BLOB = 246, 7, 10, 11, 12, 252

_LITERALS = {None: 0, True: 1, False: 2}
_INTEGERS = {INT16: 2, UINT16: 2, INT32: 4, UINT32: 4, INT64: 8, UINT64: 8}
_INLINED = {False: (LITERAL, INT16, UINT16), True: (LITERAL, INT16, UINT16, INT32, UINT32)}


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value of a MySQL type that JSON has none for."""

    type: int
    data: bytes


def opaque_decimal(value: Decimal, precision: int, scale: int) -> Opaque:
    """A DECIMAL keeps its precision and scale before it."""
    return Opaque(TYPE_DECIMAL, bytes([precision, scale]) + encode_values.decimal(value, precision, scale))


def opaque_moment(kind: int, date: tuple[int, int, int], time: tuple[int, int, int, int], sign: int = 1) -> Opaque:
    """A DATE, TIME, DATETIME or TIMESTAMP is a packed number of eight bytes, lowest byte first."""
    (year, month, day), (hour, minute, second, microsecond) = date, time
    days = (year * 13 + month) << 5 | day
    whole = hour << 12 | minute << 6 | second if kind == TYPE_TIME else days << 17 | hour << 12 | minute << 6 | second
    return Opaque(kind, struct.pack("<q", sign * (whole << 24 | microsecond)))


def document(value: Any, *, large: bool = False) -> bytes:
    """A whole document. `large`: objects and arrays in their large form even where the small one would do."""
    kind, data = _value(value, large=large)
    return bytes([kind]) + data


def _value(value: Any, *, large: bool) -> tuple[int, bytes]:
    if isinstance(value, dict):
        pairs = sorted(((key.encode(), held) for key, held in value.items()), key=lambda one: (len(one[0]), one[0]))
        return _container(SMALL_OBJECT, [held for _, held in pairs], [key for key, _ in pairs], large=large)
    if isinstance(value, list):
        return _container(SMALL_ARRAY, value, None, large=large)
    return _scalar(value)


def _scalar(value: Any) -> tuple[int, bytes]:
    if value is None or isinstance(value, bool):
        return LITERAL, bytes([_LITERALS[value]])
    if isinstance(value, int):
        kind = _integer_type(value)
        return kind, encode_values.integer(value, _INTEGERS[kind])
    if isinstance(value, float):
        return DOUBLE, struct.pack("<d", value)
    if isinstance(value, Opaque):
        return OPAQUE, bytes([value.type]) + length(len(value.data)) + value.data
    data = value.encode()
    return STRING, length(len(data)) + data


def _integer_type(value: int) -> int:
    for kind, bits in ((INT16, 16), (UINT16, 16), (INT32, 32), (UINT32, 32), (INT64, 64)):
        signed = kind in {INT16, INT32, INT64}
        low, high = (-(1 << bits - 1), 1 << bits - 1) if signed else (0, 1 << bits)
        if low <= value < high:
            return kind
    return UINT64


def length(count: int) -> bytes:
    """Seven bits to a byte, lowest first; the high bit says that more follow."""
    found = bytearray()
    while count > 0x7F:
        found.append(count & 0x7F | 0x80)
        count >>= 7
    found.append(count)
    return bytes(found)


def _container(kind: int, values: Sequence[Any], keys: Sequence[bytes] | None, *, large: bool) -> tuple[int, bytes]:
    if not large:
        data = _layout(values, keys, large=False, within=False)
        if data is not None:
            return kind, data
    data = _layout(values, keys, large=True, within=large)
    assert data is not None
    return kind + 1, data


def _layout(values: Sequence[Any], keys: Sequence[bytes] | None, *, large: bool, within: bool) -> bytes | None:
    """Count, size, key entries, value entries, keys, values. None where two bytes cannot hold an offset."""
    size = 4 if large else 2
    word: Callable[[int], bytes] = lambda number: number.to_bytes(size, "little")  # noqa: E731 - the format's word
    encoded = [_value(value, large=within) for value in values]
    at = 2 * size + (0 if keys is None else (size + 2) * len(keys)) + (1 + size) * len(values)
    key_entries, value_entries, tail = b"", b"", b"".join(keys or ())
    try:
        for key in keys or ():
            key_entries += word(at) + struct.pack("<H", len(key))
            at += len(key)
        for kind, data in encoded:
            if kind in _INLINED[large]:
                value_entries += bytes([kind]) + data.ljust(size, b"\0")
            else:
                value_entries += bytes([kind]) + word(at)
                tail += data
                at += len(data)
        return word(len(values)) + word(at) + key_entries + value_entries + tail
    except OverflowError:
        return None
