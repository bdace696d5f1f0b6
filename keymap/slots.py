"""Slots: the parts of an item that single source rows own, and what of an item is in each.

| Slot | Its name | Holds |
|---|---|---|
| a row's own attributes | "" | all data of the item that no other slot holds |
| an attribute | `NAME` | the attribute of that name |
| an entry of a map | `.MAP.KEY` | the entry KEY of the map attribute MAP |

No attribute slot's name begins with a dot and no such map's name has one (keymap.rule, keymap.document), so the three
never meet. A map that is left without entries is no data: it stays until the sweep takes it.
"""

from collections.abc import Iterator

from keymap.bookkeeping import Bookkeeping
from keymap.patch import WHOLE, Item
from keymap.targets import Target
from keymap.version import is_tombstone


def entry_slot(map_name: str, entry: str) -> str:
    """The slot of an entry of a map attribute."""
    return f".{map_name}.{entry}"


def entry_of(slot: str) -> tuple[str, str] | None:
    """The map attribute and the entry that a slot is; None where it is none."""
    if not slot.startswith("."):
        return None
    map_name, _, entry = slot[1:].partition(".")
    return map_name, entry


def slot_text(slot: str) -> str:
    """A slot as one would say it; "" for a row's own attributes."""
    entry = entry_of(slot)
    return f"entry {entry[1]} of {entry[0]}" if entry else f"attribute {slot}" if slot else ""


def content(books: Bookkeeping, target: Target, slot: str, item: Item) -> Item:
    """What a slot of an item holds: attributes, or the entry alone."""
    entry = entry_of(slot)
    if entry:
        entries = item.get(entry[0], {}).get("M", {})
        return {entry[1]: entries[entry[1]]} if entry[1] in entries else {}
    if slot != WHOLE:
        return {slot: item[slot]} if slot in item else {}
    others = _named(books, item)
    return {name: value for name, value in data_of(books, target, item).items() if name not in others}


def live_slots(books: Bookkeeping, target: Target, item: Item) -> Iterator[tuple[str, str]]:
    """The slots of an item of ours for which the source must have a row, each with its mark.

    Data that no live slot accounts for counts as a slot of its own, with the mark "".
    """
    marks = {slot: mark for slot, mark in books.slots(item).items() if not is_tombstone(mark)}
    yield from marks.items()
    named = _named(books, item)
    for slot in _data_slots(books, target, item):
        # A live row's own attributes are all that is not named; what does not belong there is found with its row.
        if slot not in marks and not (WHOLE in marks and slot not in named):
            yield slot, ""


def is_empty(books: Bookkeeping, target: Target, item: Item) -> bool:
    """Whether an item holds no data but its key, and maps that have lost their entries."""
    return next(_data_slots(books, target, item), None) is None


def empty_maps(books: Bookkeeping, item: Item) -> list[str]:
    """The maps whose entries rows own, and that have none."""
    return [name for name in _maps(books, item) if item.get(name) == {"M": {}}]


def data_of(books: Bookkeeping, target: Target, item: Item) -> Item:
    """All data of an item but its key."""
    keys = {part.name for part in target.keys}
    return {name: value for name, value in books.data(item).items() if name not in keys}


def _maps(books: Bookkeeping, item: Item) -> set[str]:
    """The attributes whose entries have marks, live or not."""
    return {entry[0] for slot in books.slots(item) if (entry := entry_of(slot))}


def _named(books: Bookkeeping, item: Item) -> set[str]:
    """The attributes that are, or have, slots of their own."""
    return {slot for slot in books.slots(item) if slot != WHOLE and not entry_of(slot)} | _maps(books, item)


def _data_slots(books: Bookkeeping, target: Target, item: Item) -> Iterator[str]:
    """The item's data as slots: each entry of a map that has marks, else each attribute."""
    maps = _maps(books, item)
    for name, value in data_of(books, target, item).items():
        if name in maps and "M" in value:
            yield from (entry_slot(name, entry) for entry in value["M"])
        else:
            yield name
