"""Barriers as the cutover uses them: asked for at the server's position of now, waited for, and visible to SELECT."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from keymap.errors import KeyshiftError
from keymap.position import Position, file_number
from keymap.rules import Keymap
from keymap.version import floor, parse
from keyshift.apply.gaps import REMEDY, summary
from keyshift.apply.refusals import position
from keyshift.control import barrier
from keyshift.control.barrier import BarrierState
from keyshift.control.checkpoint import read_checkpoint
from keyshift.control.gaps import LaneGap, read_gaps
from keyshift.control.horizon import read_horizon
from keyshift.control.lanes import LANES_PREFIX, applied_of
from keyshift.control.migration import Migration
from keyshift.control.store import Store
from keyshift.mysql.connection import Connection
from keyshift.mysql.facts import ServerFacts, read_facts, read_position
from keyshift.mysql.start import capture_start
from keyshift.process.clock import boottime
from keyshift.process.stop import Stop, Stopped

DRAIN_SECONDS_MAX: Final = 120.0  # a stream that keeps up drains in seconds; behind that, somebody should look at it
VISIBLE_SECONDS_MAX: Final = 60.0  # semi-sync replication delays visibility by its timeout, ten seconds by default
_LOOK_SECONDS: Final = 0.05


class NotDrained(KeyshiftError):
    """A barrier that was not answered by every lane in time.

    `applied`: how far lanes are, as far as that was read; `gaps`: those that stand still.
    """

    def __init__(
        self,
        state: BarrierState,
        seconds: float,
        applied: Mapping[int, str] | None = None,
        gaps: Sequence[LaneGap] = (),
    ) -> None:
        if not state.sent:
            super().__init__(
                f"barrier {state.number} was not sent within {seconds:.0f} s",
                "See that `keyshift cdc run` runs and has caught up (`keyshift cdc status`)",
            )
        else:
            lanes = ", ".join(map(str, state.missing_lanes[:10]))
            more = f" and {len(state.missing_lanes) - 10} more" if len(state.missing_lanes) > 10 else ""  # noqa: PLR2004
            super().__init__(
                f"barrier {state.number} was not answered within {seconds:.0f} s by lanes {lanes}{more}"
                f"{f'; {summary(gaps)}' if gaps else _furthest_behind(state.missing_lanes, applied)}",
                REMEDY
                if gaps
                else "See that the Lambda function or `keyshift apply run` runs, its log and errors (docs/runbook.md)",
            )
        self.state = state


def _furthest_behind(missing: Iterable[int], applied: Mapping[int, str] | None) -> str:
    if applied is None:
        return ""
    version, lane = min((applied.get(lane, ""), lane) for lane in missing)
    return f"; lane {lane} is applied up to {position(version) if version else 'nothing yet'}"


class StreamBarrier:
    """Barriers through the stream of one migration."""

    def __init__(  # noqa: PLR0913 - its collaborators
        self,
        store: Store,
        migration: Migration,
        keymap: Keymap,
        connect: Callable[[], Connection],
        stop: Stop,
        *,
        seconds_max: float,
    ) -> None:
        self._store, self._migration, self._keymap = store, migration, keymap
        self._connect, self._stop, self._seconds_max = connect, stop, seconds_max

    def passed(self) -> str:
        """Wait until all that is committed now is applied; the version up to which all is applied and visible.

        Raises NotDrained, Stopped, and KeyshiftError where the source cannot be asked.
        """
        return self.visible(self.drain())

    def horizon(self) -> str:
        """Up to which version tombstones may have been taken away by now, "" for none."""
        return read_horizon(self._store)

    def visible(self, state: BarrierState) -> str:
        """Wait until SELECT sees everything up to a barrier that was answered; its version. Raises as `passed`."""
        self._wait_visible(state.last_version)
        return state.last_version or floor(self._migration.epoch)

    def drain(self) -> BarrierState:
        """Wait until all that is committed now is applied. Raises as `passed`."""
        return self.answered(self.request())

    def request(self, *, anew: bool = False) -> int:
        """Ask for a barrier at the server's position of now; its number. `anew` as in keyshift.control.barrier."""
        return barrier.request(self._store, self.position(), anew=anew)

    def sent(self, number: int) -> BarrierState:
        """Wait until the daemon has sent the barrier, and so has counted what was captured. Raises as `passed`."""
        deadline = boottime() + self._seconds_max
        while not (state := barrier.state(self._store, number, self._migration.lanes)).sent:
            if boottime() > deadline:
                raise NotDrained(state, self._seconds_max)
            self._stop.sleep(barrier.POLL_SECONDS)
        return state

    def answered(self, number: int) -> BarrierState:
        """Wait until every lane has answered the barrier. Raises as `passed`."""
        state = barrier.wait(self._store, number, self._migration.lanes, self._seconds_max, self._stop)
        if state.complete:
            return state
        if self._stop.is_set():
            raise Stopped("asked to stop")
        if not state.sent:
            raise NotDrained(state, self._seconds_max)
        applied = applied_of(self._store.query(LANES_PREFIX))
        raise NotDrained(state, self._seconds_max, applied, read_gaps(self._store))

    def position(self) -> Position:
        """The server's position; everything committed before this call is contained in it."""
        connection = self._connect()
        try:
            return read_position(connection, read_facts(connection))
        finally:
            connection.close()

    def _wait_visible(self, version: str) -> None:
        """A change is in the binlog, and may be applied, before SELECT sees it (docs/design, "Version")."""
        if not version:
            return
        facts, checkpoint = self._facts(), read_checkpoint(self._store)
        captured = checkpoint.position if checkpoint else None
        deadline = boottime() + VISIBLE_SECONDS_MAX
        while not is_visible(capture_start(self._connect, facts, self._keymap.tables), version, captured):
            if boottime() > deadline:
                message = f"the source has logged changes that SELECT did not see for {VISIBLE_SECONDS_MAX:.0f} s"
                raise KeyshiftError(message, "See whether its commits hang (semi-sync replication, SHOW PROCESSLIST)")
            self._stop.sleep(_LOOK_SECONDS)

    def _facts(self) -> ServerFacts:
        connection = self._connect()
        try:
            return read_facts(connection)
        finally:
            connection.close()


def is_visible(start: Position, version: str, captured: Position | None) -> bool:
    """Whether SELECT sees everything up to `version`, if it sees everything before `start`.

    `captured` is a position that the daemon had reached when it had captured the version. GTID sets decide where there
    are some. Else `start`, a boundary between transactions, must lie behind the event that the version names.
    """
    if start.gtid_set and captured and captured.gtid_set:
        return start.contains(captured)
    parts = parse(version)
    return (file_number(start.file), start.offset) > (parts.file, parts.offset)
