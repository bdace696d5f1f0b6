"""Values of MySQL types within a JSON document, for which JSON has none: as what MySQL prints for them.

Layouts: Json_decimal, Json_datetime and Json_opaque of MySQL's sql-common/json_dom.h;
TIME_to_longlong_packed in sql-common/my_time.cc.
"""

import base64
import struct
from decimal import Decimal
from typing import Final

from keyshift.binlog.decimals import decimal, decimal_groups
from keyshift.binlog.errors import Malformed

_DECIMALS: Final = frozenset({0, 246})
_DATE, _TIMES, _DATETIMES = 10, frozenset({11, 19}), frozenset({7, 12, 14, 17, 18})
_DIGITS_MAX: Final = 81  # nine words of nine: the server logs 72 for some decimals of 65
_MICROSECONDS: Final = 1_000_000
_BASE64_LINE: Final = 76  # the server breaks base64 into lines of this length


def opaque(field_type: int, data: bytes) -> Decimal | str:
    """The value of a type by its number in the protocol. Raises Malformed."""
    if field_type in _DECIMALS:
        return _decimal(data)
    if field_type == _DATE or field_type in _DATETIMES:
        return _datetime(_packed(data), date_only=field_type == _DATE)
    if field_type in _TIMES:
        return _time(_packed(data))
    text = base64.b64encode(data).decode()
    lines = [text[begin : begin + _BASE64_LINE] for begin in range(0, len(text), _BASE64_LINE)]
    return f"base64:type{field_type}:" + "\n".join(lines)


def _packed(data: bytes) -> int:
    if len(data) != 8:  # noqa: PLR2004
        raise Malformed(f"a JSON document holds a time of {len(data)} bytes")
    (packed,) = struct.unpack("<q", data)
    if abs(packed) & 0xFFFFFF >= _MICROSECONDS:
        raise Malformed("a JSON document holds a time with too large a fraction of a second")
    return int(packed)


def _datetime(packed: int, *, date_only: bool) -> str:
    if packed < 0:
        raise Malformed("a JSON document holds a negative date")
    whole, fraction = packed >> 24, packed & 0xFFFFFF
    year, month = divmod(whole >> 22, 13)
    date = f"{year:04d}-{month:02d}-{whole >> 17 & 31:02d}"
    return date if date_only else f"{date} {_clock(whole >> 12 & 31, whole, fraction)}"


def _time(packed: int) -> str:
    sign, packed = ("-", -packed) if packed < 0 else ("", packed)
    whole, fraction = packed >> 24, packed & 0xFFFFFF
    return sign + _clock(whole >> 12, whole, fraction)


def _clock(hours: int, whole: int, fraction: int) -> str:
    return f"{hours:02d}:{whole >> 6 & 63:02d}:{whole & 63:02d}.{fraction:06d}"


def _decimal(data: bytes) -> Decimal:
    """Precision, scale, then the number itself."""
    precision, scale = data[0], data[1]
    if not scale <= precision <= _DIGITS_MAX or not precision:
        raise Malformed(f"a JSON document holds a decimal of {precision} digits, {scale} of them behind the point")
    if len(data) != 2 + sum(width for _, width in decimal_groups(precision, scale)):
        raise Malformed(f"a JSON document holds a decimal of {len(data)} bytes")
    value, _ = decimal(precision, scale)(data, 2)
    return value
