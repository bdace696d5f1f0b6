"""One item of the slots that several rows own in it: as guarded writes, in any order, would leave it.

An import has no condition, so whoever makes the item must have every slot of it in hand. Rows of one load only set, and
all at the lowest version of an epoch: what is left to decide is which of a slot's owners is shown (keymap.owners).
"""

from collections.abc import Iterable, Sequence

from keymap.errors import KeyshiftError
from keymap.items import group_item, put_merged
from keymap.owners import live_owners, merged, shown, stored
from keymap.patch import Item, Patch
from keymap.rules import Keymap
from keymap.slots import entry_of, slot_text


class Collision(KeyshiftError):
    """Two rows want one slot of an item, and nothing tells whose it is."""


def item_of(keymap: Keymap, migration: str, patches: Sequence[Patch]) -> tuple[Item, int]:
    """The item that these patches of it make, all sets; and how many of its slots have more than one live owner.

    Raises Collision where two of them are for one register.
    """
    by_slot = _by_slot(patches)
    if patches[0].is_whole:
        request, registers = put_merged(keymap, migration, patches, {})
        return request["Item"], int(len(live_owners(registers)) > 1)
    visible: list[Patch] = []
    held: Item = {}
    collided = 0
    for slot, asked in by_slot.items():
        top = asked[0]
        if top.owner:
            registers = merged({}, asked)
            owner = shown(registers)
            top = next(patch for patch in asked if patch.owner == owner)
            held |= stored(keymap.bookkeeping, slot, registers)
            collided += len(live_owners(registers)) > 1
        visible.append(top)
    return _without_empty_maps(group_item(keymap, migration, visible), by_slot) | held, collided


def _by_slot(patches: Sequence[Patch]) -> dict[str, list[Patch]]:
    found: dict[str, list[Patch]] = {}
    for patch in patches:
        if patch.is_whole != patches[0].is_whole:
            raise Collision("a row has all of it, and another row a part of it")
        others = found.setdefault(patch.slot, [])
        if any(other.owner == patch.owner for other in others):
            raise Collision(f"two rows fall on {slot_text(patch.slot) or 'the same attributes'} of it")
        others.append(patch)
    return found


def _without_empty_maps(item: Item, slots: Iterable[str]) -> Item:
    """A map of which all entries are NULL is not made by a guarded write."""
    for map_name in {entry[0] for slot in slots if (entry := entry_of(slot))}:
        if item.get(map_name) == {"M": {}}:
            del item[map_name]
    return item
