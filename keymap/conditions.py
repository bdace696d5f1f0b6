"""Row filters and constants: the scalars of a keymap file against canonical values."""

from collections.abc import Callable
from decimal import Decimal

from keymap.attributes import Attribute, attribute
from keymap.document import ConditionDocument
from keymap.values import Canonical


def _plain(value: str | float | bool) -> Canonical:  # noqa: FBT001 - a value, not a switch
    """A scalar of the keymap file as the canonical value it is compared with or stored as."""
    return Decimal(repr(value)) if isinstance(value, float) else value


def constant(value: str | float | bool) -> Attribute:  # noqa: FBT001 - a value, not a switch
    """The attribute of a constant; true and false are BOOL."""
    if isinstance(value, bool):
        return {"BOOL": value}
    return attribute(_plain(value)) or {"NULL": True}


def condition_of(document: ConditionDocument) -> Callable[[Canonical], bool]:
    """A function that says whether a value meets the condition. NULL meets only `is_null: true`, as in SQL."""
    allowed = None if document.one_of is None else tuple(map(_plain, document.one_of))
    refused = tuple(map(_plain, document.none_of or ()))
    if document.equals is not None:
        wanted = (_plain(document.equals),)
        allowed = wanted if allowed is None else tuple(value for value in allowed if value in wanted)
    if document.not_equals is not None:
        refused += (_plain(document.not_equals),)

    def holds(value: Canonical) -> bool:
        if value is None or document.is_null:
            return value is None and bool(document.is_null)
        return (allowed is None or value in allowed) and value not in refused

    return holds
