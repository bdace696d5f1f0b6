"""The bookkeeping attributes that an item carries while it is being migrated, and nothing else of ours.

Their names share one short prefix (`_ks` unless the keymap says otherwise), and no data attribute may start with it:

| Attribute | Type | Meaning |
|---|---|---|
| `_ks_m` | S | the id of the migration that the item belongs to; an item without it is FOREIGN |
| `_ks_v` | S | the mark of the slot that is the whole item |
| `_ks_v.NAME` | S | the mark of the slot that owns attribute NAME of a grouped item |
| `_ks_r` | N | grouped items: counts their writes, so that a decision about the whole item can be made conditional |
"""

from dataclasses import dataclass
from functools import cached_property

from keymap.patch import WHOLE, Item


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
        """The attribute that counts a grouped item's writes."""
        return f"{self.prefix}_r"

    @cached_property
    def _mark(self) -> str:
        return f"{self.prefix}_v"

    def mark(self, slot: str) -> str:
        """The attribute that holds a slot's mark."""
        return self._mark if slot == WHOLE else f"{self._mark}.{slot}"

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

    def data(self, item: Item) -> Item:
        """The item without bookkeeping: what the application will see."""
        return {name: value for name, value in item.items() if not self.is_ours(name)}

    def belongs_to(self, item: Item, migration: str) -> bool:
        """Whether the item was written by that migration (its id)."""
        return item.get(self.migration) == {"S": migration}
