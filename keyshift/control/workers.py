"""Who applies the stream at this moment: each worker has a numbered place, and a lease on it.

That lease is all that a worker renews. A shard only names the worker that holds it (keyshift/control/shards), place and
fence, and is held for as long as that lease stands. So what a worker costs does not grow with its shards, and one look
at its lease, right before a request leaves, is a look at the leases of all its shards.

A worker that is gone is gone for good: its fence is never given again. It is gone once its place was released, or taken
over by somebody who watched it unchanged for the lease's duration, who gives the place back at once. Places are taken
again and never removed: a late copy of a write can then not bring one back.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from keyshift.control.lease import Lease
from keyshift.control.record import Record
from keyshift.control.store import Store
from keyshift.control.takeover import Verdict

WORKERS_MAX: Final = 100  # places: each look reads them all; more workers than that stand by
_PREFIX: Final = "worker#"


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker from its beginning to its end: its place, counted from 1, and the fence of its lease."""

    place: int
    fence: int


@dataclass(frozen=True, slots=True)
class View:
    """What one look showed: who is not known to be dead, in the order of their places, and who is gone."""

    alive: Sequence[Worker]
    gone: Mapping[int, int]  # by place: all workers up to this fence

    def is_gone(self, worker: Worker) -> bool:
        """Whether it will never again believe in its lease. One that nothing is known of is not gone."""
        return worker.fence <= self.gone.get(worker.place, 0)


class Roster:
    """The places, as one process sees them; for one thread. `owner`, `seconds` and `boottime` are those of a Lease."""

    def __init__(self, store: Store, owner: str, seconds: float, boottime: Callable[[], float]) -> None:
        self._store = store
        self._owner = owner
        self._seconds = seconds
        self._boottime = boottime
        self._leases: dict[int, Lease] = {}
        self._mine = 0

    def enter(self) -> Lease | None:
        """The lease on the first place that may be taken; None where there is none: call it again.

        Raises NotInitialised when the migration is gone. Whoever has entered enters no second time.
        """
        for place in range(1, WORKERS_MAX + 1):
            if (lease := self._lease(place)).try_acquire():
                self._mine = place
                return lease
        return None

    @property
    def me(self) -> Worker:
        """The worker that has entered. Raises LeaseLost when it has no lease any more."""
        return Worker(self._mine, self._lease(self._mine).fence)

    def look(self) -> View:
        """Look at all places; the workers that are found dead are gone from now on. Raises LeaseLost without lease."""
        alive, gone = [self.me], {self._mine: self.me.fence - 1}
        records = list(self._store.query(_PREFIX))
        now = self._boottime()
        for record in records:
            place = _place(record)
            if place != self._mine:
                gone[place] = self._gone(place, record, now)
                if record.number("fence") > gone[place]:
                    alive.append(Worker(place, record.number("fence")))
        return View(sorted(alive, key=lambda worker: worker.place), gone)

    def _gone(self, place: int, record: Record, now: float) -> int:
        """Up to which fence the workers of a place are gone."""
        if record.flag("released"):
            return record.number("fence")
        lease = self._lease(place)
        if lease.look(record, now) is Verdict.HELD or not lease.try_acquire():
            return record.number("fence") - 1
        fence = lease.fence
        lease.release()
        return fence

    def _lease(self, place: int) -> Lease:
        if place not in self._leases:
            self._leases[place] = Lease(self._store, _item(place), self._owner, self._seconds, self._boottime)
        return self._leases[place]


@dataclass(frozen=True, slots=True)
class Seat:
    """A place for people: who has it, or had it last, for how long by each renewal, and when it last was renewed.

    `updated_at_ms` is that worker's wall clock (ms since 1970).
    """

    worker: Worker
    owner: str
    released: bool
    updated_at_ms: int
    lease_seconds: float


def read_seats(store: Store) -> list[Seat]:
    """All places in their order, those of workers that are gone too. Raises NotInitialised."""
    return [
        Seat(
            Worker(_place(record), record.number("fence")),
            record.text("owner"),
            record.flag("released"),
            record.at_ms,
            record.number("lease_ms") / 1000,
        )
        for record in store.query(_PREFIX)
    ]


def _item(place: int) -> str:
    return f"{_PREFIX}{place:04}"


def _place(record: Record) -> int:
    return int(record.item.removeprefix(_PREFIX))
