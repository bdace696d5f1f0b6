"""What is left out of a change is what no rule looks at: the patches are the same without it."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keymap.errors import KeyshiftError
from keymap.needs import needs, needs_of
from keymap.rules import Keymap, parse_keymap
from keymap.values import Row
from tests.keymap.keymaps import change, keymap

COLUMNS = ("a", "b", "c", "d", "e", "f")
NAMES = st.sampled_from(COLUMNS)
SOME = st.lists(NAMES, unique=True, max_size=5)
TEMPLATES = st.builds("{}{{{}}}".format, st.sampled_from(["", "X#"]), NAMES) | st.builds(
    "{{{}|coalesce({})}}".format, NAMES, NAMES
)
CONDITIONS = st.just({}) | st.dictionaries(NAMES, st.sampled_from([{"is_null": False}, {"in": [1, 2]}]), max_size=2)
COMPUTED = st.recursive(
    st.fixed_dictionaries({"from": TEMPLATES, "when": CONDITIONS}),
    lambda inner: st.fixed_dictionaries(
        {"map": st.dictionaries(st.sampled_from("pq"), inner, max_size=2), "when": CONDITIONS}
    ),
    max_leaves=3,
)
ATTRIBUTES = st.dictionaries(st.sampled_from(["x", "y"]), COMPUTED, max_size=2)


@st.composite
def rules(draw: st.DrawFn) -> dict:
    rule = {"target": "things", "key": {"pk": draw(TEMPLATES), "sk": draw(TEMPLATES)}, "where": draw(CONDITIONS)}
    group = draw(st.sampled_from(["none", "none", "attribute", "whole", "entry"]))
    if group == "attribute":
        return rule | {"group": {"attribute": f"at{draw(TEMPLATES)}", "value": draw(NAMES)}}
    if group == "whole":
        rule["group"] = {"attribute": f"at{draw(TEMPLATES)}"}
    elif group == "entry":
        rule["group"] = {"map": "lines", "entry": draw(TEMPLATES)}
    if draw(st.booleans()):
        rule["owner"] = draw(st.lists(NAMES, min_size=1, max_size=2, unique=True))
    rule[draw(st.sampled_from(["include", "exclude", "exclude"]))] = draw(SOME)
    return rule | {"attributes": draw(ATTRIBUTES), "types": dict.fromkeys(draw(SOME), "S")}


KEYMAPS = st.lists(rules(), min_size=1, max_size=3)
VALUES = st.integers(0, 3) | st.sampled_from([1, "x"]) | st.sampled_from([2, None])
ROWS = st.fixed_dictionaries(dict.fromkeys(COLUMNS, VALUES)) | st.fixed_dictionaries(
    {}, optional=dict.fromkeys(COLUMNS, VALUES)
)


def compiled(found: list[dict]) -> Keymap | None:
    document = {
        "keyshift": 1,
        "targets": {"things": {"partition_key": {"pk": "S"}, "sort_key": {"sk": "S"}}},
        "tables": {"shop.t": found},
    }
    try:
        return parse_keymap(json.dumps(document), "keymap.yaml")
    except KeyshiftError:
        return None


def outcome(make: Callable[[], object]) -> str:
    try:
        return repr(make())
    except KeyshiftError as error:
        return str(error)


@settings(max_examples=600)
@given(KEYMAPS, ROWS, ROWS)
def test_the_patches_are_the_same_without_what_is_not_needed(found: list[dict], before: Row, after: Row) -> None:
    made = compiled(found)
    if made is None:
        return
    of = needs_of(made.rules["shop.t"]).of
    whole = outcome(lambda: made.patches(change("shop.t", before, after)))
    assert outcome(lambda: made.patches(change("shop.t", of(before), of(after)))) == whole


ORDER = {"id": 1, "customer_id": 2, "status": "new", "total": None, "note": "x" * 1000}
RULE = """\
keyshift: 1
targets: {{app: {{partition_key: {{pk: S}}}}}}
tables:
  shop.orders:
    - {{target: app, key: {{pk: "{{id}}"}}, {rule}}}
"""


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ("exclude: [note]", {"id", "customer_id", "status", "total"}),
        ("exclude: [note], where: {note: {is_null: false}}", set(ORDER)),
        ("exclude: [note], attributes: {short: '{note|left(20)}'}", set(ORDER)),
        ("exclude: [note], attributes: {m: {map: {short: '{note|left(20)}'}}}", set(ORDER)),
        ("exclude: [id, note]", {"id", "customer_id", "status", "total"}),
        ("include: [status]", {"id", "status"}),
        ("include: [status], owner: [customer_id]", {"id", "status", "customer_id"}),
        ("group: {attribute: 'c{customer_id}', value: total}", {"id", "customer_id", "total"}),
    ],
)
def test_what_a_rule_names_is_kept_and_what_it_leaves_out_is_not(rule: str, kept: set[str]) -> None:
    made = parse_keymap(RULE.format(rule=rule), "keymap.yaml")
    assert set(needs_of(made.rules["shop.orders"]).of(ORDER)) == kept


def test_a_column_is_left_out_only_where_every_rule_of_the_table_does() -> None:
    text = RULE.format(rule="exclude: [note, total]") + "    - {target: app, key: {pk: 'N#{id}'}, exclude: [note]}\n"
    of = needs(parse_keymap(text, "keymap.yaml"))["shop.orders"].of
    assert set(of(ORDER)) == {"id", "customer_id", "status", "total"}


def test_where_nothing_is_left_out_nothing_is_done() -> None:
    assert needs(keymap()).keys() == {"shop.purchase", "shop.orders"}


def test_a_hook_is_given_the_whole_row() -> None:
    rule = "exclude: [note], hook: {call: 'tests.keymap.hooks:parts', columns: [part]}"
    assert not needs(parse_keymap(RULE.format(rule=rule), "keymap.yaml"))
