"""The common types as they are stored in a row image: one function of (data, begin) -> (value, end) for each.

They are plain on purpose: they say what is right, and the faster decoders are tested against them. Layouts: "pack" of
the classes in MySQL's sql/field.cc, my_*_packed_to_binary in sql-common/my_time.cc.
A function that wants more bytes than there are raises Malformed or IndexError, or gives an end beyond them.
"""

import datetime as dt
import struct
from collections.abc import Callable, Sequence
from decimal import Decimal
from math import isfinite
from typing import Final, Literal

from keymap.values import Json, shortest_float32
from keyshift.binlog import jsonb
from keyshift.binlog.errors import Malformed
from keyshift.binlog.fields import Read

NOT_FINITE: Final = "a floating-point number is infinite or none"
NO_TIME: Final = "a time is none that a server writes"
_EPOCH: Final = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - TIMESTAMP is UTC, and travels naive
_YEAR_ZERO: Final = 1900
_TIMES_WHOLE_BYTES: Final = 3
_DATETIME_SIGN: Final = 39  # the bit that is always set
_SPARE_OF_TIME: Final = 22  # the bits of a TIME that stand for no hour


def _number(data: bytes, at: int, size: int, order: Literal["little", "big"]) -> int:
    if at + size > len(data):
        raise Malformed("a value reaches beyond the end of its event")
    return int.from_bytes(data[at : at + size], order)


def integer(size: int, *, signed: bool) -> Read:
    """An integer of `size` bytes, lowest first."""
    sign = 1 << 8 * size - 1 if signed else 0
    return lambda data, at: ((_number(data, at, size, "little") ^ sign) - sign, at + size)


def _real(form: str, convert: Callable[[float], Decimal]) -> Read:
    unpack = struct.Struct(form)

    def read(data: bytes, at: int) -> tuple[Decimal, int]:
        (value,) = unpack.unpack_from(data, at)
        if not isfinite(value):
            raise Malformed(NOT_FINITE)
        return convert(value), at + unpack.size

    return read


float32: Final = _real("<f", lambda value: Decimal(shortest_float32(value)))
double: Final = _real("<d", lambda value: Decimal(repr(value)))


def date(data: bytes, at: int) -> tuple[str, int]:
    """Day, month and year in 5, 4 and 15 bits; any of them may be zero."""
    number = _number(data, at, 3, "little")
    return f"{number >> 9:04d}-{number >> 5 & 15:02d}-{number & 31:02d}", at + 3


def year(data: bytes, at: int) -> tuple[int, int]:
    """Years since 1900; 0 is the year 0."""
    return data[at] + _YEAR_ZERO if data[at] else 0, at + 1


def bits(size: int) -> Read:
    """BIT: an unsigned integer, highest byte first."""
    return lambda data, at: (_number(data, at, size, "big"), at + size)


def _fractional(whole_bytes: int, scale: int) -> tuple[int, Callable[[int], tuple[int, str]]]:
    """The size of such a time, and a function that parts its number: the whole, and the fraction as text.

    Two digits of the fraction take a byte; of an odd number of digits the last one stored is zero.
    """
    extra = (scale + 1) // 2
    shift, stored_digits = 8 * extra, 2 * extra

    def split(number: int) -> tuple[int, str]:
        fraction = number & (1 << shift) - 1
        if fraction >= 10**stored_digits:
            raise Malformed(NO_TIME)
        return number >> shift, f".{fraction:0{stored_digits}d}"[: scale + 1] if scale else ""

    return whole_bytes + extra, split


def timestamp(scale: int) -> Read:
    """Seconds since 1970 in UTC; 0 is MySQL's zero date."""
    size, split = _fractional(4, scale)

    def read(data: bytes, at: int) -> tuple[str, int]:
        stored = _number(data, at, size, "big")
        whole, fraction = split(stored)
        text = (_EPOCH + dt.timedelta(seconds=whole)).isoformat() if stored else "0000-00-00T00:00:00"
        return f"{text}{fraction}Z", at + size

    return read


def datetime(scale: int) -> Read:
    """A sign (always set), 13 * year + month in 17 bits, day 5, hour 5, minute 6, second 6; then the fraction."""
    size, split = _fractional(5, scale)

    def read(data: bytes, at: int) -> tuple[str, int]:
        whole, fraction = split(_number(data, at, size, "big"))
        if not whole >> _DATETIME_SIGN:
            raise Malformed(NO_TIME)
        year, month = divmod(whole >> 22 & 0x1FFFF, 13)
        date = f"{year:04d}-{month:02d}-{whole >> 17 & 31:02d}"
        return f"{date}T{whole >> 12 & 31:02d}:{whole >> 6 & 63:02d}:{whole & 63:02d}{fraction}", at + size

    return read


def time(scale: int) -> Read:
    """Hours in 10 bits, minutes 6, seconds 6, then the fraction: all of it one number, moved up by its middle."""
    size, split = _fractional(_TIMES_WHOLE_BYTES, scale)
    zero = 1 << 8 * size - 1

    def read(data: bytes, at: int) -> tuple[str, int]:
        stored = _number(data, at, size, "big") - zero
        whole, fraction = split(abs(stored))
        if whole >> _SPARE_OF_TIME:
            raise Malformed(NO_TIME)
        sign = "-" if stored < 0 else ""
        return f"{sign}{whole >> 12:02d}:{whole >> 6 & 63:02d}:{whole & 63:02d}{fraction}", at + size

    return read


def enum(size: int, labels: Sequence[str]) -> Read:
    """The number of a label; 0 is what an invalid value was stored as, so `labels` begin with one for it."""

    def read(data: bytes, at: int) -> tuple[str, int]:
        number = _number(data, at, size, "little")
        if number >= len(labels):
            raise Malformed("an ENUM has a number beyond its labels")
        return labels[number], at + size

    return read


def members(size: int, labels: Sequence[str]) -> Read:
    """SET: one bit for each label."""

    def read(data: bytes, at: int) -> tuple[tuple[str, ...], int]:
        number = _number(data, at, size, "little")
        if number >> len(labels):
            raise Malformed("a SET has a member beyond its labels")
        return tuple(label for index, label in enumerate(labels) if number >> index & 1), at + size

    return read


def content(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    """The bytes behind a length of `size` bytes, lowest first, and where they end."""
    begin = at + size
    end = begin + _number(data, at, size, "little")
    if end > len(data):
        raise Malformed("a value reaches beyond the end of its event")
    return data[begin:end], end


def text(size: int, decode: Callable[[bytes], str] | None) -> Read:
    """A string in a character set; UTF-8 where `decode` is None."""
    decoded = decode or bytes.decode

    def read(data: bytes, at: int) -> tuple[str, int]:
        found, end = content(data, at, size)
        return decoded(found), end

    return read


def byte_string(size: int) -> Read:
    """VARBINARY, BLOB and GEOMETRY."""
    return lambda data, at: content(data, at, size)


def padded(size: int, width: int) -> Read:
    """BINARY: zeros at the end are not stored."""

    def read(data: bytes, at: int) -> tuple[bytes, int]:
        found, end = content(data, at, size)
        return found.ljust(width, b"\0"), end

    return read


def json(size: int) -> Read:
    """A document in MySQL's binary form."""

    def read(data: bytes, at: int) -> tuple[Json, int]:
        found, end = content(data, at, size)
        return jsonb.canonical(found), end

    return read
