"""A small shop: rows that become items, and purchases that share them."""

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from keymap.change import Change, Source
from keymap.patch import Item
from keymap.rules import Keymap, parse_keymap
from keymap.values import Row
from keymap.version import version
from keyshift.apply.outcome import Outcome

TEXT = """\
keyshift: 1
targets:
  {prefix}purchases:
    partition_key: {{customerid: N}}
    sort_key: {{orderid: N}}
  {prefix}app:
    partition_key: {{pk: S}}
    sort_key: {{sk: S}}
tables:
  shop.purchase:
    - target: {prefix}purchases
      key: {{customerid: "{{customerid}}", orderid: "{{orderid}}"}}
      group: {{attribute: "productid{{productid}}", value: quantity}}
  shop.orders:
    - target: {prefix}app
      key: {{pk: "CUSTOMER#{{customer_id}}", sk: "ORDER#{{id:04d}}"}}
      where: {{status: {{not_equals: draft}}}}
"""
KEYS = {"purchases": ("customerid", "orderid"), "app": ("pk", "sk")}
MIGRATION = "shop.0000000a"


def shop(prefix: str = "") -> Keymap:
    """The keymap, its two tables named with the prefix."""
    return parse_keymap(TEXT.format(prefix=prefix), "keymap.yaml")


def create_tables(client: Any, keymap: Keymap) -> None:
    """Make the targets on a server."""
    for target in keymap.targets.values():
        kinds = zip(target.keys, ("HASH", "RANGE"), strict=False)
        client.create_table(
            TableName=target.name,
            KeySchema=[{"AttributeName": part.name, "KeyType": kind} for part, kind in kinds],
            AttributeDefinitions=[{"AttributeName": part.name, "AttributeType": part.type} for part in target.keys],
            BillingMode="PAY_PER_REQUEST",
        )


def purchase(customer: int, order: int, product: int, quantity: int | None = 1) -> Row:
    return {"customerid": customer, "orderid": order, "productid": product, "quantity": quantity}


def order(number: int, customer: int, total: int | None = 1, status: str = "paid") -> Row:
    return {"id": number, "customer_id": customer, "total": None if total is None else Decimal(total), "status": status}


def change(table: str, before: Row | None, after: Row | None, at: int) -> Change:
    op = "c" if before is None else "d" if after is None else "u"
    source = Source("binlog.000001", at, 0, "", "", 1_700_000_000_000 + at)
    return Change(op, f"shop.{table}", before, after, version(1, 1, at, 0), source)


def visible(keymap: Keymap, items: Iterable[Item]) -> list[Item]:
    """What the application will see: items with a live slot, without bookkeeping, in a fixed order."""
    books = keymap.bookkeeping
    live = [item for item in items if any(not mark.endswith("x") for mark in books.slots(item).values())]
    return in_order(books.data(item) for item in live)


def in_order(items: Iterable[Item]) -> list[Item]:
    """The items in an order that depends on nothing but what they hold."""
    return sorted(items, key=lambda item: json.dumps(item, sort_keys=True, default=repr))


def counts(outcome: Outcome) -> tuple[int, int, int]:
    return outcome.set, outcome.removed, outcome.stale
