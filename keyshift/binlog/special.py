"""Rare types as they are stored in a row image: temporal types from before MySQL 5.6, and types of one server alone.

As in stored.py each function reads one value: (data, begin) -> (value, end). Malformed is raised for what no server
writes. Found on MariaDB 10.11 and 11.8 and MySQL 9.7; tests/types runs all of it on those servers again.
"""

import datetime as dt
import zlib
from collections.abc import Callable
from typing import Final, TypeVar

from keyshift.binlog.errors import Malformed
from keyshift.binlog.fields import Read

_EPOCH: Final = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - TIMESTAMP is UTC, and travels naive
_UUID_BYTES, _INET4_BYTES, _INET6_BYTES, _FLOAT_BYTES = 16, 4, 16, 4
VALUE_BYTES_MAX: Final = 1 << 30  # the largest max_allowed_packet: no server holds a larger value

_Value = TypeVar("_Value", str, bytes)


def _taken(data: bytes, at: int, size: int) -> bytes:
    found = data[at : at + size]
    if len(found) < size:
        raise Malformed("a value reaches beyond the end of its event")
    return found


def _sized(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    """The bytes behind a length of `size` bytes, lowest first, and where they end."""
    begin = at + size
    length = int.from_bytes(_taken(data, at, size), "little")
    return _taken(data, begin, length), begin + length


def old_timestamp(data: bytes, at: int) -> tuple[str, int]:
    """TIMESTAMP: seconds since 1970 in UTC, four bytes, lowest first; 0 is the zero date."""
    seconds = int.from_bytes(_taken(data, at, 4), "little")
    text = (_EPOCH + dt.timedelta(seconds=seconds)).isoformat() if seconds else "0000-00-00T00:00:00"
    return f"{text}Z", at + 4


def old_datetime(data: bytes, at: int) -> tuple[str, int]:
    """DATETIME: the decimal number YYYYMMDDHHMMSS, eight bytes, lowest first."""
    number = int.from_bytes(_taken(data, at, 8), "little")
    date, time = divmod(number, 1_000_000)
    year, month, day = date // 10_000, date // 100 % 100, date % 100
    clock = _clock(time)
    if year > 9999 or month > 12 or day > 31 or clock is None or time >= 240_000:  # noqa: PLR2004 - a calendar's
        raise Malformed("a DATETIME in the old format is no date")
    return f"{year:04d}-{month:02d}-{day:02d}T{clock}", at + 8


def old_time(data: bytes, at: int) -> tuple[str, int]:
    """TIME: the decimal number [-]HHMMSS, three bytes, lowest first."""
    number = int.from_bytes(_taken(data, at, 3), "little", signed=True)
    clock = _clock(abs(number))
    if clock is None:
        raise Malformed("a TIME in the old format is none")
    return f"{'-' if number < 0 else ''}{clock}", at + 3


def _clock(number: int) -> str | None:
    """`HH:MM:SS` of the decimal number HHMMSS."""
    hours, minutes, seconds = number // 10_000, number // 100 % 100, number % 100
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}" if minutes < 60 and seconds < 60 and hours < 839 else None  # noqa: PLR2004


def _padded(size: int, width: int, text: Callable[[bytes], str]) -> Read:
    """What MariaDB logs as BINARY: zeros at the end are not stored."""

    def read(data: bytes, at: int) -> tuple[str, int]:
        found, end = _sized(data, at, size)
        if len(found) > width:
            raise Malformed(f"a value of {width} bytes has more")
        return text(found.ljust(width, b"\0")), end

    return read


def uuid(size: int) -> Read:
    """MariaDB's UUID. InnoDB keeps some versions in another order; the binlog has all in the order of the text."""
    return _padded(size, _UUID_BYTES, _uuid_text)


def inet4(size: int) -> Read:
    """MariaDB's INET4, "1.2.3.4"."""
    return _padded(size, _INET4_BYTES, _inet4_text)


def inet6(size: int) -> Read:
    """MariaDB's INET6 as the server prints it."""
    return _padded(size, _INET6_BYTES, inet6_text)


def _uuid_text(data: bytes) -> str:
    digits = data.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _inet4_text(data: bytes) -> str:
    return ".".join(map(str, data))


def inet6_text(address: bytes) -> str:
    """As the server prints it: the first of the longest runs of zeros as "::", and the addresses that embed one of
    version 4 with dots. Python's ipaddress writes such addresses otherwise.
    """
    words = [int.from_bytes(address[at : at + 2], "big") for at in range(0, len(address), 2)]
    begin, length = _longest_zeros(words)
    if begin == 0 and (length == 6 or (length == 5 and words[5] == 0xFFFF)):  # noqa: PLR2004 - ::a.b.c.d, ::ffff:a.b.c.d
        return f"::{'' if length == 6 else 'ffff:'}{_inet4_text(address[12:])}"  # noqa: PLR2004
    if not length:
        return _words_text(words)
    return f"{_words_text(words[:begin])}::{_words_text(words[begin + length :])}"


def _words_text(words: list[int]) -> str:
    return ":".join(f"{word:x}" for word in words)


def _longest_zeros(words: list[int]) -> tuple[int, int]:
    """Where the first of the longest runs of zeros begins, and its length."""
    best, run = (0, 0), 0
    for index, word in enumerate(words):
        run = 0 if word else run + 1
        if run > best[1]:
            best = (index - run + 1, run)
    return best


def compressed(size: int, convert: Callable[[bytes], _Value]) -> Read:
    """MariaDB's COMPRESSED strings, behind a length of `size` bytes; `convert` makes text (or bytes) of their bytes."""

    def read(data: bytes, at: int) -> tuple[_Value, int]:
        found, end = _sized(data, at, size)
        return convert(inflated(found)), end

    return read


_PLAIN, _ZLIB, _RAW = (
    0,
    8,
    8,
)  # of the header byte: its upper half is the method, bit 3 says "without zlib's own header"


def inflated(stored: bytes) -> bytes:
    """The bytes of a COMPRESSED value: nothing, or a header byte and the bytes themselves or what zlib made of them.

    The lowest three bits of the header are how many bytes of length (highest first) come before what zlib made.
    Inflation stops at that length; a value beyond 1 GiB, which no server holds, is refused before it begins.
    """
    if not stored:
        return b""
    method, width = stored[0] >> 4, stored[0] & 7
    if method == _PLAIN and stored[0] == 0:
        return stored[1:]
    if method != _ZLIB or not width:
        raise Malformed(f"a COMPRESSED value has the header {stored[0]:#04x}, which is not known")
    length = int.from_bytes(_taken(stored, 1, width), "big")
    if length > VALUE_BYTES_MAX:
        raise Malformed("a COMPRESSED value claims more than 1 GiB")
    inflater = zlib.decompressobj(-zlib.MAX_WBITS if stored[0] & _RAW else zlib.MAX_WBITS)
    try:
        found = inflater.decompress(stored[1 + width :], length + 1)  # 0 would mean without a bound
    except zlib.error as error:
        raise Malformed(f"a COMPRESSED value is not zlib's: {error}") from None
    if len(found) != length or not inflater.eof or inflater.unused_data:
        raise Malformed("a COMPRESSED value does not have the length that it claims")
    return found


def vector(size: int) -> Read:
    """VECTOR: its numbers as float32, lowest byte first, behind a length of `size` bytes."""

    def read(data: bytes, at: int) -> tuple[bytes, int]:
        found, end = _sized(data, at, size)
        if len(found) % _FLOAT_BYTES:
            raise Malformed("a VECTOR has a part of a number")
        return found, end

    return read
