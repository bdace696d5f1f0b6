"""Verify against a migration in memory, with writes, replay and visibility interleaved between any two of its steps."""

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keymap.patch import WHOLE, Key, Patch
from keymap.version import floor, mark, version
from keyshift.cutover import extras, verify
from keyshift.cutover.compare import Kind
from keyshift.cutover.tally import Report
from tests.cutover.world import MIGRATION, QUIET, World

FUTURE = version(9, 1, 1, 0)  # of no numbering that this migration has had
Place = tuple[str, Key]
ORDERS: list[Place] = [("app", (f"CUSTOMER#{QUIET + n % 2}", f"ORDER#{QUIET + n:010d}")) for n in range(4)]
GROUP: Place = ("purchases", (QUIET, QUIET))
FRESH: Place = ("app", ("CUSTOMER#999", "ORDER#0000000999"))


def missing_item(world: World) -> list[tuple[Kind, Place, str]]:
    del world.items[ORDERS[0]]
    return [(Kind.MISSING, ORDERS[0], WHOLE)]


def missing_because_removed(world: World) -> list[tuple[Kind, Place, str]]:
    table, key = ORDERS[0]
    world.write(Patch(table, key, WHOLE, None, version(1, 0, 0, 1)))
    return [(Kind.MISSING, ORDERS[0], WHOLE)]


def missing_slot(world: World) -> list[tuple[Kind, Place, str]]:
    item = world.items[GROUP]
    del item["productid0"], item["_ks_v.productid0"]
    return [(Kind.MISSING, GROUP, "productid0")]


def different_value(world: World) -> list[tuple[Kind, Place, str]]:
    world.items[ORDERS[1]]["total_price"] = {"N": "77"}
    return [(Kind.DIFFERENT, ORDERS[1], WHOLE)]


def different_by_an_attribute_too_many(world: World) -> list[tuple[Kind, Place, str]]:
    world.items[ORDERS[1]]["more"] = {"BOOL": True}
    return [(Kind.DIFFERENT, ORDERS[1], WHOLE)]


def different_with_a_mark_that_no_change_left(world: World) -> list[tuple[Kind, Place, str]]:
    world.items[ORDERS[2]] |= {"total_price": {"N": "78"}, "_ks_v": {"S": FUTURE}}
    return [(Kind.DIFFERENT, ORDERS[2], WHOLE)]


def different_slot(world: World) -> list[tuple[Kind, Place, str]]:
    world.items[GROUP]["productid2"] = {"N": "9"}
    return [(Kind.DIFFERENT, GROUP, "productid2")]


def extra_item(world: World) -> list[tuple[Kind, Place, str]]:
    world.write(Patch(*FRESH, WHOLE, {"total_price": {"N": "1"}}, floor(1)))
    return [(Kind.EXTRA, FRESH, WHOLE)]


def extra_item_with_a_mark_that_no_change_left(world: World) -> list[tuple[Kind, Place, str]]:
    world.write(Patch(*FRESH, WHOLE, {"total_price": {"N": "1"}}, FUTURE))
    return [(Kind.EXTRA, FRESH, WHOLE)]


def extra_slot(world: World) -> list[tuple[Kind, Place, str]]:
    world.write(Patch(*GROUP, "productid77", {"productid77": {"N": "1"}}, floor(1)))
    return [(Kind.EXTRA, GROUP, "productid77")]


def extra_attribute_without_a_mark(world: World) -> list[tuple[Kind, Place, str]]:
    world.items[GROUP]["comment"] = {"S": "by hand"}
    return [(Kind.EXTRA, GROUP, "comment")]


def foreign_item(world: World) -> list[tuple[Kind, Place, str]]:
    world.items[FRESH] = {"pk": {"S": FRESH[1][0]}, "sk": {"S": FRESH[1][1]}, "a": {"S": "b"}}
    return [(Kind.FOREIGN, FRESH, WHOLE)]


def foreign_item_in_the_place_of_a_row(world: World) -> list[tuple[Kind, Place, str]]:
    world.items[ORDERS[3]]["_ks_m"] = {"S": "other.00000000"}
    return [(Kind.FOREIGN, ORDERS[3], WHOLE), (Kind.MISSING, ORDERS[3], WHOLE)]


def nothing_by_a_tombstone(world: World) -> list[tuple[Kind, Place, str]]:
    world.write(Patch("app", ("CUSTOMER#998", "ORDER#0000000998"), WHOLE, None, floor(1)))
    return []


def nothing_by_a_tombstone_slot(world: World) -> list[tuple[Kind, Place, str]]:
    world.write(Patch(*GROUP, "productid78", None, floor(1)))
    return []


def nothing_by_another_writing_of_the_same_number(world: World) -> list[tuple[Kind, Place, str]]:
    for place in ORDERS:
        if "total_price" in world.items.get(place, {}):
            number = world.items[place]["total_price"]["N"]
            world.items[place]["total_price"] = {"N": f"{number}.00"}
    return []


def nothing_by_a_newer_mark(world: World) -> list[tuple[Kind, Place, str]]:
    world.items[GROUP]["_ks_v.productid2"] = {"S": mark(version(1, 0, 0, 3), tombstone=False)}
    return []


PLANTS: list[Callable[[World], list[tuple[Kind, Place, str]]]] = [
    missing_item,
    missing_slot,
    different_value,
    different_with_a_mark_that_no_change_left,
    different_slot,
    extra_item,
    extra_slot,
    extra_attribute_without_a_mark,
    foreign_item_in_the_place_of_a_row,
    nothing_by_a_tombstone,
    nothing_by_a_tombstone_slot,
    nothing_by_another_writing_of_the_same_number,
    nothing_by_a_newer_mark,
]
INSTEAD = {
    missing_item: [missing_because_removed],
    different_value: [different_by_an_attribute_too_many],
    extra_item: [extra_item_with_a_mark_that_no_change_left, foreign_item],
}


@st.composite
def plants(draw: st.DrawFn) -> list[Callable[[World], list[tuple[Kind, Place, str]]]]:
    chosen = draw(st.lists(st.sampled_from(PLANTS), unique=True))
    return [draw(st.sampled_from([one, *INSTEAD.get(one, [])])) for one in chosen]


def found(report: Report) -> Counter[tuple[Kind, Place, str]]:
    return Counter((one.kind, (one.table, one.key), one.slot) for one in report.examples)


@settings(max_examples=150)
@given(plants(), st.booleans())
def test_at_rest_each_planted_difference_is_found_and_nothing_else(planted, live) -> None:
    """Also with barriers, where nothing happens to move."""
    world = World(Random(1), activity=0)
    expected = Counter(one for plant in planted for one in plant(world))
    report = world.verify(live=live)
    assert found(report) == expected
    assert report.total == expected.total()
    assert report.clean == (not expected)


@settings(max_examples=400)
@given(st.integers(0, 2**32), st.sampled_from([0.2, 0.5, 0.7]), st.integers(1, 6))
def test_on_a_source_that_is_written_to_nothing_is_called_a_difference_that_is_none(seed, activity, rounds) -> None:
    world = World(Random(seed), activity)
    world.rises = 1_000
    for _ in range(10):
        world.live()
    report = world.verify(rounds=rounds)
    assert report.total == 0, report.examples


@settings(max_examples=300)
@given(st.integers(0, 2**32), st.sampled_from([0.3, 0.6]), plants())
def test_on_a_source_that_is_written_to_each_difference_at_rest_is_found(seed, activity, planted) -> None:
    world = World(Random(seed), activity)
    for _ in range(10):
        world.live()
    expected = Counter(one for plant in planted for one in plant(world))
    assert found(world.verify()) == expected


def test_the_bounds_do_not_change_the_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Suspects and new marks beyond a batch, and extras beyond what is kept in memory, are judged all the same."""
    monkeypatch.setattr(verify, "SUSPECTS_MAX", 2)
    monkeypatch.setattr(extras, "NEW_MARKS_MAX", 1)
    for seed in range(40):
        world = World(Random(seed), 0.5)
        for _ in range(10):
            world.live()
        expected = Counter(one for plant in PLANTS for one in plant(world))
        assert found(world.verify()) == expected


def test_extras_beyond_the_bound_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "EXTRAS_MAX", 2)
    world = World(Random(1), 0)
    for number in range(5):
        world.write(Patch("app", ("CUSTOMER#9", f"ORDER#{number}"), WHOLE, {}, floor(1)))
    report = world.verify()
    assert report.differences[Kind.EXTRA] == 5
    assert len(report.examples) == 2


def test_a_row_that_never_rests_is_told_apart_from_a_difference() -> None:
    """Not clean, and not a difference: nothing is known about it."""
    world = World(Random(3), 0.95)
    report = world.verify(rounds=1)
    assert report.total == 0
    assert report.changing > 0
    assert not report.clean


def test_without_rounds_a_difference_counts_as_it_is_seen() -> None:
    world = World(Random(1), 0)
    missing_item(world)
    assert world.verify(rounds=0).differences[Kind.MISSING] == 1


def test_a_row_that_cannot_become_an_item_is_missing_with_the_reason() -> None:
    world = World(Random(1), 0)
    name = ("shop.orders", (QUIET,))
    world.states[0][name] = {**world.states[0][name], "customer_id": None}
    report = world.verify(live=False)
    (one,) = [one for one in report.examples if one.kind is Kind.MISSING]
    assert "customer_id is NULL" in one.note
    assert (one.table, one.key) == ("shop.orders", (str(QUIET),))


def test_examples_are_limited_by_kind_and_counts_are_not() -> None:
    world = World(Random(1), 0)
    for plant in (missing_item, missing_slot, different_slot):
        plant(world)
    judge_examples = world.verify(live=False)
    assert judge_examples.differences == {
        Kind.MISSING: 2,
        Kind.DIFFERENT: 1,
        Kind.COLLISION: 0,
        Kind.EXTRA: 0,
        Kind.FOREIGN: 0,
    }
    assert MIGRATION not in str(judge_examples.examples)
