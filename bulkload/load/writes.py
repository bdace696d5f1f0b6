"""What the rows of one chunk ask of DynamoDB: decided whole, before any of it is sent.

Two kinds of writes come out. An item of which every slot is in hand is *put* without a condition: a one-row item, and
a grouped item that is proven to lie within the chunk (docs/design, "Slots and patches"). The slots of all other items
are *written guarded*, each only if it is absent or older: another chunk, or another table, holds their neighbours, or
rows may have passed the slot to each other between the reading of two chunks.

A row that DynamoDB could not take, and rows that fall on one slot, are found here, all of the chunk at once, so that a
chunk that is not right has written nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from keymap.attributes import ITEM_BYTES_MAX, oversize
from keymap.check import groups_whole
from keymap.errors import Problem, Problems
from keymap.items import group_item, whole_item
from keymap.patch import Item, Key, Patch
from keymap.rules import Keymap
from keymap.schema import TableSchema
from keymap.template import PatchError
from keymap.updates import per_update
from keymap.values import Canonical, Row

NAMED_MAX = 20  # bad rows named in one error: enough to see what they share, and it still fits a screen
_TEXT_MAX = 60  # characters of one key value in a message
_ANEW = "then start the migration anew (`keyshift destroy`, `keyshift init`)"
SIZE_REMEDY = f"Exclude or shorten large columns in the keymap, or filter such rows out; {_ANEW}"
SLOT_REMEDY = f"Put the whole primary key into the target's key; {_ANEW}"


@dataclass(frozen=True, slots=True)
class ChunkWrites:
    """The writes of one chunk. No two `puts` (table, item) have one key; `guarded` hold slots of one item each."""

    puts: Sequence[tuple[str, Item]]
    guarded: Sequence[Sequence[Patch]]

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
    """The writes of a chunk. Raises Problems that name the rows that cannot be written, up to 20 of them."""
    problems: list[Problem] = []
    items = _items(keymap, chunk, problems)
    whole = groups_whole(keymap, chunk.schema, chunk.uncut)
    puts: list[tuple[str, Item]] = []
    guarded: list[Sequence[Patch]] = []
    for (table, _), slots in items.items():
        patches = [owned.patch for owned in slots.values()]
        single = patches[0].is_whole
        item = whole_item(keymap, migration, patches[0]) if single else group_item(keymap, migration, patches)
        if size := oversize(item):
            problems.append(_too_large(chunk.schema, table, slots, size))
        elif (
            not chunk.alone or any(patch.owner or patch.names is not None for patch in patches) or not (single or whole)
        ):
            guarded += per_update(patches)
        else:
            puts.append((table, item))
    Problems.raise_if_any(_shortened(problems, chunk.schema))
    return ChunkWrites(puts, guarded)


def _items(keymap: Keymap, chunk: ChunkRows, problems: list[Problem]) -> Mapping[tuple[str, Key], _Slots]:
    items: dict[tuple[str, Key], _Slots] = {}
    for owned in _patches(keymap, chunk, problems):
        slots = items.setdefault((owned.patch.table, owned.patch.key), {})
        if other := _in_the_way(slots, owned.patch):
            problems.append(_collision(chunk.schema, owned, other))
        else:
            slots[owned.patch.slot, owned.patch.owner] = owned
    return items


def _patches(keymap: Keymap, chunk: ChunkRows, problems: list[Problem]) -> Iterator[_Owned]:
    table = chunk.schema.full_name
    for row in chunk.rows:
        try:
            patches = keymap.row_patches(table, row, chunk.version)
        except PatchError as error:
            remedy = f"{error.remedy or 'Correct the keymap'}; {_ANEW}"
            problems.append(Problem(row_name(chunk.schema, row), error.message, remedy))
        else:
            yield from (_Owned(patch, row) for patch in patches)


def _in_the_way(slots: _Slots, patch: Patch) -> _Owned | None:
    """What already holds the patch's register. A whole item leaves no room for another slot, nor has it any itself."""
    first = next(iter(slots.values()), None)
    if first and first.patch.is_whole != patch.is_whole:
        return first
    return slots.get((patch.slot, patch.owner))


def _collision(schema: TableSchema, owned: _Owned, other: _Owned) -> Problem:
    what = f"it falls on the same slot of one item of {owned.patch.table} as {row_name(schema, other.row)}"
    return Problem(row_name(schema, owned.row), what, SLOT_REMEDY)


def _too_large(schema: TableSchema, table: str, slots: _Slots, size: int) -> Problem:
    first = row_name(schema, next(iter(slots.values())).row)
    where = first if len(slots) == 1 else f"{first} and {len(slots) - 1} more rows of its item"
    return Problem(
        where, f"the item of {table} would have {size} bytes, and DynamoDB takes {ITEM_BYTES_MAX}", SIZE_REMEDY
    )


def _shortened(problems: Sequence[Problem], schema: TableSchema) -> list[Problem]:
    more = len(problems) - NAMED_MAX
    if more <= 0:
        return list(problems)
    rest = Problem(f"table {schema.full_name}", f"{more} more rows of this chunk cannot be written", "Mend those first")
    return [*problems[:NAMED_MAX], rest]


def row_name(schema: TableSchema, row: Row) -> str:
    """A row named by its primary key alone, for a message to a person: ``row shop.orders (id=5)``."""
    key = ", ".join(f"{name}={_shown(row.get(name))}" for name in schema.primary_key)
    return f"row {schema.full_name} ({key})"


def _shown(value: Canonical) -> str:
    text = value.hex() if isinstance(value, bytes) else repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _TEXT_MAX else f"{text[:_TEXT_MAX]}…"
