"""Large collections of digests in bounded memory: two of them compared, or one of them gathered by digest.

Each slot is known by a 16-byte digest. Both sides are partitioned by their digests' first byte, to temporary files once
they are larger than a buffer; a partition of one side can only meet the same partition of the other, and one that is
still too large is partitioned again by the next byte. (The external hash join of the databases, with sets for tables.)
Two of n slots share a digest with a probability of n² / 2^129: nothing to think about.

A digest may carry a payload of fixed size. All records of one digest are in one partition, in the order in which they
came, so whoever adds up what belongs together does it partition by partition (`gathered`).
"""

import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from keymap.patch import Key, KeyValue

DIGEST_BYTES: Final = 16
FAN_OUT: Final = 64  # partitions per level: few enough to append to one after the other, many enough to shrink quickly
# A digest in a Python set takes some 100 bytes, so a partition takes about 50 MB.
PARTITION_DIGESTS_MAX: Final = 500_000
BUFFER_BYTES_MAX: Final = 8 * 1024 * 1024  # per side: half a million slots never touch the disk
# Levels of partitions: 64^4 of them are enough for any table. What is too large then is too many records of one digest,
# which no further level would separate.
DEPTH_MAX: Final = 4


def digest(table: str, key: Key, slot: str) -> bytes:
    """The digest of a slot. Keys come in the one form that patches and `Target.key_of` give them."""
    state = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in (table.encode(), *map(_key_bytes, key), slot.encode()):
        state.update(b"%d:" % len(part))
        state.update(part)
    return state.digest()


def _key_bytes(value: KeyValue) -> bytes:
    if isinstance(value, bytes):
        return b"B" + value
    if isinstance(value, str):
        return b"S" + value.encode()
    return b"N" + (f"{value:f}" if isinstance(value, Decimal) else str(value)).encode()


class Digests:
    """A growing collection of records, each a digest and a payload of `payload_bytes`, partitioned by digest."""

    def __init__(
        self, directory: Path, buffer_bytes_max: int = BUFFER_BYTES_MAX, depth: int = 0, payload_bytes: int = 0
    ) -> None:
        self._directory, self._buffer_bytes_max, self._depth = directory, buffer_bytes_max, depth
        self._record_bytes = DIGEST_BYTES + payload_bytes
        self._buffers = [bytearray() for _ in range(FAN_OUT)]
        self._buffered = 0
        self.count = 0

    def add(self, record: bytes) -> None:
        """Add one record; digests given twice count twice."""
        self._buffers[record[self._depth] % FAN_OUT] += record
        self.count += 1
        self._buffered += self._record_bytes
        if self._buffered >= self._buffer_bytes_max:
            self._flush()

    def _flush(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        for index, buffer in enumerate(self._buffers):
            if buffer:
                with self._file(index).open("ab") as file:
                    file.write(buffer)
                buffer.clear()
        self._buffered = 0

    def _file(self, index: int) -> Path:
        return self._directory / f"{index:02d}"

    def size(self, index: int) -> int:
        """How many records a partition holds."""
        file = self._file(index)
        return ((file.stat().st_size if file.exists() else 0) + len(self._buffers[index])) // self._record_bytes

    def partition(self, index: int) -> Iterator[bytes]:
        """The records of one partition, in the order in which they were added."""
        if self._file(index).exists():
            with self._file(index).open("rb") as file:
                while block := file.read(self._record_bytes * 65_536):
                    yield from self._cut(block)
        yield from self._cut(bytes(self._buffers[index]))

    def _cut(self, block: bytes) -> Iterator[bytes]:
        size = self._record_bytes
        return (block[start : start + size] for start in range(0, len(block), size))

    def can_split(self, index: int, records_max: int) -> bool:
        """Whether a partition is larger than that, and there is a level left to partition it by."""
        return self._depth + 1 < DEPTH_MAX and self.size(index) > records_max

    def split(self, index: int) -> "Digests":
        """One partition, partitioned again by the next byte."""
        directory = self._directory / f"split-{index:02d}"
        payload_bytes = self._record_bytes - DIGEST_BYTES
        inner = Digests(directory, self._buffer_bytes_max, self._depth + 1, payload_bytes)
        for record in self.partition(index):
            inner.add(record)
        return inner

    def clear(self) -> None:
        """Remove what was written."""
        shutil.rmtree(self._directory, ignore_errors=True)


def gathered(records: Digests, partition_max: int = PARTITION_DIGESTS_MAX) -> Iterator[Iterator[bytes]]:
    """All records, in parts of about `partition_max` or fewer different digests; no digest is in two of the parts."""
    for index in range(FAN_OUT):
        if records.can_split(index, partition_max):
            inner = records.split(index)
            yield from gathered(inner, partition_max)
            inner.clear()
        elif records.size(index):
            yield records.partition(index)


class DigestPair:
    """The two sides, in a temporary directory of their own that goes when the context ends."""

    def __init__(self, buffer_bytes_max: int = BUFFER_BYTES_MAX, partition_max: int = PARTITION_DIGESTS_MAX) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="keyshift-verify-"))
        self._partition_max = partition_max
        self.expected = Digests(self._directory / "expected", buffer_bytes_max)
        self.found = Digests(self._directory / "found", buffer_bytes_max)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)

    def extras(self) -> Iterator[bytes]:
        """The digests that were found and not expected."""
        return subtract(self.found, self.expected, self._partition_max)


def subtract(found: Digests, expected: Digests, partition_max: int) -> Iterator[bytes]:
    """`found` without `expected`, holding at most about `partition_max` digests in memory at once."""
    for index in range(FAN_OUT):
        if expected.can_split(index, partition_max):
            inner_found, inner_expected = found.split(index), expected.split(index)
            yield from subtract(inner_found, inner_expected, partition_max)
            inner_found.clear()
            inner_expected.clear()
        else:
            yield from _outside(found.partition(index), frozenset(expected.partition(index)))


def _outside(some: Iterable[bytes], held: frozenset[bytes]) -> Iterator[bytes]:
    return (one for one in some if one not in held)
