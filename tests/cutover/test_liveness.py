"""Whether the daemon lives, what SELECT sees, and how long the last writes may still arrive: each decided by itself."""

from dataclasses import dataclass, field

import pytest

from keymap.errors import KeyshiftError
from keymap.position import Position
from keymap.version import version
from keyshift.control.barrier import BarrierState
from keyshift.control.gaps import LaneGap
from keyshift.control.record import Record
from keyshift.cutover.barriers import NotDrained, is_visible
from keyshift.cutover.conduct import require_closed
from keyshift.cutover.liveness import watch


@dataclass
class Table:
    """A control table whose item "capture" changes from look to look; the last look stays."""

    looks: list[dict]
    seconds: float = 0.0
    items: dict[str, Record] = field(default_factory=dict)

    def get(self, item: str) -> Record | None:
        if item != "capture":
            return self.items.get(item)
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return Record("capture", look) if look else None

    def query(self, prefix: str) -> list[Record]:
        return [record for item, record in self.items.items() if item.startswith(prefix)]

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def held(renewals: int, fence: int = 1, *, released: bool = False) -> dict:
    return {"owner": "a:1", "fence": fence, "renewals": renewals, "released": released, "lease_ms": 10_000}


def seen(*looks: dict) -> tuple[bool, float]:
    table = Table(list(looks))
    found = watch(table, table, lambda: table.seconds)
    return found.alive, found.seconds


def test_a_daemon_that_renews_is_alive_as_soon_as_that_is_seen() -> None:
    assert seen(held(5), held(5), held(6)) == (True, 1.0)


def test_a_daemon_that_took_over_meanwhile_is_alive() -> None:
    assert seen(held(5), held(6, fence=2))[0]


def test_a_daemon_that_does_not_renew_for_a_lease_is_not_alive() -> None:
    assert seen(held(5)) == (False, 10.0)


def test_a_daemon_that_stopped_or_never_ran_is_known_at_once() -> None:
    assert seen(held(5, released=True)) == (False, 0.0)
    assert seen(held(5), held(6, released=True))[0] is False
    assert seen({}) == (False, 0.0)


@pytest.mark.parametrize("lost", [True, False])
def test_a_daemon_that_stopped_at_what_it_cannot_follow_is_led_to_the_decision_first(lost: bool) -> None:
    place: dict = {"epoch": 1, "file": "binlog.000003", "offset": 400}
    stop = Record("stop", {**place, "tables": ("shop.orders",), "what": "TRUNCATE ...", "lost": lost})
    table = Table([held(5, released=True)], items={"stop": stop})
    found = watch(table, table, lambda: 0.0)
    assert "keyshift cdc resume" in found.remedy
    assert found.remedy.startswith("Capture c" if lost else "Capture s")
    assert found.evidence == "a:1 has stopped at binlog.000003:400"
    table.items["accepted#1.3.400"] = stop
    found = watch(table, table, lambda: 0.0)
    assert (found.remedy, found.evidence) == ("Start `keyshift cdc run`", "a:1 has stopped")


def test_without_gtids_the_start_must_lie_behind_the_changes_event() -> None:
    change = version(1, 3, 500, 2)
    assert is_visible(Position("binlog.000003", 501), change, None)
    assert is_visible(Position("binlog.000004", 4), change, None)
    assert not is_visible(Position("binlog.000003", 500), change, None)
    assert not is_visible(Position("binlog.000002", 900), change, None)


def test_with_gtids_the_sets_decide_and_not_the_offsets() -> None:
    uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
    captured = Position("binlog.000003", 900, f"{uuid}:1-9")
    change = version(1, 3, 500, 0)
    assert is_visible(Position("binlog.000003", 100, f"{uuid}:1-9"), change, captured)
    assert not is_visible(Position("binlog.000003", 1000, f"{uuid}:1-8"), change, captured)


def test_a_barrier_that_is_not_answered_says_who_did_not() -> None:
    state = BarrierState(7, Position("b.000001", 4), sent=False, missing_lanes=(0, 1), last_version="", changes=0)
    assert "keyshift cdc run" in NotDrained(state, 5).remedy
    state = BarrierState(
        7, Position("b.000001", 4), sent=True, missing_lanes=tuple(range(12)), last_version="", changes=0
    )
    error = NotDrained(state, 5)
    assert error.message.endswith("by lanes 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more")
    assert "keyshift apply run" in error.remedy
    gaps = [LaneGap(3, version(1, 1, 4, 0), version(1, 1, 9, 0), 1), LaneGap(4, "", version(1, 1, 4, 0), 1)]
    error = NotDrained(state, 5, {3: version(1, 1, 4, 0)}, gaps)
    assert "; lane 3 has a gap: its next record follows the change at binlog file number 1, offset 9" in error.message
    assert error.message.endswith("; lanes with a gap too: 4")
    assert "keyshift tables reload --all" in error.remedy


def test_nothing_is_swept_or_switched_while_replay_is_open() -> None:
    table = Table([{}], items={"phase": Record("phase", {"phase": "replay", "at_ms": 0})})
    with pytest.raises(KeyshiftError, match="replay is not closed"):
        require_closed(table)
