"""Whether a slot holds what its source row says, as DynamoDB itself would judge it. Pure.

Numbers are compared as numbers and sets as sets; bookkeeping is left out; a tombstone is not live. Five kinds of
difference are told apart:

| Kind | Meaning |
|---|---|
| missing | a source row owns the slot, and nothing live is in its place (a FOREIGN item there also counts itself) |
| different | the slot is there, with other content than its row says, or with data but without a live mark |
| collision | the row lives in the slot, and another row that lives there too is shown (keymap.owners) |
| extra | a live slot, or data that no live slot accounts for, of which the source has no row |
| foreign | an item without this migration's bookkeeping in one of its tables |
"""

from collections.abc import Hashable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from keymap.attributes import Attribute
from keymap.bookkeeping import Bookkeeping
from keymap.patch import Item, Key, Patch
from keymap.rules import Keymap
from keymap.slots import content
from keymap.version import is_tombstone


class Kind(StrEnum):
    """The kinds of difference; see the module."""

    MISSING = "missing"
    DIFFERENT = "different"
    COLLISION = "collision"
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

    @property
    def place(self) -> tuple[str, Key, str]:
        """Where it is, as a patch names it."""
        return self.table, self.key, self.slot


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
    verdict = _of_mark(books, patch, item, found)
    if verdict:
        kind, note = verdict
        return Difference(kind, patch.table, patch.key, patch.slot, expected, found or None, note)
    unequal = _unequal(expected, found)
    if not unequal:
        return None
    left, right = ({name: side[name] for name in unequal if name in side} for side in (expected, found))
    return Difference(Kind.DIFFERENT, patch.table, patch.key, patch.slot, left, right)


def _of_mark(books: Bookkeeping, patch: Patch, item: Item, found: Item) -> tuple[Kind, str] | None:
    """What the slot's mark, and its owner's where it has one, say against it: a kind and a note."""
    mark = books.held(item, patch.slot, patch.owner)
    is_live = bool(mark) and not is_tombstone(mark)
    if patch.owner and item.get(books.owner(patch.slot)) != {"S": patch.owner}:
        if is_live:
            return Kind.COLLISION, "two rows live in this slot, and the other is shown"
        return Kind.MISSING, "another row is in its place" if found else ""
    if is_live:
        return None
    return (Kind.DIFFERENT, "without a live mark") if found else (Kind.MISSING, "")


def _unequal(expected: Item, found: Item) -> list[str]:
    if expected == found:
        return []
    shared = expected.keys() & found.keys()
    return sorted((expected.keys() ^ found.keys()) | {name for name in shared if not same(expected[name], found[name])})
