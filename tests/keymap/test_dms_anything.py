"""Whatever stands in a DMS table mapping, a keymap or listed problems come of it."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keymap.dms.convert import convert
from keymap.errors import Problems
from keymap.rules import Keymap, parse_keymap
from tests.keymap.dms_rules import Json, imported, selection

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
