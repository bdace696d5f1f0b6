"""Tables as the source's information_schema describes them: columns, keys, foreign keys.

Names are compared exactly, as the binlog spells them; information_schema itself may compare without regard to case.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from keymap.schema import Column, Shape, TableSchema
from keyshift.mysql.connection import Connection, query
from keyshift.mysql.select import quote_table, quote_text

_COLUMNS = """
SELECT table_schema, table_name, column_name, data_type, column_type, is_nullable, character_set_name, collation_name,
       extra, generation_expression
FROM information_schema.columns WHERE table_schema = {schema} AND table_name = {table} ORDER BY ordinal_position"""
_TABLES = """
SELECT table_schema, table_name, table_type, engine, table_collation
FROM information_schema.tables WHERE table_schema = {schema} AND table_name = {table}"""
_PRIMARY_KEYS = """
SELECT table_schema, table_name, column_name, sub_part, collation
FROM information_schema.statistics
WHERE table_schema = {schema} AND table_name = {table} AND index_name = 'PRIMARY' ORDER BY seq_in_index"""
# In SHOW CREATE TABLE every name is quoted, a quote within it doubled, and each foreign key is a line.
_QUOTED = "`(?:[^`]|``)+`"
_FOREIGN_KEY = re.compile(
    rf"^  CONSTRAINT (?P<name>{_QUOTED}) FOREIGN KEY \((?P<columns>(?:{_QUOTED}(?:, )?)+)\) "
    rf"REFERENCES (?:(?P<database>{_QUOTED})\.)?(?P<table>{_QUOTED}) "
    rf"\((?P<parent_columns>(?:{_QUOTED}(?:, )?)+)\)(?P<actions>[A-Z ]*)",
    re.MULTILINE,
)
_ACTION = re.compile(r"ON (DELETE|UPDATE) (CASCADE|SET NULL|SET DEFAULT|RESTRICT|NO ACTION)")
_CHANGING = frozenset({"CASCADE", "SET NULL", "SET DEFAULT"})
_BASE_TABLE = "BASE TABLE"


@dataclass(frozen=True, slots=True)
class KeyPart:
    """One column of a primary key: whether only a prefix of it is in the key, and whether it is sorted downwards."""

    column: str
    prefix: bool
    descending: bool


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key of `table` ('db.table'): its `columns` hold the `parent_columns` of `parent`, in the same order.

    `on_update` and `on_delete` say what a change of the parent does to its rows.
    """

    table: str
    name: str
    parent: str
    on_update: str
    on_delete: str
    columns: tuple[str, ...] = ()
    parent_columns: tuple[str, ...] = ()

    @property
    def changes_rows(self) -> bool:
        """Whether a change of a parent changes rows here: CASCADE, SET NULL."""
        return self.on_update in _CHANGING or self.on_delete in _CHANGING


def read_schemas(connection: Connection, tables: Iterable[str]) -> dict[str, TableSchema]:
    """The tables of these names ('db.table') that exist and that the user may see.

    Views and MariaDB's system-versioned tables are left out: the binlog has no rows of theirs that we could follow.
    """
    return {name: shape.schema for name, shape in read_shapes(connection, tables).items()}


def read_shapes(connection: Connection, tables: Iterable[str]) -> dict[str, Shape]:
    """These tables, as read_schemas has them, and what else decides what an ALTER does to their rows."""
    wanted = frozenset(tables)
    found = {_name(row): row for row in _read(connection, _TABLES, wanted) if row[2] == _BASE_TABLE and row[3]}
    columns: dict[str, list[Column]] = defaultdict(list)
    counters: dict[str, str] = {}
    for row in _read(connection, _COLUMNS, wanted):
        columns[_name(row)].append(_column(row))
        if "auto_increment" in row[8].lower():
            counters[_name(row)] = row[2]
    keys = read_keys(connection, wanted)
    return {
        name: Shape(
            TableSchema(
                *split_name(name), tuple(columns[name]), tuple(part.column for part in keys.get(name, ())), str(engine)
            ),
            charset=str(collation or "").partition("_")[0],
            counter=counters.get(name, ""),
        )
        for name, (_, _, _, engine, collation) in found.items()
    }


def read_keys(connection: Connection, tables: Iterable[str]) -> dict[str, tuple[KeyPart, ...]]:
    """The primary keys, in key order; a table without one is absent."""
    keys: dict[str, list[KeyPart]] = defaultdict(list)
    for row in _read(connection, _PRIMARY_KEYS, frozenset(tables)):
        keys[_name(row)].append(KeyPart(str(row[2]), prefix=row[3] is not None, descending=row[4] == "D"))
    return {name: tuple(parts) for name, parts in keys.items()}


def read_foreign_keys(connection: Connection, tables: Iterable[str]) -> tuple[ForeignKey, ...]:
    """The foreign keys of these tables (as children) to others. The tables must exist and be readable.

    From SHOW CREATE TABLE: MariaDB's information_schema hides foreign keys from users who may only SELECT.
    """
    found = []
    for table in sorted(tables):
        ((_, statement),) = query(connection, f"SHOW CREATE TABLE {quote_table(table)}")
        found += foreign_keys_in(table, statement)
    return tuple(found)


def foreign_keys_in(table: str, statement: str) -> list[ForeignKey]:
    """The foreign keys in a CREATE TABLE statement as the server writes it."""
    keys = []
    for found in _FOREIGN_KEY.finditer(statement):
        actions = dict(_ACTION.findall(found["actions"]))
        parent = f"{_unquoted(found['database']) or split_name(table)[0]}.{_unquoted(found['table'])}"
        update, delete = actions.get("UPDATE", "RESTRICT"), actions.get("DELETE", "RESTRICT")
        columns, parent_columns = _names(found["columns"]), _names(found["parent_columns"])
        keys.append(ForeignKey(table, _unquoted(found["name"]), parent, update, delete, columns, parent_columns))
    return keys


def _names(quoted: str) -> tuple[str, ...]:
    return tuple(_unquoted(name) for name in re.findall(_QUOTED, quoted))


def _unquoted(name: str | None) -> str:
    return name[1:-1].replace("``", "`") if name else ""


def split_name(table: str) -> tuple[str, str]:
    """Database and table of 'db.table'."""
    database, _, name = table.partition(".")
    return database, name


def _read(connection: Connection, statement: str, wanted: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Rows that begin with schema and table name, of each wanted table.

    One statement per table: MariaDB folds an IN list with two spellings of one name into the first, and finds nothing.
    """
    for table in sorted(wanted):
        schema, name = map(quote_text, split_name(table))
        for row in query(connection, statement.format(schema=schema, table=name)):
            if _name(row) == table:
                yield row


def _name(row: tuple[str, ...]) -> str:
    return f"{row[0]}.{row[1]}"


def _column(row: tuple[str, ...]) -> Column:
    _, _, name, data_type, column_type, nullable, charset, collation, extra, expression = row
    return Column(
        name=name,
        data_type=data_type.lower(),
        column_type=column_type,
        nullable=nullable == "YES",
        charset=charset,
        collation=collation,
        generated=bool(expression) or "STORED GENERATED" in extra or "VIRTUAL GENERATED" in extra,
    )
