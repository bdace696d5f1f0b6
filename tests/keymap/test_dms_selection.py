"""Which tables a DMS table mapping selects, and which of their rows."""

import pytest

from keymap.dms.convert import Imported
from keymap.dms.listed import PrimaryKey, parse_listed
from keymap.dms.names import literal, matches
from keymap.errors import Problems
from keymap.rules import parse_keymap
from tests.keymap.dms_rules import CLIENT, Json, filters, imported, left_out, mapping, op, problems, rule_of, selection


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
