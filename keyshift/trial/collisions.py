"""Rows that fall on one slot: found by digest, exactly and in bounded memory, and then looked at again together.

Two rows read at different moments may seem to share a slot that one of them left in between. So what is found is only
suspicious; the rows are read again in one statement, and only those that share a slot then are in collision.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from struct import Struct
from typing import Final

from keymap.patch import Patch
from keyshift.cutover.digests import BUFFER_BYTES_MAX, DIGEST_BYTES, Digests, digest, gathered

SLOTS_MAX: Final = 300_000  # of a partition, at some 200 bytes each
PIECES_MAX: Final = 4  # remembered of one slot: its rows may all be in one, and two rows prove a collision
_LAYOUT: Final = Struct("<I")  # piece


@dataclass(frozen=True, slots=True)
class Suspect:
    """A slot that more than one row was seen to write, and the pieces in which they were."""

    digest: bytes
    pieces: tuple[int, ...]


class Slots:
    """Every slot that a row writes."""

    def __init__(self, directory: Path, buffer_bytes_max: int = BUFFER_BYTES_MAX) -> None:
        self._records = Digests(directory, buffer_bytes_max, payload_bytes=_LAYOUT.size)

    def add(self, patch: Patch, piece: int) -> None:
        """A row of that piece writes this slot."""
        self._records.add(slot_digest(patch) + _LAYOUT.pack(piece))

    def suspects(self, wanted: int, slots_max: int = SLOTS_MAX) -> tuple[list[Suspect], int]:
        """The first `wanted` slots that several rows write, and how many there are in all."""
        found = self._all(slots_max)
        first = list(islice(found, wanted))
        return first, len(first) + sum(1 for _ in found)

    def _all(self, slots_max: int) -> Iterator[Suspect]:
        for records in gathered(self._records, slots_max):
            first: dict[bytes, int] = {}
            again: dict[bytes, dict[int, None]] = {}
            for record in records:
                key, (piece,) = record[:DIGEST_BYTES], _LAYOUT.unpack_from(record, DIGEST_BYTES)
                if key not in first:
                    first[key] = piece
                    continue
                pieces = again.setdefault(key, {first[key]: None})
                if len(pieces) < PIECES_MAX:
                    pieces[piece] = None
            yield from (Suspect(key, tuple(pieces)) for key, pieces in again.items())


def slot_digest(patch: Patch) -> bytes:
    """The slot that a patch writes."""
    return digest(*patch.place)
