"""What the rows of one chunk ask of DynamoDB: decided whole, before any of it is sent.

Two kinds of writes come out. An item of which every slot is in hand is *put* without a condition: a one-row item, and
a grouped item that is proven to lie within the chunk (docs/design, "Slots and patches"). The slots of all other items
are *written guarded*, each only if it is absent or older: another chunk, or another table, holds their neighbours, or
rows may have passed the slot to each other between the reading of two chunks.

Where each row is an item of its own, as in most tables, there are no slots to put together: its item is made in one
step and kept as the text that will be sent.

A row that DynamoDB could not take, and rows that fall on one slot, are found here, all of the chunk at once: they are
its rejects (bulkload/load/rejects.py).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bulkload.load.rejects import Reject, key_of, row_name
from keymap.attributes import ITEM_BYTES_MAX, item_size, oversize
from keymap.check import groups_whole
from keymap.items import WholeItems, group_item, whole_item
from keymap.patch import Item, Key, Patch
from keymap.rules import Keymap
from keymap.schema import TableSchema
from keymap.template import PatchError
from keymap.updates import per_update
from keymap.values import Canonical, Row
from keyshift.aws.items import EncodedItem, encode_item

_AGAIN = "or correct the row at its source: replay then brings it"
SIZE_REMEDY = f"Exclude or shorten large columns in the keymap, filter such rows out, {_AGAIN}"
SLOT_REMEDY = f"Put the whole primary key into the target's key, {_AGAIN}"


AnyItem = Item | EncodedItem


@dataclass(frozen=True, slots=True)
class ChunkWrites:
    """The writes of one chunk. No two `puts` (table, item) have one key; `guarded` hold slots of one item each.

    `rejects` are the rows that none of these writes holds, since they cannot become items.
    """

    puts: Sequence[tuple[str, AnyItem]]
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
    made = WholeItems(keymap, chunk.schema.full_name, migration, chunk.version)
    return _puts(made, chunk) if chunk.alone and made.possible else _any(keymap, migration, chunk)


def _puts(made: WholeItems, chunk: ChunkRows) -> ChunkWrites:
    """The writes where each row is an item of its own, or none, or one of each of several kinds."""
    schema, puts, rejects = chunk.schema, list[tuple[str, AnyItem]](), list[Reject]()
    rows: dict[tuple[str, Key], tuple[Canonical, ...]] = {}  # by the item that each became: its primary key
    for row in chunk.rows:
        try:
            items = made.of(row)
        except PatchError as error:
            rejects.append(_unfit(schema, row, error))
            continue
        for table, key, item in items:
            if (table, key) in rows:
                other = dict(zip(schema.primary_key, rows[table, key], strict=True))
                rejects.append(_collision(schema, table, row, other))
                continue
            rows[table, key] = key_of(schema, row)
            encoded = encode_item(item)
            if encoded is None:
                puts.append((table, item))
            elif encoded.bytes <= ITEM_BYTES_MAX or (size := item_size(item)) <= ITEM_BYTES_MAX:
                puts.append((table, encoded))
            else:
                rejects += _too_large(schema, table, [row], size)
    return ChunkWrites(puts, (), rejects)


def _any(keymap: Keymap, migration: str, chunk: ChunkRows) -> ChunkWrites:
    """The writes of any table: the slots of each item together, and then what is to be done with them."""
    rejects: list[Reject] = []
    items = _items(keymap, chunk, rejects)
    whole = groups_whole(keymap, chunk.schema, chunk.uncut)
    puts: list[tuple[str, AnyItem]] = []
    guarded: list[Sequence[Patch]] = []
    for (table, _), slots in items.items():
        patches = [owned.patch for owned in slots.values()]
        single = patches[0].is_whole
        item = whole_item(keymap, migration, patches[0]) if single else group_item(keymap, migration, patches)
        if size := oversize(item):
            rejects += _too_large(chunk.schema, table, [owned.row for owned in slots.values()], size)
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
            rejects.append(_collision(chunk.schema, owned.patch.table, owned.row, other.row))
        else:
            slots[owned.patch.slot, owned.patch.owner] = owned
    return items


def _patches(keymap: Keymap, chunk: ChunkRows, rejects: list[Reject]) -> Iterator[_Owned]:
    table = chunk.schema.full_name
    for row in chunk.rows:
        try:
            patches = keymap.row_patches(table, row, chunk.version)
        except PatchError as error:
            rejects.append(_unfit(chunk.schema, row, error))
        else:
            yield from (_Owned(patch, row) for patch in patches)


def _in_the_way(slots: _Slots, patch: Patch) -> _Owned | None:
    """What already holds the patch's register. A whole item leaves no room for another slot, nor has it any itself."""
    first = next(iter(slots.values()), None)
    if first and first.patch.is_whole != patch.is_whole:
        return first
    return slots.get((patch.slot, patch.owner))


def _unfit(schema: TableSchema, row: Row, error: PatchError) -> Reject:
    return Reject.of(schema, row, error.message, f"{error.remedy or 'Correct the keymap'}, {_AGAIN}")


def _collision(schema: TableSchema, table: str, row: Row, other: Row) -> Reject:
    what = f"it falls on the same slot of one item of {table} as {row_name(schema, other)}"
    return Reject.of(schema, row, what, SLOT_REMEDY)


def _too_large(schema: TableSchema, table: str, rows: Sequence[Row], size: int) -> Iterator[Reject]:
    """All rows of the item: none of them is written."""
    what = f"the item of {table} would have {size} bytes, and DynamoDB takes {ITEM_BYTES_MAX}"
    if (more := len(rows) - 1) > 0:
        what += f" (with {more} more rows)"
    for row in rows:
        yield Reject.of(schema, row, what, SIZE_REMEDY)
