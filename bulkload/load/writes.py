"""What the rows of one chunk ask of DynamoDB: decided whole, before any of it is sent.

Two kinds of writes come out. An item of which every slot is in hand is *put* without a condition: a one-row item, and
a grouped item that is proven to lie within the chunk (docs/design, "Slots and patches"). The slots of all other items
are *written guarded*, each only if it is absent or older: another chunk, or another table, holds their neighbours, or
rows may have passed the slot to each other between the reading of two chunks.

A row that DynamoDB could not take, and rows that fall on one slot, are found here, all of the chunk at once: they are
its rejects (bulkload/load/rejects.py).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bulkload.load.rejects import Reject, row_name
from keymap.attributes import ITEM_BYTES_MAX, oversize
from keymap.check import groups_whole
from keymap.items import group_item, whole_item
from keymap.patch import Item, Key, Patch
from keymap.rules import Keymap
from keymap.schema import TableSchema
from keymap.template import PatchError
from keymap.updates import per_update
from keymap.values import Row

_AGAIN = "or correct the row at its source: replay then brings it"
_SIZE_REMEDY = f"Exclude or shorten large columns in the keymap, filter such rows out, {_AGAIN}"
_SLOT_REMEDY = f"Put the whole primary key into the target's key, {_AGAIN}"


@dataclass(frozen=True, slots=True)
class ChunkWrites:
    """The writes of one chunk. No two `puts` (table, item) have one key; `guarded` hold slots of one item each.

    `rejects` are the rows that none of these writes holds, since they cannot become items.
    """

    puts: Sequence[tuple[str, Item]]
    guarded: Sequence[Sequence[Patch]]
    rejects: Sequence[Reject] = ()

    @property
    def items(self) -> int:
        """How many writes there are."""
        return len(self.puts) + len(self.guarded)


@dataclass(frozen=True, slots=True)
class ChunkRows:
    """The rows of a chunk and what is known of them: `uncut` as it was recorded, the `version` that they carry.

    `alone`: nothing else writes to the target tables, so that items may be put.
    """

    schema: TableSchema
    rows: Iterable[Row]
    uncut: int
    version: str
    alone: bool = True


class _Owned(NamedTuple):
    """A patch and the row that asks for it."""

    patch: Patch
    row: Row


_Slots = dict[tuple[str, str], _Owned]  # of one item, by slot and owner


def plan_writes(keymap: Keymap, migration: str, chunk: ChunkRows) -> ChunkWrites:
    """The writes of a chunk, and the rows that cannot be written."""
    rejects: list[Reject] = []
    items = _items(keymap, chunk, rejects)
    whole = groups_whole(keymap, chunk.schema, chunk.uncut)
    puts: list[tuple[str, Item]] = []
    guarded: list[Sequence[Patch]] = []
    for (table, _), slots in items.items():
        patches = [owned.patch for owned in slots.values()]
        single = patches[0].is_whole
        item = whole_item(keymap, migration, patches[0]) if single else group_item(keymap, migration, patches)
        if size := oversize(item):
            rejects += _too_large(chunk.schema, table, slots, size)
        elif (
            not chunk.alone or any(patch.owner or patch.names is not None for patch in patches) or not (single or whole)
        ):
            guarded += per_update(patches)
        else:
            puts.append((table, item))
    return ChunkWrites(puts, guarded, rejects)


def _items(keymap: Keymap, chunk: ChunkRows, rejects: list[Reject]) -> Mapping[tuple[str, Key], _Slots]:
    items: dict[tuple[str, Key], _Slots] = {}
    for owned in _patches(keymap, chunk, rejects):
        slots = items.setdefault((owned.patch.table, owned.patch.key), {})
        if other := _in_the_way(slots, owned.patch):
            rejects.append(_collision(chunk.schema, owned, other))
        else:
            slots[owned.patch.slot, owned.patch.owner] = owned
    return items


def _patches(keymap: Keymap, chunk: ChunkRows, rejects: list[Reject]) -> Iterator[_Owned]:
    table = chunk.schema.full_name
    for row in chunk.rows:
        try:
            patches = keymap.row_patches(table, row, chunk.version)
        except PatchError as error:
            remedy = f"{error.remedy or 'Correct the keymap'}, {_AGAIN}"
            rejects.append(Reject.of(chunk.schema, row, error.message, remedy))
        else:
            yield from (_Owned(patch, row) for patch in patches)


def _in_the_way(slots: _Slots, patch: Patch) -> _Owned | None:
    """What already holds the patch's register. A whole item leaves no room for another slot, nor has it any itself."""
    first = next(iter(slots.values()), None)
    if first and first.patch.is_whole != patch.is_whole:
        return first
    return slots.get((patch.slot, patch.owner))


def _collision(schema: TableSchema, owned: _Owned, other: _Owned) -> Reject:
    what = f"it falls on the same slot of one item of {owned.patch.table} as {row_name(schema, other.row)}"
    return Reject.of(schema, owned.row, what, _SLOT_REMEDY)


def _too_large(schema: TableSchema, table: str, slots: _Slots, size: int) -> Iterator[Reject]:
    """All rows of the item: none of them is written."""
    what = f"the item of {table} would have {size} bytes, and DynamoDB takes {ITEM_BYTES_MAX}"
    if (more := len(slots) - 1) > 0:
        what += f" (with {more} more rows)"
    for owned in slots.values():
        yield Reject.of(schema, owned.row, what, _SIZE_REMEDY)
