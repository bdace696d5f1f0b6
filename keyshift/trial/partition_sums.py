"""Partition keys added up: rows, write units and bytes under each, exactly and in bounded memory; the largest kept."""

import heapq
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Final

from keyshift.cutover.digests import BUFFER_BYTES_MAX, DIGEST_BYTES, Digests, gathered

KEYS_MAX: Final = 200_000  # of a partition of the digests, at some 300 bytes each
TOP_MAX: Final = 5  # named: the first says it all, the others whether it is alone
_LAYOUT: Final = Struct("<IIQQ")  # piece, rows, write units, bytes


@dataclass(frozen=True, slots=True, order=True)
class PartitionSum:
    """What is under one partition key, `stored` in bytes; `piece` is where one of its rows was."""

    units: int
    rows: int
    stored: int
    digest: bytes
    piece: int


@dataclass(frozen=True, slots=True)
class PartitionTotals:
    """All partition keys of a table or index: how many, their rows and write units; the `top` ones by write units.

    `full` are the first of those with more bytes than a table with local indexes may have under one key.
    """

    keys: int
    rows: int
    units: int
    top: tuple[PartitionSum, ...]
    full: tuple[PartitionSum, ...]


class PartitionSums:
    """The partition keys of one table or index."""

    def __init__(self, directory: Path, buffer_bytes_max: int = BUFFER_BYTES_MAX) -> None:
        self._records = Digests(directory, buffer_bytes_max, payload_bytes=_LAYOUT.size)

    def add(self, one: PartitionSum) -> None:
        """Something more under its key."""
        self._records.add(one.digest + _LAYOUT.pack(one.piece, one.rows, one.units, one.stored))

    def totals(self, full_bytes: int, keys_max: int = KEYS_MAX) -> PartitionTotals:
        """Everything added up; `full` is what has more than `full_bytes`."""
        keys = rows = units = 0
        top: list[PartitionSum] = []
        full: list[PartitionSum] = []
        for records in gathered(self._records, keys_max):
            sums: dict[bytes, list[int]] = {}
            for record in records:
                piece, more_rows, more_units, more_bytes = _LAYOUT.unpack_from(record, DIGEST_BYTES)
                held = sums.setdefault(record[:DIGEST_BYTES], [0, 0, 0, piece])
                held[0] += more_units
                held[1] += more_rows
                held[2] += more_bytes
            found = [PartitionSum(held[0], held[1], held[2], key, held[3]) for key, held in sums.items()]
            keys, rows, units = (
                keys + len(found),
                rows + sum(one.rows for one in found),
                units + sum(one.units for one in found),
            )
            top = heapq.nlargest(TOP_MAX, [*top, *found])
            full = heapq.nlargest(
                TOP_MAX, [*full, *(one for one in found if one.stored > full_bytes)], key=lambda one: one.stored
            )
        return PartitionTotals(keys, rows, units, tuple(top), tuple(full))
