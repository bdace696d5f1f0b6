"""A function that does not fit its column, and a field that can be NULL, are told before a row is read."""

from dataclasses import replace

import pytest

from keymap.check import check, uncut_columns
from keymap.check_templates import template_kind, text_problems, value_problems
from keymap.kinds import Unfit
from keymap.schema import TableSchema
from keymap.template import parse_template
from tests.keymap.keymaps import ORDERS, PURCHASE, SCHEMAS, TEXT, column, keymap, text_column

EVENTS = TableSchema(
    "shop",
    "events",
    (
        column("id"),
        text_column("name"),
        text_column("note", nullable=True),
        column("price", "decimal(10,2)"),
        column("whole", "decimal(10,0)"),
        column("plain", "decimal(10)"),
        column("rate", "double"),
        column("day", "date"),
        column("shown", "datetime(3)"),
        column("created", "timestamp", nullable=True),
        column("length", "time"),
        column("uid", "binary(16)"),
        column("place", "point"),
        column("doc", "json"),
        column("marks", "set('a','b')"),
        column("state", "enum('a','b')"),
        column("flags", "bit(8)"),
    ),
    ("id",),
)


@pytest.mark.parametrize(
    "text",
    [
        "{name|upper|lower|trim|left(3)|pad(5, ' ')}",
        "{state|upper}#{length|left(2)}",
        "{day|left(7)}#{shown|date('%H')}#{created|date('%H')}",
        "{id|pad(10)}#{whole|pad(10)}#{plain|pad(10)}#{flags|pad(3)}",
        "{price|text|pad(10, '0')}#{rate|text}",
        "{id|shard(10)}#{price|hash(4)}#{uid|shard(10)}#{doc|hash(4)}#{day|shard(3)}",
        "{uid|hex}#{place|base64}#{name|hex}",
        "{doc|text}#{doc|json('$.a')}#{name|json('$.a')|date('%Y')}",
        "{name|number}#{day|text|date('%Y')}",
        "{day|coalesce(shown)|date('%Y')}#{day|coalesce(shown)|epoch(zone='UTC')}",
        "{created|epoch}#{day|default('2024-01-01')|epoch(zone='UTC')}",
        "{id|text|hex}#{id:010d}",
    ],
)
def test_functions_that_fit_their_columns_have_no_problem(text: str) -> None:
    assert list(text_problems(parse_template(text), EVENTS)) == []


@pytest.mark.parametrize(
    ("field", "what", "remedy"),
    [
        ("{id|upper}", "column id (int): upper takes text, not a whole number", "with text"),
        ("{uid|left(3)}", "column uid (binary(16)): left takes text, not bytes", "with hex or base64"),
        ("{doc|lower}", "column doc (json): lower takes text, not a JSON document", "json('$.path')"),
        ("{marks|trim}", "trim takes text, not a SET", "Use another column"),
        ("{name|pad(5)}", "pad is given text and no character to fill it with", "pad(5, ' ')"),
        ("{price|pad(5)}", "column price (decimal(10,2)): pad takes text or a whole number, not a number", "with text"),
        ("{rate|pad(5)}", "pad takes text or a whole number", "with text"),
        ("{id|hex}", "hex takes bytes or text, not a whole number", "with text"),
        ("{doc|base64}", "base64 takes bytes or text, not a JSON document", "with text"),
        ("{uid|text}", "text takes what has a text, not bytes", "with hex or base64"),
        ("{day|number}", "number takes text or a number, not a DATE", "Use another column"),
        ("{marks|shard(3)}", "shard takes what has a text, or bytes, not a SET", "Use another column"),
        ("{id|json('$.a')}", "json takes JSON, not a whole number", "with text"),
        ("{name|date('%Y')}", "date takes a DATE, DATETIME or TIMESTAMP, not text", "one of these types"),
        ("{length|date('%H')}", "date takes a DATE, DATETIME or TIMESTAMP, not text", "one of these types"),
        ("{id|epoch}", "epoch takes a DATE, DATETIME or TIMESTAMP, not a whole number", "one of these types"),
        ("{day|date('%Y %M:%H')}", "date is asked for %H %M, and a DATE has no time", "Leave these codes out"),
        ("{day|upper|date('%Y')}", "date takes a DATE, DATETIME or TIMESTAMP, not text", "one of these types"),
        ("{day|default('x')|date('%Y')}", "date takes a DATE, DATETIME or TIMESTAMP, not text", "one of these types"),
        ("{day|epoch}", "epoch needs a zone for a DATE", "epoch(zone='Europe/Berlin')"),
        ("{shown|epoch}", "epoch needs a zone for a DATETIME", "epoch(zone='Europe/Berlin')"),
        ("{created|epoch(zone='UTC')}", "epoch is given a zone, and a TIMESTAMP is an instant", "without zone"),
        ("{name:010d}", "{name:010d} pads an integer, and the column is none", "Remove the format"),
        ("{whole:010d}", "{whole:010d} pads an integer, and the column is none", "Remove the format"),
    ],
)
def test_a_function_that_does_not_fit_its_column_is_named_with_a_remedy(field: str, what: str, remedy: str) -> None:
    for problems in (text_problems, value_problems):
        ((found, advice),) = problems(parse_template(field), EVENTS)
        assert what in found
        assert remedy in advice


def test_every_field_that_does_not_fit_is_told() -> None:
    assert len(list(text_problems(parse_template("{id|upper}#{name|epoch}#{uid}"), EVENTS))) == 3


@pytest.mark.parametrize("field", ["{uid}", "{place}", "{doc}", "{marks}"])
def test_what_has_no_text_is_refused_in_keys_and_in_text_but_not_alone_as_an_attribute(field: str) -> None:
    assert "has no text for a template" in next(text_problems(parse_template(field), EVENTS))[0]
    assert "has no text for a template" in next(value_problems(parse_template(f"#{field}"), EVENTS))[0]
    assert list(value_problems(parse_template(field), EVENTS)) == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("{id}", "integer"),
        ("{id}#", "text"),
        ("{id:03d}", "text"),
        ("{id|text}", "text"),
        ("{price}", "number"),
        ("{whole}", "integer"),
        ("{name|number}", "number"),
        ("{day|text}", "date"),
        ("{day|coalesce(shown)}", "any"),
        ("{id|coalesce(price)}", "number"),
        ("{note|coalesce(state)}", "text"),
        ("{note|default(0)}", "any"),
        ("{created|epoch}", "integer"),
        ("{uid}", "bytes"),
        ("{uid|hex}", "text"),
        ("{doc}", "json"),
        ("{doc|json('$.a')}", "any"),
        ("{marks}", "set"),
        ("{id|shard(9)}", "text"),
    ],
)
def test_the_kind_of_a_template_is_known(text: str, kind: str) -> None:
    assert template_kind(parse_template(text), EVENTS) == kind


def test_the_kind_of_a_template_that_does_not_fit_is_none() -> None:
    with pytest.raises(Unfit, match="column id"):
        template_kind(parse_template("{id|upper}"), EVENTS)


def messages(key: str, extra: str = "exclude: [note]", schema: TableSchema = ORDERS) -> list[str]:
    text = TEXT.replace("ORDER#{id:010d}", f"ORDER#{{id:010d}}#{key}").replace("exclude: [note]", extra)
    return [str(problem) for problem in check(keymap(text), {**SCHEMAS, "shop.orders": schema})]


def test_in_a_key_null_is_covered_by_default_and_coalesce() -> None:
    assert any("column note can be NULL" in message for message in messages("{note|upper}"))
    assert any("default('…')" in message for message in messages("{note|upper}"))
    assert any("column note can be NULL" in message for message in messages("{note|coalesce(note)}"))
    for covered in ("{note|default('x')}", "{note|default('x')|upper}", "{note|coalesce(status)}", "{status}"):
        assert messages(covered) == []
    assert messages("{note|upper}", "defaults: {note: none}") == []
    assert messages("{status|json('$.a')|coalesce(note)}", "defaults: {note: none}") == []


def test_in_a_key_a_path_may_find_nothing() -> None:
    found = messages("{status|json('$.a')}")
    assert any("json may find nothing in column status" in message for message in found)
    assert any("Add default('…')" in message for message in found)
    assert messages("{status|json('$.a')|default('x')}") == []
    assert any("json may find nothing" in message for message in messages("{status|default('x')|json('$.a')}"))


def test_columns_that_coalesce_names_must_exist() -> None:
    assert any(
        "column nothing does not exist in shop.orders" in found for found in messages("{note|coalesce(nothing)}")
    )


def test_functions_are_checked_in_keys_and_in_names_of_attributes_with_their_line() -> None:
    assert any(m.startswith("keymap.yaml:") and "upper takes text" in m for m in messages("{customer_id|upper}"))
    text = TEXT.replace('"productid{productid}"', '"productid{productid}{quantity|left(2)}"')
    assert any("left takes text" in str(problem) for problem in check(keymap(text), SCHEMAS))


@pytest.mark.parametrize(
    ("sort_key", "told"),
    [
        ("ORDER#{id|text}", True),
        ("ORDER#{status|shard(16)}#{id}", True),
        ("ORDER#{status|upper}#{id}", True),
        ("ORDER#{id|pad(10)}", False),
        ("ORDER#{id|shard(10)}", False),
        ("ORDER#{id|hash(64)}", False),
        ("ORDER#{id|default('1')}", False),
    ],
)
def test_the_primary_key_is_told_only_through_functions_that_are_one_to_one(sort_key: str, told: bool) -> None:
    found = check(keymap(TEXT.replace("ORDER#{id:010d}", sort_key)), SCHEMAS)
    assert [("the key does not tell primary key column id" in str(problem)) for problem in found] == [True] * (not told)


def test_text_keys_may_have_a_shard_unless_a_default_blurs_its_width() -> None:
    schema = replace(ORDERS, primary_key=("status",))
    assert messages("{note|default('x')|shard(10)}#{status}", schema=schema) == []
    blurred = messages("{note|shard(10)}#{status}", "defaults: {note: none}", schema)
    assert any("the key does not tell primary key column status" in message for message in blurred)


@pytest.mark.parametrize(
    ("key", "uncut"),
    [
        ("{customerid}", 1),
        ("{customerid|shard(10)}#{customerid}", 1),
        ("{customerid|text|hex}", 1),
        ("{customerid|shard(10)}", 0),
        ("{customerid}{orderid}", 0),
    ],
)
def test_a_group_that_many_values_share_is_never_taken_for_whole(key: str, uncut: int) -> None:
    text = TEXT.replace("customerid: N", "customerid: S").replace("    sort_key: {orderid: N}\n", "", 1)
    text = text.replace('{customerid: "{customerid}", orderid: "{orderid}"}', f'{{customerid: "{key}"}}')
    text = text.replace("productid{productid}", "{customerid}#{orderid}#{productid}")
    assert uncut_columns(keymap(text), PURCHASE) == uncut
