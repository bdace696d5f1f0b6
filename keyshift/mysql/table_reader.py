"""Reading a table in pieces, in primary-key order: short statements that continue after a key, no long transaction.

Each chunk is one moment of the table, and different chunks are different moments; replay makes the whole consistent.
Every comparison of keys is left to the server, since only it knows the collations.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from keymap.errors import KeyshiftError
from keymap.schema import TableSchema
from keymap.values import Row
from keyshift.mysql.connection import Connection, query
from keyshift.mysql.keys import REMEDY, Key, canonical_key, key_select, literal, usable
from keyshift.mysql.select import quote_name, quote_table, row_reader, select_list

KEYS_PER_STATEMENT_MAX = 500  # keys found by one statement: far below MySQL's memory limit for range analysis


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows in primary-key order. `upper` is where to continue (`after`), None if there is nothing behind it.

    `upper` is the key of the last row; of a table whose groups must stay whole, only its first `uncut_columns` values:
    a row that is inserted into the last group later must not appear in the next chunk.
    """

    rows: list[Row]
    upper: Key | None


def read_chunk(
    connection: Connection, schema: TableSchema, after: Key | None, limit: int, uncut_columns: int = 0
) -> Chunk:
    """The next rows after the key (or the first values of a key) `after`, None for the table's beginning.

    At least one and at most `limit` rows, but when `uncut_columns` is above 0, also all further rows that agree with
    the last one in that many key columns, so that no such group is cut. `upper` None, or no rows: the end. Raises
    MySQLError, and KeyshiftError for a table without a usable primary key.
    """
    plan = _plan(schema)
    bound = plan.after(after) if after else "TRUE"
    raw = query(connection, plan.statement(f"{bound} {plan.order} LIMIT {limit + 1}"))
    if len(raw) <= limit:
        return Chunk(plan.rows(raw), None)
    raw.pop()
    last = plan.key(raw[-1])
    if not uncut_columns:
        return Chunk(plan.rows(raw), last)
    group = last[:uncut_columns]
    if uncut_columns < len(last):
        rest = f"{plan.equal(group)} AND {plan.after(last)} {plan.order}"
        raw += query(connection, plan.statement(rest))
    return Chunk(plan.rows(raw), group)


def get_rows(connection: Connection, schema: TableSchema, keys: Iterable[Key]) -> dict[Key, Row]:
    """The rows with these primary keys (canonical values, in key order), by their own primary key.

    A key that is not in the result has no row now. One statement per 500 keys.
    """
    plan, wanted = _plan(schema), list(keys)
    rows: list[Row] = []
    for begin in range(0, len(wanted), KEYS_PER_STATEMENT_MAX):
        part = wanted[begin : begin + KEYS_PER_STATEMENT_MAX]
        rows += plan.rows(query(connection, plan.statement(" OR ".join(f"({plan.equal(key)})" for key in part))))
    return {canonical_key(schema, row): row for row in rows}


class _Plan:
    """What is fixed for one table: its statement, and how rows and keys are taken from what comes back."""

    def __init__(self, schema: TableSchema) -> None:
        columns = [schema.column(name) for name in schema.primary_key]
        if not all(map(usable, columns)) or not columns:
            raise KeyshiftError(f"table {schema.full_name} has no primary key to read it by", REMEDY)
        self._schema = schema
        self._columns = columns
        self._names = [quote_name(column.name) for column in columns]
        extra = [(name, key_select(column)) for name, column in zip(schema.primary_key, columns, strict=True)]
        expressions = {name: expression for name, expression in extra if expression is not None}
        self._extra = {name: len(schema.columns) + number for number, name in enumerate(expressions)}
        self._list = ", ".join([select_list(schema), *expressions.values()])
        self._read = row_reader(schema)
        self._keep = [self._extra.get(name) for name in schema.primary_key]
        self.order = "ORDER BY " + ", ".join(self._names)

    def statement(self, where: str) -> str:
        table = quote_table(self._schema.full_name)
        return f"SELECT {self._list} FROM {table} FORCE INDEX (PRIMARY) WHERE {where}"  # noqa: S608 - quoted parts

    def rows(self, raw: Sequence[tuple[Any, ...]]) -> list[Row]:
        return [self._read(values) for values in raw]

    def key(self, raw: tuple[Any, ...]) -> Key:
        row = self._read(raw)
        return tuple(
            row[name] if place is None else raw[place]
            for name, place in zip(self._schema.primary_key, self._keep, strict=True)
        )

    def equal(self, key: Key) -> str:
        return " AND ".join(f"{name} = {value}" for name, value in self._compared(key))

    def after(self, key: Key) -> str:
        """Greater than the key, column by column; both servers turn this form, not a row constructor, into a range."""
        pairs = self._compared(key)
        if len(pairs) == 1:
            return f"{pairs[0][0]} > {pairs[0][1]}"
        ways = []
        for last, (name, value) in enumerate(pairs):
            same = [f"{other} = {equal}" for other, equal in pairs[:last]]
            ways.append("(" + " AND ".join([*same, f"{name} > {value}"]) + ")")
        first_name, first_value = pairs[0]
        return f"{first_name} >= {first_value} AND ({' OR '.join(ways)})"

    def _compared(self, key: Key) -> list[tuple[str, str]]:
        return [
            (name, literal(column, value)) for name, column, value in zip(self._names, self._columns, key, strict=False)
        ]


@lru_cache(maxsize=256)
def _plan(schema: TableSchema) -> _Plan:
    return _Plan(schema)
