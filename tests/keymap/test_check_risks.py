"""What collations call equal, and numbers that DynamoDB may not hold: notes that the schema alone allows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymap.check_risks import collation_risks, number_risks
from keymap.collations import Equality, equality_of
from keymap.schema import Column, TableSchema
from tests.keymap.keymaps import column, keymap


def text(collation: str | None, data_type: str = "varchar") -> Column:
    return Column("name", data_type, data_type, nullable=False, charset="utf8mb4", collation=collation)


@pytest.mark.parametrize(
    ("collation", "case", "accents", "blanks"),
    [
        ("utf8mb4_0900_ai_ci", True, True, False),
        ("utf8mb4_0900_as_ci", True, False, False),
        ("utf8mb4_0900_as_cs", False, False, False),
        ("utf8mb4_0900_bin", False, False, False),
        ("utf8mb4_sv_0900_ai_ci", True, False, False),  # ä is a letter of Swedish, not an a with an accent
        ("utf8mb4_general_ci", True, True, True),
        ("utf8mb4_unicode_520_ci", True, True, True),
        ("utf8mb4_unicode_nopad_ci", True, True, False),
        ("utf8mb4_uca1400_ai_ci", True, True, True),
        ("utf8mb4_uca1400_nopad_as_cs", False, False, False),
        ("utf8mb4_uca1400_ai_cs", False, True, True),
        ("latin1_swedish_ci", True, False, True),
        ("latin1_general_cs", False, False, True),
        ("utf8mb4_bin", False, False, True),
        ("binary", False, False, False),
        (None, False, False, False),
    ],
)
def test_what_a_collation_ignores(collation: str | None, case: bool, accents: bool, blanks: bool) -> None:
    assert equality_of(text(collation)) == Equality(case=case, accents=accents, blanks=blanks)


def test_the_labels_of_an_enum_have_one_spelling() -> None:
    assert equality_of(text("utf8mb4_general_ci", "enum")).is_bytewise


@given(st.text("aAäÄéß\u017f\u03a3\u03c3\u03c2 \u0301", max_size=8), st.booleans(), st.booleans(), st.booleans())
def test_folding_is_final_and_ignores_what_the_collation_does(
    value: str, case: bool, accents: bool, blanks: bool
) -> None:
    equality = Equality(case=case, accents=accents, blanks=blanks)
    folded = equality.folded(value)
    if not accents:  # a case fold may compose anew what accents took apart
        assert equality.folded(folded) == folded
    if blanks:
        assert equality.folded(value + "  ") == folded
    if equality.is_bytewise:
        assert folded == value


def test_folded_texts_are_equal_as_mysql_says() -> None:
    loose = Equality(case=True, accents=True, blanks=True)
    assert loose.folded("Émile ") == loose.folded("EMILE") == loose.folded("emile")
    assert Equality(case=True, accents=False, blanks=False).folded("é") == "é"


RULE = """
keyshift: 1
targets: {{app: {{partition_key: {{pk: S}}}}}}
tables:
  shop.people:
    - target: app
      key: {{pk: "P#{field}"}}
      types: {types}
"""


def schema(*columns: Column) -> TableSchema:
    return TableSchema("shop", "people", columns, (columns[0].name,))


@pytest.mark.parametrize(
    ("collation", "field", "told"),
    [
        ("utf8mb4_general_ci", "{name}", "'A' = 'a' and 'a ' = 'a'"),
        ("utf8mb4_general_ci", "{name|lower}", "'a ' = 'a'"),
        ("utf8mb4_general_ci", "{name|trim}", "'A' = 'a'"),
        ("utf8mb4_general_ci", "{name|trim|upper}", None),
        ("utf8mb4_general_ci", "{name|shard(4)}", "'A' = 'a' and 'a ' = 'a'"),
        ("utf8mb4_0900_ai_ci", "{name}", "'A' = 'a'"),
        ("utf8mb4_0900_ai_ci", "{name|lower}", None),
        ("utf8mb4_bin", "{name}", None),
    ],
)
def test_text_in_a_key_is_noted_with_what_still_differs(collation: str, field: str, told: str | None) -> None:
    people = schema(text(collation))
    found = collation_risks(keymap(RULE.format(field=field, types="{}")), {"shop.people": people})
    assert [told is not None and told in one.what for one in found] == ([] if told is None else [True])
    assert all(one.where == "keymap.yaml:6" for one in found)


@pytest.mark.parametrize(
    ("column_type", "types", "count"),
    [("decimal(39,2)", "{}", 1), ("decimal(38,2)", "{}", 0), ("decimal(65,30)", "{n: S}", 0), ("double", "{}", 0)],
)
def test_decimals_wider_than_dynamodbs_numbers_are_noted(column_type: str, types: str, count: int) -> None:
    people = schema(column("id"), column("n", column_type))
    found = number_risks(keymap(RULE.format(field="{id}", types=types)), {"shop.people": people})
    assert len(found) == count


def test_what_is_not_there_is_told_elsewhere() -> None:
    assert (
        collation_risks(keymap(RULE.format(field="{absent}", types="{}")), {"shop.people": schema(column("id"))}) == []
    )
    assert number_risks(keymap(RULE.format(field="{id}", types="{}")), {}) == []
