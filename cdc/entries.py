"""The changes of a transaction, in order, held until its end is read: in memory, and beyond a limit in a file.

A savepoint remembers how much there was; going back to it cuts what came after. The file is deleted by the operating
system when nobody has it open any more, however the process ends.
"""

import struct
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from keymap.version import VERSION_LENGTH


class Entry(NamedTuple):
    """One change, encoded, with its version and the lanes that it goes to."""

    lanes: tuple[int, ...]
    version: str
    line: bytes

    @property
    def size_bytes(self) -> int:
        """What it takes in memory, roughly."""
        return len(self.line) + OVERHEAD_BYTES


OVERHEAD_BYTES = 250  # measured: tuple, version and bytes objects beside the line itself
_HEAD = struct.Struct(f"<HI{VERSION_LENGTH}s")
_LANE_BYTES = 2


@dataclass(frozen=True, slots=True)
class Mark:
    """A point in the entries to which they can be cut back: how many there were, and how many of them in the file."""

    count: int
    in_file: int
    file_bytes: int


class Entries:
    """An append-only list of entries that moves to a temporary file once it exceeds `memory_bytes_max`.

    Raises OSError when the file cannot be written (a full disk). To be read once, from its beginning, when complete.
    """

    def __init__(self, memory_bytes_max: int, directory: Path | None = None) -> None:
        self._memory_bytes_max = memory_bytes_max
        self._directory = directory
        self._held: list[Entry] = []
        self._file: IO[bytes] | None = None
        self._file_bytes = 0
        self.memory_bytes = 0
        self.count = 0

    def extend(self, entries: Sequence[Entry]) -> None:
        """Add the next changes: those of one event."""
        self._held += entries
        self.memory_bytes += sum([len(line) for _, _, line in entries]) + OVERHEAD_BYTES * len(entries)
        self.count += len(entries)
        if self.memory_bytes > self._memory_bytes_max:
            self._spill()

    def move(self, other: "Entries") -> None:
        """Add all changes of `other`, which holds them in memory, and is empty then."""
        assert other._file is None  # noqa: SLF001 - of its own class
        self._held += other._held  # noqa: SLF001
        self.memory_bytes += other.memory_bytes
        self.count += other.count
        other._held.clear()  # noqa: SLF001
        other.memory_bytes = other.count = 0

    def is_large(self, bytes_max: int) -> bool:
        """Whether it takes more than so much memory, or a part is in the file."""
        return self.memory_bytes > bytes_max or self._file is not None

    @property
    def _in_file(self) -> int:
        return self.count - len(self._held)

    def mark(self) -> Mark:
        """The present end."""
        return Mark(self.count, self._in_file, self._file_bytes)

    def cut(self, mark: Mark) -> None:
        """Forget what came after the mark."""
        if mark.count >= self._in_file:
            del self._held[mark.count - self._in_file :]
            self.memory_bytes = sum(entry.size_bytes for entry in self._held)
        else:
            self._held.clear()
            self.memory_bytes = 0
            self._cut_file(mark)
        self.count = mark.count

    def __iter__(self) -> Iterator[Entry]:
        """All entries, from the first; the file is read as it is needed."""
        if self._file is not None:
            self._file.seek(0)
            while head := self._file.read(_HEAD.size):
                yield self._read(self._file, head)
        yield from self._held

    def close(self) -> None:
        """Give back the space; there is nothing in it then."""
        self._held.clear()
        self.memory_bytes = self.count = 0
        if self._file is not None:
            self._file.close()
            self._file, self._file_bytes = None, 0

    def _spill(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="keyshift-", dir=self._directory)  # noqa: SIM115 - outlives us
        for lanes, version, line in self._held:
            head = _HEAD.pack(len(lanes), len(line), version.encode())
            self._file_bytes += self._file.write(head + struct.pack(f"<{len(lanes)}H", *lanes))
            self._file_bytes += self._file.write(line)
        self._held.clear()
        self.memory_bytes = 0

    def _cut_file(self, mark: Mark) -> None:
        """What was still in memory when the mark was made is in the file by now: it is found by reading on."""
        assert self._file is not None
        self._file.seek(mark.file_bytes)
        at = mark.file_bytes
        for _ in range(mark.count - mark.in_file):
            entry = self._read(self._file, self._file.read(_HEAD.size))
            at += _HEAD.size + _LANE_BYTES * len(entry.lanes) + len(entry.line)
        self._file.seek(at)
        self._file.truncate()
        self._file_bytes = at

    @staticmethod
    def _read(file: IO[bytes], head: bytes) -> Entry:
        lanes, length, version = _HEAD.unpack(head)
        numbers = struct.unpack(f"<{lanes}H", file.read(_LANE_BYTES * lanes))
        return Entry(numbers, version.decode(), file.read(length))
