"""Committed transactions on their way out of the assembler, gathered: handing each over would cost more than its row.

Small ones that follow each other leave together, as many as there are when they are asked for; a large one, which may
lie in a file, leaves by itself.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cdc.entries import Entries
from keymap.position import Position

TOGETHER_BYTES_MAX: Final = 256 * 1024  # in memory: hundreds of small transactions, for what one costs


@dataclass(frozen=True, slots=True)
class Committed:
    """Committed transactions with captured changes: one, or `count` that follow each other.

    `end` is the position behind them, and behind whatever else was committed up to there. `gtid` is that of the last;
    `timestamp` is when it was committed at the source, in seconds since 1970: to the microsecond where the source says
    that, else when its last statement began.

    `entries` are their changes in order; whoever has read them closes them.
    """

    entries: Entries
    end: Position
    gtid: str
    timestamp: float
    count: int = 1


class Gathering:
    """`position` tells the one behind the last complete transaction, `new_entries` makes what changes are kept in."""

    def __init__(self, position: Callable[[], Position], new_entries: Callable[[], Entries]) -> None:
        self._position = position
        self._new_entries = new_entries
        self._unused: Entries | None = None
        self._small: Entries | None = None  # of transactions that will leave together, as are the next three
        self._count, self._gtid, self._timestamp_us = 0, "", 0
        self._ready: deque[Committed] = deque()
        self.is_full = False  # whether so much is here that it is time to take it

    def entries(self) -> Entries:
        """For the changes of the next transaction; they come back by add()."""
        unused, self._unused = self._unused, None
        return unused or self._new_entries()

    def before(self, entries: Entries) -> None:
        """A transaction with these changes is about to be added; the position is still the one before it."""
        if self._small is not None and entries.is_large(TOGETHER_BYTES_MAX):
            self._end()

    def add(self, entries: Entries, gtid: str, timestamp_us: int) -> None:
        """A transaction is committed, and the position behind it. One without changes leaves no trace."""
        if not entries.count:
            entries.close()
            self._unused = entries
            return
        self._count, self._gtid, self._timestamp_us = self._count + 1, gtid, timestamp_us
        if self._small is None:
            self._small = entries
        else:
            self._small.move(entries)
            self._unused = entries
        if self._small.is_large(TOGETHER_BYTES_MAX):
            self._end()

    def take(self) -> Committed | None:
        """The next to leave, in order; None when nothing is left."""
        if not self._ready:
            self._end()
        found = self._ready.popleft() if self._ready else None
        self.is_full = bool(self._ready)
        return found

    def close(self) -> None:
        """Forget what was not taken."""
        while (found := self.take()) is not None:
            found.entries.close()

    def _end(self) -> None:
        """What is here leaves together, up to the present position."""
        if self._small is not None:
            found = Committed(self._small, self._position(), self._gtid, self._timestamp_us / 1e6, self._count)
            self._ready.append(found)
            self._small, self._count, self.is_full = None, 0, True
