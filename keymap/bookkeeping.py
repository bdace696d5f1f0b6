"""The bookkeeping attributes that an item carries while it is being migrated, and nothing else of ours.

Their names share one short prefix (`_ks` unless the keymap says otherwise), and no data attribute may start with it:

| Attribute | Type | Meaning |
|---|---|---|
| `_ks_m` | S | the id of the migration that the item belongs to; an item without it is FOREIGN |
| `_ks_v` | S | the mark of the slot of a row's own attributes: the whole item, unless rows share it |
| `_ks_v.NAME` | S | the mark of the slot that owns attribute NAME |
| `_ks_v..MAP.KEY` | S | the mark of the slot that owns entry KEY of the map attribute MAP |
| `_ks_r` | N | counts the writes of an item that rows share or pass on: one can be conditional on the last |
| `_ks_o`, `_ks_o.SLOT` | S | slots that rows pass to each other: the owner of what is shown (keymap.owners) |
| `_ks_p`, `_ks_p.SLOT` | M | the other owners of such a slot: each one's mark `v`, and content `c` while it lives |
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from keymap.patch import WHOLE, Item
from keymap.version import version_of


@dataclass(frozen=True)  # no slots: the names are computed once and kept
class Bookkeeping:
    """The bookkeeping attributes' names under one prefix."""

    prefix: str = "_ks"

    @cached_property
    def migration(self) -> str:
        """The attribute that names the migration."""
        return f"{self.prefix}_m"

    @cached_property
    def revision(self) -> str:
        """The attribute that counts an item's writes."""
        return f"{self.prefix}_r"

    @cached_property
    def _mark(self) -> str:
        return f"{self.prefix}_v"

    def mark(self, slot: str) -> str:
        """The attribute that holds a slot's mark."""
        return self._mark if slot == WHOLE else f"{self._mark}.{slot}"

    def owner(self, slot: str) -> str:
        """The attribute that names the owner of what a slot shows."""
        return f"{self.prefix}_o" if slot == WHOLE else f"{self.prefix}_o.{slot}"

    def parked(self, slot: str) -> str:
        """The attribute that holds what the other owners of a slot have."""
        return f"{self.prefix}_p" if slot == WHOLE else f"{self.prefix}_p.{slot}"

    def is_ours(self, name: str) -> bool:
        """Whether an attribute's name is reserved for bookkeeping."""
        return name.startswith(f"{self.prefix}_")

    def slots(self, item: Item) -> dict[str, str]:
        """The marks of an item by slot, tombstones included."""
        dotted = f"{self._mark}."
        found = {name.removeprefix(dotted): value["S"] for name, value in item.items() if name.startswith(dotted)}
        if self._mark in item:
            found[WHOLE] = item[self._mark]["S"]
        return found

    def held(self, item: Item, slot: str, owner: str) -> str:
        """The mark of an owner's register in a slot, or of the slot itself where `owner` is ""; "" where none is."""
        if not owner or item.get(self.owner(slot)) == {"S": owner}:
            return str(item[self.mark(slot)]["S"]) if self.mark(slot) in item else ""
        return next((mark for name, mark in self._parked(item, slot) if name == owner), "")

    def newest(self, item: Item, slot: str) -> str:
        """The newest mark that a slot has, of whichever owner; "" where it has none."""
        return max((self.held(item, slot, ""), *self.parked_marks(item, slot)), key=version_of)

    def parked_marks(self, item: Item, slot: str) -> list[str]:
        """The marks of a slot's owners that are not shown."""
        return [mark for _, mark in self._parked(item, slot)]

    def parked_by_owner(self, item: Item, slot: str) -> dict[str, str]:
        """The marks of a slot's owners that are not shown, by owner."""
        return dict(self._parked(item, slot))

    def marks(self, item: Item) -> set[str]:
        """All marks of an item, also of owners that are not shown."""
        slots = self.slots(item)
        return {*slots.values(), *(mark for slot in slots for mark in self.parked_marks(item, slot))}

    def data(self, item: Item) -> Item:
        """The item without bookkeeping: what the application will see."""
        return {name: value for name, value in item.items() if not self.is_ours(name)}

    def belongs_to(self, item: Item, migration: str) -> bool:
        """Whether the item was written by that migration (its id)."""
        return item.get(self.migration) == {"S": migration}

    def _parked(self, item: Item, slot: str) -> Iterator[tuple[str, str]]:
        """The owners that are not shown, each with its mark."""
        parked = item.get(self.parked(slot), {"M": {}})["M"]
        return ((owner, register["M"]["v"]["S"]) for owner, register in parked.items())
