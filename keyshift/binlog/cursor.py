"""A place in bytes that moves forward as they are read, and never beyond their end."""

from collections.abc import Iterator

from keyshift.binlog import lenenc
from keyshift.binlog.errors import Malformed


class Cursor:
    """`data[at:end]` is what is still to be read. Every method raises Malformed when it wants more than there is."""

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self.data, self.at, self.end = data, at, len(data) if end is None else end

    def __bool__(self) -> bool:
        """Whether anything is left."""
        return self.at < self.end

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        begin = self._skip(size)
        return self.data[begin : self.at]

    def byte(self) -> int:
        """The next byte."""
        return self.data[self._skip(1)]

    def number(self, size: int) -> int:
        """An unsigned integer of `size` bytes, lowest byte first."""
        return int.from_bytes(self.take(size), "little")

    def lenenc(self) -> int:
        """A length-encoded integer (lenenc.py)."""
        value, after = lenenc.number(self.data, self.at)
        self._skip(after - self.at)
        return value

    def text(self) -> bytes:
        """Bytes after their length-encoded length."""
        return self.take(self.lenenc())

    def part(self, size: int) -> "Cursor":
        """A cursor over the next `size` bytes, which this one skips."""
        begin = self._skip(size)
        return Cursor(self.data, begin, self.at)

    def numbers(self) -> Iterator[int]:
        """All that is left, as length-encoded integers."""
        while self:
            yield self.lenenc()

    def _skip(self, size: int) -> int:
        begin, self.at = self.at, self.at + size
        if self.at > self.end:
            raise Malformed(f"{size} bytes are wanted where {self.end - begin} are left")
        return begin
