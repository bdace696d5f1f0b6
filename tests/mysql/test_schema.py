"""Tables as information_schema describes them."""

from keymap.schema import Column
from keyshift.cli.demo.database import Database
from keyshift.mysql.connection import Connection
from keyshift.mysql.schema import ForeignKey, KeyPart, foreign_keys_in, read_foreign_keys, read_keys, read_schemas
from tests.mysql.sources import execute


def test_columns_come_in_table_order_and_the_key_in_key_order(
    database: Database, connection: Connection, schema: str
) -> None:
    columns = (
        "a INT UNSIGNED, b VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, c DATETIME(3) NOT NULL, "
        "d ENUM('x','y') CHARACTER SET ascii NULL, e INT AS (a + 1) VIRTUAL, f INT AS (a + 2) STORED, g BLOB, "
        "h INT INVISIBLE DEFAULT 3, PRIMARY KEY (c, a)"
    )
    execute(database, f"CREATE TABLE t ({columns})", schema=schema)
    found = read_schemas(connection, [f"{schema}.t", f"{schema}.absent"])
    assert list(found) == [f"{schema}.t"]
    table = found[f"{schema}.t"]
    assert (table.database, table.name, table.engine, table.primary_key) == (schema, "t", "InnoDB", ("c", "a"))
    assert [column.name for column in table.columns] == list("abcdefgh")
    assert table.column("a").column_type.replace("(10)", "") == "int unsigned"
    assert table.column("b") == Column("b", "varchar", "varchar(20)", True, "utf8mb4", "utf8mb4_bin")
    assert table.column("c") == Column("c", "datetime", "datetime(3)", False)
    assert table.column("d") == Column("d", "enum", "enum('x','y')", True, "ascii", "ascii_general_ci")
    assert [column.name for column in table.columns if column.generated] == ["e", "f"]


def test_default_expressions_are_not_generated_columns(database: Database, connection: Connection, schema: str) -> None:
    columns = "a INT PRIMARY KEY, b DATETIME DEFAULT CURRENT_TIMESTAMP, c INT DEFAULT (1 + 1)"
    execute(database, f"CREATE TABLE t ({columns})", schema=schema)
    table = read_schemas(connection, [f"{schema}.t"])[f"{schema}.t"]
    assert not any(column.generated for column in table.columns)


def test_names_are_taken_with_their_case_and_their_quotes(
    database: Database, connection: Connection, schema: str
) -> None:
    execute(database, "CREATE TABLE `T ``1'` (a INT)", "CREATE TABLE t2 (a INT)", schema=schema)
    names = [f"{schema}.T `1'", f"{schema}.T2", f"{schema.upper()}.t2"]
    assert list(read_schemas(connection, names)) == [f"{schema}.T `1'"]


def test_views_and_versioned_tables_are_no_tables_to_capture(
    database: Database, connection: Connection, schema: str
) -> None:
    execute(database, "CREATE TABLE t (a INT)", "CREATE VIEW v AS SELECT * FROM t", schema=schema)
    if database.flavour == "mariadb":
        execute(database, "CREATE TABLE w (a INT) WITH SYSTEM VERSIONING", schema=schema)
    assert list(read_schemas(connection, [f"{schema}.{name}" for name in "tvw"])) == [f"{schema}.t"]


def test_a_table_without_a_key_has_none_and_a_prefix_is_marked(
    database: Database, connection: Connection, schema: str
) -> None:
    execute(
        database,
        "CREATE TABLE a (x INT)",
        "CREATE TABLE b (x TEXT NOT NULL, y INT, PRIMARY KEY (y DESC, x(10)))",
        schema=schema,
    )
    found = read_schemas(connection, [f"{schema}.a", f"{schema}.b"])
    assert {name: table.primary_key for name, table in found.items()} == {
        f"{schema}.a": (),
        f"{schema}.b": ("y", "x"),
    }
    assert read_keys(connection, found) == {f"{schema}.b": (KeyPart("y", False, True), KeyPart("x", True, False))}


def test_foreign_keys_tell_what_they_do(database: Database, connection: Connection, schema: str) -> None:
    comment = "COMMENT '\\n  CONSTRAINT `no` FOREIGN KEY (`a`) REFERENCES `b` (`c`) ON DELETE CASCADE'"
    execute(
        database,
        "CREATE TABLE `p ``) (` (`i ``)d` INT PRIMARY KEY)",
        f"CREATE TABLE c (id INT PRIMARY KEY {comment}, p1 INT, p2 INT, p3 INT, "
        f"CONSTRAINT f1 FOREIGN KEY (p1) REFERENCES `p ``) (` (`i ``)d`), "
        f"CONSTRAINT `f``2` FOREIGN KEY (p2) REFERENCES {schema}.`p ``) (` (`i ``)d`) "
        "ON DELETE SET NULL ON UPDATE CASCADE, "
        f"FOREIGN KEY (p3) REFERENCES c (id) ON DELETE NO ACTION)",
        f"CREATE DATABASE {schema}_2",
        f"CREATE TABLE {schema}_2.c (id INT PRIMARY KEY, "
        f"FOREIGN KEY (id) REFERENCES {schema}.c (id) ON UPDATE CASCADE)",
        schema=schema,
    )
    try:
        (other,) = read_foreign_keys(connection, [f"{schema}_2.c"])
    finally:
        execute(database, f"DROP DATABASE {schema}_2")
    assert (other.parent, other.on_update, other.changes_rows) == (f"{schema}.c", "CASCADE", True)
    found = {key.name: key for key in read_foreign_keys(connection, [f"{schema}.c", f"{schema}.p `) ("])}
    assert len(found) == 3
    assert [found[name].changes_rows for name in sorted(found)] == [False, False, True]
    assert found["f`2"] == ForeignKey(
        f"{schema}.c", "f`2", f"{schema}.p `) (", "CASCADE", "SET NULL", ("p2",), ("i `)d",)
    )


def test_the_columns_of_foreign_keys_are_taken_in_their_order() -> None:
    line = "  CONSTRAINT `f` FOREIGN KEY (`b``, `, `a`) REFERENCES `o`.`p` (`y`, `x, ``y`) ON DELETE CASCADE,"
    (key,) = foreign_keys_in("shop.c", f"CREATE TABLE `c` (\n{line}\n)")
    assert (key.columns, key.parent, key.parent_columns) == (("b`, ", "a"), "o.p", ("y", "x, `y"))


def test_many_names_are_read_at_once(database: Database, connection: Connection, schema: str) -> None:
    execute(database, "CREATE TABLE t1 (a INT)", "CREATE TABLE t900 (a INT)", schema=schema)
    assert list(read_schemas(connection, [f"{schema}.t{n}" for n in range(1000)])) == [f"{schema}.t1", f"{schema}.t900"]
    assert read_schemas(connection, []) == {}
