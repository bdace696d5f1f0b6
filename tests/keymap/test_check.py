"""Against the live schema everything that can be known before a row is read is told, all at once."""

from dataclasses import replace

import pytest

from keymap.check import check, groups_whole, uncut_columns
from tests.keymap.keymaps import CUSTOMER, ORDERS, PURCHASE, SCHEMAS, TEXT, column, keymap, text_column


def found(text: str = TEXT, **schemas: object) -> list[str]:
    tables = {**SCHEMAS, **{f"shop.{name}": schema for name, schema in schemas.items()}}
    present = {name: schema for name, schema in tables.items() if schema is not None}
    return [str(problem) for problem in check(keymap(text), present)]  # type: ignore[arg-type]


def test_a_keymap_that_fits_has_no_problem() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("exclude: [note]", "exclude: [notes]", "column notes does not exist in shop.orders"),
        ("{id:010d}", "{order_id:010d}", "column order_id does not exist in shop.orders"),
        ("value: quantity", "value: amount", "column amount does not exist in shop.purchase"),
        ("exclude: [note]", "include: [id, total, noted]", "column noted does not exist"),
        ("ORDER#{id:010d}", "ORDER#{customer_id}", "the key does not tell primary key column id"),
        ("ORDER#{id:010d}", "ORDER#{note}#{id}", "column note can be NULL"),
        ("ORDER#{id:010d}", "{status}", "may write the same item of app"),
        ("{total: total_price}", "{total: status}", "attribute status is given by column"),
        ("{total: total_price}", "{total: sk}", "column total has the name of key attribute sk"),
    ],
)
def test_what_does_not_fit_the_schema_is_named_with_its_line(old: str, new: str, expected: str) -> None:
    messages = found(TEXT.replace(old, new, 1))
    assert any(message.startswith("keymap.yaml:") and expected in message for message in messages), messages


def test_a_default_or_a_filter_covers_a_column_that_can_be_null() -> None:
    text = TEXT.replace("ORDER#{id:010d}", "{note}#{id}")
    text = text.replace("sk: PROFILE", 'sk: "PROFILE"')
    assert any("can be NULL" in message for message in found(text))
    assert not any("can be NULL" in m for m in found(text.replace("exclude: [note]", "defaults: {note: none}")))
    filtered = text.replace("{status: {not_equals: draft}}", "{note: {is_null: false}}")
    assert not any("can be NULL" in message for message in found(filtered))


def test_tables_that_are_missing_or_without_a_primary_key_are_named() -> None:
    messages = found(orders=None, customer=replace(CUSTOMER, primary_key=()))
    assert any("table shop.orders does not exist" in message for message in messages)
    assert any("table shop.customer: it has no primary key" in message for message in messages)


def test_types_that_are_not_read_are_refused_by_name() -> None:
    odd = replace(
        ORDERS,
        columns=(
            *ORDERS.columns,
            column("x", "xmltype"),
            column("u", "varchar(9)", charset="ebcdic"),
            column("t", "time(3) /* mariadb-5.3 */"),
            column("v", "vector(3)"),
            column("i", "inet6"),
        ),
    )
    messages = "\n".join(found(orders=odd))
    for named in ("column x has type xmltype", "column u has character set ebcdic", "column t has type time(3) /*"):
        assert named in messages
    assert "column v" not in messages
    assert "column i " not in messages


def test_keys_must_have_the_columns_type() -> None:
    textual = replace(PURCHASE, columns=(text_column("customerid"), *PURCHASE.columns[1:]))
    assert any("key customerid is a number, and column customerid is varchar(20)" in m for m in found(purchase=textual))
    binary = replace(CUSTOMER, columns=(column("id", "binary(16)"), *CUSTOMER.columns[1:]))
    assert any("has no text for a template" in message for message in found(customer=binary))


def test_groups_are_whole_where_chunks_respect_their_leading_columns() -> None:
    compiled = keymap()
    assert uncut_columns(compiled, PURCHASE) == 2
    assert [groups_whole(compiled, PURCHASE, uncut) for uncut in range(4)] == [False, True, True, False]
    assert uncut_columns(compiled, ORDERS) == 0


def test_groups_under_a_collation_are_never_taken_for_whole() -> None:
    text = TEXT.replace("partition_key: {customerid: N}", "partition_key: {customerid: S}")
    textual = replace(PURCHASE, columns=(text_column("customerid"), *PURCHASE.columns[1:]))
    assert uncut_columns(keymap(text), textual) == 0


def test_groups_not_by_leading_columns_are_never_taken_for_whole() -> None:
    reordered = replace(PURCHASE, primary_key=("productid", "customerid", "orderid"))
    assert uncut_columns(keymap(), reordered) == 0
    assert not groups_whole(keymap(), reordered, 2)
