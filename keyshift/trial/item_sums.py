"""Items added up from their writes, exactly and in bounded memory, whichever tables and pieces the writes come from.

Each write that the load will make leaves one record: the digest of its item, and what it adds. Records of one item lie
together in one partition (keyshift.cutover.digests), in the order of the writes, so each item can be replayed: its size
grows, and every write costs as much as the item is large by then. What is put whole costs its size once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Any, Final

from keymap.capacity import write_units
from keymap.patch import Patch
from keymap.sizes import OWNED, Size, Sizer
from keyshift.cutover.digests import BUFFER_BYTES_MAX, DIGEST_BYTES, Digests, digest, gathered

ITEMS_MAX: Final = 100_000  # of a partition, at some 600 bytes each while they are added up


@dataclass(slots=True)
class ItemSum:
    """One item, as its writes leave it.

    `rule` and `piece` are where its first slot comes from. `data` and `books` are bytes, `slots` the rows that share
    it, `writes` the calls and `units` what they cost, `failed` units of them for attempts whose condition fails first.
    `indexes` has the bytes that each index holds of it (0: it is not in it), and `index_units` what its writes cost
    there. `present`: see keymap.sizes.
    """

    digest: bytes
    partition: bytes
    rule: int
    piece: int
    data: int
    books: int
    indexes: list[int]
    index_units: list[int]
    slots: int = 0
    writes: int = 0
    units: int = 0
    failed: int = 0
    present: int = 0

    @property
    def size(self) -> int:
        """The item's bytes, as the 400 KB limit counts them."""
        return self.data + self.books


@dataclass(frozen=True, slots=True)
class Write:
    """One write of one item: its patches, the rule that made the first of them, and the piece of rows it is from."""

    patches: Sequence[Patch]
    rule: int
    piece: int


class ItemSums:
    """The items of one target. `guarded` says of each rule whether its items are written slot by slot."""

    def __init__(
        self, sizer: Sizer, guarded: Sequence[bool], directory: Path, buffer_bytes_max: int = BUFFER_BYTES_MAX
    ) -> None:
        self._sizer, self._guarded = sizer, guarded
        self._present_bytes = -(-sizer.bits // 8)
        # partition key's digest, rule, piece, data, bookkeeping, slots, both of what is there once, bits, indexes
        self._layout = Struct(f"<{DIGEST_BYTES}sHIIIIHH{self._present_bytes}s{len(sizer.indexes)}I")
        self._records = Digests(directory, buffer_bytes_max, payload_bytes=self._layout.size)

    def add(self, write: Write) -> None:
        """Remember a write."""
        first = write.patches[0]
        base = self._sizer.base(first)
        sizes = [self._sizer.slot(patch) for patch in write.patches]
        data, books, present = sum(size.data for size in sizes), sum(size.books for size in sizes), 0
        indexes = [0] * len(self._sizer.indexes)
        for patch, size in zip(write.patches, sizes, strict=True):
            present |= self._sizer.present(patch)
            if indexes:
                indexes = list(map(int.__add__, indexes, self._sizer.projected_slot(patch, size)))
        bits = present.to_bytes(self._present_bytes, "little")
        once = (base.data, base.books, bits)
        fields = (partition_digest(first), write.rule, write.piece, data, books, len(sizes), *once, *indexes)
        self._records.add(item_digest(first) + self._layout.pack(*fields))

    def items(self, items_max: int = ITEMS_MAX) -> Iterator[ItemSum]:
        """Every item, once."""
        for records in gathered(self._records, items_max):
            yield from self._replayed(records).values()

    def _replayed(self, records: Iterator[bytes]) -> dict[bytes, ItemSum]:
        items: dict[bytes, ItemSum] = {}
        for record in records:
            fields = self._layout.unpack_from(record, DIGEST_BYTES)
            key = record[:DIGEST_BYTES]
            item = items.get(key)
            if item is None:
                item = items[key] = self._new(key, fields)
            self._write(item, fields)
        for item in items.values():
            self._finish(item)
        return items

    def _new(self, key: bytes, fields: tuple[Any, ...]) -> ItemSum:
        partition, rule, piece, _, _, _, data, books, *_ = fields
        base = self._sizer.projected_base(Size(data, books))
        return ItemSum(key, partition, rule, piece, data, books, base, [0] * len(base))

    def _write(self, item: ItemSum, fields: tuple[Any, ...]) -> None:
        _, rule, _, data, books, slots, _, _, bits, *indexes = fields
        present = int.from_bytes(bits, "little")
        if self._guarded[rule]:
            self._fail(item, present)
        frames, projected = self._sizer.frames(present & ~item.present & self._sizer.maps)
        changed = list(map(int.__add__, indexes, projected))
        item.data += data + frames
        item.books += books
        item.slots += slots
        item.present |= present
        item.indexes = list(map(int.__add__, item.indexes, changed))
        if self._guarded[rule]:
            self._pay(item, changed)

    def _fail(self, item: ItemSum, present: int) -> None:
        """The load takes an item for absent. Where one with owners is there, or a map of it is, it must ask again."""
        if item.slots and (present & OWNED or present & item.present & self._sizer.maps):
            units = write_units(item.size)
            item.failed += units
            item.units += units

    def _pay(self, item: ItemSum, changed: Sequence[int]) -> None:
        item.writes += 1
        item.units += write_units(item.size)
        for place, wanted in enumerate(self._sizer.wanted):
            if item.present & wanted == wanted and changed[place]:  # an index is written where what it holds changes
                item.index_units[place] += write_units(item.indexes[place])

    def _finish(self, item: ItemSum) -> None:
        if not item.writes:
            self._pay(item, changed=item.indexes)
        for place, wanted in enumerate(self._sizer.wanted):
            if item.present & wanted != wanted:
                item.indexes[place] = 0
            elif not item.index_units[place]:
                item.index_units[place] = write_units(item.indexes[place])  # its keys were there from the beginning


def item_digest(patch: Patch) -> bytes:
    """The item that a patch writes to."""
    return digest(patch.table, patch.key, "")


def partition_digest(patch: Patch) -> bytes:
    """The partition key of that item; of a table without sort key it is the item."""
    return digest(patch.table, patch.key[:1], "")
