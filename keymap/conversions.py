"""Which DynamoDB type a value becomes: its own, or the one that `types:` and `attributes:` of a rule ask for."""

import re
import struct
from base64 import b64decode
from collections.abc import Callable, Mapping
from decimal import Decimal
from math import isfinite
from types import MappingProxyType
from typing import Any, Final

from keymap.attributes import Attribute, attribute, document, json_attribute, json_text_attribute, number
from keymap.kinds import Kind, kind_of
from keymap.nesting import LEVELS_MAX, NotTaken
from keymap.schema import Column
from keymap.template import PatchError, text_of
from keymap.values import Canonical, Json, json_text, shortest_float32

_NUMBER_TEXT: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,6})?", re.ASCII).fullmatch


def converted(value: Canonical, wanted: str | None, column: str, room: int = LEVELS_MAX) -> Attribute | None:
    """The attribute of a column's value as type `wanted` (None: its own type); None where there is nothing to store.

    Raises PatchError, naming the column, for a value that the type cannot hold, and for a document that DynamoDB does
    not take where `room` lists and maps may be within each other.
    """
    try:
        return as_type(value, wanted, room)
    except NotTaken as error:
        what = f"column {column} holds a JSON document that DynamoDB does not take: {error.told(room)}"
        remedy = f"Store the column as text, with types: {{{column}: S}}, or exclude it"
        raise PatchError(what, remedy) from None
    except ValueError:
        what = f"column {column} holds a value that is no {wanted or 'JSON'}"
        raise PatchError(what, "Change its entry in types") from None


def as_type(value: Canonical, wanted: str | None, room: int = LEVELS_MAX) -> Attribute | None:
    """The attribute of a value as type `wanted` (None: its own type); None for NULL and for an empty set.

    Raises ValueError for a value that the type cannot hold, and NotTaken as `attribute` does.
    """
    if wanted is None or value is None:
        return attribute(value, room)
    try:
        nested = _NESTED.get(wanted)
        return nested(value, room) if nested else _CONVERSIONS[wanted](value)
    except (TypeError, KeyError, ArithmeticError, RecursionError, PatchError):
        raise ValueError(f"the value is no {wanted}") from None


def _text(value: Canonical) -> Attribute:
    return {"S": value.text if isinstance(value, Json) else text_of(value, "", "")}


def _number(value: Canonical) -> Attribute:
    if isinstance(value, str):
        if not _NUMBER_TEXT(value.strip()):
            raise ValueError("a text that is no number")
        value = Decimal(value.strip())
    if not isinstance(value, int | Decimal):
        raise TypeError
    return number(value)


def _boolean(value: Canonical) -> Attribute:
    if isinstance(value, Json) and value.text in {"true", "false"}:
        return {"BOOL": value.text == "true"}
    if value not in (0, 1):
        raise ValueError("neither 0 nor 1")
    return {"BOOL": value == 1}


def _held(value: Canonical) -> Json:
    """The document that a value is, or holds as text."""
    if isinstance(value, Json):
        return value
    if not isinstance(value, str | bytes):
        raise TypeError
    return json_text(value)


def _json(value: Canonical, room: int) -> Attribute:
    quick = json_text_attribute(value, room) if isinstance(value, str) else None
    return quick or json_attribute(_held(value), room)


def _array(value: Canonical) -> list[Any]:
    """The members of a JSON array, from a document or from text."""
    found = None if isinstance(value, bytes) else _held(value).document()
    if not isinstance(found, list):
        raise TypeError
    return found


def _list(value: Canonical, room: int) -> Attribute:
    if isinstance(value, tuple):
        return {"L": [{"S": member} for member in value]}
    if isinstance(value, bytes):
        return {"L": _vector(value)}
    made = json_attribute(_held(value), room)
    if "L" not in made:
        raise TypeError
    return made


def _vector(value: bytes) -> list[Attribute]:
    """The numbers of a VECTOR: float32, lowest byte first; each as the shortest digits that are the same float32."""
    try:
        numbers = [one for (one,) in struct.iter_unpack("<f", value)]
    except struct.error:
        raise ValueError("bytes that are no VECTOR") from None
    if not all(map(isfinite, numbers)):
        raise ValueError("a VECTOR holds a number that is not finite")
    return [number(Decimal(shortest_float32(one))) for one in numbers]


def _bytes(value: Canonical) -> Attribute:
    if not isinstance(value, bytes):
        raise TypeError
    return {"B": value}


def _text_set(value: Canonical) -> Attribute | None:
    members = list(value) if isinstance(value, tuple) else _array(value)
    if not all(isinstance(member, str) for member in members):
        raise TypeError
    return {"SS": list(dict.fromkeys(members))} if members else None  # DynamoDB refuses a member given twice


def _number_set(value: Canonical) -> Attribute | None:
    """Of a SET of numbers' texts, or of a JSON array of numbers."""
    members = [_number(member) for member in value] if isinstance(value, tuple) else map(document, _array(value))
    found = [member["N"] for member in members]  # a KeyError: no number, or one that DynamoDB cannot hold
    texts = {Decimal(text): text for text in found}  # 1 and 1.0 are one member to DynamoDB
    return {"NS": list(texts.values())} if texts else None


def _bytes_set(value: Canonical) -> Attribute | None:
    """Of a JSON array of base64 texts, as RFC 4648 writes them: `+`, `/` and all the `=`, and nothing else."""
    members = {b64decode(member, validate=True): None for member in _array(value)}
    return {"BS": list(members)} if members else None


_CONVERSIONS: Mapping[str, Callable[[Canonical], Attribute | None]] = MappingProxyType(
    {
        "S": _text,
        "N": _number,
        "BOOL": _boolean,
        "B": _bytes,
        "SS": _text_set,
        "NS": _number_set,
        "BS": _bytes_set,
    }
)
_NESTED: Mapping[str, Callable[[Canonical, int], Attribute]] = MappingProxyType({"JSON": _json, "L": _list})

# What the values of a kind can ever be; a single value may be no such thing all the same.
_OF_KIND: Mapping[Kind, frozenset[str]] = MappingProxyType(
    {
        "integer": frozenset({"S", "N", "BOOL"}),
        "number": frozenset({"S", "N", "BOOL"}),
        "text": frozenset({"S", "N", "JSON", "L", "SS", "NS", "BS"}),
        "date": frozenset({"S"}),
        "datetime": frozenset({"S"}),
        "timestamp": frozenset({"S"}),
        "bytes": frozenset({"B", "JSON"}),
        "json": frozenset({"S", "BOOL", "JSON", "L", "SS", "NS", "BS"}),
        "set": frozenset({"L", "SS", "NS"}),
        "any": frozenset({*_CONVERSIONS, *_NESTED}),
    }
)


_OWN: Mapping[Kind, str] = MappingProxyType(
    {"integer": "N", "number": "N", "bytes": "B", "set": "SS", "json": "", "any": ""}  # all else is text
)


def own_type(kind: Kind) -> str:
    """The type that values of a kind become unless another is asked for; "" where it depends on the value."""
    return _OWN.get(kind, "S")


def types_of_kind(kind: Kind) -> frozenset[str]:
    """The types that values of a kind can be asked to become."""
    return _OF_KIND[kind]


def types_of_column(column: Column) -> frozenset[str]:
    """The types that a column's values can be asked to become. Of binary columns only a VECTOR is a list."""
    return frozenset({"B", "L"}) if column.data_type == "vector" else _OF_KIND[kind_of(column)]
