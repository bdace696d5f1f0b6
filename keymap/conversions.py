"""What `types:` of a rule asks for: another DynamoDB type than the column's own."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from keymap.attributes import Attribute, attribute, document, number
from keymap.template import PatchError, text_of
from keymap.values import Canonical, Json, json_text


def converted(value: Canonical, wanted: str | None, column: str) -> Attribute | None:
    """The attribute of a column's value as type `wanted` (None: its own type); None where there is nothing to store.

    Raises PatchError, naming the column, for a value that the type cannot hold.
    """
    if wanted is None or value is None:
        return attribute(value)
    try:
        return _CONVERSIONS[wanted](value)
    except (ValueError, TypeError, InvalidOperation, PatchError):
        raise PatchError(f"column {column} holds a value that is no {wanted}", "Change its entry in types") from None


def _text(value: Canonical) -> Attribute:
    return {"S": value.text if isinstance(value, Json) else text_of(value, "", "")}


def _number(value: Canonical) -> Attribute:
    if not isinstance(value, str | int | Decimal):
        raise TypeError
    return number(Decimal(value))


def _boolean(value: Canonical) -> Attribute:
    if value not in (0, 1):
        raise ValueError
    return {"BOOL": value == 1}


def _json(value: Canonical) -> Attribute:
    if not isinstance(value, str | bytes | Json):
        raise TypeError
    parsed = value if isinstance(value, Json) else json_text(value)
    return document(parsed.document())


def _list(value: Canonical) -> Attribute:
    if not isinstance(value, tuple):
        raise TypeError
    return {"L": [{"S": member} for member in value]}


_CONVERSIONS: dict[str, Callable[[Canonical], Attribute]] = {
    "S": _text,
    "N": _number,
    "BOOL": _boolean,
    "JSON": _json,
    "L": _list,
}
