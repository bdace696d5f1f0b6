"""An item of the control table as plain Python, and the conditions under which one is written."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeAlias

Value: TypeAlias = str | int | bool | frozenset[int] | tuple[str, ...]
Changes: TypeAlias = Mapping[str, Value | None]  # None removes the attribute

NONCE: Final = "nonce"
AT_MS: Final = "at_ms"
KEYS: Final = ("migration", "item")


@dataclass(frozen=True, slots=True)
class Record:
    """One item, read consistently: its name (sort key) and its attributes without the keys."""

    item: str
    attributes: Mapping[str, Value]

    @property
    def nonce(self) -> str:
        """Drawn anew with each guarded write; "" when there has been none."""
        return self.text(NONCE)

    @property
    def at_ms(self) -> int:
        """The last writer's wall clock in ms since 1970: for people only."""
        return self.number(AT_MS)

    def text(self, name: str) -> str:
        """An S attribute, "" when absent."""
        return str(self.attributes.get(name, ""))

    def number(self, name: str) -> int:
        """An N attribute, 0 when absent."""
        value = self.attributes.get(name, 0)
        return value if isinstance(value, int) else 0

    def flag(self, name: str) -> bool:
        """A BOOL attribute, False when absent."""
        return self.attributes.get(name) is True

    def numbers(self, name: str) -> frozenset[int]:
        """An NS attribute, empty when absent."""
        value = self.attributes.get(name)
        return value if isinstance(value, frozenset) else frozenset()

    def texts(self, name: str) -> tuple[str, ...]:
        """An L attribute of S, empty when absent."""
        value = self.attributes.get(name)
        return value if isinstance(value, tuple) else ()

    def changed(self, changes: Changes) -> "Record":
        """The record after a write."""
        merged = {**self.attributes, **changes}
        return Record(self.item, {name: value for name, value in merged.items() if value is not None})


class Presence(Enum):
    """A condition on an attribute that does not look at its value."""

    PRESENT = "present"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class AtMost:
    """A condition: the attribute is absent, or not above `limit`. It keeps an older fence or version out."""

    limit: int | str


Expected: TypeAlias = Mapping[str, Value | Presence | AtMost]


@dataclass(frozen=True, slots=True)
class Check:
    """Something that must hold of another item at the moment of a write."""

    item: str
    expected: Expected


def encode(value: Value) -> dict[str, Any]:
    """A value in DynamoDB's typed JSON."""
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int):
        return {"N": str(value)}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, tuple):
        return {"L": [{"S": text} for text in value]}
    return {"NS": [str(number) for number in sorted(value)]}


def decode(typed: Mapping[str, Any]) -> Value:
    """The value of DynamoDB's typed JSON. Raises ValueError on a type that this version never writes."""
    match typed:
        case {"S": str(text)}:
            return text
        case {"N": number}:
            return int(number)
        case {"BOOL": flag}:
            return bool(flag)
        case {"NS": numbers}:
            return frozenset(map(int, numbers))
        case {"L": members}:
            return tuple(str(member["S"]) for member in members)
    raise ValueError(f"the control table holds a type that this version does not write: {', '.join(typed)}")


def decode_item(item: Mapping[str, Mapping[str, Any]]) -> Record:
    """The record of an item. An attribute of a type that a later version may write is left out, never guessed."""
    known = {name: value for name, value in item.items() if name not in KEYS and value.keys() <= {*_TYPES}}
    return Record(item["item"]["S"], {name: decode(value) for name, value in known.items()})


_TYPES = ("S", "N", "BOOL", "NS", "L")


def update_request(changes: Changes, expected: Expected) -> dict[str, Any]:
    """The expressions of an update under a condition, for UpdateItem and TransactWriteItems alike."""
    names = _Names()
    sets = [f"{names(name)} = {names.value(value)}" for name, value in changes.items() if value is not None]
    removes = [names(name) for name, value in changes.items() if value is None]
    clauses = [("SET " + ", ".join(sets)) if sets else "", ("REMOVE " + ", ".join(removes)) if removes else ""]
    return {"UpdateExpression": " ".join(filter(None, clauses)), **_condition(names, expected), **names.used()}


def check_request(expected: Expected) -> dict[str, Any]:
    """The expressions of a condition alone."""
    names = _Names()
    return {**_condition(names, expected), **names.used()}


class _Names:
    """Placeholders for names (any may be a reserved word) and values of one request."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, dict[str, Any]] = {}

    def __call__(self, name: str) -> str:
        return self._names.setdefault(name, f"#n{len(self._names)}")

    def value(self, value: Value) -> str:
        placeholder = f":v{len(self._values)}"
        self._values[placeholder] = encode(value)
        return placeholder

    def used(self) -> dict[str, Any]:
        used: dict[str, Any] = {"ExpressionAttributeNames": {short: name for name, short in self._names.items()}}
        return {**used, "ExpressionAttributeValues": self._values} if self._values else used


def _condition(names: _Names, expected: Expected) -> dict[str, str]:
    terms = [_term(names, names(name), wanted) for name, wanted in expected.items()]
    return {"ConditionExpression": " AND ".join(terms)} if terms else {}


def _term(names: _Names, name: str, wanted: Value | Presence | AtMost) -> str:
    match wanted:
        case Presence.ABSENT:
            return f"attribute_not_exists({name})"
        case Presence.PRESENT:
            return f"attribute_exists({name})"
        case AtMost(limit):
            return f"(attribute_not_exists({name}) OR {name} <= {names.value(limit)})"
        case _:
            return f"{name} = {names.value(wanted)}"
