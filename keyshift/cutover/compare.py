"""Whether a slot holds what its source row says, as DynamoDB itself would judge it. Pure.

Numbers are compared as numbers and sets as sets; bookkeeping is left out; a tombstone is not live. Four kinds of
difference are told apart:

| Kind | Meaning |
|---|---|
| missing | a source row owns the slot, and nothing live is in its place (a FOREIGN item there also counts itself) |
| different | the slot is there, with other content than its row says, or with data but without a live mark |
| extra | a live slot, or data that no live slot accounts for, of which the source has no row |
| foreign | an item without this migration's bookkeeping in one of its tables |
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from keymap.attributes import Attribute
from keymap.bookkeeping import Bookkeeping
from keymap.patch import WHOLE, Item, Key, Patch
from keymap.rules import Keymap
from keymap.targets import Target
from keymap.version import is_tombstone


class Kind(StrEnum):
    """The kinds of difference; see the module."""

    MISSING = "missing"
    DIFFERENT = "different"
    EXTRA = "extra"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Difference:
    """One slot (`slot` is "" for the whole item) that differs: what the source says, and what DynamoDB holds.

    `expected` is None where the source has no row, `found` where DynamoDB has nothing. Of an item that differs, both
    hold only the attributes that do. `note` adds what the values alone do not show.
    """

    kind: Kind
    table: str
    key: Key
    slot: str
    expected: Item | None
    found: Item | None
    note: str = ""


def normal(attribute: Attribute) -> Hashable:
    """An attribute in a form in which two of them are equal exactly where DynamoDB would call them equal."""
    ((kind, value),) = attribute.items()
    match kind:
        case "N":
            return kind, Decimal(value)
        case "NS":
            return kind, frozenset(map(Decimal, value))
        case "SS" | "BS":
            return kind, frozenset(value)
        case "M":
            return kind, frozenset((name, normal(inner)) for name, inner in value.items())
        case "L":
            return kind, tuple(map(normal, value))
    return kind, value


def same(one: Attribute, other: Attribute) -> bool:
    """Whether two attributes are equal, the usual case first."""
    return one == other or normal(one) == normal(other)


def judge(keymap: Keymap, migration: str, patch: Patch, item: Item | None) -> Difference | None:
    """What is wrong with the slot that `patch` should have set, given its item as read; None where all is well."""
    books, expected = keymap.bookkeeping, patch.attributes or {}
    if item is None or not books.belongs_to(item, migration):
        note = "a FOREIGN item is in its place" if item else ""
        return Difference(Kind.MISSING, patch.table, patch.key, patch.slot, expected, None, note)
    found = content(books, keymap.targets[patch.table], patch.slot, item)
    mark = books.slots(item).get(patch.slot)
    if mark is None or is_tombstone(mark):
        kind, note = (Kind.DIFFERENT, "without a live mark") if found else (Kind.MISSING, "")
        return Difference(kind, patch.table, patch.key, patch.slot, expected, found or None, note)
    unequal = _unequal(expected, found)
    if not unequal:
        return None
    left, right = ({name: side[name] for name in unequal if name in side} for side in (expected, found))
    return Difference(Kind.DIFFERENT, patch.table, patch.key, patch.slot, left, right)


def content(books: Bookkeeping, target: Target, slot: str, item: Item) -> Item:
    """What a slot of an item holds: its attribute, or, of the whole item, all data but the key."""
    if slot == WHOLE:
        keys = {part.name for part in target.keys}
        return {name: value for name, value in books.data(item).items() if name not in keys}
    return {slot: item[slot]} if slot in item else {}


def _unequal(expected: Item, found: Item) -> list[str]:
    if expected == found:
        return []
    shared = expected.keys() & found.keys()
    return sorted((expected.keys() ^ found.keys()) | {name for name in shared if not same(expected[name], found[name])})


def live_slots(books: Bookkeeping, target: Target, item: Item) -> Iterator[tuple[str, str]]:
    """The slots of an item of ours for which the source must have a row, each with its mark.

    Data that no live slot accounts for counts as a slot of its own, named after its attribute, with the mark "".
    """
    marks = {slot: mark for slot, mark in books.slots(item).items() if not is_tombstone(mark)}
    yield from marks.items()
    if WHOLE in marks:
        return  # it owns all the item's data; what does not belong there is found when its row is compared
    keys = {part.name for part in target.keys}
    for name in books.data(item):
        if name not in marks and name not in keys:
            yield name, ""
