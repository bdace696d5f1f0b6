"""MySQL's binary JSON, as the binlog holds it, to a document: dict, list, str, int, float, Decimal, bool, None.

What JSON itself does not have (dates, times, decimals, bytes within a document) becomes what MySQL prints for it, so
that SELECT and binlog agree. Layout: "json_binary.h" of the MySQL sources. Read by offsets; nothing is copied but text.
"""

import base64
import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

_SMALL_OBJECT, _LARGE_OBJECT, _SMALL_ARRAY, _LARGE_ARRAY, _LITERAL = 0, 1, 2, 3, 4
_INT16, _UINT16, _INT32, _UINT32, _INT64, _UINT64, _DOUBLE, _STRING, _OPAQUE = 5, 6, 7, 8, 9, 10, 11, 12, 15
_LITERALS: Final = {0: None, 1: True, 2: False}
_NUMBERS: Final[dict[int, Callable[..., tuple[Any, ...]]]] = {
    kind: struct.Struct(form).unpack_from
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
_DECIMALS: Final = frozenset({0, 246})
_DATE, _TIMES, _DATETIMES = 10, frozenset({11, 19}), frozenset({7, 12, 17, 18})
_DIGIT_BYTES: Final = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)  # bytes for so many decimal digits
_DIGITS_PER_WORD = 9
_BASE64_LINE = 76  # the server breaks base64 into lines of this length


def decode(data: bytes) -> Any:  # noqa: ANN401 - a JSON document is any of its types
    """The document. Raises ValueError, IndexError or struct.error where the bytes are no document."""
    return _value(data[0], data, 1) if data else None  # MySQL takes an empty value for the JSON null


def _value(kind: int, data: bytes, at: int) -> Any:  # noqa: ANN401
    if kind in _NUMBERS:
        return _NUMBERS[kind](data, at)[0]
    if kind == _STRING:
        length, begin = _length(data, at)
        return data[begin : begin + length].decode()
    if kind == _LITERAL:
        return _literal(data[at])
    if kind <= _LARGE_ARRAY:
        return _container(kind, data, at)
    if kind == _OPAQUE:
        length, begin = _length(data, at + 1)
        return _opaque(data[at], data[begin : begin + length])
    raise ValueError(f"a JSON document holds a value of unknown type {kind}")


def _literal(number: int) -> bool | None:
    if number not in _LITERALS:
        raise ValueError(f"a JSON document holds an unknown literal {number}")
    return _LITERALS[number]


def _length(data: bytes, at: int) -> tuple[int, int]:
    """A length of seven bits per byte, lowest first, and where it ends."""
    length = shift = 0
    while True:
        byte = data[at]
        length |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:  # noqa: PLR2004 - the high bit says that more follows
            return length, at


def _container(kind: int, data: bytes, at: int) -> Any:  # noqa: ANN401
    large = kind in {_LARGE_OBJECT, _LARGE_ARRAY}
    is_object = kind in {_SMALL_OBJECT, _LARGE_OBJECT}
    offset_form, width = ("<I", 4) if large else ("<H", 2)
    (count,) = struct.unpack_from(offset_form, data, at)
    keys_at = at + 2 * width
    values_at = keys_at + (count * (width + 2) if is_object else 0)
    inline = {_LITERAL, _INT16, _UINT16} | ({_INT32, _UINT32} if large else set())
    values = []
    for entry in range(values_at, values_at + count * (width + 1), width + 1):
        inside = data[entry]
        where = entry + 1 if inside in inline else at + struct.unpack_from(offset_form, data, entry + 1)[0]
        values.append(_value(inside, data, where))
    if not is_object:
        return values
    names = (_key(data, at, entry, offset_form, width) for entry in range(keys_at, values_at, width + 2))
    return dict(zip(names, values, strict=True))


def _key(data: bytes, at: int, entry: int, offset_form: str, width: int) -> str:
    begin = at + struct.unpack_from(offset_form, data, entry)[0]
    (length,) = struct.unpack_from("<H", data, entry + width)
    return data[begin : begin + length].decode()


def _opaque(field_type: int, data: bytes) -> Decimal | str:
    if field_type in _DECIMALS:
        return decimal(data[2:], data[0], data[1])
    if field_type == _DATE or field_type in _DATETIMES:
        return _datetime(*struct.unpack("<q", data), date_only=field_type == _DATE)
    if field_type in _TIMES:
        return _time(*struct.unpack("<q", data))
    text = base64.b64encode(data).decode()
    lines = [text[begin : begin + _BASE64_LINE] for begin in range(0, len(text), _BASE64_LINE)]
    return f"base64:type{field_type}:" + "\n".join(lines)


def _datetime(packed: int, *, date_only: bool) -> str:
    whole, fraction = packed >> 24, packed & 0xFFFFFF
    day, months = whole >> 17 & 31, whole >> 22
    date = f"{months // 13:04d}-{months % 13:02d}-{day:02d}"
    return date if date_only else f"{date} {whole >> 12 & 31:02d}:{whole >> 6 & 63:02d}:{whole & 63:02d}.{fraction:06d}"


def _time(packed: int) -> str:
    sign, packed = ("-", -packed) if packed < 0 else ("", packed)
    whole, fraction = packed >> 24, packed & 0xFFFFFF
    return f"{sign}{whole >> 12 & 1023:02d}:{whole >> 6 & 63:02d}:{whole & 63:02d}.{fraction:06d}"


def decimal(data: bytes, precision: int, scale: int) -> Decimal:
    """MySQL's binary decimal: groups of nine digits, the highest bit the sign, all bits inverted when negative."""
    negative = not data[0] & 0x80
    first = bytes([data[0] ^ 0x80]) + data[1:]
    plain = bytes(byte ^ 0xFF for byte in first) if negative else first
    text, at = "", 0
    for digits in _groups(precision - scale, leading=True) + _groups(scale, leading=False):
        size = _DIGIT_BYTES[digits]
        text += f"{int.from_bytes(plain[at : at + size], 'big'):0{digits}d}" if digits else ""
        at += size
    return Decimal((int(negative), tuple(map(int, text or "0")), -scale))


def _groups(digits: int, *, leading: bool) -> list[int]:
    """How digits are grouped: the odd ones come first before the point, and last behind it."""
    words, odd = divmod(digits, _DIGITS_PER_WORD)
    return [odd] + [_DIGITS_PER_WORD] * words if leading else [_DIGITS_PER_WORD] * words + [odd]
