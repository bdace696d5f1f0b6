"""MySQL's GTID sets: which transactions a server or a checkpoint contains. They resume and contain; they do not order.

Text form ``uuid:1-5:7,uuid:tag:1-3``. Tags (MySQL 8.3+) are kept as part of the source's name, ``uuid:tag``.
"""

import re
import struct
from bisect import bisect_right
from collections.abc import Iterator

_TAG = re.compile(r"[a-z_][a-z0-9_]{0,31}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NUMBER_MAX = (1 << 63) - 2  # MySQL's
_TAGGED = 1  # how a set is written that has tags; 0 without

Interval = tuple[int, int]  # first and last transaction number, both contained


def _add(intervals: list[Interval], first: int, last: int) -> None:
    """Insert an interval into a sorted, disjoint, non-adjacent list, keeping it so."""
    start = bisect_right(intervals, (first, first))
    while start > 0 and intervals[start - 1][1] >= first - 1:
        start -= 1
    end = start
    while end < len(intervals) and intervals[end][0] <= last + 1:
        first, last = min(first, intervals[end][0]), max(last, intervals[end][1])
        end += 1
    intervals[start:end] = [(first, last)]


def _outside(interval: Interval, taken: list[Interval]) -> Iterator[Interval]:
    """What is left of an interval without those of a sorted, disjoint list."""
    first, last = interval
    for low, high in taken:
        if high < first or low > last:
            continue
        if low > first:
            yield first, low - 1
        first = high + 1
    if first <= last:
        yield first, last


class GtidSet:
    """A set of GTIDs. Adding is cheap for a set that grows at its end, as an executed set does."""

    def __init__(self, text: str = "") -> None:
        """Parse MySQL's text form (blanks and line breaks allowed). Raises ValueError with the part that is not one."""
        self._sources: dict[str, list[Interval]] = {}
        for part in filter(None, "".join(text.split()).split(",")):
            self._parse(part)

    def _parse(self, part: str) -> None:
        uuid, *rest = part.lower().split(":")
        source = uuid
        if not rest or not _UUID.fullmatch(uuid) or _TAG.fullmatch(rest[-1]):
            raise ValueError(f"not a GTID set: {part!r}")
        for piece in rest:
            if _TAG.fullmatch(piece):
                source = f"{uuid}:{piece}"  # a tag: the intervals after it belong to uuid:tag
                continue
            first, _, last = piece.partition("-")
            if not (first.isdecimal() and (last or first).isdecimal()):
                raise ValueError(f"not a GTID set: {part!r}")
            low, high = int(first), int(last or first)
            if not 1 <= low <= high <= _NUMBER_MAX:
                raise ValueError(f"not a GTID set: {part!r}")
            _add(self._sources.setdefault(source, []), low, high)

    def add(self, gtid: str) -> None:
        """Add one GTID, ``uuid:number`` or ``uuid:tag:number``. Raises ValueError."""
        source, _, number = gtid.rpartition(":")
        intervals = self._sources.get(source)
        if intervals and number.isdecimal() and int(number) == intervals[-1][1] + 1 <= _NUMBER_MAX:
            intervals[-1] = (intervals[-1][0], int(number))  # what nearly every transaction does
        else:
            self._parse(gtid)

    def encoded(self) -> bytes:
        """The binary form that COM_BINLOG_DUMP_GTID takes; without tags one that every MySQL with GTIDs knows.

        Sources in order, each with its intervals, whose ends are not contained. With tags (MySQL 8.3+), the first and
        the last of the eight bytes of their count say so, and after each UUID stands its tag, "" too, with its length
        (Gtid_set::encode and Tag::encode_tag of MySQL).
        """
        sources = sorted(tuple(source.partition(":")) for source in self._sources)
        tagged = any(tag for _, _, tag in sources)
        count = _TAGGED << 56 | len(sources) << 8 | _TAGGED if tagged else len(sources)
        found = [struct.pack("<Q", count)]
        for uuid, colon, tag in sources:
            found.append(bytes.fromhex(uuid.replace("-", "")))
            if tagged:
                found.append(bytes([len(tag) << 1]) + tag.encode())  # as a number of MySQL's serialization library
            intervals = self._sources[uuid + colon + tag]
            found.append(struct.pack("<Q", len(intervals)))
            found += (struct.pack("<QQ", first, last + 1) for first, last in intervals)
        return b"".join(found)

    def contains(self, other: "GtidSet") -> bool:
        """Whether every transaction of `other` is in this set."""
        return all(
            any(first <= low and high <= last for first, last in self._sources.get(source, ()))
            for source, intervals in other._sources.items()  # noqa: SLF001 - of its own class
            for low, high in intervals
        )

    def union(self, other: "GtidSet") -> "GtidSet":
        """A new set of the transactions of both."""
        return GtidSet(",".join(filter(None, map(str, (self, other)))))

    def minus(self, other: "GtidSet") -> "GtidSet":
        """A new set of the transactions that are in this one and not in `other`."""
        left = GtidSet()
        for source, intervals in self._sources.items():
            taken = other._sources.get(source, [])  # noqa: SLF001 - of its own class
            rest = [part for interval in intervals for part in _outside(interval, taken)]
            if rest:
                left._sources[source] = rest
        return left

    def __bool__(self) -> bool:
        """Whether there is a transaction in it."""
        return bool(self._sources)

    def __str__(self) -> str:
        def spans(intervals: list[Interval]) -> str:
            return ":".join(str(first) if first == last else f"{first}-{last}" for first, last in intervals)

        return ",".join(f"{source}:{spans(intervals)}" for source, intervals in sorted(self._sources.items()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GtidSet) and self._sources == other._sources

    __hash__ = None  # type: ignore[assignment]  # mutable
