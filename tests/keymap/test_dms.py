"""A table mapping of AWS DMS becomes a keymap that says the same, and what it cannot say is listed."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from keymap.dms.convert import Imported, convert
from keymap.dms.listed import PrimaryKey, parse_listed
from keymap.dms.names import literal, matches
from keymap.dms.rules import Condition, Selection, Transformation
from keymap.errors import Problems
from keymap.rules import Keymap, parse_keymap

Json = dict[str, Any]


def selection(table: str, action: str = "include", number: int = 1, **more: object) -> Json:
    schema, _, name = table.partition(".")
    locator = {"schema-name": schema, "table-name": name}
    return {
        "rule-type": "selection",
        "rule-id": str(number),
        "rule-name": f"select {number}",
        "object-locator": locator,
        "rule-action": action,
        **more,
    }


def transformation(action: str, target: str, where: str, number: int = 7, **more: object) -> Json:
    """A rule about ``schema.table.column``."""
    names = zip(("schema-name", "table-name", "column-name"), where.split("."), strict=False)
    kind = {"rule-type": "transformation", "rule-id": number, "rule-name": "change", "rule-action": action}
    return {**kind, "rule-target": target, "object-locator": dict(names), **more}


def scalar(name: str, value: object, kind: str = "string") -> Json:
    return {"target-attribute-name": name, "attribute-type": "scalar", "attribute-sub-type": kind, "value": value}


def mapping(table: str, target: str | None, action: str = "map-record-to-record", **parameters: object) -> Json:
    schema, _, name = table.partition(".")
    rule: Json = {
        "rule-type": "object-mapping",
        "rule-id": "4",
        "rule-name": "map",
        "rule-action": action,
        "object-locator": {"schema-name": schema, "table-name": name},
        "mapping-parameters": {key.replace("_", "-"): value for key, value in parameters.items()},
    }
    return rule if target is None else {**rule, "target-table-name": target}


def imported(*rules: Json, tables: str = "") -> Imported:
    return convert(json.dumps({"rules": rules}), "mapping.json", parse_listed(tables))


def rule_of(made: Imported, table: str) -> Json:
    """The one rule of a table, as YAML says it; the whole text must be a keymap."""
    assert parse_keymap(made.text, "keymap.yaml")
    (rule,) = yaml.safe_load(made.text)["tables"][table]
    return rule


def left_out(made: Imported) -> list[str]:
    return [f"{problem.where}: {problem.what}" for problem in made.left_out]


def problems(*rules: object) -> list[str]:
    with pytest.raises(Problems) as found:
        convert(json.dumps({"rules": rules}), "mapping.json")
    return [f"{problem.where}: {problem.what}" for problem in found.value.problems]


CLIENT = mapping(
    "crm.client",
    "clients",
    partition_key_name="FullName",
    sort_key_name="Branch",
    exclude_columns=["given", "family", "street", "phone", "branch"],
    attribute_mappings=[
        scalar("FullName", "${given},${family}"),
        scalar("Branch", "${branch}", "number"),
        scalar("Line", "${phone}"),
        scalar("Card", '{"to":"${given}","at":"${street}"}'),
    ],
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


def test_wildcards_mean_the_tables_that_are_given_less_those_that_are_excluded() -> None:
    rules = [selection("d.%"), selection("d.tmp[_]%", "exclude", 2)]
    made = imported(*rules, tables="d.item:id, d.tmp_x:id, d.tmpy:id, e.item:id")
    assert list(parse_keymap(made.text, "k").tables) == ["d.item", "d.tmpy"]
    assert not made.left_out
    assert "rule 1 (select 1): which tables d.% means is not known here" in problems(*rules)[1]


def test_a_table_that_an_object_mapping_names_is_known_and_the_others_of_the_wildcard_are_listed() -> None:
    made = imported(selection("crm.%"), CLIENT)
    assert list(parse_keymap(made.text, "k").tables) == ["crm.client"]
    (problem,) = made.left_out
    assert "--tables crm.TABLE" in problem.remedy


@pytest.mark.parametrize(
    ("pattern", "name", "does"),
    [
        ("%", "", True), ("a%", "abc", True), ("a%", "bc", False), ("a_c", "abc", True), ("a[_]c", "abc", False),
        ("a[_]c", "a_c", True), ("[ab]x", "bx", True), ("[a-d]x", "cx", True), ("[a-d]x", "ex", False),
        ("[d-a]x", "-x", True), ("a.c", "abc", False), ("A", "a", False), ("[]", "[]", True), ("[^a]", "b", False),
        ("%b%", "abc", True), ("a%b%c", "aXbYbZc", True), ("a%b%c", "acb", False), ("%_", "", False),
        ("%a%a", "aba", True),
        ("%a" * 100, "a" * 99, False), ("%a" * 100 + "%", "a" * 100, True),
    ],
)  # fmt: skip
def test_wildcards_match_as_documented(pattern: str, name: str, does: bool) -> None:
    assert matches(pattern, name) is does


def test_a_name_with_underscores_is_first_of_all_itself() -> None:
    assert literal("order_line") == "order_line" == literal("order[_]line")
    assert literal("order%") is None is literal("[ab]c")


def filters(column: str, *conditions: Json) -> Json:
    return {"filter-type": "source", "column-name": column, "filter-conditions": list(conditions)}


def op(name: str, **values: object) -> Json:
    return {"filter-operator": name, **{key.replace("_", "-"): value for key, value in values.items()}}


def filtered(*given_filters: Json) -> Imported:
    rules = [selection("d.t1", filters=list(given_filters)), mapping("d.t1", "things", partition_key_name="id")]
    return imported(*rules)


def test_filters_become_conditions_and_numbers_are_looked_for_as_text_too() -> None:
    made = filtered(
        filters("dept", op("eq", value="tech"), op("eq", value="ops")),
        filters("level", op("noteq", value="50")),
        filters("level", op("noteq", value="1.5")),
        filters("gone", op("null")),
        filters("boss", op("notnull")),
    )
    assert not made.left_out
    assert rule_of(made, "d.t1")["where"] == {
        "dept": {"in": ["tech", "ops"]},
        "level": {"not_in": [50, "50", 1.5, "1.5"]},
        "gone": {"is_null": True},
        "boss": {"is_null": False},
    }


@pytest.mark.parametrize(
    ("row", "meets"),
    [({"n": 50}, True), ({"n": "50"}, True), ({"n": 51}, False), ({"n": None}, False)],
)
def test_a_number_in_a_filter_fits_a_column_of_numbers_and_one_of_text(row: Json, meets: bool) -> None:
    keymap = parse_keymap(filtered(filters("n", op("eq", value="50"))).text, "k")
    assert bool(keymap.row_patches("d.t1", {"id": "1", **row}, "1")) is meets


@pytest.mark.parametrize(
    "one",
    [
        filters("n", op("gte", value="1")),
        filters("n", op("between", start_value="1", end_value="5")),
        filters("n", op("eq", value="1"), op("null")),
        filters("n", op("eq", value="2024-01-01 10:00:00")),
        filters("n", op("eq", value="18446744073709551616")),
        filters("n", op("eq", value="0.1234567890123456789")),
        filters("n", op("eq", value="9" * 5_000)),
    ],
)
def test_a_filter_that_cannot_be_said_is_listed_and_says_that_more_rows_come(one: Json) -> None:
    made = filtered(one)
    (what,) = left_out(made)
    assert "column n, is not in the keymap, so more rows are migrated" in what
    assert "where" not in rule_of(made, "d.t1")


def test_filters_that_contradict_each_other_are_listed() -> None:
    made = filtered(filters("n", op("eq", value="a")), filters("n", op("eq", value="b")))
    assert "contradicts" in left_out(made)[0]
    assert rule_of(made, "d.t1")["where"] == {"n": {"in": ["a"]}}


def test_two_selections_of_one_table_with_different_filters_are_listed() -> None:
    made = imported(
        selection("d.t1", filters=[filters("a", op("eq", value="x"))]),
        selection("d.%", number=2),
        mapping("d.t1", "things", partition_key_name="id"),
        tables="d.t1",
    )
    assert rule_of(made, "d.t1")["where"] == {"a": {"in": ["x"]}}
    assert left_out(made)[0].startswith("rule 2 (select 2): it selects d.t1 with other filters")


@pytest.mark.parametrize(
    ("action", "values", "name"),
    [
        ("rename", {"value": "Actor1"}, "Actor1"),
        ("convert-lowercase", {}, "actor"),
        ("convert-uppercase", {}, "ACTOR"),
        ("add-prefix", {"value": "DMS_"}, "DMS_Actor"),
        ("remove-prefix", {"value": "Ac"}, "tor"),
        ("replace-prefix", {"value": "F", "old-value": "A"}, "Fctor"),
        ("add-suffix", {"value": "_x"}, "Actor_x"),
        ("remove-suffix", {"value": "or"}, "Act"),
        ("replace-suffix", {"value": "er", "old-value": "or"}, "Acter"),
        ("replace-suffix", {"value": "er", "old-value": "xx"}, "Actor"),
    ],
)
def test_names_are_changed_as_dms_changes_them(action: str, values: Json, name: str) -> None:
    made = imported(selection("d.Actor"), transformation(action, "table", "d.%", **values), tables="d.Actor:id")
    assert rule_of(made, "d.Actor")["target"] == name
    column = transformation(action, "column", "d.Actor.Actor", **values)
    made = imported(selection("d.Actor"), column, tables="d.Actor:Actor")
    assert rule_of(made, "d.Actor")["key"] == {name: "{Actor}"}
    made = imported(selection("d.Actor"), column, tables="d.Actor:id")
    assert rule_of(made, "d.Actor").get("rename", {"Actor": "Actor"}) == {"Actor": name}


def changed(*rules: Json) -> Imported:
    return imported(selection("d.Actor"), *rules, tables="d.Actor:id:N")


def test_columns_are_removed_and_given_other_types() -> None:
    made = changed(
        transformation("remove-column", "column", "d.Actor.note"),
        transformation("change-data-type", "column", "d.Actor.amount", 8, **{"data-type": {"type": "int8"}}),
    )
    assert not made.left_out
    rule = rule_of(made, "d.Actor")
    assert (rule["exclude"], rule["types"]) == (["note"], {"amount": "N"})


def test_columns_that_a_wildcard_means_are_to_be_listed_by_hand() -> None:
    made = changed(
        transformation("remove-column", "column", "d.Actor.col%"),
        transformation("convert-lowercase", "column", "%.%.%", 8),
    )
    assert [problem.remedy for problem in made.left_out] == [
        "List the columns under `exclude`, or they are stored",
        "List the columns under `rename`",
    ]


@pytest.mark.parametrize(
    ("expression", "field", "value"),
    [
        ("$FIRST||'_'||$LAST", "attributes", "{FIRST}_{LAST}"),
        (" $A || 'it''s {' || 5 ", "attributes", "{A}it's {{5"),
        ("$AR_M_SOURCE_SCHEMA||'/'||$AR_M_SOURCE_TABLE_NAME", "constants", "d/Actor"),
        ("'x'", "constants", "x"),
        ("$A", "attributes", {"from": "{A}", "type": "S"}),
    ],
)
def test_simple_expressions_are_templates(expression: str, field: str, value: object) -> None:
    added = {"value": "new", "expression": expression, "data-type": {"type": "string", "length": 50}}
    made = changed(transformation("add-column", "column", "d.Actor", **added))
    assert not made.left_out
    assert rule_of(made, "d.Actor")[field] == {"new": value}


@pytest.mark.parametrize(
    "expression",
    ["operation_indicator('D','U','I')", "$AR_H_CHANGE_SEQ", "$A + 1", "", "$A||", "||", "$A||upper($B)", "'x"],
)
def test_expressions_of_more_than_that_are_listed(expression: str) -> None:
    made = changed(transformation("add-column", "column", "d.Actor", value="new", expression=expression))
    assert left_out(made)[0].startswith("rule 7 (change): add-column is not carried over to d.Actor")
    assert set(rule_of(made, "d.Actor")) == {"target", "key"}


def test_a_masked_column_is_never_stored_in_the_clear() -> None:
    mask = transformation("data-masking-hash-mask", "column", "d.Actor.pass")
    made = imported(
        selection("d.Actor"),
        mask,
        transformation("add-column", "column", "d.Actor", 8, value="new", expression="$pass||'x'"),
        mapping("d.Actor", "actors", partition_key_name="id", attribute_mappings=[scalar("Pass", "${pass}")]),
    )
    assert rule_of(made, "d.Actor") == {"target": "actors", "key": {"id": "{id}"}, "exclude": ["pass"]}
    assert len(made.left_out) == 3
    key = mapping("d.Actor", "actors", partition_key_name="pass")
    assert "masked" in problems(selection("d.Actor"), mask, mapping("d.Actor", "acts", partition_key_name="p",
                                attribute_mappings=[scalar("p", "${pass}")]))[1]  # fmt: skip
    assert "masked" in problems(selection("d.Actor"), mask, key)[1]


def test_names_that_collide_or_are_reserved_are_listed_and_the_first_stays() -> None:
    made = changed(
        transformation("rename", "column", "d.Actor.a", 1, value="x"),
        transformation("rename", "column", "d.Actor.b", 2, value="x"),
        transformation("rename", "column", "d.Actor.c", 3, value="_ks_v"),
        transformation("rename", "column", "d.Actor.e", 4, value="${column-name}_x"),
    )
    assert rule_of(made, "d.Actor")["rename"] == {"a": "x"}
    assert [problem.where for problem in made.left_out] == ["rule 2 (change)", "rule 3 (change)", "rule 4 (change)"]


def test_tables_with_other_keys_do_not_go_into_one_target() -> None:
    made = imported(
        selection("d.%"),
        mapping("d.a", "both", partition_key_name="id"),
        mapping("d.b", "both", partition_key_name="pk"),
    )
    assert list(parse_keymap(made.text, "k").tables) == ["d.a"]
    assert any("both has other keys" in what for what in left_out(made))


def test_rules_about_dms_itself_are_notes_and_nothing_is_left_out() -> None:
    made = changed(
        {"rule-type": "table-settings", "rule-id": "9", "object-locator": {}, "parallel-load": {"type": "none"}},
        transformation("rename", "schema", "d", value="e"),
    )
    assert not made.left_out
    assert {problem.where for problem in made.notes} == {"rule 9", "rule 7 (change)"}


@pytest.mark.parametrize(
    ("action", "target"), [("define-primary-key", "column"), ("remove-column", "table"), ("include-column", "column")]
)
def test_actions_without_a_meaning_for_their_target_are_listed(action: str, target: str) -> None:
    made = changed(transformation(action, target, "d.Actor.note", **{"primary-key-def": {"columns": ["a", "b"]}}))
    (problem,) = made.left_out
    assert action in problem.what
    assert "exclude" not in rule_of(made, "d.Actor")


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
    assert found[2].startswith("mapping.json, rule 3 (select 3): rule-action: Input should be 'include'")
    assert [line for line in found if "rule 4 (up): " in line and "Field required" in line]
    assert "mapping.json, rule 5 (change): rule-action replace-prefix needs old-value" in found
    assert "mapping.json, rule 4 (map): mapping-parameters: partition-key-name and sort-key-name are the same" in found
    assert "mapping.json, rule without an id, number 7 of the file: it is no object" in found
    assert any("filters.0.filter-conditions.0: filter-operator between needs start-value" in line for line in found)
    assert any("filters.1.filter-conditions: List should have at least 1 item" in line for line in found)
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


def test_tables_are_given_with_their_keys_and_what_is_no_table_is_refused() -> None:
    assert parse_listed(" a.b, ,c.d:id,e.f:g h:N") == {
        "a.b": None,
        "c.d": PrimaryKey("id", "S"),
        "e.f": PrimaryKey("g h", "N"),
    }
    with pytest.raises(Problems) as found:
        parse_listed("a,b.c,d.e:x:Z:N,f.g:")
    assert [problem.what for problem in found.value.problems] == [
        "'a' is no table",
        "'d.e:x:Z:N' is no table",
        "'f.g:' is no table",
    ]


def test_the_document_says_what_becomes_of_every_action_and_operator() -> None:
    text = (Path(__file__).parents[2] / "docs" / "from-dms.md").read_text(encoding="utf-8")
    said = set(re.findall(r"`([a-z-]+)`", text))
    for model, field in ((Transformation, "rule_action"), (Selection, "rule_action"), (Condition, "filter_operator")):
        assert set(get_args(model.model_fields[field].annotation)) <= said


# Few names, so that rules meet; some of them are awkward in YAML, in templates or in DynamoDB.
NAMES = st.sampled_from(
    ["a", "bcd", "tab_le", "%", "a%", "[_]x", "yes", "null", "_ks_v", "x y", "{a}", "it's", '"', "\\", "ä", "🂡", "#b",
     "a: b", "a|b", "1", "-", "a.b", "?", "${a}", "x" * 255]
)  # fmt: skip
COLUMNS = st.sampled_from(["a", "b"] * 4 + ["%", "{a}", "x y", "pk", "_ks_v", "yes"])
TEMPLATES = st.sampled_from(["${a}", "${b}", "${a},${b}", "${ a }{", "${}", "${x y}", "${a|b}", "${yes}"])
VALUES = st.one_of(
    TEMPLATES,
    NAMES,
    st.sampled_from(["5", "1.50", "1e5", "true", "", "\n", "2024-01-01 00:00:00"]),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.text(max_size=5),
)
KINDS = st.sampled_from(["string", "number", "boolean", "dynamodb-map", "int4", "date"])
EXPRESSIONS = st.sampled_from(["$a||'_'||$b", "$a", "$AR_M_SOURCE_SCHEMA", "$AR_H_X", "lower($a)", "'a'", "5", ""])
DOCUMENTS = st.recursive(VALUES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2))


def some(required: dict[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    hyphened = {name.replace("_", "-"): strategy for name, strategy in optional.items()}
    return st.fixed_dictionaries(required, optional=hyphened)


TABLES = st.sampled_from(["bcd"] * 8 + ["%", "tab_le", "a", "x y", "yes", "t[_]x"])
LOCATORS = some({"schema-name": st.sampled_from(["d", "%"]), "table-name": TABLES}, column_name=COLUMNS)
CONDITIONS = some(
    {"filter-operator": st.sampled_from(["eq", "eq", "noteq", "null", "notnull", "gte"]), "value": VALUES}
)
FILTERS = some({"column-name": COLUMNS, "filter-conditions": st.lists(CONDITIONS, min_size=1, max_size=2)})
ATTRIBUTES = st.one_of(
    some({"target-attribute-name": NAMES, "value": TEMPLATES | VALUES}, attribute_sub_type=KINDS),
    some({"target-attribute-name": NAMES, "attribute-type": st.just("document"), "value": DOCUMENTS}),
)
IDENTITY: dict[str, st.SearchStrategy[Any]] = {"rule-id": st.one_of(st.integers(), st.text(max_size=3))}
RULES = st.one_of(
    some(
        {
            **IDENTITY,
            "rule-type": st.just("selection"),
            "object-locator": LOCATORS,
            "rule-action": st.sampled_from(["include", "include", "include", "explicit", "exclude"]),
        },
        filters=st.lists(FILTERS, max_size=3),
        rule_name=st.text(max_size=5),
    ),
    some(
        {
            **IDENTITY,
            "rule-type": st.just("transformation"),
            "object-locator": LOCATORS,
            "rule-action": st.sampled_from(
                "rename convert-uppercase add-prefix remove-suffix add-column remove-column include-column "
                "change-data-type define-primary-key data-masking-hash-mask add-before-image-columns".split()
            ),
            "rule-target": st.sampled_from(["column", "column", "column", "table", "schema"]),
            "value": NAMES,
            "data-type": st.fixed_dictionaries({"type": KINDS}),
            "primary-key-def": st.fixed_dictionaries({"columns": st.lists(COLUMNS, min_size=1, max_size=2)}),
        },
        expression=EXPRESSIONS,
    ),
    some(
        {
            **IDENTITY,
            "rule-type": st.just("object-mapping"),
            "object-locator": LOCATORS,
            "rule-action": st.sampled_from(["map-record-to-record", "map-record-to-document"]),
            "mapping-parameters": some(
                {
                    "partition-key-name": st.just("pk") | NAMES,
                    "attribute-mappings": st.lists(ATTRIBUTES, max_size=5),
                },
                sort_key_name=NAMES,
                exclude_columns=st.lists(COLUMNS, max_size=3),
            ),
        },
        target_table_name=st.sampled_from(["one", "two", "x/y"]),
    ),
)
ALL = selection("d.%", number=0)


@settings(max_examples=400)
@given(st.lists(RULES, max_size=5), st.sampled_from(["", "d.bcd:a:N,d.tab_le:id,d.one"]))
def test_whatever_rules_come_in_they_end_in_a_keymap_or_in_listed_problems(rules: list[Json], tables: str) -> None:
    try:
        made = imported(ALL, *rules, tables=tables)
    except Problems:
        return
    assert isinstance(parse_keymap(made.text, "keymap.yaml"), Keymap)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["rules", "rule-type", "a"]), inner)
        ),
    )
)
def test_whatever_json_comes_in_mistakes_are_problems(document: object) -> None:
    with pytest.raises(Problems):
        convert(json.dumps(document), "mapping.json")
