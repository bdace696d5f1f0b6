"""MySQL's binary decimal, of columns and within JSON documents: decimal2bin in strings/decimal.cc."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from keyshift.binlog.errors import Malformed

TOO_LARGE: Final = "a decimal has a group of digits that is too large"
_DIGIT_BYTES: Final = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)  # bytes for so many decimal digits
_DIGITS_PER_WORD: Final = 9


def decimal_groups(precision: int, scale: int) -> list[tuple[int, int]]:
    """The digits and the bytes of each group: nine digits in four bytes; odd ones are outermost on both sides."""
    whole, odd_whole = divmod(precision - scale, _DIGITS_PER_WORD)
    fraction, odd_fraction = divmod(scale, _DIGITS_PER_WORD)
    digits = [odd_whole, *[_DIGITS_PER_WORD] * (whole + fraction), odd_fraction]
    return [(count, _DIGIT_BYTES[count]) for count in digits if count]


def decimal(precision: int, scale: int) -> Callable[[bytes, int], tuple[Decimal, int]]:
    """MySQL's binary decimal: the highest bit is set unless negative, and then all bits are inverted."""
    groups = decimal_groups(precision, scale)
    size = sum(width for _, width in groups)
    sign = 1 << 8 * size - 1

    def read(data: bytes, at: int) -> tuple[Decimal, int]:
        if at + size > len(data):
            raise Malformed("a value reaches beyond the end of its event")
        stored = int.from_bytes(data[at : at + size], "big") ^ sign
        negative = bool(stored & sign)
        plain = stored ^ (2 * sign - 1) if negative else stored
        number = _digits(plain.to_bytes(size, "big"), groups)
        text = f"{number:0{scale + 1}d}"
        point = len(text) - scale
        return Decimal(f"{'-' if negative and number else ''}{text[:point]}.{text[point:]}"), at + size

    return read


def _digits(plain: bytes, groups: Sequence[tuple[int, int]]) -> int:
    number = at = 0
    for digits, width in groups:
        group = int.from_bytes(plain[at : at + width], "big")
        if group >= 10**digits:
            raise Malformed(TOO_LARGE)
        number, at = number * 10**digits + group, at + width
    return number
