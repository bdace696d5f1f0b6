"""docs/ddl.md says of each ALTER what is done with it."""

import re
from pathlib import Path

import pytest

import cdc
from cdc.ddl import altered
from keymap.rules import parse_keymap
from keymap.schema import Column, Shape, TableSchema

PAGE = (Path(cdc.__file__).parents[1] / "docs" / "ddl.md").read_text()
ROWS = re.findall(r"^\| `(.+?)` \| (followed|stops) \| \S.* \|$", PAGE, re.MULTILINE)
KEYMAP = parse_keymap(
    """\
keyshift: 1
targets: {app: {partition_key: {pk: S}}}
tables: {shop.orders: [{target: app, key: {pk: "{code}#{id}"}, exclude: [secret]}]}
""",
    "keymap.yaml",
)
ORDERS = Shape(
    TableSchema(
        "shop",
        "orders",
        (
            Column("id", "int", "int(11)", nullable=False),
            Column("code", "varchar", "varchar(20)", nullable=False, charset="utf8mb4"),
            Column("total", "decimal", "decimal(10,2)", nullable=True),
            Column("status", "enum", "enum('new','paid')", nullable=False, charset="utf8mb4"),
            Column("secret", "int", "int(11)", nullable=True),
        ),
        ("id",),
    ),
    "utf8mb4",
)


def test_the_page_has_a_table() -> None:
    assert len(ROWS) == PAGE.count("| followed |") + PAGE.count("| stops |") > 15


@pytest.mark.parametrize(("clauses", "answer"), ROWS)
def test_what_the_page_says_of_a_statement_is_true(clauses: str, answer: str) -> None:
    found = altered(f"ALTER TABLE orders {clauses}", ORDERS, KEYMAP.rules["shop.orders"], mariadb=False)
    assert (not found.objections) == (answer == "followed")
