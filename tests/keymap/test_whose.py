"""Whose a slot is, told from its item: by what the templates can give, and by no other table's."""

import pytest

from keymap.patch import WHOLE, Item
from keymap.rules import Keymap
from keymap.slots import entry_slot
from keymap.version import version
from keymap.whose import may_give, may_reach, remains, rules_of
from tests.apply.club import club
from tests.keymap.keymaps import keymap

GONE = version(1, 1, 90, 0)
OLD, NEW, DEAD = version(1, 1, 50, 0), version(1, 1, 95, 0), version(1, 1, 40, 0) + "x"


def owners(made: Keymap, target: str, key: tuple[str | int, ...], slot: str) -> list[str]:
    """The tables that a slot may be of."""
    return [table for table in made.tables if may_give(rules_of(made, {table}), target, key, slot)]


@pytest.mark.parametrize(
    ("target", "key", "slot", "whose"),
    [
        ("app", ("CUSTOMER#7", "ORDER#0000000001"), WHOLE, ["shop.orders"]),
        ("app", ("CUSTOMER#7", "PROFILE"), WHOLE, ["shop.customer"]),
        ("app", ("CUSTOMER#7", "PROFILES"), WHOLE, []),
        ("app", ("CUSTOMER", "PROFILE"), WHOLE, []),
        ("app", ("CUSTOMER#7", "PROFILE"), "productid1", []),
        ("purchases", (1, 2), "productid1", ["shop.purchase"]),
        ("purchases", (1, 2), "product", []),
        ("purchases", (1, 2), WHOLE, []),
        ("purchases", (1, 2), entry_slot("productid1", "x"), []),
        ("elsewhere", (1, 2), "productid1", []),
    ],
)
def test_a_slot_is_of_the_table_whose_rule_fits_it(
    target: str, key: tuple[str | int, ...], slot: str, whose: list[str]
) -> None:
    assert owners(keymap(), target, key, slot) == whose


@pytest.mark.parametrize(
    ("slot", "whose"),
    [
        (WHOLE, "booking"),
        (entry_slot("guests", "1"), "guest"),
        (entry_slot("remarks", "1"), "remark"),
        ("x_a", "extra"),
    ],
)
def test_of_an_item_that_rows_share_each_has_its_own(slot: str, whose: str) -> None:
    assert owners(club(), "bookings", (1,), slot) == [f"club.{whose}"]


def booking(**marks: str) -> Item:
    """An item with the slots of a booking, of two remarks, and of an extra that rows passed on."""
    shown = {"_ks_v": OLD, "_ks_v..remarks.1": OLD, "_ks_v..remarks.2": NEW, "_ks_v.x_a": OLD} | marks
    return {
        "number": {"N": "1"},
        "text": {"S": "a"},
        "remarks": {"M": {"1": {"S": "one"}, "2": {"S": "two"}}},
        "x_a": {"S": "shown"},
        "_ks_m": {"S": "m"},
        "_ks_o": {"S": "b1"},
        "_ks_o.x_a": {"S": "e1"},
        "_ks_p.x_a": {"M": {"e2": {"M": {"v": {"S": OLD}, "c": {"M": {}}}}, "e3": {"M": {"v": {"S": DEAD}}}}},
        **{name: {"S": mark} for name, mark in shown.items()},
    }


@pytest.mark.parametrize(
    ("table", "item", "expected"),
    [
        ("club.booking", booking(), [(WHOLE, "b1", ("text",))]),
        ("club.booking", booking(_ks_v=NEW), []),
        ("club.booking", booking(_ks_v=DEAD), []),
        ("club.remark", booking(), [(".remarks.1", "", None)]),
        ("club.extra", booking(), [("x_a", "e1", None), ("x_a", "e2", None)]),
        ("club.seat", booking(), []),
    ],
)
def test_what_is_left_of_a_table_is_what_lives_and_is_older(
    table: str, item: Item, expected: list[tuple[str, str, tuple[str, ...] | None]]
) -> None:
    made = club()
    found = remains(made, rules_of(made, {table}), made.targets["bookings"], item, GONE)
    assert sorted((one.slot, one.owner, one.names) for one in found) == expected
    assert all((one.version, one.attributes) == (GONE, None) for one in found)


def test_an_item_that_other_rows_may_come_to_is_not_put() -> None:
    item: Item = {
        "pk": {"S": "CUSTOMER#7"},
        "sk": {"S": "PROFILE"},
        "name": {"S": "a"},
        "_ks_m": {"S": "m"},
        "_ks_v": {"S": OLD},
    }
    made = keymap()
    rules, target = rules_of(made, {"shop.customer"}), made.targets["app"]
    assert [one.is_whole for one in remains(made, rules, target, item, GONE)] == [True]
    (shared,) = remains(made, rules, target, item, GONE, shared=True)
    assert (shared.is_whole, shared.names) == (False, ("name",))
    assert may_reach(rules, "app", ("CUSTOMER#8", "PROFILE"))
    assert not may_reach(rules, "app", ("CUSTOMER#8", "ORDER#1"))
