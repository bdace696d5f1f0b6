"""Rules of a DMS table mapping as its file has them, and what becomes of them."""

import json
from typing import Any

import pytest
import yaml

from keymap.dms.convert import Imported, convert
from keymap.dms.listed import parse_listed
from keymap.errors import Problems
from keymap.rules import parse_keymap

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


def filters(column: str, *conditions: Json) -> Json:
    return {"filter-type": "source", "column-name": column, "filter-conditions": list(conditions)}


def op(name: str, **values: object) -> Json:
    return {"filter-operator": name, **{key.replace("_", "-"): value for key, value in values.items()}}
