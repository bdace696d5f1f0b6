"""MySQL's binary JSON, as the binlog holds it, to a document: dict, list, str, int, Decimal, bool, None.

What JSON itself does not have (dates, times, bytes within a document) becomes what MySQL prints for it, so that SELECT
and binlog agree. Layout: "json_binary.h" of the MySQL sources.

A document is read by offsets, which may be anything in a malformed one. So nothing is read that does not lie within the
container that points at it, nesting has MySQL's limit, and all entries, keys and strings together must not be longer
than the document is: no bytes are part of two values, so that reading takes no longer than what is there allows.
"""

import struct
from decimal import Decimal
from math import isfinite
from typing import Any, Final

from keymap.jsons import Json, json_of
from keyshift.binlog.errors import Malformed
from keyshift.binlog.opaque import opaque

DEPTH_MAX: Final = 100  # MySQL's limit

_SMALL_OBJECT, _LARGE_OBJECT, _SMALL_ARRAY, _LARGE_ARRAY, _LITERAL = 0, 1, 2, 3, 4
_INT16, _UINT16, _INT32, _UINT32, _INT64, _UINT64, _DOUBLE, _STRING, _OPAQUE = 5, 6, 7, 8, 9, 10, 11, 12, 15
_LITERALS: Final = {0: None, 1: True, 2: False}
_NUMBERS: Final = {
    kind: struct.Struct(form)
    for kind, form in {
        _INT16: "<h",
        _UINT16: "<H",
        _INT32: "<i",
        _UINT32: "<I",
        _INT64: "<q",
        _UINT64: "<Q",
        _DOUBLE: "<d",
    }.items()
}
_LENGTH_BYTES_MAX: Final = 5
# Of the small and the large form: count and size of a container, an entry for a key, an entry for a value.
_HEADERS: Final = (struct.Struct("<HH"), struct.Struct("<II"))
_KEYS: Final = (struct.Struct("<HH"), struct.Struct("<IH"))
_VALUES: Final = (struct.Struct("<BH"), struct.Struct("<BI"))


def canonical(data: bytes) -> Json:
    """The canonical form of the document. Raises Malformed."""
    return json_of(decode(data))


def decode(data: bytes) -> Any:  # noqa: ANN401 - a JSON document is any of its types
    """The document, every number exact. Raises Malformed. No bytes at all are what MySQL takes for the JSON null."""
    if not data:
        return None
    try:
        return _Document(data).value(data[0], 1, len(data), DEPTH_MAX)
    except (struct.error, IndexError):
        raise Malformed("a JSON document holds a value beyond its end") from None
    except UnicodeDecodeError:
        raise Malformed("a JSON document holds text that is not UTF-8") from None


class _Document:
    __slots__ = ("_data", "_left")

    def __init__(self, data: bytes) -> None:
        self._data, self._left = data, len(data)  # what entries, keys and strings may still take

    def value(self, kind: int, at: int, end: int, depth: int) -> Any:  # noqa: ANN401
        """The value of type `kind` at `at`, in a container that ends at `end`."""
        if kind == _STRING:
            return self._bytes(at, end).decode()
        if kind <= _LARGE_ARRAY:
            return self._container(kind, at, end, depth)
        if kind in _NUMBERS:
            return self._number(kind, at, end)
        if kind == _LITERAL:
            return _literal(self._data[at])
        if kind == _OPAQUE:
            return opaque(self._data[at], self._bytes(at + 1, end))
        raise Malformed(f"a JSON document holds a value of unknown type {kind}")

    def _number(self, kind: int, at: int, end: int) -> int | Decimal:
        form = _NUMBERS[kind]
        if at + form.size > end:
            raise Malformed("a JSON document holds a number beyond its end")
        (number,) = form.unpack_from(self._data, at)
        if kind != _DOUBLE:
            return int(number)
        if not isfinite(number):
            raise Malformed("a JSON document holds a number that is not finite")
        return Decimal(repr(number))

    def _bytes(self, at: int, end: int) -> bytes:
        """What stands behind its length: seven bits per byte, lowest first; the high bit says that more follow."""
        length, begin = self._data[at], at + 1
        if length & 0x80:
            length, begin = self._length(at)
        self._take(length)
        if begin + length > end:
            raise Malformed("a JSON document holds a string beyond its end")
        return self._data[begin : begin + length]

    def _length(self, at: int) -> tuple[int, int]:
        length = 0
        for index, byte in enumerate(self._data[at : at + _LENGTH_BYTES_MAX]):
            length |= (byte & 0x7F) << 7 * index
            if not byte & 0x80:
                return length, at + index + 1
        raise Malformed("a JSON document holds a length without an end")

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise Malformed("a JSON document holds values that lie within each other")

    def _container(self, kind: int, at: int, end: int, depth: int) -> Any:  # noqa: ANN401
        large, is_object = kind & 1, kind <= _LARGE_OBJECT
        count, size = _HEADERS[large].unpack_from(self._data, at)
        keys_at = at + _HEADERS[large].size
        values_at = keys_at + (count * _KEYS[large].size if is_object else 0)
        entries_end = values_at + count * _VALUES[large].size
        if at + size > end or entries_end > at + size:
            raise Malformed("a JSON document holds an object or array beyond its end")
        if not depth:
            raise Malformed(f"a JSON document is nested deeper than {DEPTH_MAX}")
        self._take(entries_end - at)
        values = self._values(large, values_at, entries_end, (at, at + size, depth - 1))
        if not is_object:
            return values
        found = dict(zip(self._keys(large, keys_at, values_at, (at, at + size)), values, strict=True))
        if len(found) != count:
            raise Malformed("a JSON document holds an object with a key twice")
        return found

    def _values(self, large: int, begin: int, end: int, within: tuple[int, int, int]) -> list[Any]:
        at, stop, depth = within
        data = self._data
        values: list[Any] = []
        for kind, stored in _VALUES[large].iter_unpack(data[begin:end]):
            if kind == _STRING and data[at + stored] < 0x80:  # noqa: PLR2004 - one byte of length: nearly all there are
                first = at + stored + 1
                last = first + data[first - 1]
                self._left -= last - first
                if last > stop or self._left < 0:
                    raise Malformed("a JSON document holds a string beyond its end")
                values.append(data[first:last].decode())
            elif kind == _INT16:
                values.append(((stored & 0xFFFF) ^ 0x8000) - 0x8000)
            elif kind == _UINT16:
                values.append(stored & 0xFFFF)
            elif kind == _LITERAL:
                values.append(_literal(stored & 0xFF))
            elif large and kind == _INT32:
                values.append((stored ^ 0x80000000) - 0x80000000)
            elif large and kind == _UINT32:
                values.append(stored)
            else:
                values.append(self.value(kind, at + stored, stop, depth))
        return values

    def _keys(self, large: int, begin: int, end: int, within: tuple[int, int]) -> list[str]:
        at, stop = within
        data = self._data
        keys = []
        for offset, length in _KEYS[large].iter_unpack(data[begin:end]):
            first = at + offset
            last = first + length
            self._left -= length
            if last > stop or self._left < 0:
                raise Malformed("a JSON document holds a key beyond its end")
            keys.append(data[first:last].decode())
        return keys


def _literal(number: int) -> bool | None:
    if number not in _LITERALS:
        raise Malformed(f"a JSON document holds an unknown literal {number}")
    return _LITERALS[number]
