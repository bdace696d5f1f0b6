"""What verify calls a difference, and what it does not."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymap.items import group_item, whole_item
from keymap.patch import Item, Patch
from keymap.slots import live_slots
from keymap.version import floor, mark, version
from keyshift.cutover.compare import Difference, Kind, judge, same
from tests.keymap.keymaps import keymap

MAP = keymap()
ME = "shop.0000abcd"
ORDER = Patch("app", ("CUSTOMER#1", "ORDER#0000000001"), "", {"status": {"S": "new"}, "total": {"N": "1.50"}}, floor(1))
LINE = Patch("purchases", (1, 2), "productid3", {"productid3": {"N": "7"}}, floor(1))
OTHER_LINE = Patch("purchases", (1, 2), "productid4", {"productid4": {"N": "8"}}, floor(1))


def verdict(patch: Patch, item: Item | None) -> Difference | None:
    return judge(MAP, ME, patch, item)


def kind(patch: Patch, item: Item | None) -> Kind | None:
    found = verdict(patch, item)
    return found.kind if found else None


def order(**changes: dict[str, object]) -> Item:
    return whole_item(MAP, ME, ORDER) | changes


def purchase() -> Item:
    return group_item(MAP, ME, [LINE, OTHER_LINE])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"N": "1.50"}, {"N": "1.5"}),
        ({"N": "1E+2"}, {"N": "100"}),
        ({"SS": ["a", "b"]}, {"SS": ["b", "a"]}),
        ({"NS": ["1", "2.0"]}, {"NS": ["2", "1"]}),
        ({"BS": [b"a", b"b"]}, {"BS": [b"b", b"a"]}),
        ({"M": {"x": {"N": "1.0"}, "y": {"NULL": True}}}, {"M": {"y": {"NULL": True}, "x": {"N": "1"}}}),
        ({"L": [{"N": "1.0"}]}, {"L": [{"N": "1"}]}),
    ],
)
def test_values_that_dynamodb_calls_equal_are_equal(one: dict[str, object], other: dict[str, object]) -> None:
    assert same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"N": "1"}, {"S": "1"}),
        ({"S": "a"}, {"B": b"a"}),
        ({"L": [{"S": "a"}, {"S": "b"}]}, {"L": [{"S": "b"}, {"S": "a"}]}),
        ({"SS": ["a"]}, {"SS": ["a", "b"]}),
        ({"SS": ["a"]}, {"L": [{"S": "a"}]}),
        ({"M": {"x": {"N": "1"}}}, {"M": {"x": {"N": "2"}}}),
        ({"BOOL": True}, {"N": "1"}),
    ],
)
def test_values_that_differ_are_different(one: dict[str, object], other: dict[str, object]) -> None:
    assert not same(one, other)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6), st.integers(0, 5))
def test_a_number_is_equal_however_many_zeros_it_ends_with(value: Decimal, zeros: int) -> None:
    assert same({"N": str(value)}, {"N": f"{value:f}" + "0" * zeros})


def test_what_the_bulk_load_puts_has_no_difference() -> None:
    assert verdict(ORDER, order()) is None
    assert verdict(LINE, purchase()) is None
    assert verdict(OTHER_LINE, purchase()) is None


def test_bookkeeping_is_not_compared() -> None:
    newer = order(_ks_v={"S": version(1, 9, 9, 0)}, _ks_r={"N": "12"})
    assert verdict(ORDER, newer) is None


def test_a_row_without_its_item_is_missing_and_so_is_one_whose_item_is_a_tombstone() -> None:
    assert kind(ORDER, None) is Kind.MISSING
    tombstone = whole_item(MAP, ME, Patch("app", ORDER.key, "", None, version(1, 1, 1, 0)))
    assert kind(ORDER, tombstone) is Kind.MISSING


def test_an_item_of_nobody_or_of_another_migration_does_not_stand_in_for_a_row() -> None:
    nobody = {name: value for name, value in order().items() if not name.startswith("_ks")}
    assert kind(ORDER, nobody) is Kind.MISSING
    assert kind(ORDER, order(_ks_m={"S": "shop.ffffffff"})) is Kind.MISSING


def test_only_the_attributes_that_differ_are_shown() -> None:
    found = verdict(ORDER, order(status={"S": "old"}, extra={"N": "1"}))
    assert found == Difference(
        Kind.DIFFERENT, "app", ORDER.key, "", {"status": {"S": "new"}}, {"status": {"S": "old"}, "extra": {"N": "1"}}
    )


def test_slots_of_a_group_are_judged_one_by_one() -> None:
    item = purchase() | {"productid3": {"N": "9"}}
    assert kind(LINE, item) is Kind.DIFFERENT
    assert kind(OTHER_LINE, item) is None
    del item["productid3"], item["_ks_v.productid3"]
    assert kind(LINE, item) is Kind.MISSING


def test_data_whose_mark_says_removed_is_different_even_if_equal() -> None:
    item = order(_ks_v={"S": mark(version(1, 1, 1, 0), tombstone=True)})
    found = verdict(ORDER, item)
    assert found is not None
    assert (found.kind, found.note) == (Kind.DIFFERENT, "without a live mark")


def test_a_slot_whose_value_is_null_has_a_mark_and_no_attribute() -> None:
    null = Patch("purchases", (1, 2), "productid3", {}, floor(1))
    assert verdict(null, group_item(MAP, ME, [null])) is None
    assert kind(null, purchase()) is Kind.DIFFERENT


def test_live_slots_are_those_that_need_a_row() -> None:
    books = MAP.bookkeeping
    assert dict(live_slots(books, MAP.targets["app"], order())) == {"": floor(1)}
    assert dict(live_slots(books, MAP.targets["purchases"], purchase())).keys() == {"productid3", "productid4"}


def test_tombstones_are_not_live_and_data_that_nobody_owns_is() -> None:
    item = purchase() | {"_ks_v.productid3": {"S": mark(floor(1), tombstone=True)}, "stray": {"S": "x"}}
    del item["productid3"]
    assert dict(live_slots(MAP.bookkeeping, MAP.targets["purchases"], item)) == {"productid4": floor(1), "stray": ""}
