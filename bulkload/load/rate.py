"""How fast one process may spend the write units of one table: a limit that is given, and one that is found out.

The limit that is given is a ceiling. The other is found as TCP finds its own: where the table throttles, the rate falls
at once to a part of what was accepted, and from there it grows slowly, for as long as somebody waits for it. So a table
on demand is followed as it grows, and a provisioned one through its auto scaling, with a throttle every ten seconds or
so, where endless retries would be answered by as many throttles as writes.

Turns are tickets: the units that were asked for before a request are its place in the queue, and its turn has come when
so many were granted. So the order is that of asking, each waiter knows how long it has to wait, and what a write turns
out to have cost moves the turns of those who ask later. A turn once given is not taken back.
"""

import math
import threading
from collections.abc import Callable
from typing import Final

BURST_SECONDS: Final = 1.0  # of unused units that are kept: DynamoDB itself looks at a second
FALL: Final = 0.7  # of the rate, where it was too high; as the SDKs' own adaptive mode
FALL_SECONDS: Final = 1.0  # between two falls: throttles of requests that were under way together are one
FIRST_UNITS_MIN: Final = 36.0  # a batch a second after the first fall, where nothing was accepted before
GROWTH: Final = 0.05  # of the rate that was too high, added each second: back there within seven
GROWTH_UNITS_MIN: Final = 1.0
GROWTH_SECONDS_MAX: Final = 1.0  # at a time: a process that slept for an hour knows no more than before
UNITS_PER_SECOND_MIN: Final = 1.0  # a batch in half a minute, where a table takes next to nothing
ROUNDING_UNITS: Final = 1e-6  # what is missing below that is none
MEMORY_SECONDS: Final = 2.0  # over which what was accepted is averaged


class Rate:
    """The turns of one table, or of one of its global indexes. For use by several threads.

    `ceiling` is in units a second, None for none. `clock` gives seconds that never go back.
    """

    def __init__(self, ceiling: float | None, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ceiling = ceiling
        self._found: float | None = None  # what the table was found to take; None: it never throttled
        self._growth = 0.0  # units a second, each second
        self._asked = self._granted = 0.0  # since the beginning
        self._accepted = 0.0  # lately; fades
        self._began = self._at = clock()
        self._fell_at = -math.inf
        self._lock = threading.Lock()

    @property
    def limited(self) -> bool:
        """Whether there is a limit now."""
        return self._ceiling is not None or self._found is not None

    @property
    def units_per_second(self) -> float | None:
        """The limit now, None for none."""
        with self._lock:
            self._go_on()
            return self._limit

    def cap(self, ceiling: float | None) -> None:
        """Another ceiling from now on."""
        with self._lock:
            self._go_on()
            self._ceiling = ceiling

    def ask(self, units: float) -> float:
        """A ticket for so many units."""
        with self._lock:
            self._go_on()
            ticket = self._asked
            self._asked += units
            return ticket

    def wait_seconds(self, ticket: float | None = None) -> float:
        """How long until the ticket's turn as things are, 0 where it has come; of a ticket that was asked for now."""
        with self._lock:
            self._go_on()
            limit, missing = self._limit, (self._asked if ticket is None else ticket) - self._granted
            return 0.0 if limit is None or missing < ROUNDING_UNITS else missing / limit

    def spent(self, asked: float, used: float, *, refused: bool = False) -> None:
        """A write that had asked for some units took so many. Where it was `refused`, the rest is not given back.

        Its turn is over: a table that throttles would otherwise be asked as fast as it can say no.
        """
        with self._lock:
            self._go_on()
            self._granted += min(0.0, asked - used) if refused else asked - used  # `asked`: tickets count from there
            self._accepted += used

    def fall(self) -> bool:
        """The table throttled. Whether the limit is lower now: once a second, however many say so."""
        with self._lock:
            now = self._go_on()
            if now - self._fell_at < FALL_SECONDS:
                return False
            measured = self._measured(now)
            found = self._found
            # What was accepted lately is a rough measure where it was a few batches: it halves the rate, at most.
            before = max(measured, FIRST_UNITS_MIN) if found is None else min(found, max(measured, found / 2))
            self._found = max(FALL * before, UNITS_PER_SECOND_MIN)
            self._growth = max(GROWTH * before, GROWTH_UNITS_MIN)
            self._fell_at = now
            return True

    @property
    def _limit(self) -> float | None:
        limits = [limit for limit in (self._ceiling, self._found) if limit is not None]
        return min(limits) if limits else None

    def _measured(self, now: float) -> float:
        """Units a second that were accepted lately."""
        seen_seconds = MEMORY_SECONDS * (1 - math.exp(-(now - self._began) / MEMORY_SECONDS))
        return self._accepted / max(seen_seconds, BURST_SECONDS)  # a table takes a second's worth at once

    def _go_on(self) -> float:
        """Grant what has become due since it was last looked at; the time now."""
        now = self._clock()
        seconds, self._at = now - self._at, now
        self._accepted *= math.exp(-seconds / MEMORY_SECONDS)
        if self._found is not None and self._asked > self._granted:
            self._found += max(self._growth, GROWTH * self._found) * min(seconds, GROWTH_SECONDS_MAX)
        limit = self._limit
        if limit is None:
            self._granted = self._asked
        else:
            self._granted = min(self._granted + limit * seconds, self._asked + limit * BURST_SECONDS)
        return now
