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


COMPUTED = """\
keyshift: 1
targets:
  app:
    partition_key: {pk: S}
    sort_key: {sk: S}
    indexes:
      by_status: {partition_key: {gsi: S}, sort_key: {pk: S}}
      by_total: {partition_key: {number: N}, sort_key: {gsi: S}}
tables:
  shop.orders:
    - target: app
      key: {pk: "CUSTOMER#{customer_id}", sk: "ORDER#{id}"}
      include: [id]
      attributes:
        gsi: {from: "{status}#{note}", when: {status: {not_equals: draft}}}
        number: {from: "{total}", type: N}
        copy: "{total}"
"""


def computed(text: str = COMPUTED, **values: object) -> dict:
    row = {"id": 7, "customer_id": 3, "status": "paid", "total": Decimal("12.30"), "note": "x", **values}
    (patch,) = keymap(text).row_patches("shop.orders", row, "v")  # type: ignore[arg-type]
    return dict(patch.attributes or {})


def test_a_computed_attribute_is_text_or_where_one_field_stands_alone_of_its_type() -> None:
    assert computed() == {"id": {"N": "7"}, "gsi": {"S": "paid#x"}, "number": {"N": "12.3"}, "copy": {"N": "12.3"}}


def test_a_row_that_does_not_meet_the_condition_lacks_the_attribute() -> None:
    assert computed(status="draft").keys() == {"id", "number", "copy"}
    assert computed(COMPUTED + "      nulls: keep\n", status="draft").keys() == {"id", "number", "copy"}


def test_null_makes_no_computed_attribute_or_a_null_one_as_the_rule_says() -> None:
    assert computed(note=None).keys() == {"id", "number", "copy"}
    keeping = COMPUTED.replace("{number: N}", "{other: N}") + "      nulls: keep\n"
    assert computed(keeping, total=None)["copy"] == {"NULL": True}


def test_a_default_stands_for_null_in_a_computed_attribute() -> None:
    assert computed(COMPUTED + "      defaults: {note: none}\n", note=None)["gsi"] == {"S": "paid#none"}


NESTED = COMPUTED.replace(
    'copy: "{total}"',
    """facts:
          when: {status: {not_equals: void}}
          map:
            total: "{total}"
            note: {from: "{note}", when: {status: {equals: paid}}}
            deep: {map: {price: {from: "{total}", type: S}, word: "{note|json('$.w')}"}}""",
)


def test_a_map_holds_what_its_parts_give_and_lacks_what_they_do_not() -> None:
    assert computed(NESTED, note='{"w":true}')["facts"] == {
        "M": {
            "total": {"N": "12.3"},
            "note": {"S": '{"w":true}'},
            "deep": {"M": {"price": {"S": "12.30"}, "word": {"BOOL": True}}},
        }
    }
    assert computed(NESTED, status="new", total=None, note=None)["facts"] == {"M": {"deep": {"M": {}}}}
    assert "facts" not in computed(NESTED, status="void", note="{}")


def test_a_map_keeps_null_where_the_rule_does() -> None:
    keeping = NESTED.replace("{number: N}", "{other: N}").replace("{status}#{note}", "{status}") + "      nulls: keep\n"
    nothing = {"NULL": True}
    assert computed(keeping, total=None, note=None)["facts"] == {
        "M": {"total": nothing, "note": nothing, "deep": {"M": {"price": nothing, "word": nothing}}}
    }


@pytest.mark.parametrize(
    ("text", "values", "message"),
    [
        (
            NESTED.replace("type: S", "type: BOOL"),
            {"note": "{}"},
            "attribute facts.deep.price comes to a value that is no",
        ),
        (NESTED, {"note": "abc"}, "attribute facts.deep.word: column note: json"),
        (COMPUTED, {"total": "abc"}, "attribute number comes to a value that is no N"),
        (COMPUTED, {"total": 10**40 + 1}, "attribute number is of type N in index by_total, and this row gives S"),
        (
            COMPUTED.replace('"{status}#{note}"', '"{note}"'),
            {"note": ""},
            "attribute gsi is empty, and is a key of index",
        ),
        (COMPUTED, {"note": "x" * 1020}, "attribute gsi has 1025 bytes, and as a key of index by_status, by_total may"),
        (COMPUTED, {"status": b"x"}, "attribute gsi: column status holds no text"),
        (COMPUTED + "      nulls: keep\n", {"total": None}, "is of type N in index by_total, and this row gives NULL"),
        (COMPUTED, {"customer_id": "x" * 1016}, "key pk has 1025 bytes, and DynamoDB takes 1 to 1024"),
        (
            COMPUTED.replace("include: [id]", "exclude: [id]"),
            {"copy": 5},
            "copy is computed, and a column has its name",
        ),
    ],
)
def test_what_dynamodb_would_refuse_of_an_index_key_is_refused_with_the_remedy(
    text: str, values: dict, message: str
) -> None:
    with pytest.raises(PatchError) as refused:
        computed(text, **values)
    assert message in refused.value.message
    assert refused.value.message.startswith("table shop.orders: ")
    assert refused.value.remedy
    assert "abc" not in str(refused.value)


def test_the_longest_index_key_passes() -> None:
    assert len(computed(note="x" * 1019)["gsi"]["S"]) == 1024
    alone = COMPUTED.replace(", sort_key: {gsi: S}", "")
    assert len(computed(alone, note="x" * 2043)["gsi"]["S"]) == 2048
    with pytest.raises(PatchError, match="may have 2048"):
        computed(alone, note="x" * 2044)


def test_a_column_that_is_an_index_key_is_looked_at_too() -> None:
    text = TEXT.replace("sort_key: {sk: S}", "sort_key: {sk: S}\n    indexes: {i01: {partition_key: {status: S}}}")
    assert keymap(text).row_patches("shop.orders", ORDER, "v") == KEYMAP.row_patches("shop.orders", ORDER, "v")
    with pytest.raises(PatchError, match="attribute status is empty"):
        keymap(text).row_patches("shop.orders", {**ORDER, "status": ""}, "v")


def test_a_grouped_rows_attribute_that_is_an_index_key_is_looked_at_too() -> None:
    text = TEXT.replace("{orderid: N}", "{orderid: N}\n    indexes: {i01: {partition_key: {productid7: S}}}", 1)
    with pytest.raises(PatchError, match="attribute productid7 is of type S in index i01, and this row gives N"):
        keymap(text).row_patches("shop.purchase", PURCHASE, "v")
    assert keymap(text).row_patches("shop.purchase", {**PURCHASE, "productid": 8}, "v")


def test_what_a_keymap_leaves_at_its_default_does_not_count_in_the_digest() -> None:
    assert keymap(TEXT.replace("types: {vip: BOOL}", "types: {vip: BOOL}\n      nulls: omit")).digest == KEYMAP.digest
    assert keymap(COMPUTED).digest != keymap(COMPUTED.replace("copy:", "copied:")).digest
