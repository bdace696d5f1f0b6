"""Whether a process is alive: its lease is renewed while one looks. Nobody's wall clock is asked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from keymap.position import Position
from keyshift.control.checkpoint import CaptureStatus, read_capture
from keyshift.control.halts import Halt, read_undecided
from keyshift.control.store import Store
from keyshift.process.stop import Stop

LOOK_SECONDS: Final = 0.5  # the daemon renews about three times per lease; a look is one small read


@dataclass(frozen=True, slots=True)
class Liveness:
    """What was seen: whether the lease was renewed within `seconds` of watching, and by whom.

    `halt`: where it is not alive, the stop that somebody has to decide about before it can be.
    """

    alive: bool
    seconds: float
    status: CaptureStatus
    halt: Halt | None = None

    @property
    def evidence(self) -> str:
        """What was seen, for people."""
        if not self.status.fence:
            return "it has never run"
        if self.status.released:
            return f"{self.status.owner} has stopped" + (f" at {self.halt.place}" if self.halt else "")
        seen = "renewed its lease" if self.alive else "did not renew its lease"
        return f"{self.status.owner} {seen} within {self.seconds:.1f} s"

    @property
    def remedy(self) -> str:
        """What to do where it is not alive."""
        if self.halt:
            return self.halt.remedy[:1].upper() + self.halt.remedy[1:]
        began = self.status.fence and not self.status.released
        return "See the daemon's log, and start `keyshift cdc run`" if began else "Start `keyshift cdc run`"


def watch(store: Store, stop: Stop, clock: Callable[[], float]) -> Liveness:
    """Look until the lease is renewed, for the lease's own duration at most. Raises Stopped, NotInitialised."""
    first = status = read_capture(store)
    began = clock()
    while not _renewed(first, status):
        seconds = clock() - began
        if status.released or not status.fence or seconds >= first.lease_seconds:
            return Liveness(alive=False, seconds=seconds, status=status, halt=read_undecided(store))
        stop.sleep(LOOK_SECONDS)
        status = read_capture(store)
    return Liveness(alive=True, seconds=clock() - began, status=status)


def captured_position(status: CaptureStatus) -> Position | None:
    """Up to where everything is captured: the checkpoint, or, before the first one, where capture started."""
    if status.checkpoint is not None:
        return status.checkpoint.position
    return status.start if status.started else None


def _renewed(first: CaptureStatus, now: CaptureStatus) -> bool:
    return not now.released and (now.fence, now.renewals) > (first.fence, first.renewals)
