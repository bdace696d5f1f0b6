"""Slots of an item that rows share, as one UpdateItem: none of them lands unless all of them are newer.

Two kinds of requests are made. One knows nothing of the item: each slot is guarded by its mark, and writers of other
slots are no matter. One knows the item as it was: where rows pass a slot to each other the outcome depends on what is
there (keymap.owners), so it lands only while the item's revision is still the same.

DynamoDB takes `SET lines.#id` only where the map `lines` is there, and no expression that makes the map and sets an
entry of it. So a request either sets entries of a map that must be there, or makes the map with all its entries where
there must be none.
"""

from collections.abc import Iterator, Mapping, Sequence

from keymap.attributes import Attribute
from keymap.bookkeeping import Bookkeeping
from keymap.items import Request, Unchanged
from keymap.owners import Registers, merged, registers_of, shown, stored
from keymap.patch import WHOLE, Item, Patch
from keymap.rules import Keymap
from keymap.slots import content, entry_of
from keymap.targets import Target
from keymap.version import mark

# An expression string may hold 4 KB, and an expression 300 operators and functions (DynamoDB developer guide). Of the
# condition a slot takes 50 bytes and 4 operators, with an owner 135 and 10: so one with an owner counts as three. Of
# the update each attribute takes 16 bytes, and each slot its mark.
SLOTS_PER_UPDATE_MAX = 40
ATTRIBUTES_PER_UPDATE_MAX = 150
_WEIGHT_OF_OWNED = 3


def per_update(patches: Sequence[Patch]) -> Iterator[list[Patch]]:
    """Patches of one item in parts that each fit one UpdateItem; those of one slot stay together where they can."""
    part: list[Patch] = []
    slots = attributes = 0
    for patch in sorted(patches, key=lambda patch: patch.slot):
        weight = _WEIGHT_OF_OWNED if patch.owner else 1
        names = len(patch.names or (patch.slot,))
        if part and (slots + weight > SLOTS_PER_UPDATE_MAX or attributes + names > ATTRIBUTES_PER_UPDATE_MAX):
            yield part
            part, slots, attributes = [], 0, 0
        part.append(patch)
        slots, attributes = slots + weight, attributes + names
    if part:
        yield part


def update_request(keymap: Keymap, migration: str, patches: Sequence[Patch], old: Item | None = None) -> Request:
    """The guarded UpdateItem of slots of one item, no two of one slot. `old`: what it is taken to hold, {} for nothing.

    An owner's patch lands on what the owner shows already, or where nobody was; `update_merged` does the rest.
    """
    books, target = keymap.bookkeeping, keymap.targets[patches[0].table]
    update = _Update(keymap, migration, old)
    guards = [f"(attribute_not_exists({update.name(target.partition_key.name)}) OR {update.is_ours})"]
    for patch in patches:
        held = {books.mark(patch.slot): {"S": mark(patch.version, tombstone=patch.attributes is None)}}
        if patch.owner:
            held[books.owner(patch.slot)] = {"S": patch.owner}
        update.slot(patch.slot, patch.attributes, patch.names, held)
        guards += _guards(update, books, patch)
    return update.request(patches[0], guards)


def _guards(update: "_Update", books: Bookkeeping, patch: Patch) -> Iterator[str]:
    held = update.name(books.mark(patch.slot))
    yield f"(attribute_not_exists({held}) OR {held} < {update.value({'S': patch.version})})"
    if patch.owner:
        owner = update.name(books.owner(patch.slot))
        yield f"(attribute_not_exists({owner}) OR {owner} = {update.value({'S': patch.owner})})"
        if patch.attributes is None:  # who else lives there is then to be shown
            yield f"attribute_not_exists({update.name(books.parked(patch.slot))})"


def update_merged(
    keymap: Keymap, migration: str, patches: Sequence[Patch], old: Item
) -> tuple[Request, list[Registers]]:
    """The UpdateItem of an item whose slots are as after `patches`, and the registers of those that have owners.

    `old` is the item as it was read, {} for none; the request lands only while its revision is unchanged.
    """
    books, target = keymap.bookkeeping, keymap.targets[patches[0].table]
    update = _Update(keymap, migration, old)
    by_slot: dict[str, list[Patch]] = {}
    for patch in patches:
        by_slot.setdefault(patch.slot, []).append(patch)
    owned = []
    for slot, asked in by_slot.items():
        if not asked[0].owner:
            held = {books.mark(slot): {"S": mark(asked[0].version, tombstone=asked[0].attributes is None)}}
            update.slot(slot, asked[0].attributes, asked[0].names, held)
            continue
        registers = merged(registers_of(books, target, old, slot), asked)
        names = _names(books, target, asked[0], old)
        update.slot(slot, registers[shown(registers)].content, names, stored(books, slot, registers))
        owned.append(registers)
    return update.request(patches[0], Unchanged(books, old, target.partition_key.name)), owned


def _names(books: Bookkeeping, target: Target, patch: Patch, old: Item) -> tuple[str, ...]:
    """The attributes that the slot may have: what it shows may come from an owner of another shape."""
    return (*patch.names, *content(books, target, WHOLE, old)) if patch.names else ()


class _Update:
    """An UpdateItem in the making: the parts of its expressions, with names and values under aliases."""

    def __init__(self, keymap: Keymap, migration: str, old: Item | None) -> None:
        self._targets, self._old = keymap.targets, old
        self._aliases: dict[str, str] = {}
        self._values: dict[str, Attribute] = {}
        self._sets: list[str] = []
        self._removes: list[str] = []
        self._maps: dict[str, dict[str, Attribute | None]] = {}
        books, owner = keymap.bookkeeping, self.value({"S": migration})
        self.is_ours = f"{self.name(books.migration)} = {owner}"
        self._sets.append(self.is_ours)
        self._counted = f"{self.name(books.revision)} {self.value({'N': '1'})}"

    def name(self, name: str) -> str:
        return self._aliases.setdefault(name, f"#n{len(self._aliases)}")

    def value(self, attribute: Attribute) -> str:
        alias = f":v{len(self._values)}"
        self._values[alias] = attribute
        return alias

    def slot(self, slot: str, content: Item | None, names: Sequence[str] | None, held: Item) -> None:
        """Let a slot hold this content (None: it is removed), with these bookkeeping attributes beside it."""
        wanted: Mapping[str, Attribute] = content or {}
        for name, value in held.items():
            self._put(self.name(name), value)
        entry = entry_of(slot)
        if entry:
            self._maps.setdefault(entry[0], {})[entry[1]] = wanted.get(entry[1])
            return
        own = (slot,) if slot != WHOLE else dict.fromkeys((*(names or ()), *wanted))
        for name in own:
            self._put(self.name(name), wanted.get(name))

    def request(self, patch: Patch, condition: Sequence[str] | Unchanged) -> Request:
        """The whole request, for the item of a patch."""
        terms = [*(condition.terms if isinstance(condition, Unchanged) else condition), *self._write_maps()]
        removes = f" REMOVE {', '.join(self._removes)}" if self._removes else ""
        names = {alias: name for name, alias in self._aliases.items()}
        if isinstance(condition, Unchanged):
            names |= condition.names
            self._values |= condition.values
        return {
            "TableName": patch.table,
            "Key": self._targets[patch.table].key_item(patch.key),
            "UpdateExpression": f"SET {', '.join(self._sets)} ADD {self._counted}{removes}",
            "ConditionExpression": " AND ".join(terms),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": self._values,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _put(self, path: str, value: Attribute | None) -> None:
        if value is None:
            self._removes.append(path)
        else:
            self._sets.append(f"{path} = {self.value(value)}")

    def _write_maps(self) -> Iterator[str]:
        """Write the entries, and give the terms on which their maps are as they are taken to be."""
        for map_name, entries in self._maps.items():
            path = self.name(map_name)
            if self._old is None or "M" in self._old.get(map_name, {}):
                yield f"attribute_exists({path})"
                for entry, value in entries.items():
                    self._put(f"{path}.{self.name(entry)}", value)
            else:
                yield f"attribute_not_exists({path})"
                made = {entry: value for entry, value in entries.items() if value is not None}
                if made:
                    self._put(path, {"M": made})
