"""What a hook may return as a column's value, and the canonical value that it stands for."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from math import log10
from types import MappingProxyType
from typing import Any, Final

from keymap.jsons import Json, json_document, json_text
from keymap.values import Canonical

_DIGITS_MAX: Final = 1000  # before and after the point: no database has a number of more, and each is written out
_BITS_MAX: Final = int(_DIGITS_MAX / log10(2))


def canonical(value: object) -> Canonical:
    """The canonical value that `value` is, or stands for. Raises ValueError, naming its type, where there is none.

    A bool is 1 or 0, as in MySQL; a float its shortest digits; a dict or list the JSON document.
    """
    if value is None:
        return None
    convert = _CONVERSIONS.get(type(value))
    if convert is None:
        raise ValueError(f"a value of type {type(value).__name__}")
    try:
        return convert(value)
    except RecursionError:
        raise ValueError("a document that is nested too deep") from None


def _integer(value: int) -> int:
    if value.bit_length() > _BITS_MAX:
        raise ValueError("a number beyond all ranges")
    return int(value)


def _number(value: Decimal) -> Decimal:
    if not value.is_finite():
        raise ValueError("a number that is not finite")
    if len(value.as_tuple().digits) > _DIGITS_MAX or abs(value.adjusted()) > _DIGITS_MAX:
        raise ValueError("a number beyond all ranges")
    return value


def _text(value: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("a text with half a character, which UTF-8 cannot hold") from None
    return value


def _set(value: tuple[object, ...]) -> tuple[str, ...]:
    for member in value:
        if type(member) is not str:
            raise ValueError(f"a tuple with a value of type {type(member).__name__}")
    return tuple(dict.fromkeys(_text(str(member)) for member in value))


def _json(value: Json) -> Json:
    return json_text(value.text)  # a hook may have made it of any text


def _document(value: object) -> Json:
    return json_document(_plain(value))


def _plain(value: object) -> object:
    """A document whose names are all text, and in which Json counts as what it holds."""
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            raise ValueError("a dict with a key that is no text")
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return _json(value).document() if isinstance(value, Json) else value


def _same(value: bytes) -> bytes:
    return value


_CONVERSIONS: Final[Mapping[type, Callable[[Any], Canonical]]] = MappingProxyType(
    {
        int: _integer,
        bool: int,
        Decimal: _number,
        float: lambda value: _number(Decimal(repr(value))),
        str: _text,
        bytes: _same,
        tuple: _set,
        Json: _json,
        dict: _document,
        list: _document,
    }
)
