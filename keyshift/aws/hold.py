"""Holding a lease while work goes on, and looking at it right before each request that trusts it.

The load's writes carry no condition; that replay is closed protects them. Two things could still bring one of them to a
table after replay has opened there. A loader may sleep with a request in hand and wake after another one took over: so
each request looks at the lease as it leaves, on a clock that counts suspend. And a request whose answer was lost may
still be on its way: so a loader that lost an answer opens replay, and gives up its lease, only when such a request can
no longer arrive (docs/design, "Slots and patches"). What redrives is held off by the same means from a replay that was
closed (docs/decisions/0034).
"""

from collections.abc import Callable
from types import TracebackType
from typing import Final, Protocol, Self, TypeVar

from keymap.errors import KeyshiftError
from keyshift.aws.clients import DynamoDBClient, guard_sends, watch_sends
from keyshift.aws.leases import LOOKS_PER_LEASE, release, renewed
from keyshift.aws.retry import retried
from keyshift.control.lease import Lease, LeaseLost
from keyshift.process.backoff import Backoff
from keyshift.process.log import get_logger
from keyshift.process.stop import Stop

_log = get_logger(__name__)

PATIENCE_LEASES: Final = 2.5  # a dead holder's lease is free after one, a living one's never
NEVER: Final = float("-inf")
T = TypeVar("T")


def steadily(call: Callable[[], T], stop: Stop) -> T:
    """What a call to the control table gives, which may safely be repeated, however busy the table is for a while.

    Raises RetriesExhausted after about a minute, Stopped, and whatever else the call raises.
    """
    return retried(call, Backoff(), stop, "using the control table")


class Fence(Protocol):
    """What tells whether the lease is held."""

    def check(self) -> None:
        """Raise LeaseLost unless it is."""


class Busy(KeyshiftError):
    """Another process does the job: it holds the lease and renews it."""


class Hold:
    """Acquires a lease, renews it from a thread of its own, and releases it; a context manager.

    Raises Busy on entry when another process keeps the lease alive, Stopped when asked to stop while waiting. That the
    lease was lost later is told by `lease.check` and by every fenced write.
    """

    def __init__(self, lease: Lease, stop: Stop, boottime: Callable[[], float]) -> None:
        self.lease = lease
        self.keep = False  # True: on leaving let the lease run out, rather than hand it on at once
        self._stop = stop
        self._boottime = boottime
        self._renewed = renewed(lease)

    def __enter__(self) -> Self:
        self._acquire()
        self._renewed.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._renewed.__exit__(kind, error, trace)
        if not self.keep:
            release(self.lease)

    def _acquire(self) -> None:
        began, told = self._boottime(), False
        while not steadily(self.lease.try_acquire, self._stop):
            if self._boottime() - began > PATIENCE_LEASES * self.lease.seconds:
                raise self._busy()
            if not told:
                _log.info("lease_wait", lease=self.lease.item, seconds=self.lease.seconds)
                told = True
            self._stop.sleep(self.lease.seconds / LOOKS_PER_LEASE)

    def _busy(self) -> Busy:
        record = self.lease.store.get(self.lease.item)
        owner = record.text("owner") if record else "unknown"
        message = f"another process ({owner}) is doing the {self.lease.item}"
        return Busy(message, "Let it finish, or end it; what it has recorded is kept")


class SendGuard:
    """Stands between a client and the wire: no request leaves without the lease, and lost answers are remembered.

    `life_seconds`: after so long a request that was sent can no longer arrive.
    """

    def __init__(self, lease: Fence, life_seconds: float, boottime: Callable[[], float]) -> None:
        self._lease = lease
        self._life_seconds = life_seconds
        self._boottime = boottime
        self.lost_at = NEVER  # when an answer was lost last, on that clock

    def watch(self, client: DynamoDBClient) -> None:
        """Guard every request of a client, which must be the load's own. A refused one raises LeaseLost."""
        guard_sends(client, self._lease.check)
        watch_sends(client, self._watch)

    def lost(self, at: float) -> None:
        """An answer was lost at that time, in a process that works under the same lease."""
        self.lost_at = max(self.lost_at, at)

    @property
    def unsettled_seconds(self) -> float:
        """For how long yet a request may arrive that was sent and not answered; 0 when there is none."""
        return max(0.0, self.lost_at + self._life_seconds - self._boottime())

    def settle(self, stop: Stop) -> None:
        """Return when nothing that was sent can still arrive. Raises Stopped."""
        while (seconds := self.unsettled_seconds) > 0:
            _log.info("waiting_for_lost_requests", seconds=round(seconds, 1))
            stop.sleep(seconds)

    def _watch(self, error: BaseException) -> None:
        if not isinstance(error, LeaseLost):
            self.lost(self._boottime())
