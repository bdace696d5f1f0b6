"""One row becomes patches, and an update is what the images' patches say together."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymap.patch import WHOLE, fold
from keymap.template import PatchError
from tests.keymap.keymaps import TEXT, change, keymap

KEYMAP = keymap()
ORDER = {"id": 7, "customer_id": 3, "status": "paid", "total": Decimal("12.30"), "note": "x"}
PURCHASE = {"customerid": 1, "orderid": 2, "productid": 7, "quantity": 3}


def test_a_row_becomes_one_item_renamed_filtered_and_with_constants() -> None:
    (patch,) = KEYMAP.row_patches("shop.orders", ORDER, "v")
    assert (patch.table, patch.key, patch.slot) == ("app", ("CUSTOMER#3", "ORDER#0000000007"), WHOLE)
    assert patch.attributes == {
        "type": {"S": "order"},
        "id": {"N": "7"},
        "customer_id": {"N": "3"},
        "status": {"S": "paid"},
        "total_price": {"N": "12.3"},
    }


def test_a_grouped_row_owns_the_attribute_that_its_data_names() -> None:
    (patch,) = KEYMAP.row_patches("shop.purchase", PURCHASE, "v")
    assert (patch.table, patch.key, patch.slot) == ("purchases", (1, 2), "productid7")
    assert patch.attributes == {"productid7": {"N": "3"}}


def test_a_row_that_leaves_or_enters_the_filter_is_removed_or_set() -> None:
    draft = {**ORDER, "status": "draft"}
    (removed,) = KEYMAP.patches(change("shop.orders", ORDER, draft))
    assert removed.attributes is None
    (entered,) = KEYMAP.patches(change("shop.orders", draft, ORDER))
    assert entered.attributes is not None


def test_a_primary_key_update_removes_the_old_item_and_sets_the_new_one() -> None:
    removed, added = KEYMAP.patches(change("shop.orders", ORDER, {**ORDER, "id": 8}))
    assert (removed.key, removed.attributes) == (("CUSTOMER#3", "ORDER#0000000007"), None)
    assert added.key == ("CUSTOMER#3", "ORDER#0000000008")
    assert added.version == removed.version


@given(*[st.fixed_dictionaries({name: st.integers(0, 2) for name in PURCHASE})] * 2)
def test_after_any_update_only_what_the_new_image_owns_is_left(before: dict, after: dict) -> None:
    """patches(before) then patches(before -> after) leaves exactly patches(after): no orphan, nothing missing."""
    left = {p.register: p.attributes for p in KEYMAP.patches(change("shop.purchase", None, before))}
    left |= {p.register: p.attributes for p in KEYMAP.patches(change("shop.purchase", before, after))}
    alive = {register: attributes for register, attributes in left.items() if attributes is not None}
    assert alive == {p.register: p.attributes for p in KEYMAP.row_patches("shop.purchase", after, "v")}


def test_folding_keeps_the_newest_and_prefers_the_set_at_one_version() -> None:
    (one,) = KEYMAP.patches(change("shop.orders", None, ORDER, 1))
    (gone,) = KEYMAP.patches(change("shop.orders", ORDER, None, 2))
    assert fold([gone, one]) == fold([one, gone]) == [gone]


def test_nulls_are_omitted_or_kept_as_the_rule_says() -> None:
    row = {**ORDER, "total": None}
    assert "total_price" not in (KEYMAP.row_patches("shop.orders", row, "v")[0].attributes or {})
    keeping = keymap(TEXT.replace("constants: {type: order}", "nulls: keep"))
    assert keeping.row_patches("shop.orders", row, "v")[0].attributes["total_price"] == {"NULL": True}  # type: ignore[index]


def test_bool_is_asked_for_by_type_and_refuses_other_numbers() -> None:
    row = {"id": 1, "name": "Ann", "vip": 1}
    assert KEYMAP.row_patches("shop.customer", row, "v")[0].attributes["vip"] == {"BOOL": True}  # type: ignore[index]
    with pytest.raises(PatchError, match=r"table shop.customer: column vip holds a value that is no BOOL"):
        KEYMAP.row_patches("shop.customer", {**row, "vip": 2}, "v")


@pytest.mark.parametrize("customer", ["", "x" * 2049])
def test_a_key_that_dynamodb_would_refuse_is_refused_before_it_is_sent(customer: str) -> None:
    plain = keymap(TEXT.replace('pk: "CUSTOMER#{customer_id}"', 'pk: "{customer_id}"'))
    with pytest.raises(PatchError, match=r"key pk has \d+ bytes, and DynamoDB takes 1 to 2048"):
        plain.row_patches("shop.orders", {**ORDER, "customer_id": customer}, "v")


def test_an_error_never_shows_a_value() -> None:
    with pytest.raises(PatchError) as refused:
        KEYMAP.row_patches("shop.customer", {"id": 1, "name": "secret", "vip": 77}, "v")
    assert "secret" not in str(refused.value)
    assert "77" not in str(refused.value)


def test_the_digest_is_of_the_meaning_and_not_of_the_layout() -> None:
    assert keymap("# a comment\n" + TEXT).digest == KEYMAP.digest
    assert keymap(TEXT.replace("type: order", "type: orders")).digest != KEYMAP.digest


def test_a_null_value_of_a_grouped_row_is_a_live_slot_without_an_attribute() -> None:
    (patch,) = KEYMAP.row_patches("shop.purchase", {**PURCHASE, "quantity": None}, "v")
    assert patch.attributes == {}


@pytest.mark.parametrize(
    ("condition", "value", "holds"),
    [
        ("{is_null: true}", None, True),
        ("{is_null: true}", "x", False),
        ("{is_null: false}", None, False),
        ("{is_null: false}", "x", True),
        ("{equals: 5}", 5, True),
        ("{equals: 0.1}", Decimal("0.10"), True),
        ("{not_equals: a}", "b", True),
        ("{not_equals: a}", None, False),
        ("{in: [a, b]}", "b", True),
        ("{in: [a, b], not_equals: b}", "b", False),
        ("{not_in: [a, b]}", "b", False),
        ("{not_in: [a, b]}", "c", True),
    ],
)
def test_conditions(condition: str, value: object, holds: bool) -> None:
    text = TEXT.replace("{status: {not_equals: draft}}", f"{{status: {condition}}}")
    row = {**ORDER, "status": value}
    assert bool(keymap(text).row_patches("shop.orders", row, "v")) is holds  # type: ignore[arg-type]
