"""Which rules may meet in an item, and which slots need an owner: told before a row is read."""

import pytest

from keymap.check import check, groups_whole, uncut_columns
from keymap.rules import Keymap, parse_keymap
from keymap.schema import TableSchema
from tests.keymap.keymaps import column, text_column

TARGETS = """\
keyshift: 1
targets:
  app:
    partition_key: {pk: S}
tables:
"""
ORDERS = TableSchema("shop", "orders", (column("id"), column("number"), text_column("status")), ("id",))
LINE = TableSchema("shop", "line", (column("id"), column("order_id"), column("line"), text_column("sku")), ("id",))
PART = TableSchema("shop", "part", tuple(map(column, ("order_id", "line", "qty"))), ("order_id", "line"))
SCHEMAS = {schema.full_name: schema for schema in (ORDERS, LINE, PART)}
PARENT = 'shop.orders:\n    - {target: app, key: {pk: "ORDER#{id}"}}'
CHILD = 'shop.part:\n    - {target: app, key: {pk: "ORDER#{order_id}"}, group: {map: lines, entry: "{line}"}}'


def made(*tables: str) -> Keymap:
    return parse_keymap(TARGETS + "".join(f"  {table}\n" for table in tables), "keymap.yaml")


def problems(*tables: str) -> list[str]:
    return [str(problem) for problem in check(made(*tables), SCHEMAS)]


def test_a_parent_and_its_children_may_share_an_item() -> None:
    assert problems(PARENT, CHILD) == []
    keymap = made(PARENT, CHILD)
    assert [rule.puts for rules in keymap.rules.values() for rule in rules] == [False, False]


def test_two_rules_without_groups_may_not_meet() -> None:
    (problem,) = problems(PARENT, 'shop.line:\n    - {target: app, key: {pk: "ORDER#{id}"}}')
    assert problem.startswith("keymap.yaml:9: this rule and the one at keymap.yaml:7 may write the same item of app.")


@pytest.mark.parametrize(
    "group",
    [
        '{map: status, entry: "{line}"}',
        '{attribute: "{sku}", value: line}',
        '{attribute: "st{sku}", value: line}',
    ],
)
def test_a_child_may_not_take_a_name_that_the_parent_gives(group: str) -> None:
    child = f'shop.line:\n    - {{target: app, key: {{pk: "ORDER#{{order_id}}"}}, group: {group}, owner: [id]}}'
    (problem,) = problems(PARENT, child)
    assert ", and attribute " in problem
    assert "may be given by both. Exclude or rename it in one of them" in problem


@pytest.mark.parametrize("group", ['{map: lines, entry: "a{line}"}', '{attribute: "x_{sku}", value: line}'])
def test_children_of_two_tables_may_share_an_item_with_the_parent(group: str) -> None:
    entry = CHILD.replace('"{line}"', '"b{line}"')
    child = f'shop.line:\n    - {{target: app, key: {{pk: "ORDER#{{order_id}}"}}, group: {group}, owner: [id]}}'
    assert problems(PARENT, entry, child) == []


@pytest.mark.parametrize("group", ['{map: lines, entry: "{sku}"}', '{attribute: "li{sku}", value: line}'])
def test_two_groups_may_not_give_one_name(group: str) -> None:
    child = f'shop.line:\n    - {{target: app, key: {{pk: "ORDER#{{order_id}}"}}, group: {group}, owner: [id]}}'
    (problem,) = problems(CHILD, child)
    assert "what their rows own there may have one name. Give the names different beginnings" in problem


def test_a_key_that_does_not_tell_the_primary_key_wants_an_owner() -> None:
    (problem,) = problems('shop.orders:\n    - {target: app, key: {pk: "NUMBER#{number}"}}')
    assert "two rows of shop.orders may fall on one slot: the key does not tell primary key column id" in problem
    assert problem.endswith("let it tell its rows apart with owner: [id]")
    assert problems('shop.orders:\n    - {target: app, key: {pk: "NUMBER#{number}"}, owner: [id]}') == []


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ('{target: app, key: {pk: "N#{number}"}, owner: [number]}', "owner names number, and the primary key is id"),
        (
            '{target: app, key: {pk: "N#{number}"}, owner: [id, number]}',
            "owner names id, number, and the primary key is",
        ),
        ('{target: app, key: {pk: "N#{number}"}, owner: [nobody]}', "column nobody does not exist in shop.orders"),
        ('{target: app, key: {pk: "N#{id}"}, owner: [id]}', "owner is not needed"),
    ],
)
def test_an_owner_is_the_primary_key_and_only_where_it_is_needed(rule: str, told: str) -> None:
    (problem,) = problems(f"shop.orders:\n    - {rule}")
    assert told in problem


def test_groups_that_others_have_a_part_in_are_never_put_whole() -> None:
    alone, together = made(CHILD), made(PARENT, CHILD)
    assert (uncut_columns(alone, PART), groups_whole(alone, PART, 1)) == (1, True)
    assert (uncut_columns(together, PART), groups_whole(together, PART, 1)) == (0, False)


def test_a_shared_item_takes_no_more_attributes_of_one_row_than_one_update() -> None:
    wide = TableSchema("shop", "orders", (column("id"), *(column(f"c{n}") for n in range(150))), ("id",))
    (problem,) = check(made(PARENT, CHILD), SCHEMAS | {"shop.orders": wide})
    assert "a row gives 151 attributes to an item that it shares, and one update holds 150" in str(problem)


@pytest.mark.parametrize(
    ("group", "told"),
    [
        ("{map: lines}", "a group takes attribute, or map and entry"),
        ('{entry: "{line}"}', "a group takes attribute, or map and entry"),
        ('{attribute: "a{line}", map: lines, entry: "{line}"}', "a group takes attribute, or map and entry"),
        ("{map: lines, entry: one}", "the name must use a column"),
        ('{map: a.b, entry: "{line}"}', "a name of 1 to 255 characters without a dot is expected"),
        ('{map: pk, entry: "{line}"}', "map pk has the name of a key"),
        ('{map: _ks_x, entry: "{line}"}', "attribute _ks_x has the bookkeeping prefix"),
    ],
)
def test_the_form_of_a_group_is_checked(group: str, told: str) -> None:
    with pytest.raises(Exception, match=told.replace("(", r"\(")):
        made(CHILD.replace('{map: lines, entry: "{line}"}', group))
