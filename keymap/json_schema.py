"""The language as JSON Schema, for editors: they complete names, explain them, and underline what does not belong.

The forms are those of keymap.document. What a schema cannot say (templates, what goes with what, the source's columns)
is left to `keyshift keymap check`.
"""

import json
from typing import Any, Final

from keymap.document import KeymapDocument
from keymap.meanings import MEANINGS

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
        definition["description"] = MEANINGS[name][field]


def schema_text() -> str:
    """The JSON Schema as text, the same in every run: what is published as docs/keymap.schema.json."""
    return json.dumps(keymap_schema(), indent=2, ensure_ascii=False) + "\n"
