"""The totals of a target's items, by the rule that made them, so that each can be scaled as its table was sampled."""

import heapq
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from keymap.attributes import ITEM_BYTES_MAX
from keymap.capacity import write_units
from keyshift.trial.item_sums import ItemSum

KB: Final = 1024
# The upper bounds of the histogram. 1 KB is a write unit, 4 KB a read unit, 400 KB the limit: beyond, it is refused.
BOUNDS: Final = (*(kb * KB for kb in (1, 4, 16, 64, 200)), ITEM_BYTES_MAX)
NAMED_MAX: Final = 5


@dataclass(slots=True)
class IndexTotals:
    """What one index holds and costs."""

    items: float = 0
    bytes: float = 0
    units: float = 0


@dataclass(slots=True)
class Totals:
    """Sums over items. `histogram` counts them up to each of BOUNDS, and beyond the last.

    `failed` are the units, within `units`, of attempts that fail on their condition and are then made anew.
    `again` are the units that it costs to do the guarded writes once more, when each of them fails its condition.
    """

    indexes: list[IndexTotals]
    items: float = 0
    rows: float = 0
    data: float = 0
    books: float = 0
    writes: float = 0
    units: float = 0
    failed: float = 0
    again: float = 0
    histogram: list[float] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))

    def add(self, item: ItemSum, *, guarded: bool) -> None:
        """One item more."""
        self.items += 1
        self.rows += item.slots
        self.data += item.data
        self.books += item.books
        self.writes += item.writes
        self.units += item.units
        self.failed += item.failed
        self.again += item.writes * write_units(item.size) if guarded else 0
        self.histogram[bisect_left(BOUNDS, item.size)] += 1
        for index, size, units in zip(self.indexes, item.indexes, item.index_units, strict=True):
            index.items += size > 0
            index.bytes += size
            index.units += units

    def include(self, other: "Totals", scale: float) -> None:
        """Add another's totals, scaled to more rows of the same kind."""
        self.items += other.items * scale
        self.rows += other.rows * scale
        self.data += other.data * scale
        self.books += other.books * scale
        self.writes += other.writes * scale
        self.units += other.units * scale
        self.failed += other.failed * scale
        self.again += other.again * scale
        self.histogram = [mine + more * scale for mine, more in zip(self.histogram, other.histogram, strict=True)]
        for index, more in zip(self.indexes, other.indexes, strict=True):
            index.items += more.items * scale
            index.bytes += more.bytes * scale
            index.units += more.units * scale


def empty_totals(indexes: int) -> Totals:
    """The totals of no items, in a target with that many indexes."""
    return Totals([IndexTotals() for _ in range(indexes)])


@dataclass(frozen=True, slots=True)
class Large:
    """An item that is worth a name."""

    digest: bytes
    piece: int
    rule: int
    size: int
    books: int
    slots: int


class TargetTotals:
    """One target: totals by rule, its largest shared items, and those over the limit."""

    def __init__(self, indexes: int, guarded: Sequence[bool]) -> None:
        self._indexes, self._guarded = indexes, guarded
        self.by_rule: dict[int, Totals] = {}
        self.groups: list[Large] = []
        self.over: list[Large] = []
        self.over_count = 0

    def add(self, item: ItemSum) -> None:
        """One item more."""
        totals = self.by_rule.get(item.rule)
        if totals is None:
            totals = self.by_rule[item.rule] = empty_totals(self._indexes)
        totals.add(item, guarded=self._guarded[item.rule])
        if item.slots > 1 and (len(self.groups) < NAMED_MAX or item.size > self.groups[-1].size):
            self.groups = heapq.nlargest(NAMED_MAX, [*self.groups, _large(item)], key=lambda one: one.size)
        if item.size > ITEM_BYTES_MAX:
            self.over_count += 1
            if len(self.over) < NAMED_MAX:
                self.over.append(_large(item))


def _large(item: ItemSum) -> Large:
    return Large(item.digest, item.piece, item.rule, item.size, item.books, item.slots)
