"""When a lease may be taken, and how long ago that was last done unasked: what looks at its item show. Pure.

A watcher's looks are facts on its own clock; keyshift/control/lease says why these are enough.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from keyshift.control.record import Record

DRIFT: Final = 1.01  # watchers wait this much longer: clocks of one rate differ by less than 0.1 %
_NEVER: Final = float("-inf")


class Verdict(Enum):
    """What a look at a lease's item means for somebody who wants it."""

    FREE = "free"  # never held, released, or our own from a write whose answer was lost
    EXPIRED = "expired"  # watched unchanged for long enough
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Watch:
    """Since when (own clock, seconds) the item has been seen with this nonce."""

    nonce: str = ""
    since: float = _NEVER

    def look(self, record: Record, now: float) -> "Watch":
        """The watch after a look that ended at `now`."""
        return self if record.nonce == self.nonce else Watch(record.nonce, now)


@dataclass(frozen=True, slots=True)
class Takeover:
    """The last take-over without release: its ordinal, and how long ago it was at least (own clock, seconds).

    The age is a sum of durations, each measured by one holder on its own clock and written down with its renewals.
    """

    ordinal: int = 0
    age: float = 0.0
    since: float = _NEVER

    def look(self, record: Record, now: float) -> "Takeover":
        """What is known after a look that ended at `now`."""
        ordinal = record.number("takeovers")
        if ordinal == self.ordinal:
            return self
        return Takeover(ordinal, record.number("takeover_age_ms") / 1000, now)

    def age_at(self, now: float) -> float | None:
        """Seconds since the take-over, at least; None when there has never been one."""
        return self.age + now - self.since if self.ordinal else None


def judge(record: Record | None, token: str, watch: Watch, seconds: float, now: float) -> Verdict:
    """Whether the lease may be taken. The holder's own duration counts too: it may be longer than ours."""
    if record is None or not record.number("fence") or record.flag("released") or record.text("token") == token:
        return Verdict.FREE
    patience = max(seconds, record.number("lease_ms") / 1000) * DRIFT
    return Verdict.EXPIRED if watch.nonce == record.nonce and now - watch.since >= patience else Verdict.HELD
