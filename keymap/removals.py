"""How to rid an item of its tombstones: requests that land only on what was seen. Pure; who sends them, and when, is
elsewhere (keyshift/apply/sweep.py).

A tombstone keeps a late older write out. It may go once there can be no such write any more: of all tombstones that is
so when nothing is written forward at all, of those up to the *horizon* when nobody writes changes up to there.

Every removal is conditional on what was seen: on the mark of each slot and, of an item, on its revision, which each
write of ours raises. An item with data is never deleted.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from keymap.bookkeeping import Bookkeeping
from keymap.patch import Item
from keymap.rules import Keymap
from keymap.slots import content, empty_maps, is_empty
from keymap.targets import Target
from keymap.updates import SLOTS_PER_UPDATE_MAX
from keymap.version import is_tombstone, version_of

OWNERS_PER_UPDATE_MAX = 150  # of an expression's 4 KB each takes 11 bytes
Request = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Removal:
    """What to do about one item: delete it (`update` is False), or remove the marks of some of its slots."""

    request: Request
    update: bool
    marks: int


def removals(keymap: Keymap, migration: str, target: Target, item: Item, upto: str = "") -> list[Removal]:
    """How to rid an item of its tombstones, of those up to a version where one is given.

    Nothing where it has none, is not ours, or holds data in their place.
    """
    books = keymap.bookkeeping
    marks, every = books.slots(item), books.marks(item)
    if not books.belongs_to(item, migration) or not any(may_go(mark, upto) for mark in every):
        return []
    if all(may_go(mark, upto) for mark in every) and is_empty(books, target, item):
        return [_deletion(books, migration, target, item, marks)]
    slots = [slot for slot in marks if _has_gone(books, target, item, slot, upto)]
    size = SLOTS_PER_UPDATE_MAX
    parts = [slots[begin : begin + size] for begin in range(0, len(slots), size)]
    found = [_clearing(books, migration, target, item, part, maps=part is parts[0]) for part in parts]
    left = ((slot, _gone_owners(books, item, slot, upto)) for slot in marks if slot not in slots)
    return found + [_parting(books, migration, target, item, slot, owners) for slot, owners in left if owners]


def may_go(mark: str, upto: str) -> bool:
    """Whether a mark is that of a tombstone, and not newer than `upto` ("": whatever its version)."""
    return is_tombstone(mark) and (not upto or version_of(mark) <= upto)


def _has_gone(books: Bookkeeping, target: Target, item: Item, slot: str, upto: str) -> bool:
    """Whether all that a slot has are tombstones that may go, or at least all of its owners that are not shown."""
    parked = books.parked_marks(item, slot)
    if not all(may_go(mark, upto) for mark in parked):
        return False
    shown = books.held(item, slot, "")
    return may_go(shown, upto) and not content(books, target, slot, item) if is_tombstone(shown) else bool(parked)


def _gone_owners(books: Bookkeeping, item: Item, slot: str, upto: str) -> list[str]:
    """The owners of a slot whose tombstones may go, where others stay."""
    return [owner for owner, mark in books.parked_by_owner(item, slot).items() if may_go(mark, upto)]


def _deletion(books: Bookkeeping, migration: str, target: Target, item: Item, marks: dict[str, str]) -> Removal:
    # The revision alone would do for an item that rows share; the marks are what a whole-item slot has. The first ones
    # of very many are enough, and keep the expression below DynamoDB's 4 KB.
    condition = _Condition(books, migration, list(marks)[:SLOTS_PER_UPDATE_MAX], item)
    condition.same("#r", books.revision, ":r", item)
    condition.empty(empty_maps(books, item))
    return Removal(condition.request(target, item), update=False, marks=len(marks))


def _clearing(  # noqa: PLR0913 - the item and where it is
    books: Bookkeeping, migration: str, target: Target, item: Item, slots: list[str], *, maps: bool
) -> Removal:
    """Of a dead slot all bookkeeping goes, of a living one what former owners left; with `maps` the empty ones too."""
    condition = _Condition(books, migration, slots, item)
    condition.same("#r", books.revision, ":r", item)
    emptied = empty_maps(books, item) if maps else []
    condition.empty(emptied)
    dead = [slot for slot in slots if is_tombstone(books.held(item, slot, ""))]
    names = [name for slot in dead for name in (books.mark(slot), books.owner(slot))]
    names += [books.parked(slot) for slot in slots] + emptied
    aliases = condition.aliases(name for name in names if name in item)
    request = condition.request(target, item) | {"UpdateExpression": f"REMOVE {', '.join(aliases)}"}
    return Removal(request, update=True, marks=len(slots))


def _parting(  # noqa: PLR0913, PLR0917 - the item and where it is
    books: Bookkeeping, migration: str, target: Target, item: Item, slot: str, owners: list[str]
) -> Removal:
    """Of one slot what some former owners left; more than an expression takes go the next time."""
    condition = _Condition(books, migration, [slot], item)
    condition.same("#r", books.revision, ":r", item)
    some = owners[:OWNERS_PER_UPDATE_MAX]
    parked = condition.there(books.parked(slot))  # a sweep that was faster leaves the revision as it is
    names = {f"#o{index}": owner for index, owner in enumerate(some)}
    request = condition.request(target, item)
    request["ExpressionAttributeNames"] |= names
    request["UpdateExpression"] = f"REMOVE {', '.join(f'{parked}.{name}' for name in names)}"
    return Removal(request, update=True, marks=len(some))


class _Condition:
    """The item is ours, and these slots' marks are still the ones that were seen."""

    def __init__(self, books: Bookkeeping, migration: str, slots: Iterable[str], item: Item) -> None:
        self._names: dict[str, str] = {}
        self._values: Item = {}
        self._terms: list[str] = []
        self.equal("#m", books.migration, ":m", {"S": migration})
        for index, slot in enumerate(slots):
            self.equal(f"#v{index}", books.mark(slot), f":v{index}", item[books.mark(slot)])

    def equal(self, alias: str, name: str, placeholder: str, value: dict[str, Any]) -> None:
        self._names[alias], self._values[placeholder] = name, value
        self._terms.append(f"{alias} = {placeholder}")

    def same(self, alias: str, name: str, placeholder: str, item: Item) -> None:
        if name in item:
            self.equal(alias, name, placeholder, item[name])
        else:
            self._names[alias] = name
            self._terms.append(f"attribute_not_exists({alias})")

    def there(self, name: str) -> str:
        self._names["#t"] = name
        self._terms.append("attribute_exists(#t)")
        return "#t"

    def empty(self, maps: Iterable[str]) -> None:
        for index, name in enumerate(maps):
            self.equal(f"#e{index}", name, f":e{index}", {"M": {}})

    def aliases(self, names: Iterable[str]) -> list[str]:
        found = {f"#x{index}": name for index, name in enumerate(names)}
        self._names |= found
        return list(found)

    def request(self, target: Target, item: Item) -> Request:
        return {
            "TableName": target.name,
            "Key": {part.name: item[part.name] for part in target.keys},
            "ConditionExpression": " AND ".join(self._terms),
            "ExpressionAttributeNames": self._names,
            "ExpressionAttributeValues": self._values,
        }
