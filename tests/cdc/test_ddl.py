"""What an ALTER TABLE makes of a captured table, and whether its rows' items are still the same afterwards."""

import contextlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdc.ddl import Altered, altered
from cdc.words import NotUnderstood
from keymap.rules import parse_keymap
from keymap.schema import Column, Shape, TableSchema

KEYMAP = """\
keyshift: 1
targets:
  app: {partition_key: {pk: S}}
tables:
  shop.orders:
    - target: app
      key: {pk: "ORDER#{id}#{code}"}
      exclude: [secret, internal]
  shop.kept:
    - target: app
      key: {pk: "KEPT#{id}#{code}"}
      nulls: keep
  shop.chosen:
    - target: app
      key: {pk: "CHOSEN#{id}#{code}"}
      include: [total]
      where: {status: {equals: new}}
      attributes: {more: {map: {name: "{name}"}}}
"""
RULES = parse_keymap(KEYMAP, "keymap.yaml").rules


def text(name: str, kind: str, charset: str = "utf8mb4", *, nullable: bool = True) -> Column:
    return Column(name, kind.partition("(")[0], kind, nullable, charset)


def shape(table: str = "orders") -> Shape:
    columns = (
        Column("id", "int", "int(11)", nullable=False),
        text("code", "varchar(20)", nullable=False),
        Column("total", "decimal", "decimal(10,2)", nullable=True),
        text("status", "enum('new','paid')", nullable=False),
        text("name", "varchar(40)", "latin1"),
        text("plain", "text"),
        Column("at", "datetime", "datetime(3)", nullable=True),
        Column("part", "float", "float", nullable=True),
        Column("raw", "varbinary", "varbinary(16)", nullable=True),
        Column("size", "int", "int(10) unsigned", nullable=False),
        Column("secret", "int", "int(11)", nullable=False),
        Column("internal", "int", "int(11)", nullable=True),
    )
    return Shape(TableSchema("shop", table, columns, ("id",)), "utf8mb4", "id")


def alter(clauses: str, table: str = "orders", *, mariadb: bool = False) -> Altered:
    return altered(f"ALTER TABLE {table} {clauses}", shape(table), RULES[f"shop.{table}"], mariadb=mariadb)


FOLLOWED = [
    "ADD COLUMN note VARCHAR(20)",
    "ADD COLUMN note VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_bin NULL DEFAULT NULL COMMENT 'a, b' AFTER `id`",
    "ADD note JSON FIRST, ADD (a INT, b ENUM('x','y') NULL)",
    "ADD COLUMN moment TIMESTAMP NULL",
    "ADD COLUMN IF NOT EXISTS code INT NOT NULL",
    "MODIFY id BIGINT NOT NULL AUTO_INCREMENT",
    "MODIFY COLUMN id BIGINT AUTO_INCREMENT",
    "CHANGE id id BIGINT(20) NOT NULL AUTO_INCREMENT COMMENT 'wide'",
    "MODIFY size BIGINT NOT NULL",
    "MODIFY code VARCHAR(40) NOT NULL DEFAULT 'x'",
    "MODIFY Code VARCHAR(40) NULL",
    "MODIFY code TEXT NOT NULL",
    "MODIFY name VARCHAR(40) CHARACTER SET utf8mb4",
    "MODIFY name VARCHAR(40)",
    "MODIFY plain MEDIUMTEXT",
    "MODIFY total DECIMAL(12,2)",
    "MODIFY status ENUM('new','paid','sent') NOT NULL DEFAULT 'new'",
    "MODIFY at DATETIME(3) DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP(3)",
    "MODIFY raw VARBINARY(32), MODIFY raw BLOB",
    "DROP COLUMN secret, DROP internal",
    "RENAME COLUMN secret TO internal, DROP COLUMN internal",
    "MODIFY secret VARCHAR(3) NOT NULL",
    "CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "DEFAULT CHARACTER SET = latin1, COMMENT = 'x' ROW_FORMAT=DYNAMIC",
    "ALTER COLUMN total SET DEFAULT 5, ALTER code DROP DEFAULT",
    "ADD CONSTRAINT c FOREIGN KEY (total) REFERENCES x (id), DROP FOREIGN KEY d, ADD CHECK (total > 0)",
    "ADD INDEX k (note), ADD COLUMN note INT UNIQUE KEY, ALGORITHM=INSTANT, LOCK=NONE",
    "ENGINE=InnoDB AUTO_INCREMENT=100",
    "ADD PARTITION (PARTITION p VALUES LESS THAN (10))",
]
REFUSED = [
    ("ADD COLUMN note INT NOT NULL", "may have values in rows that were there before, and is stored in app"),
    ("ADD COLUMN note INT DEFAULT 0", "may have values in rows that were there before"),
    ("ADD COLUMN note INT DEFAULT (1 + 1)", "may have values"),
    ("ADD COLUMN note TIMESTAMP", "may have values"),
    ("ADD COLUMN note DATETIME DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP", "may have values"),
    ("ADD COLUMN note INT AS (id + 1) STORED", "may have values"),
    ("ADD COLUMN note INT GENERATED ALWAYS AS (id + 1) VIRTUAL", "may have values"),
    ("ADD COLUMN note INT AUTO_INCREMENT UNIQUE", "may have values"),
    ("MODIFY code VARCHAR(10) NOT NULL", r"varchar\(20\) utf8mb4 to varchar\(10\) utf8mb4 may change its values"),
    ("MODIFY code CHAR(20) NOT NULL", "may change its values"),
    ("MODIFY code VARCHAR(20) CHARACTER SET latin1 NOT NULL", "may change its values"),
    ("MODIFY code TINYTEXT NOT NULL, MODIFY plain TINYTEXT", "column plain .* may change its values"),
    ("MODIFY id INT UNSIGNED NOT NULL AUTO_INCREMENT", "may change its values"),
    ("MODIFY id SMALLINT NOT NULL AUTO_INCREMENT", "may change its values"),
    ("MODIFY size INT NOT NULL", "may change its values"),
    ("MODIFY size INT UNSIGNED NOT NULL AUTO_INCREMENT", "AUTO_INCREMENT gives another value"),
    ("MODIFY total DECIMAL(12,3)", "may change its values"),
    ("MODIFY total DECIMAL(8,2)", "may change its values"),
    ("MODIFY total INT", "may change its values"),
    ("MODIFY total DECIMAL(10,2) NOT NULL", "NULL becomes another value"),
    ("MODIFY at TIMESTAMP(3)", "NULL becomes another value"),
    ("MODIFY at DATETIME", "may change its values"),
    ("MODIFY at DATETIME(6)", "may change its values"),
    ("MODIFY part DOUBLE", "may change its values"),
    ("MODIFY status ENUM('paid','new') NOT NULL", "enum utf8mb4 to enum utf8mb4 may change its values"),
    ("MODIFY status VARCHAR(20) NOT NULL", "may change its values"),
    ("CHANGE total sum DECIMAL(10,2)", "column total becomes sum, and total is stored in app"),
    ("CHANGE secret shown INT", "column secret becomes shown, and shown is stored in app"),
    ("RENAME COLUMN code TO c", "column code becomes c, and code is used by a rule"),
    ("DROP COLUMN code", "column code is dropped, and is used by a rule"),
    ("DROP COLUMN total", "column total is dropped, and is stored in app"),
    ("DROP PRIMARY KEY, ADD PRIMARY KEY (code)", "loses its primary key; the table gets another primary key"),
    ("DROP INDEX `PRIMARY`", "loses its primary key"),
    ("DROP COLUMN id", "gets another primary key"),
    ("ADD COLUMN x INT PRIMARY KEY", "gets another primary key"),
    ("CONVERT TO CHARACTER SET latin1", "column code is used .* not every text has all its characters in latin1"),
    ("ADD FOREIGN KEY (total) REFERENCES x (id) ON DELETE SET NULL", "changes its rows without a trace"),
    ("ADD CONSTRAINT c FOREIGN KEY (total) REFERENCES x (id) ON UPDATE CASCADE", "changes its rows without a trace"),
    ("ENGINE = MyISAM", "gets another engine"),
    ("COMMENT = 'x' ENGINE = MyISAM", "gets another engine"),
    ("TRUNCATE PARTITION p", "loses the rows of a partition"),
    ("DROP PARTITION p", "loses the rows of a partition"),
    ("EXCHANGE PARTITION p WITH TABLE x", "exchanges the rows"),
    ("RENAME TO x", "gets another name"),
    ("DISCARD TABLESPACE", "loses its rows"),
]
UNKNOWN = [
    "ADD COLUMN note SERIAL",
    "ADD COLUMN note INT REFERENCES x (id) ON DELETE CASCADE",
    "ADD COLUMN note ENUM('a\\'b')",
    "ADD COLUMN note FROBNICATE",
    "ADD COLUMN note TEXT(100)",
    "ADD COLUMN code INT",
    "MODIFY nothing INT",
    "MODIFY code VARCHAR(40) NOT NULL FROBNICATE",
    "FROBNICATE",
    "WAIT 5 ADD COLUMN note INT",
    "ADD COLUMN note CHAR(3) BYTE",
    "ADD COLUMN note CHAR(3) CHARACTER SET binary",
]


@pytest.mark.parametrize("clauses", FOLLOWED)
def test_what_leaves_every_rows_item_as_it_is_is_followed(clauses: str) -> None:
    assert alter(clauses).objections == ()


@pytest.mark.parametrize(("clauses", "objection"), REFUSED)
def test_what_may_change_an_item_is_refused_with_the_column_and_the_reason(clauses: str, objection: str) -> None:
    assert re.search(objection, "; ".join(alter(clauses).objections))


@pytest.mark.parametrize("clauses", UNKNOWN)
def test_what_is_not_understood_to_the_last_word_is_not_followed(clauses: str) -> None:
    with pytest.raises(NotUnderstood):
        alter(clauses)


ANYTHING = [
    "ADD COLUMN note INT NOT NULL DEFAULT 5",
    "DROP COLUMN plain",
    "MODIFY plain INT",
    "CHANGE plain other DATE",
    "RENAME COLUMN plain TO other",
]


@pytest.mark.parametrize("clauses", ANYTHING)
def test_columns_that_no_rule_looks_at_may_change_in_any_way(clauses: str) -> None:
    assert alter(clauses, "chosen").objections == ()
    assert alter(clauses).objections != ()


@pytest.mark.parametrize("column", ["id", "code", "total", "status", "name"])
def test_a_column_is_looked_at_by_keys_filters_attributes_and_what_is_included(column: str) -> None:
    assert alter(f"MODIFY {column} DATE", "chosen").objections != ()


def test_text_in_the_primary_key_keeps_its_collation_by_which_a_dump_that_goes_on_reads() -> None:
    known = Column("id", "varchar", "varchar(20)", nullable=False, charset="latin1", collation="latin1_bin")
    table = Shape(TableSchema("shop", "orders", (known, text("code", "varchar(9)")), ("id",)), "latin1")

    def objections(clauses: str) -> tuple[str, ...]:
        return altered(f"ALTER TABLE orders {clauses}", table, RULES["shop.orders"], mariadb=False).objections

    assert objections("MODIFY id VARCHAR(30) COLLATE latin1_bin NOT NULL") == ()
    for clauses in ("MODIFY id VARCHAR(30) NOT NULL", "MODIFY id VARCHAR(30) COLLATE latin1_swedish_ci NOT NULL"):
        assert "its collation may be another" in "".join(objections(clauses))
    assert "its collation may be another" in "".join(objections("CONVERT TO CHARACTER SET utf8mb4"))


def test_where_null_shows_a_new_column_shows() -> None:
    (objection,) = alter("ADD COLUMN note INT", "kept").objections
    assert objection == "column note is new, and is stored in app, where NULL shows"


def test_the_table_afterwards_is_as_the_server_would_describe_it() -> None:
    after = alter(
        "ADD note VARCHAR(20) AFTER id, ADD first_one BOOL FIRST, MODIFY total DECIMAL(12,2) FIRST, DROP secret,"
        " MODIFY name LONGTEXT CHARSET utf8mb4, ADD doc JSON, CHARSET latin1, ADD late CHAR",
    ).shape
    columns = {column.name: column for column in after.schema.columns}
    assert list(columns)[:5] == ["total", "first_one", "id", "note", "code"]
    assert "secret" not in columns
    assert columns["note"] == text("note", "varchar(20)")
    assert columns["first_one"].column_type == "tinyint(1)"
    assert columns["doc"].charset is None
    assert columns["late"] == text("late", "char(1)", "latin1")
    assert after.charset == "latin1"
    assert after.schema.primary_key == ("id",)
    (json,) = [column for column in alter("ADD d JSON", mariadb=True).shape.schema.columns if column.name == "d"]
    assert (json.data_type, json.charset) == ("longtext", "utf8mb4")


def test_what_was_altered_is_told_without_anybodys_data() -> None:
    found = alter("ADD note ENUM('Miller','Smith') DEFAULT 'Miller', MODIFY status ENUM('Jones') NOT NULL")
    told = " ".join([*found.what, *found.objections])
    assert "adds column note" in told
    assert not any(name in told for name in ("Miller", "Smith", "Jones"))


WORDS = (
    "ADD MODIFY CHANGE DROP RENAME COLUMN TO IF EXISTS NOT NULL DEFAULT INT VARCHAR ENUM ( ) , . 20 'x' `code` id"
    " total AFTER FIRST CHARACTER SET latin1 COLLATE AS CHECK KEY PRIMARY UNIQUE FOREIGN = - COMMENT ENGINE"
)


@settings(max_examples=300)
@given(st.lists(st.sampled_from(WORDS.split()), max_size=12).map(" ".join))
def test_no_statement_makes_it_fail_otherwise(clauses: str) -> None:
    with contextlib.suppress(NotUnderstood):
        alter(clauses)
