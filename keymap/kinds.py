"""What a template's functions know of a value before there is one: its kind, from the column's type.

The same words serve the check, which knows columns, and a running function, which knows values.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

from keymap.errors import KeyshiftError
from keymap.schema import Column
from keymap.values import Canonical, Json

Kind = Literal["integer", "number", "text", "date", "datetime", "timestamp", "bytes", "json", "set", "any"]

TEXTS: frozenset[Kind] = frozenset({"text", "date", "datetime", "timestamp"})  # all are text as values
MOMENTS: frozenset[Kind] = frozenset({"date", "datetime", "timestamp"})
NUMBERS: frozenset[Kind] = frozenset({"integer", "number"})
TEXTLESS: frozenset[Kind] = frozenset({"bytes", "json", "set"})

_NAMES: Mapping[Kind, str] = MappingProxyType(
    {
        "integer": "a whole number",
        "number": "a number that may have a fraction",
        "text": "text",
        "date": "a DATE",
        "datetime": "a DATETIME",
        "timestamp": "a TIMESTAMP",
        "bytes": "bytes",
        "json": "a JSON document",
        "set": "a SET",
        "any": "a value of any kind",
    }
)
_REMEDIES: Mapping[Kind, str] = MappingProxyType(
    {
        "integer": "Make text of it first, with text",
        "number": "Make text of it first, with text",
        "bytes": "Make text of it first, with hex or base64",
        "json": "Take a value out of it first, with json('$.path'), or all of its text, with text",
        "set": "Use another column: a SET has no text",
    }
)
_DIGITS_MAX = 200  # of a whole number: more than any column has; JSON's 1E+999999 is not written out


class Unfit(KeyshiftError):
    """A value, or a kind of value, that a function does not take. Its message follows the function's name."""


def wrong(wanted: str, kind: Kind, remedy: str = "") -> Unfit:
    """The refusal of a function that takes `wanted` and is given something of `kind`."""
    return Unfit(f"takes {wanted}, not {_NAMES[kind]}", remedy or _REMEDIES.get(kind, "Use another column"))


def kind_of_value(value: Canonical) -> Kind:
    """The kind of a canonical value that is not NULL. A date is text here: only its column knows what it is."""
    if isinstance(value, int):
        return "integer"
    if isinstance(value, Decimal):
        whole = value.adjusted() < _DIGITS_MAX and value == value.to_integral_value()
        return "integer" if whole else "number"
    if isinstance(value, bytes):
        return "bytes"
    if isinstance(value, Json):
        return "json"
    return "set" if isinstance(value, tuple) else "text"


MADE_BY_HOOK = "(hook)"  # the data type of a column that a hook makes, whose values may be of any kind
INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "year", "bit"})
_OWN: Mapping[str, Kind] = MappingProxyType(
    {
        MADE_BY_HOOK: "any",
        "float": "number",
        "double": "number",
        "date": "date",
        "datetime": "datetime",
        "timestamp": "timestamp",
        "json": "json",
        "set": "set",
    }
)
_WHOLE_DECIMAL = re.compile(r"decimal(\(\d+(,0)?\))?( |$)").match
_TEXTUAL = frozenset("char varchar tinytext text mediumtext longtext enum time uuid inet4 inet6".split())


def kind_of(column: Column) -> Kind:
    """The kind of a column's values."""
    if column.data_type in INTEGERS:
        return "integer"
    if column.data_type == "decimal":
        return "integer" if _WHOLE_DECIMAL(column.column_type) else "number"
    if column.data_type in _TEXTUAL:
        return "text"
    return _OWN.get(column.data_type, "bytes")


def either(one: Kind, other: Kind) -> Kind:
    """The kind of what is a value of `one` kind or of the `other`."""
    both = {one, other}
    if len(both) == 1:
        return one
    if both <= NUMBERS:
        return "number"
    return "text" if both <= TEXTS and not both <= MOMENTS else "any"
