r"""JSON documents in one canonical text, so that equal documents are equal whichever way they were read.

Canonical text: keys sorted by code point, no blanks, UTF-8 with only the escapes that JSON requires (and ``\udXXX``
for a surrogate that stands alone, which UTF-8 cannot hold), numbers by value (1.0, 1e0 and 1 are "1"; -0 is "0"). Of
a key that is there twice, the last counts.

`orjson` writes it. What orjson cannot write (integers beyond 64 bits, lone surrogates, nesting beyond 254) is written
by the plain functions at the end, which are also the specification that the fast way is tested against.
"""

import json
import re
from dataclasses import dataclass
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, InvalidOperation
from typing import Any, Final

import orjson

_WHOLE_DIGITS_MAX: Final = 38  # DynamoDB's digits: whole numbers up to here are written in full
_INT_TEXT_MAX: Final = (
    4000  # digits: longer ones are not for int(), whose time is quadratic and which refuses over 4300
)
_WHOLE_END: Final = 10**_WHOLE_DIGITS_MAX
_EXPONENT_MAX: Final = 999_999  # what arithmetic on decimals takes without asking; no database computes with more
_TOO_FAR: Final = "a JSON document holds a number beyond all ranges"
_TOO_DEEP: Final = "a JSON document is nested too deep"
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_CANONICAL_FRACTION: Final = re.compile(r"(?!-?0\.00000)-?\d{1,30}\.\d*[1-9]").fullmatch
_EXACT: Final = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])  # normalizes without ever rounding


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON document as canonical text. Built by `json_text`, `json_of` or `json_document`."""

    text: str

    def document(self) -> Any:  # noqa: ANN401 - a JSON document is any of its types
        """The document, every number exact: int or Decimal."""
        return _parse_canonical(self.text)


def quick_document(text: str) -> Any:  # noqa: ANN401 - a JSON document is any of its types
    """The document of any JSON text, in a part of the time that exact numbers take.

    It is exact where no float is in it: one stands for a fraction, an exponent, or an integer beyond 64 bits. Raises
    ValueError also for some text that is JSON.
    """
    return orjson.loads(text)


def lost_nothing(found: object, text: str) -> bool:
    """Whether the floats that `quick_document` gave have in their shortest digits all that the text says of them.

    They do where the document is written just as it was. Blanks do not count: none is in a number, and without them no
    two numbers come together. Raises TypeError where it is nested deep.
    """
    written = orjson.dumps(found).decode()
    return written == text or written.replace(" ", "") == text.replace(" ", "")


def shortest_digits(number: float) -> str:
    """The shortest digits of a float, with an `e` where they are far from the point."""
    return orjson.dumps(number).decode()


def json_text(text: str | bytes) -> Json:
    """The canonical form of a document given as JSON text (bytes: UTF-8). Raises ValueError where it is not JSON."""
    source = text if isinstance(text, str) else text.decode()
    try:
        return Json(orjson.dumps(_fast_parse(source), option=orjson.OPT_SORT_KEYS).decode())
    except (TypeError, ValueError, RecursionError):
        return json_document(_parsed(source))


def json_of(document: object) -> Json:
    """The canonical form of a document whose numbers are exact: dict, list, str, int, Decimal, bool and None only.

    No float: see `json_document`. The types are not checked, because whoever decodes binary JSON made them.
    """
    try:
        return Json(orjson.dumps(document, _fragment, orjson.OPT_SORT_KEYS).decode())
    except TypeError:
        return json_document(document)


def json_document(document: object) -> Json:
    """The canonical form of any decoded document (dict, list, str, int, float, Decimal, bool, None).

    A float counts as its shortest digits. Raises ValueError on any other type within, and on endless or absurd depth.
    """
    try:
        return Json(_document(document))
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def number_text(number: Decimal) -> str:
    """The one text of a number: whole numbers of up to 38 digits in full, no zeros that say nothing, no negative zero.

    Raises ValueError for NaN and infinity.
    """
    if not number.is_finite():
        raise ValueError("a JSON document holds a number that is not finite")
    short = _EXACT.normalize(number)
    text = str(short)
    if "E" not in text and len(text) <= _WHOLE_DIGITS_MAX:
        return text if short else "0"
    if short != short.to_integral_value():
        return text
    return str(int(short)) if short.adjusted() < _WHOLE_DIGITS_MAX else f"{short:E}"


def _parsed(source: str) -> object:
    try:
        return _exact_parse(source)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def _fragment(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(number_text(value))
    raise TypeError


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(_TOO_FAR) from None
    if number and abs(number.adjusted()) > _EXPONENT_MAX:
        raise ValueError(_TOO_FAR)
    return number


def _written(text: str) -> orjson.Fragment:
    return orjson.Fragment(text if _CANONICAL_FRACTION(text) else number_text(_decimal(text)))


def _whole(text: str) -> int | Decimal:
    return int(text) if len(text) <= _INT_TEXT_MAX else _decimal(text)


def _constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


# Both are parsers of the C library's speed. The first makes what orjson writes, the second what is exact.
_fast_parse: Final = json.JSONDecoder(parse_float=_written, parse_constant=_constant).decode
_exact_parse: Final = json.JSONDecoder(parse_float=_decimal, parse_int=_whole, parse_constant=_constant).decode
_parse_canonical: Final = json.JSONDecoder(parse_float=Decimal).decode  # of text that has no integer of absurd length


def _document(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{_string(key)}:{_document(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_document, value)) + "]"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, float | Decimal):
        return number_text(Decimal(repr(value)) if isinstance(value, float) else value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value) if -_WHOLE_END < value < _WHOLE_END else number_text(Decimal(value))
    raise ValueError(f"a JSON document holds a value of type {type(value).__name__}, which is not read yet")


def _string(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    return _LONE_SURROGATE.sub(lambda found: f"\\u{ord(found.group()):04x}", quoted)
