"""The checklist: all checks pass together, and each unmet condition fails its own check."""

from dataclasses import replace

import pytest

from keymap.position import Position
from keymap.version import version
from keyshift.aws.time_to_live import ttl_risks
from keyshift.control.answers import Answer
from keyshift.control.barrier import BarrierState
from keyshift.control.checkpoint import CaptureStatus
from keyshift.control.gaps import LaneGap
from keyshift.control.halts import Accepted, Halt
from keyshift.control.phase import Phase
from keyshift.control.progress import Progress, TableProgress
from keyshift.control.setasides import State
from keyshift.cutover.checklist import CatchUp, Facts, Outcome, evaluate, may_drain, passed
from keyshift.cutover.compare import Kind
from keyshift.cutover.liveness import Liveness
from keyshift.cutover.tally import Report
from tests.control.test_setasides import set_aside

HERE = Position("binlog.000002", 4711)
EARLIER = Position("binlog.000002", 100)
STATUS = CaptureStatus(owner="host:1", fence=1, renewals=5, lease_seconds=10, started=True)
DRAINED = BarrierState(3, HERE, sent=True, missing_lanes=(), last_version="v9", changes=12)
CLEAN = Report(
    rows=10,
    slots=10,
    items=9,
    tombstones=1,
    differences=dict.fromkeys(Kind, 0),
    examples=(),
    changing=0,
    in_motion=0,
    live=True,
    seconds=1.0,
)
READY = Facts(
    phase=Phase.REPLAY,
    progress=Progress((TableProgress("shop.orders", 2, 2, 2, 20, 20),)),
    set_aside=(),
    daemon=Liveness(alive=True, seconds=1.2, status=STATUS),
    catch_up=CatchUp(HERE, HERE, contained=True, seconds=0.1),
    drained=DRAINED,
    report=CLEAN,
    again=replace(DRAINED, number=4),
)


def failing(facts: Facts) -> list[str]:
    return [check.name for check in evaluate(facts) if check.outcome is Outcome.FAIL]


def test_when_everything_is_as_it_should_be_every_check_passes_with_its_evidence() -> None:
    checks = evaluate(READY)
    assert passed(checks)
    assert all(check.outcome is Outcome.PASS and check.evidence and not check.remedy for check in checks)


ANSWERS = (Answer("fk_cascade", "shop.orders", "no customer is ever deleted"),)
ACCEPTED = (Accepted(Halt(1, "binlog.000002", 99, ("shop.orders",), "TRUNCATE ..."), "it held drafts only"),)


def with_differences(**more: int) -> Report:
    return replace(CLEAN, differences={**CLEAN.differences, **{Kind(kind): count for kind, count in more.items()}})


UNMET = {
    "daemon running": [
        replace(READY, daemon=Liveness(alive=False, seconds=10, status=STATUS)),
        replace(READY, daemon=Liveness(alive=False, seconds=0, status=CaptureStatus())),
        replace(READY, daemon=Liveness(alive=False, seconds=0, status=replace(STATUS, released=True))),
    ],
    "daemon caught up": [
        replace(READY, catch_up=CatchUp(HERE, EARLIER, contained=False, seconds=60)),
        replace(READY, catch_up=CatchUp(HERE, None, contained=False, seconds=60)),
        replace(READY, catch_up=None),
    ],
    "bulk load complete": [
        replace(READY, progress=Progress((TableProgress("shop.orders", 2, 2, 1, 20, 10),))),
        replace(READY, progress=Progress((TableProgress("shop.orders", None, 2, 2, 20, 20),))),
    ],
    "replay open": [replace(READY, phase=Phase.LOAD), replace(READY, phase=Phase.CLOSED)],
    "no lane has a gap": [replace(READY, gaps=(LaneGap(3, "", version(1, 1, 4, 0), 1),))],
    "stream drained": [
        replace(READY, drained=None, refusal="barrier 3 was not answered within 60 s by lanes 1, 2", again=DRAINED),
    ],
    "nothing set aside": [replace(READY, set_aside=[set_aside(7)])],
    "nothing discarded": [],  # told, and verified by the comparison
    "no items expire": [],  # a note, which stands in nobody's way
    "both sides equal": [
        replace(READY, report=with_differences(missing=1)),
        replace(READY, report=with_differences(foreign=1)),
        replace(READY, report=replace(CLEAN, changing=1)),
        replace(READY, report=None),
    ],
    "accepted statements verified": [
        replace(READY, accepted=ACCEPTED, report=with_differences(extra=1)),
        replace(READY, accepted=ACCEPTED, report=None),
    ],
    "accepted refusals repaired": [
        replace(READY, answers=ANSWERS, repairs=True, report=with_differences(extra=1)),
        replace(READY, answers=ANSWERS, repairs=True, report=replace(CLEAN, changing=1)),
        replace(READY, answers=ANSWERS, repairs=True, report=None),
    ],
    "writes stopped": [
        replace(READY, again=replace(DRAINED, changes=13, last_version="v10")),
        replace(READY, again=None),
    ],
}


@pytest.mark.parametrize(("name", "facts"), [(name, facts) for name, all_ in UNMET.items() for facts in all_])
def test_each_unmet_condition_fails_its_check_and_says_what_to_do(name: str, facts: Facts) -> None:
    unmet = failing(facts)
    assert name in unmet
    assert set(unmet) <= {
        name,
        "both sides equal",  # what was accepted is verified by the same comparison
        "writes stopped",  # without a first barrier, there is nothing to compare the second with
    }
    assert not passed(evaluate(facts))
    (check,) = [check for check in evaluate(facts) if check.name == name]
    assert check.evidence
    assert check.remedy


def test_every_check_is_among_those_tried() -> None:
    assert [check.name for check in evaluate(READY)] == list(UNMET)


@pytest.mark.parametrize("name", [*UNMET][:5])
def test_no_barrier_is_asked_for_that_nobody_would_answer(name: str) -> None:
    assert may_drain(READY)
    assert not any(may_drain(facts) for facts in UNMET[name])


def test_a_rehearsal_leaves_out_the_write_stop_and_says_so() -> None:
    checks = evaluate(replace(READY, rehearsal=True, again=None))
    assert passed(checks)
    assert checks[-1].outcome is Outcome.SKIPPED
    assert "rehearsal" in checks[-1].evidence


def test_what_was_accepted_stands_in_the_checklist_with_its_table_what_it_was_and_the_reason() -> None:
    checks = evaluate(replace(READY, accepted=ACCEPTED))
    assert passed(checks)
    (check,) = [check for check in checks if check.name == "accepted statements verified"]
    for told in ("shop.orders", "binlog.000002:99", "TRUNCATE ...", "it held drafts only", "none differs"):
        assert told in check.evidence


def test_a_table_whose_items_expire_is_told_and_stands_in_nobodys_way() -> None:
    checks = evaluate(replace(READY, expiring=tuple(ttl_risks("app", "expires") + ttl_risks("old", None))))
    assert passed(checks)
    (check,) = [check for check in checks if check.outcome is Outcome.NOTE]
    assert "table app: TTL is on" in check.evidence
    assert "expires" in check.evidence
    assert "table old: we may not ask" in check.evidence
    assert "update-time-to-live" in check.remedy
    assert ttl_risks("app", "") == []


def test_what_was_set_aside_and_is_over_passes_and_what_was_discarded_is_told() -> None:
    over = [set_aside(at, state=state) for at, state in enumerate(State) if state is not State.OPEN]
    discarded = replace(over[-1], note="a row of a test")
    checks = evaluate(replace(READY, set_aside=[*over[:-1], discarded]))
    assert passed(checks)
    (check,) = [check for check in checks if check.outcome is Outcome.NOTE]
    for told in (discarded.id, "shop.orders", discarded.place, "a row of a test"):
        assert told in check.evidence


def test_an_accepted_refusal_stands_in_the_checklist_and_is_repaired_by_the_run_alone() -> None:
    hidden = replace(with_differences(extra=2, missing=1), repairable=3)
    before = replace(READY, answers=ANSWERS, report=hidden)
    for facts in (before, replace(before, rehearsal=True), replace(before, accepted=ACCEPTED)):
        checks = {check.name: check for check in evaluate(facts)}
        assert passed(list(checks.values()))
        assert checks["accepted refusals repaired"].outcome is Outcome.SKIPPED
        for told in ("shop.orders", "fk_cascade", "no customer is ever deleted", "`keyshift cutover run`"):
            assert told in checks["accepted refusals repaired"].evidence
        assert "3 differences are in tables that `keyshift cutover run` repairs" in checks["both sides equal"].evidence
    unlike = replace(before, report=replace(hidden, repairable=2))
    assert failing(unlike) == ["both sides equal"]
    assert set(failing(replace(before, repairs=True))) == {"both sides equal", "accepted refusals repaired"}
    after = replace(READY, answers=ANSWERS, repairs=True, repaired=3)
    assert passed(evaluate(after))
    assert any("3 differences were repaired, and 0 are left" in check.evidence for check in evaluate(after))


def test_in_a_rehearsal_rows_may_still_change_but_not_differ() -> None:
    moving = replace(CLEAN, changing=3)
    assert not failing(replace(READY, rehearsal=True, report=moving))
    assert failing(replace(READY, rehearsal=True, report=with_differences(different=1))) == ["both sides equal"]


def test_what_was_not_tried_does_not_pass() -> None:
    facts = Facts(Phase.LOAD, Progress(()), (), Liveness(alive=False, seconds=0, status=CaptureStatus()))
    untried = {check.name for check in evaluate(facts) if "not tried" in check.evidence}
    assert untried == {"daemon caught up", "stream drained", "both sides equal", "writes stopped"}
    assert not passed(evaluate(facts))
