"""What was set aside is applied once its cause is mended, whoever dies on the way, and never past the gate."""

import random
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from keymap.change import Change
from keymap.errors import Problems
from keymap.lanes import lane_of
from keymap.rule import Rule
from keymap.template import PatchError
from keymap.version import version
from keyshift.apply.redrive import NotReplaying, chosen, end
from keyshift.control.lease import REDRIVE, Lease
from keyshift.control.migration import adopt, load
from keyshift.control.phase import Phase
from keyshift.control.reloads import Reload, begin_reload
from keyshift.control.setasides import State, read_open
from tests.apply.aside import Kept
from tests.apply.conftest import fake_shop
from tests.apply.history import LANES, History, history_of, operations, pack, packed, records, truth
from tests.apply.keymaps import change, order
from tests.apply.test_convergence import EXAMPLES, Gate, Killed, seeds
from tests.apply.test_setaside import THEIRS, TOO_LARGE, Fuse, foreign, packs_of
from tests.apply.test_stream import CHANGED, FIRST, SKY_HIGH, lane_pack


def with_a_foreign_item() -> Kept:
    """Both changes of one row are set aside."""
    kept = Kept(fake_shop())
    foreign(kept)
    kept.handled(*packs_of(kept, [*FIRST, CHANGED[0]]))
    assert kept.states == ["open", "open"]
    return kept


def test_what_is_mended_is_applied_newest_first_and_its_object_is_removed() -> None:
    kept = with_a_foreign_item()
    foreign(kept, there=False)
    assert kept.redrive() == ["redriven", "stale"]
    assert kept.bucket == {}
    assert all(not one.claim.object for one in kept.every)
    assert len(kept.shop.visible("app")) == 8
    assert kept.redrive() == []


def test_what_somebody_else_has_redriven_meanwhile_is_left_alone() -> None:
    """The horizon may be behind it by now, and what kept it out be gone."""
    kept = with_a_foreign_item()
    found = kept.every
    foreign(kept, there=False)
    kept.redrive()
    foreign(kept, there=False)
    items = kept.shop.visible("app")
    assert kept.redrive(wanted=found) == ["redriven", "stale"]
    assert kept.shop.visible("app") == items


def test_what_is_not_mended_stays_with_the_reason_of_now() -> None:
    kept = with_a_foreign_item()
    foreign(kept, there=False)
    other = replace(kept.shop)
    other.writer("shop.0000000b").apply(kept.shop.keymap.patches(CHANGED[0]))
    assert kept.redrive() == ["open", "open"]
    assert not any("at the source" in one.remedy for one in kept.every)  # nothing is wrong with the row
    assert all("belongs to migration shop.0000000b" in one.reason for one in kept.every)
    assert len(kept.bucket) == 2


def test_only_those_that_are_named_are_redriven_and_a_wrong_name_is_told_before() -> None:
    kept = with_a_foreign_item()
    foreign(kept, there=False)
    first, second = (one.id for one in kept.every)
    with pytest.raises(Problems) as raised:
        kept.redrive(first, "1.2.3.4/5", "nonsense")
    assert {problem.where for problem in raised.value.problems} == {"1.2.3.4/5", "nonsense"}
    assert kept.redrive(second) == ["redriven"]
    assert kept.redrive(first) == ["stale"]
    with pytest.raises(Problems, match="is over: stale"):
        kept.redrive(first)


def test_an_item_too_large_of_a_row_that_was_shortened_ends_stale() -> None:
    kept = Kept(fake_shop())
    kept.handled(lane_pack(kept.shop, TOO_LARGE))
    assert "mended at the source already" not in kept.every[0].remedy
    assert kept.redrive() == ["open"]  # the change that shortens it is on its way still
    assert kept.redrive() == ["open"]
    assert kept.every[0].remedy.count("mended at the source already? Wait until replay is past that") == 1
    kept.handled(lane_pack(kept.shop, change("orders", SKY_HIGH, order(1, 1, 3), 62)))
    assert kept.redrive() == ["stale"]
    kept.handled(lane_pack(kept.shop, TOO_LARGE))  # delivered once more
    assert kept.states == ["stale"]


def test_a_row_that_could_not_be_mapped_and_was_mended_or_deleted_ends_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its values became no item; its key is told, and that place holds something newer."""
    refuse(monkeypatch)
    kept = Kept(fake_shop())
    bad = change("orders", None, order(1, 1, 13), 5)
    kept.handled(lane_pack(kept.shop, bad))
    assert kept.redrive() == ["open"]
    kept.handled(lane_pack(kept.shop, change("orders", order(1, 1, 13), None, 9)))
    assert kept.redrive() == ["stale"]
    kept.handled(lane_pack(kept.shop, bad))
    assert kept.states == ["stale"]


def refuse(monkeypatch: pytest.MonkeyPatch, total: int = 13) -> None:
    """No item can be made of a row with this total."""

    def content(rule: Rule, row: Any) -> Any:
        if row.get("total") == total:
            raise PatchError(f"{total} is no total", "Choose another")
        return whole(rule, row)

    whole = Rule.content
    monkeypatch.setattr(Rule, "content", content)


@pytest.mark.parametrize("same_lane", [True, False])
def test_of_a_row_that_could_not_be_mapped_when_it_moved_the_old_place_is_removed(
    monkeypatch: pytest.MonkeyPatch, same_lane: bool
) -> None:
    refuse(monkeypatch)
    kept = Kept(fake_shop(), gate=Gate(in_order=False))
    lanes = {customer: lane_of("app", (f"CUSTOMER#{customer}", "ORDER#0001"), LANES) for customer in range(1, 60)}
    customer = next(one for one in range(2, 60) if (lanes[one] == lanes[1]) is same_lane)
    steps = [None, order(1, 1), order(1, customer, 13), order(1, customer)]
    first, moved, mended = (change("orders", steps[at], steps[at + 1], at + 1) for at in range(3))

    def handle(one: Change) -> None:
        for lane in kept.shop.keymap.lanes(one.table, one.before, one.after, LANES):
            kept.handled(pack(kept.shop.keymap, lane, [one]))

    handle(first)
    handle(moved)
    assert kept.states == ["open"]  # another lane has nothing but the old place, which it has removed
    assert len(kept.shop.visible("app")) == same_lane
    kept.redrive()
    assert kept.states == ["open"]
    assert len(kept.shop.visible("app")) == same_lane
    handle(mended)
    kept.redrive()
    assert "open" not in kept.states
    assert [item["pk"] for item in kept.shop.visible("app")] == [{"S": f"CUSTOMER#{customer}"}]


def test_of_a_table_that_was_loaded_again_it_is_void() -> None:
    """With another keymap, or from a place behind it: writing it could bring back what nobody has any more."""
    adopted, reloaded = with_a_foreign_item(), with_a_foreign_item()
    tables = ("shop.orders",)
    adopt(adopted.store, load(adopted.store), "e" * 16, adopted.migration.tables, tables)
    begin_reload(reloaded.store, Reload("shop.orders", version(1, 1, 50, 1), "TRUNCATE", "a mistake"))
    for kept, states in ((adopted, ["void", "void"]), (reloaded, ["redriven", "void"])):
        foreign(kept, there=False)
        assert kept.redrive() == states
        assert kept.bucket == {}


def test_past_the_gate_nothing_is_redriven() -> None:
    kept = with_a_foreign_item()
    foreign(kept, there=False)
    kept.shop.dynamodb.before_call = lambda: pytest.fail("a write past the gate")
    for phase, way_on in ((Phase.CLOSED, "cutover abort"), (Phase.LOAD, "bulkload load")):
        kept.gate.open = phase
        with pytest.raises(NotReplaying, match=f"the phase is `{phase}`") as raised:
            kept.redrive()
        assert re.findall(r"`keyshift ([^`]*)`", raised.value.remedy) == [way_on]
    assert kept.states == ["open", "open"]


def test_what_is_discarded_is_over_and_its_record_passes() -> None:
    kept = with_a_foreign_item()
    one, other = kept.every
    end(kept.store, kept.bucket, one, State.DISCARDED, note="it is theirs")
    end(kept.store, kept.bucket, one, State.REDRIVEN)  # by another, that was late
    assert [(found.state, found.note) for found in kept.every] == [
        (State.DISCARDED, "it is theirs"),
        (State.OPEN, ""),
    ]
    assert list(kept.bucket) == [other.claim.object]
    kept.handled(*packs_of(kept, [FIRST[0]]))
    assert read_open(kept.store) == [other]


def test_an_object_that_is_gone_is_told_and_the_others_are_redriven() -> None:
    kept = with_a_foreign_item()
    foreign(kept, there=False)
    kept.bucket.delete(kept.every[0].claim.object)
    assert kept.redrive() == ["redriven", "open"]
    assert "is not there" in kept.every[0].reason
    assert "keyshift tables reload" in kept.every[0].remedy


def test_killed_before_any_call_the_next_redrive_ends_the_same() -> None:
    calm = with_a_foreign_item()
    foreign(calm, there=False)
    calm.redrive()
    at, died = 0, True
    while died:
        at += 1
        kept = with_a_foreign_item()
        foreign(kept, there=False)
        fuse = Fuse(kept, at)
        try:
            kept.redrive()
        except Killed:
            pass
        else:
            died = False
        fuse.at = None
        kept.redrive()
        assert set(kept.states) <= {"redriven", "stale"}  # written, and killed before that was recorded
        assert kept.bucket == {}
        assert all(not one.claim.object for one in kept.every)
        assert kept.shop.items("app") == calm.shop.items("app")
    assert at > 15


def test_two_at_once_and_one_that_lost_its_lease_do_no_harm() -> None:
    kept = with_a_foreign_item()
    foreign(kept, there=False)
    slow = kept.every
    assert kept.redrive() == ["redriven", "stale"]
    for one in slow:  # what the other had in hand
        end(kept.store, kept.bucket, one, State.VOID)
    assert kept.states == ["stale", "redriven"]
    assert chosen(kept.every, []) == []
    assert Lease(kept.store, REDRIVE, "next", 10.0, lambda: 0.0).try_acquire()


@settings(max_examples=EXAMPLES // 3)
@given(steps=operations, seed=seeds)
def test_in_any_order_with_redrives_and_deaths_in_between_it_ends_in_the_same_items(steps: Any, seed: int) -> None:
    """A foreign item comes and goes; once it is away, and all was delivered and redriven, nothing is missing."""
    chance, kept = random.Random(seed), Kept(fake_shop(), gate=Gate(in_order=False))
    history: History = history_of(steps)
    changes = [one for one in history.changes if one]
    batch = records(packed(kept.shop.keymap, changes, chance))
    waiting = batch + chance.choices(batch, k=chance.randrange(len(batch)))
    chance.shuffle(waiting)
    foreign(kept)
    fuse = Fuse(kept, None)
    shop = kept.shop
    while waiting:
        count = chance.randrange(1, 8)
        fuse.calls, fuse.at = 0, chance.choice([None, None, chance.randrange(1, 60)])
        try:
            assert kept.deliver(waiting[:count]).error is None
            if chance.random() < 0.2:
                kept.redrive()
        except Killed:
            continue
        waiting = waiting[count:]
        fuse.at = None
        theirs = THEIRS in shop.items("app")
        if chance.random() < 0.1 and not is_ours(kept):
            foreign(kept, there=not theirs)
    fuse.at = None
    if THEIRS in shop.items("app"):
        foreign(kept, there=False)
    kept.redrive()
    assert read_open(kept.store) == []
    assert kept.bucket == {}
    expected = truth(history.states[-1])
    assert {table: shop.visible(table) for table in expected} == expected
    assert {(1, lane) for lane in range(LANES)} == kept.gate.seen_lanes


@settings(max_examples=EXAMPLES // 3)
@given(steps=operations, seed=seeds)
def test_once_every_row_is_mended_at_its_source_nothing_is_set_aside_and_both_sides_are_equal(
    steps: Any, seed: int
) -> None:
    """Rows come, move, change and go with values that become no item; their changes arrive in any order, and again."""
    chance, kept = random.Random(seed), Kept(fake_shop(), gate=Gate(in_order=False))
    history = history_of(steps)
    for (table, key), row in history.states[-1].items():
        if table == "orders" and row["total"] == 2:
            history.add(table, key, key, {**row, "total": 1})
    batch = records(packed(kept.shop.keymap, [one for one in history.changes if one], chance))
    waiting = batch + chance.choices(batch, k=chance.randrange(len(batch)))
    chance.shuffle(waiting)
    with pytest.MonkeyPatch.context() as patch:
        refuse(patch, 2)
        while waiting:
            count = chance.randrange(1, 8)
            assert kept.deliver(waiting[:count]).error is None
            waiting = waiting[count:]
            if chance.random() < 0.2:
                kept.redrive()
        kept.redrive()
        assert (read_open(kept.store), kept.bucket) == ([], {})
        expected = truth(history.states[-1])
        assert {table: kept.shop.visible(table) for table in expected} == expected


def is_ours(kept: Kept) -> bool:
    """Whether an item of the migration stands where theirs would."""
    key = {name: THEIRS[name] for name in ("pk", "sk")}
    return any(item.items() >= key.items() and item != THEIRS for item in kept.shop.items("app"))
