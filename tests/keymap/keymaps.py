"""The keymaps and schemas that the tests of the meaning share."""

from keymap.change import Change, Source
from keymap.rules import Keymap, parse_keymap
from keymap.schema import Column, TableSchema
from keymap.values import Row
from keymap.version import version

TEXT = """\
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
      constants: {type: order}
      exclude: [note]
      rename: {total: total_price}
      where: {status: {not_equals: draft}}
  shop.customer:
    - target: app
      key: {pk: "CUSTOMER#{id}", sk: PROFILE}
      types: {vip: BOOL}
"""


def keymap(text: str = TEXT) -> Keymap:
    return parse_keymap(text, "keymap.yaml")


def column(name: str, column_type: str = "int", *, nullable: bool = False, charset: str | None = None) -> Column:
    return Column(name, column_type.split("(", maxsplit=1)[0].split(maxsplit=1)[0], column_type, nullable, charset)


def text_column(name: str, *, nullable: bool = False) -> Column:
    return column(name, "varchar(20)", nullable=nullable, charset="utf8mb4")


PURCHASE = TableSchema(
    "shop",
    "purchase",
    tuple(map(column, ("customerid", "orderid", "productid", "quantity"))),
    ("customerid", "orderid", "productid"),
)
ORDERS = TableSchema(
    "shop",
    "orders",
    (
        column("id"),
        column("customer_id"),
        text_column("status"),
        column("total", "decimal(10,2)", nullable=True),
        text_column("note", nullable=True),
    ),
    ("id",),
)
CUSTOMER = TableSchema("shop", "customer", (column("id"), text_column("name"), column("vip", "tinyint(1)")), ("id",))
SCHEMAS = {schema.full_name: schema for schema in (PURCHASE, ORDERS, CUSTOMER)}


def change(table: str, before: Row | None, after: Row | None, at: int = 1) -> Change:
    op = "c" if before is None else "d" if after is None else "u"
    source = Source("binlog.000001", at, 0, "", "", 0)
    return Change(op, table, before, after, version(1, 1, at, 0), source)
