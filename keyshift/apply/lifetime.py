"""How long a batch may write: what it read before it began holds for so long, and no longer.

A batch reads the phase and the horizon once. Whoever changes them must know when the last batch has ended that had read
what was before. The function's timeout would tell, but no process without Lambda has one, and any may be suspended for
hours and go on. So each request looks at its batch's deadline as it leaves, after it was signed, on a clock that counts
suspend; what is late fails, and is delivered again. Then waiting for the deadline, and for a request's life, is enough.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from typing import Final

from keymap.errors import KeyshiftError
from keyshift.control.takeover import DRIFT
from keyshift.process.clock import boottime

BATCH_SECONDS_MAX: Final = 120.0  # the function's timeout: a batch needs seconds, or as long as a table throttles


class Overdue(KeyshiftError):
    """A write was not sent, since its batch began too long ago. It is delivered again."""

    def __init__(self) -> None:
        super().__init__(
            f"a batch was not written within {BATCH_SECONDS_MAX:.0f} s, and what was left of it was not sent",
            "It is tried again by itself. If it goes on, the tables throttle, or this host stands still for minutes",
        )


class Lifetime:
    """Deadlines of what threads write, each thread's own. `clock` gives seconds that only grow and count suspend."""

    def __init__(self, clock: Callable[[], float] = boottime) -> None:
        self.clock = clock
        self._own = threading.local()

    def begin(self) -> float:
        """The deadline of a batch that begins now, before it reads how things stand."""
        return self.clock() + BATCH_SECONDS_MAX

    @contextmanager
    def until(self, deadline: float) -> Iterator[None]:
        """Let this thread send until then, while the block runs."""
        self._own.deadline = deadline
        try:
            yield
        finally:
            self._own.deadline = inf

    def check(self) -> None:
        """Raise Overdue where this thread is late. To be called right before each request leaves (guard_sends)."""
        if self.clock() >= getattr(self._own, "deadline", inf):
            raise Overdue


def ended_after(request_life_seconds: float) -> float:
    """The seconds after which nothing arrives any more of batches that had begun before they were counted."""
    return (BATCH_SECONDS_MAX + request_life_seconds) * DRIFT
