"""Repair against a migration in memory: what no binlog showed is brought to the target, and nothing newer is undone."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keymap.patch import WHOLE, Patch
from keymap.position import Position
from keymap.version import behind, floor, version
from keyshift.apply.lifetime import Lifetime
from keyshift.apply.outcome import Outcome
from keyshift.control.reloads import floor_at, floor_of_epoch
from keyshift.cutover.compare import Kind
from keyshift.cutover.repair import NOTHING, Repairable, Repairer, repair_version, worth_another
from keyshift.cutover.rows import RowJudge
from keyshift.cutover.tally import Report
from keyshift.cutover.verify import Verifier
from tests.cutover.test_checklist import CLEAN
from tests.cutover.world import MIGRATION, QUIET, SCHEMAS, TABLES, World, name_of, order, purchase


class Killed(Exception):
    pass


class HidingWorld(World):
    """Some of its writes are in no binlog: what a foreign key does to children."""

    number = 0
    writes_left = 10**9  # until the repair is killed

    def hide(self) -> None:
        """A change of the newest state that leaves no trace."""
        state = self.states[-1]
        names = sorted(name for name in state if name[0] in TABLES)
        row = dict(state.pop(self.random.choice(names))) if names else purchase(1, 1, 1, 1)
        table = "shop.orders" if "status" in row else "shop.purchase"
        match self.random.randrange(3):
            case 0:
                return
            case 1:
                row |= {"customer_id": 9} if table == "shop.orders" else {"quantity": 99}
            case 2:
                row |= {"status": "gone"} if table == "shop.orders" else {"customerid": 8}
        state[name_of(table, row)] = row

    def apply_patches(self, patches: Iterable[Patch]) -> Outcome:
        for patch in patches:
            if not self.writes_left:
                raise Killed
            self.writes_left -= 1
            self.live()
            self.write(patch)
        return Outcome()

    def one_pass(self, tables: Iterable[str] = TABLES) -> Report:
        start, self.number = self.passed(), self.number + 1
        applying = staticmethod(lambda patches, _until: self.apply_patches(patches))
        writer = type("Writer", (), {"apply": applying, "lifetime": Lifetime()})()
        at = repair_version(start, [floor(1)], self.number)
        verifier = Verifier(
            self.keymap,
            MIGRATION,
            source=self,
            items=self,
            judge=RowJudge(self.keymap, MIGRATION, SCHEMAS, self),
            barrier=self,
            rounds=5,
            examples_max=9,
            clock=lambda: 0.0,
            repairable=Repairable.of(self.keymap, tables),
            repairer=Repairer(self.keymap, self, writer, at, lambda: None),
        )
        return verifier.run(start)

    def repair(self, tables: Iterable[str] = TABLES) -> Report:
        before = None
        while worth_another(report := self.one_pass(tables), before):
            before = report
        return report

    def stand_still(self) -> None:
        self.activity = 0
        self.passed()
        self.visible = len(self.log)


@settings(max_examples=100)
@given(st.integers(0, 10**9), st.sampled_from([0.0, 0.3, 0.7]), st.integers(0, 3))
def test_after_the_write_stop_both_sides_are_equal_whatever_was_hidden_and_repaired_before(
    seed: int, activity: float, early_passes: int
) -> None:
    """Also where passes ran while the application was writing, and where one was killed between two of its writes."""
    world = HidingWorld(Random(seed), activity)
    for _ in range(early_passes):
        world.live()
        world.hide()
        world.writes_left = world.random.choice([1, 3, 10**9])
        with suppress(Killed):
            world.one_pass()
    for _ in range(3):
        world.live()
        world.hide()
    world.writes_left = 10**9
    world.stand_still()
    assert world.repair().clean
    assert world.verify().clean


def test_a_repair_that_ran_among_writes_takes_none_of_them_back() -> None:
    """Nothing is hidden, but items were lost: repaired while their rows change, they follow each later change."""
    repaired = 0
    for seed in range(60):
        world = HidingWorld(Random(seed), 0.6)
        for place in [one for one in world.items if one[0] == "app"]:
            del world.items[place]
        repaired += world.one_pass().repairable
        world.activity = 0.9
        for _ in range(5):
            world.live()
        world.stand_still()
        report = world.verify()
        assert report.differences[Kind.DIFFERENT] == report.differences[Kind.EXTRA] == 0, seed
    assert repaired > 60


def test_a_version_of_repair_lies_between_what_is_captured_and_what_is_to_come() -> None:
    newest = version(3, 7, 5000, 12)
    first, second = repair_version(newest, [floor(3)], 1), repair_version(newest, [floor(3)], 2)
    assert newest < first < second < version(3, 7, 5001, 0)
    assert repair_version(newest, [floor(4)], 1) == behind(floor(4), 1) < version(4, 1, 4, 0)
    assert repair_version(floor(1), [floor(1)], 5) < version(1, 1, 4, 0)
    loaded_again = floor_at(3, Position("binlog.000007", 6000))
    assert loaded_again < repair_version(newest, [floor(3), loaded_again], 1) < version(3, 7, 6001, 0)
    assert floor_of_epoch(4) < repair_version(newest, [floor(4), floor_of_epoch(4)], 1)


def test_only_what_somebody_answers_for_is_repaired() -> None:
    world = HidingWorld(Random(1), 0.0)
    state = world.states[-1]
    state.pop(name_of("shop.purchase", purchase(QUIET, QUIET, 0, 1)))
    state[name_of("shop.orders", order(QUIET, 0, "", 0))] |= {"status": "lost"}
    report = world.repair(["shop.purchase"])
    assert (report.total, report.repairable) == (1, 0)
    assert report.differences[Kind.DIFFERENT] == 1
    assert world.repair(["shop.orders"]).clean


def test_what_the_migration_did_not_write_is_not_removed() -> None:
    world = HidingWorld(Random(1), 0.0)
    group = ("purchases", (QUIET, QUIET))
    world.items[group]["comment"] = {"S": "by hand"}
    world.items["app", ("X", "Y")] = {"pk": {"S": "X"}, "sk": {"S": "Y"}}
    report = world.repair()
    assert (report.total, report.repairable) == (2, 0)
    assert world.items[group]["comment"] == {"S": "by hand"}
    assert ("app", ("X", "Y")) in world.items


def test_a_removed_row_of_a_shared_item_takes_its_own_attributes_along() -> None:
    world = HidingWorld(Random(1), 0.0)
    place = ("app", ("CUSTOMER#555", "ORDER#0000000555"))
    world.write(Patch(*place, WHOLE, {"total_price": {"N": "1"}}, floor(1)))
    assert world.repair().clean
    assert world.keymap.bookkeeping.data(world.items[place]).keys() == {"pk", "sk"}


@pytest.mark.parametrize(
    ("found", "before", "more"),
    [
        ((0, 0), None, False),
        ((5, 5), None, True),
        ((5, 0), None, False),
        ((3, 3), (5, 5), True),
        ((5, 5), (5, 5), False),
        ((6, 6), (5, 5), False),
    ],
)
def test_passes_end_when_nothing_is_repairable_or_nothing_gets_less(
    found: tuple[int, int], before: tuple[int, int] | None, more: bool
) -> None:
    assert worth_another(report_of(*found), report_of(*before) if before else None) is more


def report_of(total: int, repairable: int) -> Report:
    return replace(CLEAN, differences={**CLEAN.differences, Kind.MISSING: total}, repairable=repairable)


def test_without_answers_nothing_is_repairable() -> None:
    world = HidingWorld(Random(1), 0.0)
    assert Repairable.of(world.keymap, []) == NOTHING
    assert Repairable.of(world.keymap, ["shop.unknown"]) == NOTHING
