"""The cutover checklist: may the application switch? Each check with its evidence and what to do. Pure.

What was found out (Facts) and what it means (evaluate) are apart, so that every way to fail is an ordinary test. A fact
that is None was not found out, because an earlier check had failed already; its check says so and does not pass.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from keymap.errors import Problem
from keymap.position import Position
from keyshift.apply.gaps import REMEDY, summary
from keyshift.control.answers import Answer
from keyshift.control.barrier import BarrierState
from keyshift.control.gaps import LaneGap
from keyshift.control.halts import Accepted
from keyshift.control.phase import Phase
from keyshift.control.progress import Progress
from keyshift.control.setasides import SetAside, State
from keyshift.cutover.compare import Kind
from keyshift.cutover.liveness import Liveness
from keyshift.cutover.tally import Report


class Outcome(StrEnum):
    """What a check came to."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    SKIPPED = "skipped"  # a rehearsal leaves it out
    NOTE = "note"  # it does not stand in the way, and somebody should know


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the checklist; `remedy` is "" where it passed."""

    name: str
    outcome: Outcome
    evidence: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class CatchUp:
    """How the daemon's checkpoint stood to the server's position, after waiting `seconds` for it at most."""

    server: Position
    captured: Position | None
    contained: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the checklist decides on.

    `drained` and `again` are the barriers before and after the verification; `refusal` says why the first one was not
    answered. `set_aside` are the changes that a consumer could not apply, over or not. `accepted` are the statements
    that capture could not follow, and that somebody answered for. `answers` are the refusals of preflight that somebody
    answered for; with `repairs` their tables were repaired, `repaired` differences in all, before `report` was made.
    `expiring` tells of target tables whose items DynamoDB deletes by itself. `gaps`: the lanes that stand still.
    """

    phase: Phase
    progress: Progress
    set_aside: Sequence[SetAside]
    daemon: Liveness
    catch_up: CatchUp | None = None
    drained: BarrierState | None = None
    refusal: str = ""
    report: Report | None = None
    again: BarrierState | None = None
    rehearsal: bool = False
    accepted: tuple[Accepted, ...] = ()
    answers: tuple[Answer, ...] = ()
    expiring: tuple[Problem, ...] = ()
    gaps: tuple[LaneGap, ...] = ()
    repairs: bool = False
    repaired: int = 0

    @property
    def unequal(self) -> int:
        """The differences that stand in the way: all, but for those that `keyshift cutover run` is yet to repair."""
        if self.report is None:
            return 0
        return self.report.total - (0 if self.repairs else self.report.repairable)


def evaluate(facts: Facts) -> list[Check]:
    """The checklist, in the order in which an operator mends things."""
    return [check(facts) for check in _CHECKS]


def passed(checks: list[Check]) -> bool:
    """Whether nothing stands in the way."""
    return all(check.outcome is not Outcome.FAIL for check in checks)


def may_drain(facts: Facts) -> bool:
    """Whether a barrier would be answered: it needs the daemon, and a consumer that may write."""
    return all(check(facts).outcome is Outcome.PASS for check in (_daemon, _caught_up, _loaded, _open, _whole))


def _check(name: str, good: bool, evidence: str, remedy: str) -> Check:  # noqa: FBT001 - said by its place
    return Check(name, Outcome.PASS if good else Outcome.FAIL, evidence, "" if good else remedy)


def _not_tried(name: str) -> Check:
    return Check(name, Outcome.FAIL, "not tried, since a check above has failed", "Mend what is above first")


def _daemon(facts: Facts) -> Check:
    return _check("daemon running", facts.daemon.alive, facts.daemon.evidence, facts.daemon.remedy)


def _caught_up(facts: Facts) -> Check:
    name, found = "daemon caught up", facts.catch_up
    if found is None:
        return _not_tried(name)
    server = f"{found.server.file}:{found.server.offset}"
    captured = f"{found.captured.file}:{found.captured.offset}" if found.captured else "nowhere yet"
    if found.contained:
        return _check(name, True, f"captured up to {captured}, the server stood at {server}", "")
    evidence = f"captured up to {captured}, the server stood at {server} {found.seconds:.0f} s before"
    return _check(name, False, evidence, "Let it catch up (`keyshift cdc status` shows the lag), then check again")


def _loaded(facts: Facts) -> Check:
    found = facts.progress
    tables = len(found.tables)
    evidence = f"{found.tables_dumped} of {tables} tables dumped, {found.loaded} of {found.total} chunks loaded"
    if found.unfinished:
        evidence += f"; loaded again, and not done: {', '.join(found.unfinished)}"
    return _check("bulk load complete", found.complete, evidence, "Run `keyshift bulkload run`")


def _open(facts: Facts) -> Check:
    remedies = {
        Phase.LOAD: "It opens when the bulk load is complete: run `keyshift bulkload run`",
        Phase.CLOSED: "The cutover has been made; `keyshift cutover abort` takes it back, before the switch",
    }
    evidence = f"the phase is {facts.phase}"
    return _check("replay open", facts.phase is Phase.REPLAY, evidence, remedies.get(facts.phase, ""))


def _whole(facts: Facts) -> Check:
    """No barrier would be answered behind a gap, so none is waited for."""
    evidence = summary(facts.gaps) if facts.gaps else "no consumer has met one"
    return _check("no lane has a gap", not facts.gaps, evidence, REMEDY)


def _drained(facts: Facts) -> Check:
    name = "stream drained"
    if facts.refusal:
        return _check(
            name,
            False,
            facts.refusal,
            "See that the Lambda function or `keyshift apply run` runs, and its errors: a lane with a gap stands still",
        )
    if facts.drained is None:
        return _not_tried(name)
    evidence = f"barrier {facts.drained.number}, at the server's position, was answered by every lane"
    return _check(name, True, evidence, "")


def _set_aside(facts: Facts) -> Check:
    count = sum(one.is_open for one in facts.set_aside)
    evidence = f"{count} changes are set aside" if count else "no change is set aside"
    remedy = "`keyshift apply failures` lists them; mend what is in their way, then `keyshift apply redrive`"
    return _check("nothing set aside", not count, evidence, remedy)


def _discarded(facts: Facts) -> Check:
    """What was given up is no secret; whether it does harm, the comparison of both sides tells."""
    name, found = "nothing discarded", [one for one in facts.set_aside if one.state is State.DISCARDED]
    if not found:
        return _check(name, True, "no change was discarded", "")
    told = "; ".join(f"{one.id} of {one.source}, at {one.place} ({one.note})" for one in found)
    return Check(name, Outcome.NOTE, told, "Nothing, where both sides are equal: see below")


def _expire(facts: Facts) -> Check:
    name = "no items expire"
    if not facts.expiring:
        return _check(name, True, "TTL is off in every target table", "")
    told = "; ".join(f"{one.where}: {one.what}" for one in facts.expiring)
    return Check(name, Outcome.NOTE, told, facts.expiring[0].remedy)


def _equal(facts: Facts) -> Check:
    name, report = "both sides equal", facts.report
    if report is None:
        return _not_tried(name)
    kinds = ", ".join(f"{report.differences[kind]} {kind}" for kind in Kind)
    evidence = f"{report.rows} rows against {report.items} items: {kinds}"
    if report.changing:
        evidence += f"; {report.changing} rows were still changing"
    if report.total > facts.unequal:
        evidence += f"; {report.repairable} differences are in tables that `keyshift cutover run` repairs"
    # While the application writes, some row is always on its way; what counts then is that nothing is wrong for good.
    good = not facts.unequal and (facts.rehearsal or not report.changing)
    remedy = "`keyshift verify` shows the differences"
    if not facts.unequal:
        remedy = "Stop the application's writes, check again"
    return _check(name, good, evidence, remedy)


def _answered_for(facts: Facts) -> Check:
    """What was accepted is in no change record: only a comparison of all rows and items tells whether it did harm."""
    name = "accepted statements verified"
    if not facts.accepted:
        return _check(name, True, "capture followed every statement", "")
    told = "; ".join(
        f"{', '.join(one.halt.tables)} at {one.halt.place}, {one.halt.what}"
        f" ({'loaded again' if one.reload else 'accepted'}: {one.reason})"
        for one in facts.accepted
    )
    good = facts.report is not None and not facts.unequal
    if good:
        return _check(name, True, f"{told}. All rows and items were compared since, and none differs", "")
    remedy = "Both sides must be compared whole, and be equal: `keyshift verify` shows the differences, mend them"
    return _check(name, False, told, remedy)


def _repaired(facts: Facts) -> Check:
    """What was accepted hides changes from capture until the last write, so it is repaired behind that."""
    name = "accepted refusals repaired"
    if not facts.answers:
        return _check(name, True, "no refusal of preflight was accepted", "")
    told = "; ".join(f"{one.table}, {one.kind} (accepted: {one.reason})" for one in facts.answers)
    if not facts.repairs:
        return Check(name, Outcome.SKIPPED, f"{told}. `keyshift cutover run` compares and repairs, in the write stop")
    report = facts.report
    if report is None:
        return _not_tried(name)
    evidence = f"{told}. {facts.repaired} differences were repaired, and {report.total} are left"
    remedy = "`keyshift verify` shows what differs. If writes had not stopped, stop them; then `keyshift cutover run`"
    return _check(name, report.clean, evidence, remedy)


def _stopped(facts: Facts) -> Check:
    name = "writes stopped"
    if facts.rehearsal:
        return Check(name, Outcome.SKIPPED, "not looked at in a rehearsal")
    if facts.drained is None or facts.again is None:
        return _not_tried(name)
    more = facts.again.changes - facts.drained.changes
    still = (facts.again.changes, facts.again.last_version) == (facts.drained.changes, facts.drained.last_version)
    evidence = "no change was captured while both sides were compared" if still else f"{more} changes came meanwhile"
    return _check(name, still, evidence, "Stop every writer of the captured tables (jobs and events too), check again")


_CHECKS: tuple[Callable[[Facts], Check], ...] = (
    _daemon,
    _caught_up,
    _loaded,
    _open,
    _whole,
    _drained,
    _set_aside,
    _discarded,
    _expire,
    _equal,
    _answered_for,
    _repaired,
    _stopped,
)
