"""From canonical values to DynamoDB's typed attributes, and the service's limits on them.

Sources of the limits: the DynamoDB developer guide ("Constraints", "Item sizes and formats"), tried on DynamoDB Local.
"""

from decimal import Context, Decimal
from typing import Any

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
    short = Decimal(value).normalize(_EXACT)  # trailing zeros count as digits for the service's check, but say nothing
    if not short:
        return {"N": "0"}
    text = str(short)
    if len(text) <= NUMBER_DIGITS_MAX and "E" not in text:  # nearly all there are
        return {"N": text}
    fits = len(short.as_tuple().digits) <= NUMBER_DIGITS_MAX
    in_range = NUMBER_EXPONENT_MIN <= short.adjusted() <= NUMBER_EXPONENT_MAX
    return {"N": text} if fits and in_range else {"S": str(value)}


def key_number(value: int | Decimal) -> int | Decimal:
    """A number in the one form that equal keys share: 1, 1.0 and 1E+0 are one key to DynamoDB."""
    whole = int(value)
    return whole if whole == value else Decimal(value).normalize(_EXACT)


def attribute(value: Canonical) -> Attribute | None:
    """The attribute of a canonical value; None where there is none to store (NULL; an empty SET: no set is empty)."""
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int | Decimal):
        return number(value)
    if value is None or value == ():
        return None
    if isinstance(value, bytes):
        return {"B": value}
    if isinstance(value, Json):
        return document(value.document())
    return {"SS": list(value)}


def document(value: object) -> Attribute:
    """A JSON document as M, L, S, N, BOOL or NULL."""
    if isinstance(value, dict):
        return {"M": {name: document(inner) for name, inner in value.items()}}
    if isinstance(value, list):
        return {"L": [document(inner) for inner in value]}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int | Decimal):
        return number(value)
    return {"NULL": True} if value is None else {"S": value}


def _bytes_of(attribute: Attribute) -> int:
    ((kind, value),) = attribute.items()
    if kind in {"M", "L"}:
        pairs = value.items() if kind == "M" else (("", inner) for inner in value)
        return 3 + sum(1 + len(name.encode()) + _bytes_of(inner) for name, inner in pairs)
    if kind in {"S", "B"}:
        return len(value.encode() if isinstance(value, str) else value)
    if kind == "N":
        return (len(value.lstrip("-").replace(".", "").strip("0")) + 1) // 2 + 2
    if kind in {"SS", "NS", "BS"}:
        return sum(_bytes_of({kind[0]: inner}) for inner in value)
    return 1


def item_size(item: Item) -> int:
    """The item's size in bytes by DynamoDB's rules (numbers rounded up), attribute names included."""
    return sum(len(name.encode()) + _bytes_of(value) for name, value in item.items())
