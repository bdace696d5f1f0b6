"""Against the live schema, computed attributes and index keys are proven to be what DynamoDB will take."""

from dataclasses import replace
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from keymap.check_attributes import attribute_problems
from keymap.check_indexes import index_risks
from keymap.schema import TableSchema
from keymap.template import PatchError
from keymap.values import Json, Row
from tests.keymap.keymaps import SCHEMAS, column, keymap, text_column

SCHEMA = TableSchema(
    "shop",
    "orders",
    (
        column("id"),
        text_column("status"),
        text_column("note", nullable=True),
        column("total", "decimal(10,2)", nullable=True),
        column("created", "datetime"),
        column("document", "json"),
        column("picture", "varbinary(9)"),
        column("code", "binary(4)"),
        column("place", "vector(3)"),
        column("flags", "set('a','b')"),
    ),
    ("id",),
)
SCHEMAS_HERE = {"shop.orders": SCHEMA}
TEXT = """\
keyshift: 1
targets:
  app:
    partition_key: {pk: S}
    sort_key: {sk: S}
    indexes:
      first: {partition_key: {a: S}}
tables:
  shop.orders:
    - target: app
      key: {pk: "ORDER#{id}", sk: ORDER}
      attributes:
        a: "S#{status}"
"""


def found(*edits: tuple[str, str], text: str = TEXT) -> list[str]:
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return [str(problem) for problem in attribute_problems(keymap(text), SCHEMAS_HERE)]


def risks(*edits: tuple[str, str]) -> list[str]:
    text = TEXT
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return [str(problem) for problem in index_risks(keymap(text), SCHEMAS_HERE)]


def given(source: str, kind: str = "S") -> tuple[tuple[str, str], ...]:
    """The index key `a`, of type `kind`, made by `source`."""
    return ("{a: S}", f"{{a: {kind}}}"), ('a: "S#{status}"', f"a: {source}")


def test_what_fits_has_no_problem_and_no_risk() -> None:
    assert found() == []
    assert risks() == []
    assert attribute_problems(keymap(), SCHEMAS) == []


@pytest.mark.parametrize(
    ("source", "kind", "expected"),
    [
        ('"S#{statuss}"', "S", "attribute a: column statuss does not exist in shop.orders"),
        ('{from: "{status}", when: {stat: {equals: x}}}', "S", "attribute a: column stat does not exist"),
        ('"{created|epoch}"', "N", "attribute a: column created (datetime): epoch needs a zone"),
        ('"X{picture}"', "S", "column picture (varbinary(9)) has no text"),
        ('{from: "{created}", type: N}', "N", "attribute a: '{created}' gives no N"),
        ('{from: "{picture}", type: L}', "S", "attribute a: '{picture}' gives no L"),
        ('"{status}"', "N", "attribute a is of type S, and of type N as a key of index first"),
        ('{from: "{status}", type: SS}', "S", "attribute a is of type SS, and of type S"),
        ("\"{document|json('$.x')}\"", "S", "attribute a is not always of one type, and of type S"),
    ],
)
def test_what_does_not_fit_is_named_at_the_attributes_line(source: str, kind: str, expected: str) -> None:
    messages = found(*given(source, kind))
    assert any(message.startswith("keymap.yaml:13: ") and expected in message for message in messages), messages


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ('"{status}"', "S"),
        ('"{id}"', "N"),
        ('"{total}"', "N"),
        ("\"{created|epoch(zone='UTC')}\"", "N"),
        ("\"{created|date('%Y-%m')}\"", "S"),
        ('"{picture}"', "B"),
        ('"{picture|hex}"', "S"),
        ('{from: "{status}", type: N}', "N"),
        ("{from: \"{document|json('$.x')}\", type: S}", "S"),
    ],
)
def test_the_type_is_the_columns_or_what_the_template_makes_of_it(source: str, kind: str) -> None:
    assert found(*given(source, kind)) == []


MAP = """
          map:
            fine: "{id}"
            inner:
              map:
                x: SOURCE"""


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('"S#{statuss}"', "attribute a.inner.x: column statuss does not exist in shop.orders"),
        ('{from: "{status}", when: {stat: {equals: x}}}', "attribute a.inner.x: column stat does not exist"),
        ('"{created|epoch}"', "attribute a.inner.x: column created (datetime): epoch needs a zone"),
        ('"X{picture}"', "column picture (varbinary(9)) has no text"),
        ('{from: "{created}", type: N}', "attribute a.inner.x: '{created}' gives no N"),
        ("{map: {}, when: {stat: {equals: x}}}", "attribute a.inner.x: column stat does not exist in shop.orders"),
    ],
)
def test_what_does_not_fit_within_a_map_is_named_at_its_own_line(source: str, expected: str) -> None:
    (message,) = found(("{a: S}", "{pk: S}"), ('"S#{status}"', MAP.replace("SOURCE", source)))
    assert message.startswith("keymap.yaml:18: ")
    assert expected in message


def test_a_map_is_no_key_of_an_index() -> None:
    (message,) = found(('"S#{status}"', "{map: {x: y}}"))
    assert message.startswith("keymap.yaml:13: attribute a is of type M, and of type S as a key of index first")


def test_a_vector_can_be_a_list_and_other_bytes_cannot() -> None:
    unindexed = ("{a: S}", "{pk: S}")
    assert found(unindexed, ('"S#{status}"', '{from: "{place}", type: L}')) == []
    assert len(found(unindexed, ('"S#{status}"', '{from: "{code}", type: L}'))) == 1


def test_an_index_key_that_no_rule_gives_is_named_at_the_index() -> None:
    (message,) = found(("{a: S}", "{b: S}"))
    assert message.startswith("keymap.yaml:7: no rule of app gives attribute b, a key of index first")
    local = (
        "    indexes:\n      first: {partition_key: {a: S}}",
        "    local_indexes:\n      first: {sort_key: {b: S}}",
    )
    (message,) = found(local)
    assert message.startswith("keymap.yaml:7: no rule of app gives attribute b")


def test_an_index_key_may_be_given_by_the_tables_own_key_a_column_or_a_constant() -> None:
    assert found(("{a: S}", "{sk: S}, sort_key: {pk: S}")) == []
    assert found(("{a: S}", "{status: S}")) == []
    assert found(("{a: S}", "{kind: S}"), ("      attributes:", "      constants: {kind: x}\n      attributes:")) == []


def test_an_index_key_of_a_table_that_is_not_there_is_not_missed() -> None:
    text = TEXT.replace("{a: S}", "{b: S}")
    assert attribute_problems(keymap(text), {}) == []


def test_a_column_of_another_type_than_the_index_is_named() -> None:
    (message,) = found(("{a: S}", "{total: S}"))
    assert "column total is of type N, and of type S as a key of index first" in message
    assert found(("{a: S}", "{total: S}"), ("      attributes:", "      types: {total: S}\n      attributes:")) == []


def test_a_default_makes_text_of_a_number() -> None:
    number = given('"{total}"', "N")
    defaults = ("      attributes:", "      defaults: {total: none}\n      attributes:")
    (message,) = found(*number, defaults)
    assert "attribute a is not always of one type" in message


def test_a_column_that_has_a_computed_attributes_name_must_go() -> None:
    (message,) = found(("        a:", "        note: x\n        a:"))
    assert message.startswith("keymap.yaml:13: attribute note: a column has its name. Exclude or rename column note")
    exclude = ("      attributes:", "      exclude: [note]\n      attributes:")
    assert found(("        a:", "        note: x\n        a:"), exclude) == []


def test_null_cannot_be_kept_in_an_index_key() -> None:
    keep = ("      attributes:", "      nulls: keep\n      attributes:")
    assert found(*given('"{status}"'), keep) == []
    (message,) = found(*given('"{note}"'), keep)
    assert "attribute a may be NULL, which nulls: keep would store" in message
    assert found(*given('{from: "{note}", when: {note: {is_null: false}}}'), keep) == []
    (message,) = found(("{a: S}", "{note: S}"), keep)
    assert "column note may be NULL" in message


def test_types_that_a_columns_values_can_never_take_are_named() -> None:
    (message,) = found(("      attributes:", "      types: {created: N, status: N}\n      attributes:"))
    assert message.startswith("keymap.yaml:12: column created is datetime, whose values are no N")


@pytest.mark.parametrize(
    ("source", "kind", "count"),
    [
        ('"{status}"', "S", 1),
        ('"{status|upper}"', "S", 1),
        ('"{status|trim}"', "S", 1),
        ('"{status}{note}"', "S", 1),
        ("\"{note|default('')}\"", "S", 1),
        ('"{picture}"', "B", 1),
        ('"{code}"', "B", 0),
        ('"{status}#"', "S", 0),
        ('"{status}{id}"', "S", 0),
        ('"{status|shard(4)}"', "S", 0),
        ("\"{status|pad(4, ' ')}\"", "S", 0),
        ('"{id}"', "N", 0),
        ('"{created}"', "S", 0),
        ("{from: \"{status}\", when: {status: {not_equals: ''}}}", "S", 0),
        ('{from: "{status}", when: {status: {in: [open, paid]}}}', "S", 0),
        ('{from: "{status}", when: {status: {equals: open}}}', "S", 0),
        ("{from: \"{status}\", when: {status: {not_in: [x, '']}}}", "S", 0),
        ('{from: "{status}", when: {status: {not_equals: open}}}', "S", 1),
        ("{from: \"{status|trim}\", when: {status: {not_equals: ''}}}", "S", 1),
    ],
)
def test_an_index_key_that_can_be_empty_is_a_risk(source: str, kind: str, count: int) -> None:
    assert len(risks(*given(source, kind))) == count
    assert found(*given(source, kind)) == []


def test_a_rules_own_filter_keeps_the_risk_out_too() -> None:
    where = ("      attributes:", "      where: {status: {not_equals: ''}}\n      attributes:")
    assert risks(*given('"{status}"'), where) == []
    assert len(risks(("{a: S}", "{status: S}"))) == 1


def test_a_grouped_rule_gives_no_index_key() -> None:
    grouped = TEXT[: TEXT.index("      attributes:")] + '      group: {attribute: "n{id}", value: total}\n'
    (message,) = [str(problem) for problem in attribute_problems(keymap(grouped), SCHEMAS_HERE)]
    assert "no rule of app gives attribute a" in message


def test_a_table_with_other_columns_is_judged_by_them() -> None:
    numbers = replace(SCHEMA, columns=(column("id"), column("status"), *SCHEMA.columns[2:]))
    text = TEXT.replace('"S#{status}"', '"{status}"')
    (problem,) = attribute_problems(keymap(text), {"shop.orders": numbers})
    assert "attribute a is of type N" in problem.what


FIELDS = [
    "{status}",
    "{status|upper}",
    "{status|trim}",
    "{status|left(1)}",
    "{status|pad(2, 'x')}",
    "{status|shard(3)}",
    "{status|hash(4)}",
    "{note}",
    "{note|default('')}",
    "{note|default('x')}",
    "{note|default(1)}",
    "{note|coalesce(status)}",
    "{total}",
    "{total|text}",
    "{id}",
    "{id:03d}",
    "{created}",
    "{created|date('%Y')}",
    "{created|epoch(zone='UTC')}",
    "{document}",
    "{document|text}",
    "{document|json('$.x')}",
    "{document|json('$.x')|default('')}",
    "{picture}",
    "{picture|hex}",
    "{code}",
    "{flags}",
]
PAIRS = [f"{one}{other}" for one, other in product(("{status}", "{note}"), ("{note}", "{status|trim}", "{id}", "#"))]
SOURCES = [*FIELDS, *PAIRS]
WHENS = ["", "status: {not_equals: ''}", "note: {is_null: false}", "status: {in: [x, y]}", "note: {not_in: ['']}"]
ROWS = st.fixed_dictionaries(
    {
        "id": st.integers(0, 3),
        "status": st.sampled_from(["", " ", "x", "paid"]),
        "note": st.sampled_from([None, "", "x"]),
        "total": st.sampled_from([None, Decimal("1.50")]),
        "created": st.just("2024-02-29T01:02:03"),
        "document": st.sampled_from(["{}", '{"x":""}', '{"x":"y"}', '{"x":1}', '{"x":true}', '"text"']).map(Json),
        "picture": st.sampled_from([b"", b"x"]),
        "code": st.just(b"\0\0\0\0"),
        "place": st.just(b""),
        "flags": st.sampled_from([(), ("a",)]),
    }
)


@settings(max_examples=1000)
@drawn(
    source=st.sampled_from(SOURCES),
    wanted=st.sampled_from(["", "", "S", "N", "JSON"]),
    kind=st.sampled_from(["S", "S", "N", "B"]),
    when=st.sampled_from(WHENS),
    more=st.sampled_from(["", "nulls: keep", "defaults: {note: ''}", "defaults: {note: none, total: '5'}"]),
    rows=st.lists(ROWS, min_size=9, max_size=9),
)
def test_what_the_check_passes_is_taken_and_without_a_risk_it_is_never_empty(  # noqa: PLR0917
    source: str, wanted: str, kind: str, when: str, more: str, rows: list[Row]
) -> None:
    whole = "{" + f'from: "{source}", when: {{{when}}}' + (f", type: {wanted}" if wanted else "") + "}"
    text = TEXT.replace("{a: S}", f"{{a: {kind}}}").replace('a: "S#{status}"', f"a: {whole}")
    compiled = keymap(text + (f"      {more}\n" if more else ""))
    if attribute_problems(compiled, SCHEMAS_HERE):
        return
    for row in rows:
        refused, attributes = "", {}
        try:
            (patch,) = compiled.row_patches("shop.orders", row, "v")
            attributes = patch.attributes or {}
        except PatchError as error:
            refused = error.message
        if "is empty, and is a key" in refused:
            assert index_risks(compiled, SCHEMAS_HERE)
        elif refused:  # only what is asked for by type: the text may be no number, say
            assert wanted
            assert f"no {wanted}" in refused
        assert attributes.get("a", {kind: ""}).keys() == {kind}
