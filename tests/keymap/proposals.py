"""Tables for which a keymap is proposed, and the proposal read back."""

from collections.abc import Iterable
from typing import Any

import yaml

from keymap.check import check
from keymap.rules import parse_keymap
from keymap.schema import Column, TableSchema
from keymap.suggest import Reference, TableFacts, suggest
from tests.keymap.keymaps import column, text_column


def table(name: str, columns: Iterable[Column], key: tuple[str, ...], **more: Any) -> TableFacts:
    return TableFacts(TableSchema("shop", name, tuple(columns), key), **more)


def to(parent: str, *columns: str, key: tuple[str, ...] = ("id",), owns: bool = False) -> Reference:
    return Reference(columns, f"shop.{parent}", key, owns)


def proposed(*tables: TableFacts) -> dict[str, Any]:
    """The proposal, read back, after the promise of all proposals: it fits."""
    text = suggest(tables)
    schemas = {facts.name: facts.schema for facts in tables}
    keymap = parse_keymap(text, "keymap.yaml")
    assert check(keymap, {name: schemas[name] for name in keymap.tables}) == []
    assert text.partition("# Left out")[2].count("\n# - ") == len(tables) - len(keymap.tables)
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def keys(document: dict[str, Any], name: str) -> list[tuple[str, str]]:
    return [(rule["key"]["pk"], rule["key"]["sk"]) for rule in document["tables"][f"shop.{name}"]]


CUSTOMERS = table("customers", [column("id"), text_column("name")], ("id",))
ORDERS = table(
    "orders",
    [column("id", "bigint unsigned"), column("customer_id"), column("referrer_id", nullable=True)],
    ("id",),
    references=(to("customers", "customer_id"), to("customers", "referrer_id")),
)
LINES = table(
    "order_lines",
    [column("order_id", "bigint unsigned"), column("line", "smallint"), column("product_id")],
    ("order_id", "line"),
    references=(to("products", "product_id"), to("orders", "order_id")),
)
PRODUCTS = table("products", [column("id"), text_column("name")], ("id",))


def uncommented(text: str) -> str:
    """The proposal with the rules that it offers in comments."""
    lines = []
    offered = False
    for line in text.splitlines():
        offered = line.startswith("    # - target: ") or (offered and line.startswith("    #   "))
        lines.append(line.replace("# ", "", 1) if offered else line)
    return "\n".join(lines)
