"""A table mapping of AWS DMS becomes a keymap that says the same, and what it cannot say is listed."""

import re
from pathlib import Path
from typing import get_args

import pytest
import yaml

from keymap.dms.convert import convert
from keymap.dms.rules import Condition, Selection, Transformation
from keymap.errors import Problems
from keymap.rules import parse_keymap
from tests.keymap.dms_rules import (
    CLIENT,
    filters,
    imported,
    left_out,
    mapping,
    op,
    problems,
    rule_of,
    scalar,
    selection,
    transformation,
)


def test_keys_attributes_and_exclusions_of_an_object_mapping_are_carried_over() -> None:
    made = imported(selection("crm.client"), CLIENT)
    assert not made.left_out
    assert yaml.safe_load(made.text)["targets"] == {
        "clients": {"partition_key": {"FullName": "S"}, "sort_key": {"Branch": "N"}}
    }
    assert rule_of(made, "crm.client") == {
        "target": "clients",
        "key": {"FullName": "{given},{family}", "Branch": "{branch}"},
        "exclude": ["given", "family", "street", "branch"],
        "rename": {"phone": "Line"},
        "types": {"phone": "S"},
        "attributes": {"Card": '{{"to":"{given}","at":"{street}"}}'},
    }


def test_a_row_becomes_the_item_that_dms_would_make_of_it() -> None:
    keymap = parse_keymap(imported(selection("crm.client"), CLIENT).text, "keymap.yaml")
    row = {"given": "Ada", "family": "L", "street": "x 1", "phone": 15, "branch": 5, "income": 7}
    (patch,) = keymap.row_patches("crm.client", row, "1")
    assert patch.key == ("Ada,L", 5)
    assert patch.attributes == {
        "Line": {"S": "15"},
        "Card": {"S": '{"to":"Ada","at":"x 1"}'},
        "income": {"N": "7"},
    }


def test_a_column_that_is_not_excluded_is_stored_beside_the_attribute_made_of_it() -> None:
    made = imported(
        selection("d.team"),
        mapping("d.team", "teams", partition_key_name="id", attribute_mappings=[scalar("Title", "${name}")]),
    )
    assert rule_of(made, "d.team")["attributes"] == {"Title": {"from": "{name}", "type": "S"}}


def test_a_value_without_columns_is_a_constant_of_its_type() -> None:
    values = [scalar("a", "x"), scalar("b", "5", "number"), scalar("c", "true", "boolean"), scalar("d", 1.5, "number")]
    made = imported(selection("d.team"), mapping("d.team", "teams", partition_key_name="id", attribute_mappings=values))
    assert rule_of(made, "d.team")["constants"] == {"a": "x", "b": 5, "c": True, "d": 1.5}


def test_columns_of_a_nested_document_stay_attributes_of_their_own_and_the_nesting_is_listed() -> None:
    home = {"M": {"Home": {"M": {"Street": {"S": "${street}"}, "Phone": {"S": "${phone}"}}}}}
    document = {
        "target-attribute-name": "Contact",
        "attribute-type": "document",
        "attribute-sub-type": "dynamodb-map",
        "value": home,
    }
    made = imported(
        selection("crm.client"),
        mapping(
            "crm.client",
            "clients",
            partition_key_name="id",
            exclude_columns=["street", "phone", "given"],
            attribute_mappings=[document],
        ),
    )
    assert rule_of(made, "crm.client")["exclude"] == ["given"]
    (what,) = left_out(made)
    assert what.startswith("rule 4 (map): attribute Contact of crm.client is a document of columns; street, phone stay")


def test_map_record_to_document_is_carried_over_flat_and_listed() -> None:
    made = imported(
        selection("crm.client"), mapping("crm.client", "clients", "map-record-to-document", partition_key_name="id")
    )
    assert rule_of(made, "crm.client") == {"target": "clients", "key": {"id": "{id}"}}
    (what,) = left_out(made)
    assert "_doc" in what


def test_a_key_without_a_mapping_is_the_column_of_that_name_and_its_type_is_something_to_look_at() -> None:
    made = imported(selection("d.team"), mapping("d.team", "teams", partition_key_name="id"))
    assert rule_of(made, "d.team")["key"] == {"id": "{id}"}
    (note,) = made.notes
    assert "taken to be column id, as text" in note.what


def test_a_condition_expression_is_listed() -> None:
    made = imported(
        selection("d.team"),
        mapping("d.team", "teams", partition_key_name="id", condition_expression={"expression": "attribute_exists(x)"}),
    )
    (what,) = left_out(made)
    assert "condition-expression" in what


def test_a_table_without_an_object_mapping_needs_its_primary_key() -> None:
    made = imported(
        selection("d.team"), selection("d.item", number=2), mapping("d.team", "teams", partition_key_name="id")
    )
    (problem,) = made.left_out
    assert problem.where == "rule 2 (select 2)"
    assert "d.item" in problem.what
    assert "--tables d.item:id" in problem.remedy
    given = imported(selection("d.item"), tables="d.item:id:N")
    assert not given.left_out
    assert rule_of(given, "d.item") == {"target": "item", "key": {"id": "{id}"}}
    assert yaml.safe_load(given.text)["targets"] == {"item": {"partition_key": {"id": "N"}}}


def test_a_primary_key_of_one_column_that_a_rule_defines_is_the_partition_key() -> None:
    made = imported(
        selection("d.item"),
        transformation(
            "define-primary-key", "table", "d.item", **{"primary-key-def": {"name": "k", "columns": ["no"]}}
        ),
    )
    assert rule_of(made, "d.item")["key"] == {"no": "{no}"}


def test_tables_with_other_keys_do_not_go_into_one_target() -> None:
    made = imported(
        selection("d.%"),
        mapping("d.a", "both", partition_key_name="id"),
        mapping("d.b", "both", partition_key_name="pk"),
    )
    assert list(parse_keymap(made.text, "k").tables) == ["d.a"]
    assert any("both has other keys" in what for what in left_out(made))


def test_fields_that_are_not_known_are_listed_with_their_path() -> None:
    rule = mapping("d.team", "teams", partition_key_name="id", new_thing=1)
    made = imported(selection("d.team", colour="red"), rule)
    assert left_out(made) == [
        "rule 1 (select 1): colour is not known, and has no effect here",
        "rule 4 (map): mapping-parameters.new-thing is not known, and has no effect here",
    ]


def test_what_is_left_out_stands_above_the_keymap_with_its_remedy() -> None:
    made = imported(selection("crm.%", **{"rule-name": "all\nkeyshift: 2\u2028x"}), CLIENT)
    head, _, body = made.text.partition("\nkeyshift: 1\n")
    assert all(line.startswith("#") or not line for line in head.splitlines())
    assert "rule 1 (all\\nkeyshift: 2\\u2028x)" in head
    assert "do: Give the tables" in head
    assert body
    assert max(map(len, made.text.splitlines())) <= 120


def test_all_mistakes_of_a_file_come_at_once_with_their_rules() -> None:
    found = problems(
        {"rule-type": "select", "rule-id": "1"},
        {"rule-id": 2},
        selection("d.t", "take", 3),
        {"rule-type": "transformation", "rule-id": "4", "rule-name": "up"},
        transformation("replace-prefix", "column", "d.t.c", 5, value="x"),
        mapping("d.t", "t", partition_key_name="a", sort_key_name="a"),
        "six",
        selection("d.t", number=8, filters=[filters("c", op("between", start_value=1)), filters("c")]),
        {**mapping("d.t", "t", attribute_mappings=[{"value": 1}]), "rule-id": None},
    )
    assert found[0] == 'mapping.json, rule 1: rule-type "select" is not known'
    assert found[1] == "mapping.json, rule 2: it has no rule-type"
    assert found[2].startswith("mapping.json, rule 3 (select 3): rule-action: include, exclude or explicit is expected")
    assert [line for line in found if "rule 4 (up): " in line and "rule-target is missing" in line]
    assert "mapping.json, rule 5 (change): rule-action replace-prefix needs old-value" in found
    assert "mapping.json, rule 4 (map): mapping-parameters: partition-key-name and sort-key-name are the same" in found
    assert "mapping.json, rule without an id, number 7 of the file: it is no object" in found
    assert any("filters.0.filter-conditions.0: filter-operator between needs start-value" in line for line in found)
    assert any("filters.1.filter-conditions: at least 1 entry must be there" in line for line in found)
    assert any("rule without an id, number 9" in line and "target-attribute-name" in line for line in found)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "mapping.json:1: it is not JSON"),
        ('{"rules": [\n{"a": 1},]}', "mapping.json:2: it is not JSON"),
        ("[]", 'it is no table mapping: {"rules": […]} is missing'),
        ('{"rules": {}}', "is missing"),
        ('{"rules": []}', "no selection rule"),
        ('{"rules": [NaN]}', "beyond all bounds"),
        ('{"rules": ["\\ud800"]}', "beyond all bounds"),
        ("[" * 100_000, "beyond all bounds"),
        ("1" * 5_000, "beyond all bounds"),
    ],
)
def test_a_file_that_is_no_table_mapping_is_one_clear_error(text: str, what: str) -> None:
    with pytest.raises(Problems, match=r"mapping\.json") as found:
        convert(text, "mapping.json")
    assert what in str(found.value)


def test_a_mapping_of_which_nothing_is_left_says_why() -> None:
    found = problems(selection("d.%"))
    assert found[0] == "mapping.json: no table is left for a keymap"
    assert "which tables d.% means" in found[1]


def test_the_document_says_what_becomes_of_every_action_and_operator() -> None:
    text = (Path(__file__).parents[2] / "docs" / "from-dms.md").read_text(encoding="utf-8")
    said = set(re.findall(r"`([a-z-]+)`", text))
    for model, field in ((Transformation, "rule_action"), (Selection, "rule_action"), (Condition, "filter_operator")):
        assert set(get_args(model.model_fields[field].annotation)) <= said
