"""From canonical values to DynamoDB's typed attributes, and the service's limits on them.

Sources of the limits: the DynamoDB developer guide ("Constraints", "Item sizes and formats"), tried on DynamoDB Local.
"""

import binascii
from collections.abc import Callable
from decimal import Context, Decimal
from typing import Any

import orjson

from keymap.jsons import lost_nothing, quick_document, shortest_digits
from keymap.nesting import LEVELS_MAX, NAME_CHARACTERS_SAFE, EmptyName, TooDeep, require_names
from keymap.patch import Item
from keymap.values import Canonical, Json

NUMBER_DIGITS_MAX = 38
NUMBER_EXPONENT_MIN, NUMBER_EXPONENT_MAX = -130, 125  # of the leading digit: 1E-130 to 9.99E+125
ITEM_BYTES_MAX = 400 * 1024  # names included
PARTITION_KEY_BYTES_MAX, SORT_KEY_BYTES_MAX = 2048, 1024

Attribute = dict[str, Any]

INTEGER_END = 10**NUMBER_DIGITS_MAX
_EXACT = Context(prec=1000)  # more digits than any MySQL number has: normalizing never rounds


def number(value: int | Decimal) -> Attribute:
    """N where DynamoDB can hold the number exactly, else S with all its digits."""
    if isinstance(value, int) and -INTEGER_END < value < INTEGER_END:
        return {"N": str(value)}
    text = str(value)
    if "." in text and len(text) <= NUMBER_DIGITS_MAX and "E" not in text:  # nearly all there are
        text = text.rstrip("0").rstrip(".")  # zeros count as digits for the service's check, but say nothing
        if text[-1] != "0":
            return {"N": text}
    short = Decimal(value).normalize(_EXACT)
    if not short:
        return {"N": "0"}
    text = str(short)
    fits = len(short.as_tuple().digits) <= NUMBER_DIGITS_MAX
    in_range = NUMBER_EXPONENT_MIN <= short.adjusted() <= NUMBER_EXPONENT_MAX
    return {"N": text} if fits and in_range else {"S": str(value)}


def key_number(value: int | Decimal) -> int | Decimal:
    """A number in the one form that equal keys share: 1, 1.0 and 1E+0 are one key to DynamoDB."""
    whole = int(value)
    return whole if whole == value else Decimal(value).normalize(_EXACT)


def attribute(value: Canonical, room: int = LEVELS_MAX) -> Attribute | None:
    """The attribute of a canonical value; None where there is none to store (NULL; an empty SET: no set is empty).

    Raises NotTaken for a document that DynamoDB does not take where `room` lists and maps may be within each other.
    """
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int | Decimal):
        return number(value)
    if value is None or value == ():
        return None
    if isinstance(value, bytes):
        return {"B": value}
    if isinstance(value, Json):
        return json_attribute(value, room)
    return {"SS": list(value)}


def json_attribute(value: Json, room: int = LEVELS_MAX) -> Attribute:
    """A JSON document as M, L, S, N, BOOL or NULL. Raises NotTaken, as `attribute` does."""
    quick = json_text_attribute(value.text, room)
    if quick:
        return quick
    found = value.document()
    made = document(found, _inexact, room)
    if len(value.text) > NAME_CHARACTERS_SAFE:
        require_names(found, value.text)
    return made


def json_text_attribute(text: str, room: int = LEVELS_MAX) -> Attribute | None:
    """The same of a document given as any JSON text; None where it takes the long way, by its canonical form."""
    try:
        found = quick_document(text)
        try:
            made = document(found, _inexact, room)
        except _Inexact:
            if not lost_nothing(found, text):
                return None
            made = document(found, _shortest, room)
    except (TypeError, ValueError, RecursionError):
        return None
    if len(text) > NAME_CHARACTERS_SAFE:
        require_names(found, text)
    return made


class _Inexact(ValueError):
    """A document holds a float, which may not be all that its text says."""


def _inexact(_value: float) -> Attribute:
    raise _Inexact


def _shortest(value: float) -> Attribute:
    """A float whose shortest digits are those of its text, as the canonical form has it."""
    digits = shortest_digits(value)
    if "e" in digits:
        raise _Inexact
    return number(int(digits[:-2]) if digits.endswith(".0") else Decimal(digits))


def document(value: Any, of_float: Callable[[float], Attribute] = _inexact, room: int = LEVELS_MAX) -> Attribute:  # noqa: ANN401 - any type
    """A decoded JSON document, its numbers exact, as M, L, S, N, BOOL or NULL. Long names are not looked at.

    Raises NotTaken where a name is empty, or more than `room` lists and maps are within each other.
    """
    kind = type(value)
    if kind is str:
        return {"S": value}
    if kind is dict:  # the texts within are done here, because a call for each would double the time
        if room < 1 or "" in value:
            raise TooDeep if room < 1 else EmptyName
        left = room - 1
        return {
            "M": {
                name: {"S": one} if type(one) is str else document(one, of_float, left) for name, one in value.items()
            }
        }
    if kind is list:
        if room < 1:
            raise TooDeep
        left = room - 1
        return {"L": [{"S": one} if type(one) is str else document(one, of_float, left) for one in value]}
    if kind is bool:
        return {"BOOL": value}
    if value is None:
        return {"NULL": True}
    return of_float(value) if kind is float else number(value)


def _bytes_of(attribute: Attribute) -> int:
    ((kind, value),) = attribute.items()
    if kind == "S":
        return _length(value)
    if kind in {"M", "L"}:
        pairs = value.items() if kind == "M" else (("", inner) for inner in value)
        return 3 + sum([1 + _length(name) + _bytes_of(inner) for name, inner in pairs])
    if kind == "B":
        return len(value)
    if kind == "N":
        return _number_bytes(value)
    if kind in {"SS", "NS", "BS"}:
        return sum(_bytes_of({kind[0]: inner}) for inner in value)
    return 1


def _number_bytes(text: str) -> int:
    """A byte for each two digits, counted from the decimal point, between the first and the last that are not zero; one
    more, and one for a minus sign.
    """
    positive = text.lstrip("-")
    if positive.isdecimal():
        zeros = len(positive) - len(positive.rstrip("0"))
        pairs = (len(positive) + 1) // 2 - zeros // 2
        return 1 if zeros == len(positive) else pairs + 1 + len(text) - len(positive)
    sign, digits, exponent = Decimal(text).normalize(_EXACT).as_tuple()
    assert isinstance(exponent, int)
    return (exponent + len(digits) - 1) // 2 - exponent // 2 + 2 + sign


def item_size(item: Item) -> int:
    """The item's size in bytes by DynamoDB's rules, attribute names included."""
    return sum([_length(name) + _bytes_of(value) for name, value in item.items()])  # a list: twice as fast as lazily


def oversize(item: Item) -> int:
    """The item's size in bytes where DynamoDB does not take it, else 0. For most items far cheaper than `item_size`.

    As JSON an item is never shorter than what DynamoDB counts: there each name and value has its quotation marks.
    """
    try:
        if len(orjson.dumps(item, _base64)) <= ITEM_BYTES_MAX:
            return 0
    except TypeError:  # half a surrogate pair, which is no UTF-8
        return 0
    size = item_size(item)
    return size if size > ITEM_BYTES_MAX else 0


def _base64(value: bytes) -> str:
    return binascii.b2a_base64(value, newline=False).decode()


def _length(text: str) -> int:
    """The bytes of its UTF-8; a string knows whether it is ASCII."""
    return len(text) if text.isascii() else len(text.encode())
