"""The published JSON Schema is what the code gives, explains every field, and judges files as the parser does."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from keymap.document import parse_document
from keymap.errors import Problems
from keymap.json_schema import keymap_schema, schema_text
from keymap.meanings import MEANINGS
from keyshift.cli.demo.shop import keymap_text
from tests.keymap.keymaps import TEXT

ROOT = Path(__file__).parents[2]
SCHEMA = keymap_schema()
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "null": type(None)}
ANNOTATIONS = {"title", "description", "default", "$schema", "$defs"}
EVERYTHING = """\
keyshift: 1
bookkeeping_prefix: _mine
targets:
  app:
    partition_key: {pk: S}
    sort_key: {sk: S}
    billing: provisioned
    read_capacity: 5
    write_capacity: 5
    indexes:
      by_mail: {partition_key: {mail: S}, projection: keys, read_capacity: 1, write_capacity: 1}
      by_total: {partition_key: {pk: S}, sort_key: {total: N}, projection: [a], read_capacity: 1, write_capacity: 1}
    local_indexes:
      newest: {sort_key: {at: S}, projection: all}
tables:
  shop.orders:
    - target: app
      key: {pk: "ORDER#{id}", sk: X}
      where: {a: {is_null: false}, b: {equals: x, not_equals: 3}, c: {in: [1, x, true, 1.5]}, d: {not_in: [2]}}
      defaults: {a: none}
      exclude: [c]
      rename: {d: e}
      constants: {type: order, old: true, n: 1.5}
      attributes: {mail: "{m|lower}", f: {from: "{g}", type: N, when: {a: {equals: 1}}}, m: {map: {n: x, o: {map: {}}}}}
      types: {a: BOOL}
      nulls: keep
      hook: {call: "shop.hooks:split", columns: [a, z]}
    - target: app
      key: {pk: "G#{id}", sk: X}
      include: [a]
    - target: app
      key: {pk: "H#{id}", sk: X}
      group: {attribute: "a{id}", value: b}
    - target: app
      key: {pk: "I#{id}", sk: X}
      group: {map: c, entry: "{id}"}
      owner: [d]
"""


def is_of(value: Any, kind: str) -> bool:
    if isinstance(value, bool) or kind == "boolean":
        return isinstance(value, bool) and kind == "boolean"
    return isinstance(value, TYPES[kind])  # type: ignore[arg-type]


def valid(value: Any, schema: dict[str, Any]) -> bool:
    """JSON Schema, as much of it as ours uses; a KeyError for any other keyword."""
    properties, patterns = schema.get("properties", {}), schema.get("patternProperties", {})

    def others() -> list[Any]:
        return [
            inner
            for name, inner in value.items()
            if name not in properties and not any(re.search(pattern, name) for pattern in patterns)
        ]

    rules = {
        "type": lambda kind: is_of(value, kind),
        "anyOf": lambda options: any(valid(value, option) for option in options),
        "$ref": lambda path: valid(value, SCHEMA["$defs"][path.rpartition("/")[2]]),
        "enum": lambda allowed: value in allowed,
        "const": lambda wanted: value == wanted,
        "pattern": lambda pattern: re.search(pattern, value) is not None,
        "minLength": lambda least: len(value) >= least,
        "propertyNames": lambda each: all(valid(name, each) for name in value),
        "minimum": lambda least: value >= least,
        "minItems": lambda least: len(value) >= least,
        "minProperties": lambda least: len(value) >= least,
        "maxProperties": lambda most: len(value) <= most,
        "required": lambda names: all(name in value for name in names),
        "items": lambda each: all(valid(inner, each) for inner in value),
        "properties": lambda named: all(valid(value[name], each) for name, each in named.items() if name in value),
        "patternProperties": lambda named: all(
            valid(inner, each)
            for pattern, each in named.items()
            for name, inner in value.items()
            if re.search(pattern, name)
        ),
        "additionalProperties": lambda each: all(each is not False and valid(inner, each) for inner in others()),
    }
    if "type" in schema and not is_of(value, schema["type"]):
        return False  # the other keywords are for values of this type
    return all(rules[keyword](wanted) for keyword, wanted in schema.items() if keyword not in ANNOTATIONS)


def test_the_published_schema_is_what_the_code_gives() -> None:
    published = (ROOT / "docs" / "keymap.schema.json").read_text(encoding="utf-8")
    assert published == schema_text(), "run: keyshift keymap schema > docs/keymap.schema.json"


def test_every_field_is_explained_and_no_explanation_is_left_over() -> None:
    models = {**SCHEMA["$defs"], "KeymapDocument": SCHEMA}
    forms = {name: model.get("anyOf", [model])[-1]["properties"] for name, model in models.items()}
    assert {name: set(fields) for name, fields in forms.items()} == {
        name: set(fields) for name, fields in MEANINGS.items()
    }
    for model in models.values():
        assert model["title"]
        assert "Document" not in model["title"] + model["description"]


@pytest.mark.parametrize("text", [TEXT, keymap_text(), EVERYTHING], ids=["tests", "demo", "everything"])
def test_keymaps_that_the_parser_takes_are_valid(text: str) -> None:
    parse_document(text, "keymap.yaml")
    assert valid(yaml.safe_load(text), SCHEMA)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("keyshift: 1", "keyshift: 2"),
        ("_mine", "1"),
        ("  app:\n", "  a:\n"),
        ("partition_key: {pk: S}", "partition_key: {}"),
        ("partition_key: {pk: S}", "partition_key: {pk: S, two: S}"),
        ("sort_key: {sk: S}", "sort_key: {sk: X}"),
        ("read_capacity: 5", "read_capacity: 0"),
        ("projection: keys", "projection: some"),
        ("projection: [a]", "projection: [1]"),
        ("newest: {sort_key", "newest: {sort"),
        ("shop.orders:", "orders:"),
        ("billing: provisioned", "billing: free"),
        ("- target: app\n      key", "- key"),
        ("is_null: false", "is_null: maybe"),
        ("is_null: false", "is: false"),
        ("in: [1, x, true, 1.5]", "in: []"),
        ("exclude: [c]", "exclude: c"),
        ("exclude: [c]", "exclud: [c]"),
        ("type: N, when", "type: M, when"),
        ("{from:", "{form:"),
        ("{map: {}}", "{map: x}"),
        ("{map: {}}", "{}"),
        ("{n: x", "{'': x"),
        ('mail: "{m|lower}"', "mail: [1]"),
        ("types: {a: BOOL}", "types: {a: YES}"),
        ("nulls: keep", "nulls: drop"),
        (", value: b", ", values: b"),
        ('map: c, entry: "{id}"', 'map: c.d, entry: "{id}"'),
        ("owner: [d]", "owner: d"),
        ("shop.hooks:split", "split"),
        ("columns: [a, z]", "columns: z"),
    ],
)
def test_what_the_parser_refuses_for_its_form_is_not_valid(old: str, new: str) -> None:
    text = EVERYTHING.replace(old, new, 1)
    assert text != EVERYTHING
    with pytest.raises(Problems):
        parse_document(text, "keymap.yaml")
    assert not valid(yaml.safe_load(text), SCHEMA)
