"""What a DMS table mapping changes of names and columns is changed alike, or listed."""

import pytest

from keymap.dms.convert import Imported
from tests.keymap.dms_rules import (
    Json,
    imported,
    left_out,
    mapping,
    problems,
    rule_of,
    scalar,
    selection,
    transformation,
)


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
