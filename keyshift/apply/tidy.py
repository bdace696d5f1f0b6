"""Tidying: the horizon rises, and the tombstones behind it are taken away, while replay goes on.

One pass: a barrier shows up to which version all is applied, and that becomes the horizon unless something of it is
missing still. From then on no batch that begins writes a change up to there. Those that had begun before have ended
when a batch's lifetime and a request's life are over (keyshift/apply/lifetime.py): waiting for both is the whole proof
that a tombstone up to the horizon keeps nothing out any more. Then the target tables are read, and such tombstones are
removed, each on the condition that it still is what was read.

One process at a time does this, under a lease, and nothing is sent without it. It looks at the phase before each part
of a table, and ends where replay is closed: whoever closes it waits for the lease before the application may switch.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

from keymap.errors import KeyshiftError
from keymap.patch import Item
from keymap.rules import Keymap
from keyshift.apply.lifetime import ended_after
from keyshift.apply.sweep import Sweeper, Swept
from keyshift.apply.tidy_tally import TidyTally
from keyshift.aws import items
from keyshift.aws.clients import DynamoDBClient, explaining
from keyshift.control import barrier
from keyshift.control.barrier import BarrierState
from keyshift.control.checkpoint import read_capture
from keyshift.control.horizon import in_the_way, raise_horizon, read_horizon
from keyshift.control.lease import Lease
from keyshift.control.migration import Migration
from keyshift.control.phase import Phase, read_phase
from keyshift.process.clock import boottime, now_ms
from keyshift.process.stop import Stop, Stopped

TIDY_SECONDS: Final = 10.0  # of the lease; the cutover waits so long, at most, for one that was killed
ANSWER_SECONDS_MAX: Final = 120.0  # for a barrier: a consumer that is farther behind has better things to do
REST: Final = 1.0  # after each part of a table, as long as it took: half of what one reader can take


class ReplayNotOpen(KeyshiftError):
    """Nothing is tidied but while changes are applied."""

    def __init__(self, phase: Phase) -> None:
        super().__init__(
            f"tombstones are taken away while replay is open, and the phase is {phase}",
            "Before, there are none; after `keyshift cutover run`, `keyshift cutover sweep` takes all of them",
        )


@dataclass(frozen=True, slots=True)
class Tidied:
    """What a pass did. `horizon`: up to which version, "" where there is none yet; `stays`: why it did not rise;
    `swept` is None where nothing was looked at, since all up to there was taken away before.
    """

    horizon: str
    stays: str = ""
    swept: Swept | None = None


class Tidier:
    """Tidies one migration. `lease` is the one on "tidy", and guards the client (keyshift.aws.clients.guard_sends).

    `tally` is told what is taken away, and when. `clock` gives seconds that only grow and count suspend.
    """

    def __init__(  # noqa: PLR0913 - its collaborators
        self,
        client: DynamoDBClient,
        keymap: Keymap,
        migration: Migration,
        *,
        lease: Lease,
        executor: Executor,
        stop: Stop,
        request_life_seconds: float,
        tally: TidyTally | None = None,
        clock: Callable[[], float] = boottime,
    ) -> None:
        self._client, self._keymap, self._migration = client, keymap, migration
        self.lease, self._store, self._executor = lease, lease.store, executor
        self._stop, self._life_seconds, self._clock = stop, request_life_seconds, clock
        self._tally = tally or TidyTally(now_ms)

    def run(self) -> Tidied:
        """One pass; the lease is held. It may be repeated, and may be killed anywhere.

        Raises ReplayNotOpen, LeaseLost, KeymapChanged, Stopped, and KeyshiftError where a table refuses.
        """
        self._require_open()
        begun_at_ms = now_ms()
        stays = self._rise()
        if not stays:
            self._record(risen_at_ms=begun_at_ms)
        horizon = read_horizon(self._store)
        if not horizon or horizon == self.lease.record.text("swept"):
            self._record(tidied_at_ms=now_ms())
            return Tidied(horizon, stays)
        self._stop.sleep(ended_after(self._life_seconds))
        swept = self._sweep(horizon)
        self._record(swept=horizon, tidied_at_ms=now_ms())
        return Tidied(horizon, stays, swept)

    def _record(self, **attributes: str | int) -> None:
        self.lease.renew(**attributes)
        self._tally.looked(self.lease.record)

    def _rise(self) -> str:
        """Let the horizon rise to what is applied; why it does not, "" where it has."""
        position = read_capture(self._store).position
        if position is None:
            return "capture has not begun"
        try:
            number = barrier.request(self._store, position)
        except KeyshiftError as error:  # another barrier is pending, of a server that was left
            return error.message
        lanes = self._migration.lanes
        state = barrier.wait(self._store, number, lanes, ANSWER_SECONDS_MAX, self._stop, clock=self._clock)
        if self._stop.is_set():
            raise Stopped("asked to stop")
        return self._rise_to(state)

    def _rise_to(self, state: BarrierState) -> str:
        if not state.complete:
            return f"barrier {state.number} was not answered by every lane within {ANSWER_SECONDS_MAX:.0f} s"
        if not state.last_version:
            return "no change was captured yet"
        if reasons := in_the_way(self._store, state.last_version):
            return "; ".join(reasons)
        raise_horizon(self._store, state.last_version, Phase.REPLAY)
        return ""

    def _sweep(self, horizon: str) -> Swept:
        pause = _Pause(self._clock, self._stop)

        def between() -> None:
            pause.rest()
            self._require_open()

        return Sweeper(
            self._client,
            self._keymap,
            self._migration.id,
            items=_Scan(self._client, self._stop),
            executor=self._executor,
            stop=self._stop,
            upto=horizon,
            between=between,
            removed=self._tally.removed,
        ).run()

    def _require_open(self) -> None:
        self.lease.check()
        phase = read_phase(self._store, self._keymap.digest)
        if phase is not Phase.REPLAY:
            raise ReplayNotOpen(phase)


class _Scan:
    """The target tables, read for half the price: what is out of date is refused by the condition."""

    def __init__(self, client: DynamoDBClient, stop: Stop) -> None:
        self._client, self._stop = client, stop

    def scan(self, table: str) -> Iterator[Item]:
        """Every item of a table."""
        with explaining(f"reading table {table}"):
            yield from items.scan(self._client, table, consistent=False, stop=self._stop)


class _Pause:
    """Rests after each part as long as that took, so that whoever works with the tables comes first."""

    def __init__(self, clock: Callable[[], float], stop: Stop) -> None:
        self._clock, self._stop = clock, stop
        self._since: float | None = None

    def rest(self) -> None:
        """Rest, where a part has just ended. Raises Stopped."""
        if self._since is not None:
            self._stop.sleep(REST * (self._clock() - self._since))
        self._since = self._clock()
