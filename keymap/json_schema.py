"""The language as JSON Schema, for editors: they complete names, explain them, and underline what does not belong.

The forms are those of keymap.document. What a schema cannot say (templates, what goes with what, the source's columns)
is left to `keyshift keymap check`.
"""

import json
from typing import Any, Final

from keymap.document import KeymapDocument

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"  # what pydantic writes

_TITLES: Final = {
    "AttributeDocument": "Computed attribute",
    "ConditionDocument": "Condition",
    "GroupDocument": "Group",
    "HookDocument": "Hook",
    "IndexDocument": "Global secondary index",
    "KeymapDocument": "Keyshift keymap",
    "LocalIndexDocument": "Local secondary index",
    "RuleDocument": "Rule",
    "TargetDocument": "Target table",
}
_PROJECTION: Final = "What the index holds: all attributes, keys only, or the keys and the attributes of these names."
_CAPACITY: Final = "Provisioned units of the {}, for `billing: provisioned` only."

# Of each model what its fields are for, by the name that the file uses.
DESCRIPTIONS: Final[dict[str, dict[str, str]]] = {
    "KeymapDocument": {
        "keyshift": "The language's version.",
        "bookkeeping_prefix": "How the names of bookkeeping attributes begin, which items carry meanwhile.",
        "targets": "The DynamoDB tables, by name. `keyshift init` creates those that are missing.",
        "tables": "The captured source tables, each as database.table with a list of rules: what becomes of a row.",
    },
    "TargetDocument": {
        "partition_key": "The partition key: one attribute's name and its type (S text, N number, B bytes).",
        "sort_key": "The sort key, where the table has one: one attribute's name and its type.",
        "billing": "How the table is billed when it is created.",
        "read_capacity": _CAPACITY.format("table"),
        "write_capacity": _CAPACITY.format("table"),
        "indexes": "Global secondary indexes by name, created with the table.",
        "local_indexes": "Local secondary indexes by name, created with the table: 10 GB at most per partition key.",
    },
    "IndexDocument": {
        "partition_key": "The index's partition key: one attribute's name and type. Items without it are not in it.",
        "sort_key": "The index's sort key, where it has one: one attribute's name and its type.",
        "projection": _PROJECTION,
        "read_capacity": _CAPACITY.format("index"),
        "write_capacity": _CAPACITY.format("index"),
    },
    "LocalIndexDocument": {
        "sort_key": "The index's sort key: one attribute's name and type. Items without it are not in it.",
        "projection": _PROJECTION,
    },
    "RuleDocument": {
        "target": "One of `targets`.",
        "key": 'A template for each key attribute of the target, in its order, such as "ORDER#{id:010d}".',
        "hook": "A Python function that the rows go through first.",
        "where": "Conditions by column, all of which must hold. A row that stops meeting them loses its item.",
        "defaults": "Text that stands for NULL in key templates, by column.",
        "include": "The columns that become attributes; all, unless this or `exclude` says otherwise.",
        "exclude": "The columns that do not become attributes.",
        "rename": "Attribute names by column.",
        "constants": "Attributes with a fixed value, by name.",
        "attributes": "Computed attributes by name: a template, one with a type and conditions, or a map of them.",
        "types": "Another DynamoDB type for a column's attribute than its own, by column.",
        "nulls": "What NULL becomes: no attribute (omit), or a NULL attribute (keep).",
        "group": "Many rows share one item, and each owns one attribute of it, or one entry of a map.",
        "owner": "The primary key's columns, where the key does not tell them: rows then pass items to each other.",
    },
    "AttributeDocument": {
        "from": "The template whose value the attribute holds; where it gives NULL there is no attribute.",
        "type": "Another DynamoDB type than the value's own.",
        "map": "Instead of `from`: attributes by name, which the attribute holds as a map (M).",
        "when": "Conditions by column; a row that does not meet them has no such attribute.",
    },
    "GroupDocument": {
        "attribute": 'The template of the attribute\'s name, such as "product{product_id}".',
        "map": "The map attribute whose entries the rows own.",
        "entry": 'The template of the entry\'s name in the map, such as "{line_no:03d}".',
        "value": "The column whose value it holds; without one, a map of the row's attributes.",
    },
    "HookDocument": {
        "call": "The function, as module:function; the module is beside the keymap file, or installed.",
        "columns": "The columns that it adds or changes.",
    },
    "ConditionDocument": {
        "is_null": "true: the column is NULL. false: it is not.",
        "equals": "The column has this value.",
        "not_equals": "The column has another value than this, and is not NULL.",
        "in": "The column has one of these values.",
        "not_in": "The column has none of these values, and is not NULL.",
    },
}


def keymap_schema() -> dict[str, Any]:
    """The JSON Schema of a keymap file."""
    raw = KeymapDocument.model_json_schema(by_alias=True)
    models = raw.pop("$defs")
    for name, model in models.items():
        _explain(name, model)
    _explain(KeymapDocument.__name__, raw)
    for field in ("targets", "tables"):
        raw["properties"][field]["additionalProperties"] = False  # a name that fits no pattern is a mistake
    models["AttributeDocument"] = _shortened(models["AttributeDocument"])
    return {"$schema": DIALECT, **raw, "$defs": models}


def _shortened(model: dict[str, Any]) -> dict[str, Any]:
    """A computed attribute: a template alone, or an object that has either `from` or `map`."""
    for field in ("from", "map"):
        given, _ = model["properties"][field].pop("anyOf")  # the other is null, for the one that is not there
        model["properties"][field] |= given
        del model["properties"][field]["default"]
    model["properties"]["map"]["additionalProperties"] = {"$ref": "#/$defs/AttributeDocument"}
    title, description = model.pop("title"), model.pop("description")
    either = [{"required": ["from"]}, {"required": ["map"]}]
    return {"title": title, "description": description, "anyOf": [{"type": "string"}, model | {"anyOf": either}]}


def _explain(name: str, model: dict[str, Any]) -> None:
    model["title"] = _TITLES[name]
    for field, definition in model["properties"].items():
        definition.pop("title", None)  # pydantic's, made of the field's name: an editor would show it twice
        definition["description"] = DESCRIPTIONS[name][field]


def schema_text() -> str:
    """The JSON Schema as text, the same in every run: what is published as docs/keymap.schema.json."""
    return json.dumps(keymap_schema(), indent=2, ensure_ascii=False) + "\n"
