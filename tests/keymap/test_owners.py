"""A slot that rows pass to each other: one register per owner, and the newest that lives is shown."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymap.bookkeeping import Bookkeeping
from keymap.owners import Register, live_owners, merged, owner_name, registers_of, shown, stored
from keymap.patch import WHOLE, Item, Patch
from keymap.targets import KeyAttribute, Target
from keymap.values import Canonical
from keymap.version import floor, mark, version

BOOKS = Bookkeeping()
TARGET = Target("seats", KeyAttribute("pk", "S"), None, "on_demand", None, None)
A, B, C = "aa", "bb", "cc"


def at(place: int) -> str:
    return version(1, 1, place, 0)


def patch(owner: str, place: int, text: str | None = None) -> Patch:
    return Patch("seats", ("S",), WHOLE, None if text is None else {"text": {"S": text}}, at(place), owner)


def test_the_newest_that_lives_is_shown_whenever_it_came() -> None:
    registers = merged({}, [patch(A, 5, "a"), patch(B, 7, "b"), patch(C, 9)])
    assert shown(registers) == B
    assert live_owners(registers) == [A, B]


def test_where_nobody_lives_the_newest_tombstone_stands() -> None:
    assert shown(merged({}, [patch(A, 5), patch(B, 7)])) == B


def test_two_that_the_load_found_on_one_slot_are_told_apart_by_name_in_any_order() -> None:
    both = [Patch("seats", ("S",), WHOLE, {}, floor(1), owner) for owner in (A, B)]
    assert shown(merged({}, both)) == shown(merged({}, reversed(both))) == B


def test_what_is_not_newer_than_its_owners_register_changes_nothing() -> None:
    registers = merged({}, [patch(A, 5, "a")])
    assert merged(registers, [patch(A, 5, "again"), patch(A, 4)]) == registers
    assert merged(registers, [patch(A, 6)])[A] == Register(mark(at(6), tombstone=True), None)


def test_a_slots_bookkeeping_names_who_is_shown_and_parks_the_others() -> None:
    registers = merged({}, [patch(A, 5, "a"), patch(B, 7, "b"), patch(C, 9)])
    assert stored(BOOKS, WHOLE, registers) == {
        "_ks_v": {"S": at(7)},
        "_ks_o": {"S": "bb"},
        "_ks_p": {
            "M": {
                "aa": {"M": {"v": {"S": at(5)}, "c": {"M": {"text": {"S": "a"}}}}},
                "cc": {"M": {"v": {"S": at(9) + "x"}}},
            }
        },
    }


places = st.integers(1, 9)
patches = st.lists(st.builds(patch, st.sampled_from([A, B, C]), places, st.none() | st.sampled_from("xy")), min_size=1)


@given(patches)
def test_what_is_stored_is_read_back(some: list[Patch]) -> None:
    registers = merged({}, some)
    item: Item = {"pk": {"S": "S"}, **(registers[shown(registers)].content or {}), **stored(BOOKS, WHOLE, registers)}
    assert registers_of(BOOKS, TARGET, item, WHOLE) == registers
    assert {owner: BOOKS.held(item, WHOLE, owner) for owner in registers} == {
        owner: register.mark for owner, register in registers.items()
    }
    assert BOOKS.newest(item, WHOLE).removesuffix("x") == max(
        held.mark.removesuffix("x") for held in registers.values()
    )
    assert BOOKS.marks(item) == {held.mark for held in registers.values()}
    assert BOOKS.held(item, WHOLE, "nobody") == ""


@given(patches, st.randoms())
def test_the_order_of_patches_is_no_matter(some: list[Patch], chance: st.DataObject) -> None:
    distinct = list({(one.owner, one.version): one for one in some}.values())
    shuffled = distinct.copy()
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert merged({}, shuffled) == merged({}, distinct)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((1,), (2,)),
        ((1,), ("1",)),
        ((1, 23), (12, 3)),
        (("a", "b"), ("ab", "")),
        ((b"1",), ("1",)),
        ((Decimal(1),), (1,)),
    ],
)
def test_different_primary_keys_have_different_names(one: tuple[Canonical, ...], other: tuple[Canonical, ...]) -> None:
    assert owner_name(one) != owner_name(other)


def test_an_owners_name_is_the_same_for_ever() -> None:
    assert owner_name((7, "é")) == "1e9c1814f2392981"
