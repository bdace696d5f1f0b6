"""The cutover, step by step: find out, decide by the checklist, close replay, and see that it is closed everywhere.

The order carries the proof. The writes have stopped; a barrier drains the stream; both sides are compared, and repaired
where somebody answers for changes that no binlog shows, until a comparison finds nothing; a second barrier shows that
no change came meanwhile, and what it counted is recorded. Then replay is closed, and a third barrier, sent after that,
is answered by every lane: each consumer has then read the closed phase, and, once a request's life is over, no write
that was sent before can arrive. Only then may the application write to the target. If the third barrier counts a change
that the second had not, somebody wrote in the last moment, and the application must not switch.

Each step can be repeated: a run that finds replay closed goes on from there, by what was recorded.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from keymap.errors import KeyshiftError, Problem
from keymap.version import floor
from keyshift.apply.redrive import held_off
from keyshift.apply.tidy import TIDY_SECONDS
from keyshift.aws.leases import held, this_process
from keyshift.aws.time_to_live import ttl_attribute, ttl_risks
from keyshift.control.answers import next_repair, read_answers
from keyshift.control.barrier import BarrierState
from keyshift.control.checkpoint import read_capture
from keyshift.control.epoch import read_epoch
from keyshift.control.gaps import read_gaps
from keyshift.control.halts import read_accepted
from keyshift.control.horizon import raise_horizon
from keyshift.control.lease import TIDY, Lease
from keyshift.control.phase import Phase, close, read_phase
from keyshift.control.progress import progress
from keyshift.control.record import Changes
from keyshift.control.reloads import read_reloads
from keyshift.control.setasides import read_all
from keyshift.control.store import Store
from keyshift.cutover.barriers import NotDrained
from keyshift.cutover.checklist import CatchUp, Facts, may_drain
from keyshift.cutover.liveness import captured_position, watch
from keyshift.cutover.repair import repair_version, worth_another
from keyshift.cutover.setup import Parts
from keyshift.cutover.tally import Report
from keyshift.mysql.facts import read_facts, read_position
from keyshift.process.clock import boottime

CUTOVER: Final = "cutover"  # the control table's item: what had been captured when both sides were found equal
_LOOK_SECONDS: Final = 0.2

# From the version of a barrier that has just passed; the second is the version to repair at, "" to repair nothing.
Verify = Callable[[str, str], Report]


class LateWrites(KeyshiftError):
    """Changes that came after both sides were found equal. Consumers hold them back while replay is closed."""

    def __init__(self, changes: int) -> None:
        super().__init__(
            f"{changes} changes were captured after both sides had been found equal: the application must not switch",
            "Stop every writer of the captured tables (jobs and events too), run `keyshift cutover abort`, upon which "
            "these changes are applied, and then `keyshift cutover run` again",
        )


class Conductor:
    """Leads one migration through the cutover. `verify` compares both sides on a live stream."""

    def __init__(self, parts: Parts, verify: Verify) -> None:
        self._parts, self._verify = parts, verify
        self._store, self._stop, self._barrier = parts.store, parts.stop, parts.barrier

    def facts(self, *, rehearsal: bool, repair: bool = False) -> Facts:
        """Find out everything that the checklist decides on; what would hang on an earlier failure is left out.

        With `repair`, tables of which preflight was overruled are repaired (keyshift.cutover.repair).
        """
        answers = read_answers(self._store)
        daemon = watch(self._store, self._stop, boottime)
        facts = Facts(
            phase=read_phase(self._store),
            progress=progress(self._store, self._parts.migration.tables),
            set_aside=read_all(self._store),
            daemon=daemon,
            catch_up=self._catch_up() if daemon.alive else None,
            rehearsal=rehearsal,
            accepted=read_accepted(self._store),
            answers=answers,
            expiring=self._expiring(),
            gaps=tuple(read_gaps(self._store)),
            repairs=repair and bool(answers),
        )
        if not may_drain(facts):
            return facts
        try:
            facts = self._compared(facts)
            facts = facts if rehearsal else replace(facts, again=self._barrier.drain())
        except NotDrained as error:
            facts = replace(facts, refusal=error.message)
        # Once more: what comes before the last barrier is applied by now, or stands here.
        return replace(facts, set_aside=read_all(self._store))

    def _expiring(self) -> tuple[Problem, ...]:
        client, tables = self._parts.dynamodb, self._parts.keymap.targets
        return tuple(risk for table in tables for risk in ttl_risks(table, ttl_attribute(client, table)))

    def _compared(self, facts: Facts) -> Facts:
        """Drain and compare; where there is something to repair, until a comparison finds nothing that was."""
        before: Report | None = None
        while True:
            report, drained = self._pass(facts)
            facts = replace(facts, drained=drained, report=report)
            if not facts.repairs or not worth_another(report, before):
                return facts
            facts, before = replace(facts, repaired=facts.repaired + report.repairable), report

    def _pass(self, facts: Facts) -> tuple[Report, BarrierState]:
        # Before the barrier: what comes behind it is newer than these, or loaded again once more.
        floors = [floor(read_epoch(self._store)), *(one.floor for one in read_reloads(self._store).values())]
        drained = self._barrier.drain()
        start = self._barrier.visible(drained)
        at = repair_version(start, floors, next_repair(self._store)) if facts.repairs else ""
        return self._verify(start, at), drained

    def _catch_up(self) -> CatchUp:
        connection = self._parts.connect()
        try:
            server = read_position(connection, read_facts(connection))
        finally:
            connection.close()
        began = boottime()
        while True:
            captured, seconds = captured_position(read_capture(self._store)), boottime() - began
            contained = captured is not None and captured.contains(server)
            if contained or seconds >= self._parts.drain_seconds_max:
                return CatchUp(server, captured, contained, seconds)
            self._stop.sleep(_LOOK_SECONDS)

    def close(self, before: BarrierState, validity_seconds: float) -> None:
        """Close replay, after a checklist that passed and whose last barrier was `before`; finish() comes next.

        `validity_seconds`: for so long AWS may accept a request that was signed. Raises Busy where somebody redrives.
        """
        with held_off(self._store, self._stop, validity_seconds) as lease:
            self._store.swap(CUTOVER, self._store.get(CUTOVER), _agreed(before))
            close(self._store, lease)

    def finish(self, request_life_seconds: float) -> None:
        """See that replay is closed in every lane and for good; when this returns, the application may switch.

        Raises LateWrites, NotDrained (run it again), Stopped, and KeyshiftError where replay is not closed.
        """
        require_closed(self._store)
        number = self._barrier.request(anew=True)  # a marker of an earlier one may have been met before the closing
        late = late_changes(self._store, self._barrier.sent(number).changes)
        if late:
            raise LateWrites(late)
        self._barrier.answered(number)
        # Whoever takes tombstones away has the lease; it sees that replay is closed, and ends.
        with held(Lease(self._store, TIDY, this_process(), TIDY_SECONDS, boottime), self._stop):
            pass
        # Every batch that began before the closing has ended by now; what it sent last may still be on its way.
        self._stop.sleep(request_life_seconds)
        # All that was agreed on is applied: should replay be opened again, none of it may be written once more, where
        # a sweep has taken tombstones away.
        raise_horizon(self._store, agreed_version(self._store), Phase.CLOSED)


def _agreed(state: BarrierState) -> Changes:
    return {"changes": state.changes, "last_version": state.last_version}


def agreed_version(store: Store) -> str:
    """The version of the newest change that was captured when both sides were found equal, "" for none."""
    record = store.get(CUTOVER)
    return record.text("last_version") if record else ""


def late_changes(store: Store, captured: int) -> int:
    """How many changes were captured since both sides were found equal and replay was closed."""
    record = store.get(CUTOVER)
    return captured - record.number("changes") if record else captured


def require_closed(store: Store) -> None:
    """Raise KeyshiftError where replay is not closed."""
    if read_phase(store) is not Phase.CLOSED:
        raise KeyshiftError("replay is not closed", "Run `keyshift cutover run` first")
