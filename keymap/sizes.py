"""What each slot adds to its item and to the target's indexes, in bytes: items can be added up from their slots.

An item is as large as its parts: what it has once (its key and the migration, and the frame of each map whose entries
rows own), and for each slot its content and its bookkeeping. `keymap.items` says what is written; that the sums agree
with it is a test. Which of the parts an index holds is its projection's business: `all` has the bookkeeping too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final, NamedTuple

from keymap.attributes import item_size
from keymap.patch import Item, Patch
from keymap.rules import Keymap
from keymap.slots import entry_of
from keymap.targets import Index, Target
from keymap.version import mark

OWNED: Final = 1  # the bit of `Sizer.present` for a slot that rows can pass to each other
_ENTRY_BYTES: Final = 1  # of each entry of a map, besides its name and its value


class Size(NamedTuple):
    """Bytes of data (keys, attributes and their names) and of bookkeeping."""

    data: int
    books: int

    @property
    def total(self) -> int:
        """Both together."""
        return self.data + self.books


@dataclass(frozen=True, slots=True)
class _Projection:
    """What an index holds: `names` of attributes besides the table's keys (None: all there are), bookkeeping or not.

    `wanted` has a bit for each of the index's own keys: an item is in the index where all are there.
    """

    names: frozenset[str] | None
    wanted: int

    def held(self, name: str) -> bool:
        """Whether an attribute of that name is in it."""
        return self.names is None or name in self.names


class Sizer:
    """Sizes of one target's slots. `indexes` are the target's, in the order of all here that is told by index.

    `present` tells by bits what a slot brings into its item that others may bring too, or that matters to the whole:
    keys of indexes, the maps that entries are of, and OWNED. `bits` is how many there are.
    """

    def __init__(self, keymap: Keymap, target: Target, migration: str) -> None:
        self._books, self._target = keymap.bookkeeping, target
        self._migration = item_size({self._books.migration: {"S": migration}})
        self._revision = item_size({self._books.revision: {"N": "1"}})
        own = {part.name for part in target.keys}
        keys = dict.fromkeys(part.name for index in target.indexes for part in index.keys if part.name not in own)
        self._keys = {name: OWNED << 1 + place for place, name in enumerate(keys)}
        maps = dict.fromkeys(_maps(keymap, target))
        self._maps = {name: OWNED << 1 + len(keys) + place for place, name in enumerate(maps)}
        self._projections = [self._projection(index) for index in target.indexes]
        self.indexes = target.indexes
        self.bits = 1 + len(keys) + len(maps)
        self.maps = sum(self._maps.values())  # all their bits
        self.wanted = [projection.wanted for projection in self._projections]  # the bits of each index's keys

    def base(self, patch: Patch) -> Size:
        """What an item has once, however many slots: its key, the migration, and, where rows may meet, its revision."""
        revision = self._revision if patch.owner or not patch.is_whole else 0
        return Size(item_size(self._target.key_item(patch.key)), self._migration + revision)

    def slot(self, patch: Patch) -> Size:
        """What one slot adds: its content with names, its mark, and its owner where it has one."""
        content = patch.attributes or {}
        books: Item = {self._books.mark(patch.slot): {"S": mark(patch.version, tombstone=False)}}
        if patch.owner:
            books[self._books.owner(patch.slot)] = {"S": patch.owner}
        entries = len(content) * _ENTRY_BYTES if entry_of(patch.slot) else 0
        return Size(item_size(content) + entries, item_size(books))

    def present(self, patch: Patch) -> int:
        """What the slot brings, by bits."""
        entry = entry_of(patch.slot)
        keys = sum(bit for name, bit in self._keys.items() if name in own_attributes(patch))
        return (OWNED if patch.owner else 0) | keys | (self._maps[entry[0]] if entry else 0)

    def frames(self, present: int) -> tuple[int, list[int]]:
        """The bytes that these maps take without their entries, in the item and in each index."""
        sizes = {name: item_size({name: {"M": {}}}) for name, bit in self._maps.items() if present & bit}
        return sum(sizes.values()), [
            sum(size for name, size in sizes.items() if projection.held(name)) for projection in self._projections
        ]

    def projected_base(self, base: Size) -> list[int]:
        """Of what an item has once, what each index holds: the key, and, where it holds all, the bookkeeping too."""
        return [base.total if projection.names is None else base.data for projection in self._projections]

    def projected_slot(self, patch: Patch, slot: Size) -> list[int]:
        """Of a slot, what each index holds."""
        return [
            slot.total if projection.names is None else _chosen(patch, slot, projection)
            for projection in self._projections
        ]

    def _projection(self, index: Index) -> _Projection:
        keys = [part.name for part in index.keys if part.name in self._keys]
        wanted = sum(self._keys[name] for name in keys)
        if index.projection == "all":
            return _Projection(None, wanted)
        named = index.projection if isinstance(index.projection, tuple) else ()
        return _Projection(frozenset({*keys, *named}), wanted)


def own_attributes(patch: Patch) -> Item:
    """What a patch sets as attributes of the item: nothing where its slot is an entry of one."""
    return {} if entry_of(patch.slot) else patch.attributes or {}


def _chosen(patch: Patch, slot: Size, projection: _Projection) -> int:
    entry = entry_of(patch.slot)
    if entry:
        return slot.data if projection.held(entry[0]) else 0
    return item_size({name: value for name, value in own_attributes(patch).items() if projection.held(name)})


def _maps(keymap: Keymap, target: Target) -> Iterator[str]:
    """The maps of a target's items whose entries rows own."""
    for rule in chain.from_iterable(keymap.rules.values()):
        group = rule.document.group
        if rule.target.name == target.name and group and group.map:
            yield group.map
