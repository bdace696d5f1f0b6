"""Keys that may lie between two keys of a table: guesses, for which nothing needs to exist, and which decide nothing.

Python does not know a collation's order. So a guess may lie anywhere; the server is asked what is up to it and what is
behind it (keyshift.mysql.key_ranges), and a guess that has nothing on one side is dropped.
"""

import string
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from keymap.schema import Column
from keymap.values import Canonical
from keyshift.mysql.keys import TEXTS, Key

_LETTERS: Final = string.digits + string.ascii_lowercase  # in the order of most collations
_PLACES: Final = 4  # letters or bytes of a guess, behind what both keys begin with: a millionth of a range
_BYTES: Final = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_MOMENTS: Final = frozenset({"date", "datetime", "timestamp"})


def keys_between(columns: Sequence[Column], low: Key, high: Key) -> Iterator[Key]:
    """Guesses, the best one first: first values of a key, up to which about half of the rows may be."""
    for index, (column, one, other) in enumerate(zip(columns, low, high, strict=True)):
        if one != other:
            middle = _middle(column, one, other)
            if middle is not None:
                yield (*low[:index], middle)
            yield low[: index + 1]  # all that begin as the lowest does
            return


def _middle(column: Column, low: Canonical, high: Canonical) -> Canonical:
    if isinstance(low, int) and isinstance(high, int):
        return (low + high) // 2
    if isinstance(low, int | Decimal) and isinstance(high, int | Decimal):
        return (Decimal(low) + Decimal(high)) / 2
    if isinstance(low, bytes) and isinstance(high, bytes) and column.data_type in _BYTES:
        return _middle_bytes(low, high)
    if not isinstance(low, str) or not isinstance(high, str):
        return None
    if column.data_type in _MOMENTS:
        return _middle_moment(low, high)
    return _middle_text(low, high) if column.data_type in TEXTS else None


def _same(low: Sequence[object], high: Sequence[object]) -> int:
    """How many places both begin with."""
    pairs = enumerate(zip(low, high, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(low), len(high)))


def _middle_bytes(low: bytes, high: bytes) -> bytes:
    at = _same(low, high)
    numbers = (int.from_bytes(part[at : at + _PLACES].ljust(_PLACES, b"\0")) for part in (low, high))
    return low[:at] + (sum(numbers) // 2).to_bytes(_PLACES)


def _middle_text(low: str, high: str) -> str | None:
    """By letters and digits; None where there are others."""
    at = _same(low, high)
    parts = [part[at : at + _PLACES] for part in (low, high)]
    letters = "".join(parts)
    if not all(letter in _LETTERS for letter in letters.lower()):
        return None
    base = len(_LETTERS)
    number = sum(int(part.lower().ljust(_PLACES, "0"), base) for part in parts) // 2
    found = "".join(_LETTERS[number // base**place % base] for place in reversed(range(_PLACES)))
    return low[:at] + (found.upper() if letters.isupper() else found)


def _middle_moment(low: str, high: str) -> str | None:
    try:
        one, other = (datetime.fromisoformat(text.removesuffix("Z")) for text in (low, high))
    except ValueError:  # a zero date, or 31 February
        return None
    middle = one + (other - one) / 2
    return middle.date().isoformat() if len(low) == len("2024-01-02") else middle.isoformat()
