"""The second step: what the scan remembered, added up target by target; and which digests and pieces need names."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

from keymap.capacity import COLLECTION_BYTES_MAX
from keyshift.trial.collisions import Suspect
from keyshift.trial.mapping import EXAMPLES_MAX
from keyshift.trial.partition_sums import PartitionSum, PartitionSums, PartitionTotals
from keyshift.trial.scan import BUFFER_BYTES_MAX, Books, Scan
from keyshift.trial.sightings import Wanted
from keyshift.trial.spellings import Split
from keyshift.trial.totals import TargetTotals

SUSPECTS_MAX: Final = 50  # slots looked at again: if none of them is a collision, rows were moving


@dataclass(frozen=True, slots=True)
class TargetSums:
    """One target, added up; `splits` has the first of the keys with several spellings, and how many there are."""

    totals: TargetTotals
    partitions: PartitionTotals
    indexes: Mapping[str, PartitionTotals]
    splits: Mapping[int, tuple[Sequence[Split], int]]


@dataclass(frozen=True, slots=True)
class Sums:
    """All targets, and the slots that several rows were seen to write, of `suspects_count` the first."""

    targets: Mapping[str, TargetSums]
    suspects: Sequence[Suspect]
    suspects_count: int

    def wanted(self) -> Wanted:
        """The digests to be named."""
        return Wanted(
            frozenset(suspect.digest for suspect in self.suspects),
            frozenset(split.digest for split in self._splits()),
            frozenset(digest for digest, _ in self._others()),
        )

    def pieces(self) -> list[int]:
        """Where to look for them, the most important first."""
        several = [*(suspect.pieces for suspect in self.suspects), *(split.pieces for split in self._splits())]
        return [*chain.from_iterable(several), *(piece for _, piece in self._others())]

    def _splits(self) -> Iterator[Split]:
        for target in self.targets.values():
            for splits, _ in target.splits.values():
                yield from splits

    def _others(self) -> Iterator[tuple[bytes, int]]:
        for target in self.targets.values():
            for large in (*target.totals.groups, *target.totals.over):
                yield large.digest, large.piece
            for partitions in (target.partitions, *target.indexes.values()):
                for one in (*partitions.top, *partitions.full):
                    yield one.digest, one.piece


def add_up(scan: Scan, directory: Path) -> Sums:
    """Everything that the scan remembered."""
    targets = {
        name: _target(books, scan.guarded, directory / name / "partitions") for name, books in scan.books.items()
    }
    suspects, count = scan.slots.suspects(SUSPECTS_MAX)
    return Sums(targets, suspects, count)


def _target(books: Books, guarded: Sequence[bool], directory: Path) -> TargetSums:
    local = [index.is_local for index in books.sizer.indexes]
    totals, partitions = TargetTotals(len(local), guarded), PartitionSums(directory, BUFFER_BYTES_MAX)
    for item in books.items.items():
        totals.add(item)
        copies = sum(size for size, is_local in zip(item.indexes, local, strict=True) if is_local)
        partitions.add(PartitionSum(item.units, item.slots, item.size + copies, item.partition, item.piece))
    return TargetSums(
        totals,
        partitions.totals(full_bytes=COLLECTION_BYTES_MAX),
        {name: index.totals(full_bytes=COLLECTION_BYTES_MAX) for name, index in books.indexes.items()},
        {level: spellings.splits(EXAMPLES_MAX) for level, spellings in books.spellings.items()},
    )
