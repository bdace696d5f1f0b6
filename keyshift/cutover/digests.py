"""Two large sets compared in bounded memory: what the source should own against what the target holds.

Each slot is known by a 16-byte digest. Both sides are partitioned by their digests' first byte, to temporary files once
they are larger than a buffer; a partition of one side can only meet the same partition of the other, and one that is
still too large is partitioned again by the next byte. (The external hash join of the databases, with sets for tables.)
Two of n slots share a digest with a probability of n² / 2^129: nothing to think about.
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
    """One side: a growing collection of digests, partitioned."""

    def __init__(self, directory: Path, buffer_bytes_max: int = BUFFER_BYTES_MAX, depth: int = 0) -> None:
        self._directory, self._buffer_bytes_max, self._depth = directory, buffer_bytes_max, depth
        self._buffers = [bytearray() for _ in range(FAN_OUT)]
        self._buffered = 0
        self.count = 0

    def add(self, one: bytes) -> None:
        """Add one digest; digests given twice count twice."""
        self._buffers[one[self._depth] % FAN_OUT] += one
        self.count += 1
        self._buffered += DIGEST_BYTES
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
        """How many digests a partition holds."""
        file = self._file(index)
        return ((file.stat().st_size if file.exists() else 0) + len(self._buffers[index])) // DIGEST_BYTES

    def partition(self, index: int) -> Iterator[bytes]:
        """The digests of one partition."""
        if self._file(index).exists():
            with self._file(index).open("rb") as file:
                while block := file.read(DIGEST_BYTES * 65_536):
                    yield from _cut(block)
        yield from _cut(bytes(self._buffers[index]))

    def can_split(self, index: int, digests_max: int) -> bool:
        """Whether a partition is larger than that, and there is a byte left to partition it by."""
        return self.size(index) > digests_max and self._depth + 1 < DIGEST_BYTES

    def split(self, index: int) -> "Digests":
        """One partition, partitioned again by the next byte."""
        inner = Digests(self._directory / f"split-{index:02d}", self._buffer_bytes_max, self._depth + 1)
        for one in self.partition(index):
            inner.add(one)
        return inner

    def clear(self) -> None:
        """Remove what was written."""
        shutil.rmtree(self._directory, ignore_errors=True)


def _cut(block: bytes) -> Iterator[bytes]:
    return (block[start : start + DIGEST_BYTES] for start in range(0, len(block), DIGEST_BYTES))


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
