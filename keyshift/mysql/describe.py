"""What an author of a keymap wants to know of tables beyond what capture needs: foreign keys, indexes, JSON columns."""

import re
from collections import defaultdict
from collections.abc import Iterable

from keymap.schema import TableSchema
from keymap.suggest import Index, Reference, TableFacts
from keyshift.mysql.connection import Connection, query
from keyshift.mysql.evidence import gather
from keyshift.mysql.preflight import judge
from keyshift.mysql.schema import ForeignKey, split_name
from keyshift.mysql.select import quote_table, quote_text

_TABLES = """
SELECT table_schema, table_name FROM information_schema.tables
WHERE table_schema = {schema} AND table_type = 'BASE TABLE' ORDER BY table_name"""
_INDEXES = """
SELECT table_schema, table_name, index_name, non_unique, column_name, sub_part, index_type
FROM information_schema.statistics
WHERE table_schema = {schema} AND table_name = {table} AND index_name <> 'PRIMARY' ORDER BY index_name, seq_in_index"""
_PLAIN_TYPES = frozenset({"BTREE", "HASH"})
_QUOTED = "`(?:[^`]|``)+`"
# MariaDB's JSON is text with this check; it stands on the column's own line of SHOW CREATE TABLE.
_JSON_CHECK = re.compile(rf"^  (?P<column>{_QUOTED}) longtext .*CHECK \(json_valid\((?P=column)\)\),?$", re.MULTILINE)


def tables_of(connection: Connection, database: str) -> list[str]:
    """The tables of a database that the user may see, as 'db.table', by name; none where there is no such database."""
    rows = query(connection, _TABLES.format(schema=quote_text(database)))
    return [f"{row[0]}.{row[1]}" for row in rows if row[0] == database]


def describe(connection: Connection, tables: Iterable[str]) -> list[TableFacts]:
    """The facts of those of the tables that exist and are readable, in this order.

    Their `obstacles` are what preflight would refuse of the table. Raises MySQLError.
    """
    wanted = list(dict.fromkeys(tables))
    evidence = gather(connection, wanted)
    obstacles: dict[str, list[str]] = defaultdict(list)
    for problem in judge(evidence, retention_hours=0).errors:
        obstacles[problem.where.removeprefix("table ")].append(f"{problem.what}. {problem.remedy}")
    references: dict[str, list[Reference]] = defaultdict(list)
    for key in evidence.foreign_keys:
        references[key.table].append(_reference(key))
    return [
        TableFacts(
            schema=evidence.schemas[name],
            references=tuple(references[name]),
            indexes=read_indexes(connection, name),
            documents=_documents(connection, evidence.schemas[name]),
            obstacles=tuple(obstacles[name]),
        )
        for name in wanted
        if name in evidence.schemas and name not in evidence.unreadable
    ]


def _reference(key: ForeignKey) -> Reference:
    return Reference(key.columns, key.parent, key.parent_columns, owns=key.on_delete == "CASCADE")


def read_indexes(connection: Connection, table: str) -> tuple[Index, ...]:
    """The secondary indexes of a table ('db.table') by name, each with its columns in order."""
    schema, name = map(quote_text, split_name(table))
    parts: dict[str, list[tuple[object, ...]]] = defaultdict(list)
    for row in query(connection, _INDEXES.format(schema=schema, table=name)):
        if f"{row[0]}.{row[1]}" == table:
            parts[str(row[2])].append(row)
    return tuple(_index(index, rows) for index, rows in parts.items())


def _index(name: str, rows: list[tuple[object, ...]]) -> Index:
    columns = tuple("" if row[4] is None else str(row[4]) for row in rows)
    kind = str(rows[0][6])
    if kind not in _PLAIN_TYPES:
        return Index(name, columns, obstacle=f"DynamoDB has no {kind} index")
    if not all(columns):
        return Index(name, tuple(filter(None, columns)), obstacle="it is of expressions, and not of columns alone")
    prefixed = any(row[5] is not None for row in rows)
    return Index(name, columns, not rows[0][3], "it is of the beginnings of values" if prefixed else "")


def _documents(connection: Connection, schema: TableSchema) -> frozenset[str]:
    """The columns that hold JSON: by their type, or by the check that MariaDB's type JSON stands for."""
    found = {column.name for column in schema.columns if column.data_type == "json"}
    ((_, statement),) = query(connection, f"SHOW CREATE TABLE {quote_table(schema.full_name)}")
    return frozenset(found | json_checked(statement))


def json_checked(statement: str) -> set[str]:
    """The columns that a CREATE TABLE statement, as MariaDB writes it, lets hold valid JSON only."""
    return {found["column"][1:-1].replace("``", "`") for found in _JSON_CHECK.finditer(statement)}
