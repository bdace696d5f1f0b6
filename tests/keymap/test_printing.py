"""A keymap that is printed is read back as it was, whatever names and values it has."""

from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from keymap.document import KeymapDocument, parse_document
from keymap.printing import keymap_text
from keymap.rules import _digest
from keymap.yaml_text import entry, flow
from tests.keymap.keymaps import TEXT, keymap
from tests.keymap.test_json_schema import EVERYTHING

ODD = "no yes true ~ null 1 -1.5 0x1f 1e3 1_000 0o7 12:30 2024-01-01 << = - ? : # , & * ! | > % @ ` '".split()
ODD += ['"', "\\", "{}", "[]", "{a}"]
ODD += [" a", "a ", "a: b", "a #b", "- a", "a\nb", "\t", "\x00", "\x85", "\u2028", "\ufeff", "\ufffe", "😀", "é" * 120]
ODD += ["", "x" * 1010, "\n" * 600, "---", "...", "''", "\"'"]
TEXTS = st.sampled_from(ODD) | st.text(max_size=30)
NAMES = TEXTS.filter(bool)
SCALARS = TEXTS | st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)
COLUMNS = st.text("abno ~#'\"\\é\n-1", min_size=1, max_size=9).map(str.rstrip).filter(bool)
FIELDS = st.builds("{{{}{}}}".format, COLUMNS, st.sampled_from(["", "|upper", ":05d", "|default('''{')|pad(3, ' ')"]))
TEMPLATES = st.lists(TEXTS.map(lambda text: text.replace("{", "{{").replace("}", "}}")) | FIELDS, max_size=4).map(
    "".join
)
NEEDS_COLUMN = st.builds(str.__add__, TEMPLATES, FIELDS)
KINDS = st.sampled_from("S N BOOL JSON L B SS NS BS".split())
KEYS = st.sampled_from("SNB")
TARGETS = st.sampled_from(["app", "123", "1.5", "on_demand", "true", "a-b.c", "-.-", "0x1"])


def some(required: dict[str, Any], **optional: st.SearchStrategy) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional)


def maps(inner: st.SearchStrategy, names: st.SearchStrategy[str] = NAMES) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(names, inner, max_size=3)


ONE = st.dictionaries(NAMES, KEYS, min_size=1, max_size=1)
PROJECTIONS = st.sampled_from(["all", "keys"]) | st.lists(TEXTS, max_size=3)
UNITS = st.integers(1, 9)
INDEXES = maps(
    some({"partition_key": ONE}, sort_key=ONE, projection=PROJECTIONS, read_capacity=UNITS, write_capacity=UNITS),
    TARGETS,
)
LOCAL_INDEXES = maps(some({"sort_key": ONE}, projection=PROJECTIONS), TARGETS)
SHARED = {"sort_key": ONE, "indexes": INDEXES, "local_indexes": LOCAL_INDEXES}
TABLES = some({"partition_key": ONE}, **SHARED) | some(
    {"partition_key": ONE, "billing": st.just("provisioned"), "read_capacity": UNITS, "write_capacity": UNITS}, **SHARED
)
CONDITIONS = maps(
    some(
        {},
        is_null=st.booleans(),
        equals=SCALARS,
        not_equals=SCALARS,
        **{"in": st.lists(SCALARS, min_size=1, max_size=40), "not_in": st.lists(SCALARS, min_size=1, max_size=3)},
    ).filter(bool)
)
SIMPLE = TEMPLATES | some({"from": TEMPLATES}, type=KINDS, when=CONDITIONS)
ATTRIBUTES = st.recursive(SIMPLE, lambda inner: some({"map": maps(inner)}, when=CONDITIONS), max_leaves=5)
EVERY_RULE: dict[str, Any] = {
    "where": CONDITIONS,
    "defaults": maps(TEXTS, TEXTS),
    "types": maps(KINDS),
    "hook": some({"call": st.sampled_from(["a:b", "no.true:null"])}, columns=st.lists(TEXTS, max_size=3)),
}
KEYED = {"target": TARGETS, "key": st.dictionaries(NAMES, TEMPLATES, min_size=1, max_size=2)}
PLAIN_RULE = {
    "constants": maps(SCALARS),
    "attributes": maps(ATTRIBUTES, TEXTS),
    "nulls": st.sampled_from(["omit", "keep"]),
}
RULES = (
    some(KEYED, **EVERY_RULE, **PLAIN_RULE, include=st.lists(TEXTS, max_size=3))
    | some(KEYED, **EVERY_RULE, **PLAIN_RULE, exclude=st.lists(TEXTS, max_size=30))
    | some(KEYED, **EVERY_RULE, rename=st.dictionaries(TEXTS, st.sampled_from(ODD), max_size=1))
    | some(
        KEYED | {"group": st.fixed_dictionaries({"attribute": NEEDS_COLUMN, "value": TEXTS})},
        **EVERY_RULE,
    )
)
SOURCES = st.sampled_from(["shop.orders", "1.5", "a.b", "no.yes", "{a}.[b]", "'.\"", "#a.b", "x" * 1100 + ".y", "😀.é"])
DOCUMENTS = some(
    {
        "keyshift": st.just(1),
        "targets": st.dictionaries(TARGETS, TABLES, min_size=1, max_size=2),
        "tables": st.dictionaries(SOURCES, st.lists(RULES, max_size=2), min_size=1, max_size=2),
    },
    bookkeeping_prefix=st.sampled_from(["_ks", "true", "null", "_"]),
)


@settings(max_examples=300)
@given(DOCUMENTS)
def test_what_is_printed_is_read_as_it_was(given: dict[str, Any]) -> None:
    document = KeymapDocument.model_validate(given)
    text = keymap_text(document)
    again, _ = parse_document(text, "keymap.yaml")
    assert again == document
    assert _digest(again, {}) == _digest(document, {})
    assert keymap_text(again) == text


def test_the_normal_form_has_one_line_for_what_fits_and_no_defaults() -> None:
    text = TEXT.replace(
        "types: {vip: BOOL}", "types:\n        'vip': BOOL  # a flag\n      nulls: omit\n      include: []"
    )
    assert keymap_text(keymap(text).document) == (
        """\
keyshift: 1
targets:
  purchases:
    partition_key: {customerid: N}
    sort_key: {orderid: N}
  app:
    partition_key: {pk: S}
    sort_key: {sk: S}
tables:
  shop.purchase:
    - target: purchases
      key: {customerid: "{customerid}", orderid: "{orderid}"}
      group: {attribute: "productid{productid}", value: quantity}
  shop.orders:
    - target: app
      key: {pk: "CUSTOMER#{customer_id}", sk: "ORDER#{id:010d}"}
      where: {status: {not_equals: draft}}
      exclude: [note]
      rename: {total: total_price}
      constants: {type: order}
  shop.customer:
    - target: app
      key: {pk: "CUSTOMER#{id}", sk: PROFILE}
      include: []
      types: {vip: BOOL}
"""
    )


def test_a_document_of_everything_is_printed_whole() -> None:
    document, _ = parse_document(EVERYTHING, "keymap.yaml")
    expected = yaml.safe_load(EVERYTHING)
    del expected["targets"]["app"]["local_indexes"]["newest"]["projection"]  # the default
    assert yaml.safe_load(keymap_text(document)) == expected


def test_what_does_not_fit_has_a_line_for_each_of_its_parts() -> None:
    wide = {f"column_{n}": "x" * 20 for n in range(5)}
    assert entry("rename", wide, 6) == ["      rename:", *(f"        column_{n}: {'x' * 20}" for n in range(5))]
    assert entry("exclude", ["y" * 60, "no", "z" * 60], 0) == [
        "exclude:",
        "  - " + "y" * 60,
        '  - "no"',
        "  - " + "z" * 60,
    ]


VALUES = st.text() | NAMES | st.integers(-(2**63), 2**64 - 1) | st.booleans() | st.floats(allow_nan=False)


@given(st.recursive(VALUES, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=99), inner)))
def test_what_is_printed_on_one_line_is_read_by_any_reader_as_it_was(value: object) -> None:
    line = flow(value)
    assert "\n" not in line
    assert yaml.safe_load(f"x: {line}") == {"x": value}
