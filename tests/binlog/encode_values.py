"""Values of columns as MySQL stores them in a row image, written from the format's documentation, not from our reader.

Each function gives the bytes of one value that is not NULL. Sources: MySQL's internals manual (temporal types, DECIMAL)
and the comments of its sources on the binary log and on the binary JSON format.
"""

import struct
from decimal import Decimal

_BYTES_OF_DIGITS = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)
_GROUP = 9


def integer(value: int, size: int) -> bytes:
    """A signed or unsigned integer (ENUM's number and SET's bits too), lowest byte first."""
    return (value % (1 << 8 * size)).to_bytes(size, "little")


def bits(value: int, size: int) -> bytes:
    """BIT: highest byte first."""
    return value.to_bytes(size, "big")


def single(value: float) -> bytes:
    """FLOAT."""
    return struct.pack("<f", value)


def double(value: float) -> bytes:
    """DOUBLE."""
    return struct.pack("<d", value)


def year(value: int) -> bytes:
    """YEAR: counted from 1900, and 0 for the year 0."""
    return bytes([value - 1900 if value else 0])


def decimal(value: Decimal, precision: int, scale: int) -> bytes:
    """DECIMAL: groups of nine digits, what is left over at the outer ends, the sign in the first bit."""
    digits = f"{value.copy_abs():.{scale}f}".replace(".", "").rjust(precision, "0")[-precision:]
    whole, fraction = digits[: precision - scale], digits[precision - scale :]
    over = len(whole) % _GROUP
    groups = [whole[:over], *(whole[at : at + _GROUP] for at in range(over, len(whole), _GROUP))]
    groups += [fraction[at : at + _GROUP] for at in range(0, len(fraction), _GROUP)]
    data = b"".join(int(group or "0").to_bytes(_BYTES_OF_DIGITS[len(group)], "big") for group in groups)
    if value < 0:
        data = bytes(byte ^ 0xFF for byte in data)
    return bytes([data[0] ^ 0x80]) + data[1:]


def date(year_: int, month: int, day: int) -> bytes:
    """DATE: five bits for the day, four for the month, the year above them."""
    return integer(year_ << 9 | month << 5 | day, 3)


def fraction(microsecond: int, digits: int) -> bytes:
    """The fraction of a second in as many bytes as its digits need: hundredths, ten-thousandths or millionths."""
    size = (digits + 1) // 2
    return (microsecond // 10 ** (6 - 2 * size)).to_bytes(size, "big")


def datetime2(date_: tuple[int, int, int], time: tuple[int, int, int, int], digits: int) -> bytes:
    """DATETIME of MySQL 5.6 and later; the time is hours, minutes, seconds and microseconds."""
    (year_, month, day), (hour, minute, second, microsecond) = date_, time
    packed = (year_ * 13 + month) << 22 | day << 17 | hour << 12 | minute << 6 | second
    return (packed + (1 << 39)).to_bytes(5, "big") + fraction(microsecond, digits)


def timestamp2(seconds: int, microsecond: int, digits: int) -> bytes:
    """TIMESTAMP of MySQL 5.6 and later: seconds since 1970."""
    return seconds.to_bytes(4, "big") + fraction(microsecond, digits)


def time2(sign: int, time: tuple[int, int, int, int], digits: int) -> bytes:
    """TIME of MySQL 5.6 and later: the whole with its fraction is one signed number, offset so that it sorts."""
    hour, minute, second, microsecond = time
    part = fraction(microsecond, digits)
    bits_of_fraction = 8 * len(part)
    packed = (hour << 12 | minute << 6 | second) << bits_of_fraction | int.from_bytes(part, "big")
    return (sign * packed + (1 << 23 + bits_of_fraction)).to_bytes(3 + len(part), "big")


def old_datetime(date_: tuple[int, int, int], time: tuple[int, int, int]) -> bytes:
    """DATETIME before MySQL 5.6: the decimal number YYYYMMDDhhmmss."""
    number = 0
    for part in (*date_, *time):
        number = number * 100 + part
    return integer(number, 8)


def old_time(sign: int, time: tuple[int, int, int]) -> bytes:
    """TIME before MySQL 5.6: the decimal number hhmmss with its sign."""
    hour, minute, second = time
    return integer(sign * (hour * 10_000 + minute * 100 + second), 3)


def prefixed(data: bytes, size: int) -> bytes:
    """Text and bytes of any kind: their length in `size` bytes, then they themselves."""
    return len(data).to_bytes(size, "little") + data
