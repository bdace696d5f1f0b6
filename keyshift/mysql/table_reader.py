"""Reading a table in pieces, in primary-key order: short statements that continue after a key, no long transaction.

Each chunk is one moment of the table, and different chunks are different moments; replay makes the whole consistent.
Every comparison of keys is left to the server, since only it knows the collations.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from keymap.errors import KeyshiftError
from keymap.schema import TableSchema
from keymap.values import Row
from keyshift.mysql.connection import Connection
from keyshift.mysql.keys import REMEDY, Key, canonical_key, key_select, literal, usable
from keyshift.mysql.result import read_packets, select_rows
from keyshift.mysql.select import quote_name, quote_table, select_list
from keyshift.mysql.text_lines import LineForm, LineRows
from keyshift.mysql.text_rows import Extra, compile_text

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
    rows, extras = plan.select(connection, f"{bound} {plan.order} LIMIT {limit + 1}")
    if len(rows) <= limit:
        return Chunk(rows, None)
    rows.pop()
    last = plan.key(rows[-1], extras[limit - 1] if extras else ())
    if not uncut_columns:
        return Chunk(rows, last)
    group = last[:uncut_columns]
    if uncut_columns < len(last):
        rows += plan.select(connection, f"{plan.equal(group)} AND {plan.after(last)} {plan.order}")[0]
    return Chunk(rows, group)


@dataclass(frozen=True, slots=True)
class Copied:
    """What copy_chunk gave to `take`: so many rows. `upper` as Chunk's; `is_last`: it is where the range ends."""

    rows: int
    upper: Key | None
    is_last: bool


def copy_chunk(  # noqa: PLR0913 - a range, and how much of it
    connection: Connection,
    schema: TableSchema,
    take: Callable[[bytes], object],
    *,
    after: Key | None,
    until: Key | None,
    limit: int,
    uncut_columns: int = 0,
) -> Copied:
    """As read_chunk, but only up to the key (or first values of a key) `until`, and as lines of text_lines.

    `take` has them, some at a time. What is raised in between makes void what it has had.
    """
    plan = _plan(schema)
    within = [plan.after(after)] if after else []
    if until:
        within.append(plan.until(until))
    lines = LineRows(plan.lines, take, limit)
    plan.copy(connection, f"{' AND '.join(within) or 'TRUE'} {plan.order} LIMIT {limit + 1}", lines)
    if not lines.more:
        return Copied(lines.rows, until, is_last=True)
    last = plan.key(*lines.last())
    if not uncut_columns:
        return Copied(lines.rows, last, is_last=False)
    group, rest = last[:uncut_columns], LineRows(plan.lines, take)
    if uncut_columns < len(last):
        plan.copy(connection, f"{plan.equal(group)} AND {plan.after(last)} {plan.order}", rest)
    return Copied(lines.rows + rest.rows, group, is_last=False)


def get_rows(connection: Connection, schema: TableSchema, keys: Iterable[Key]) -> dict[Key, Row]:
    """The rows with these primary keys (canonical values, in key order), by their own primary key.

    A key that is not in the result has no row now. One statement per 500 keys.
    """
    plan, wanted = _plan(schema), list(keys)
    rows: list[Row] = []
    for begin in range(0, len(wanted), KEYS_PER_STATEMENT_MAX):
        part = wanted[begin : begin + KEYS_PER_STATEMENT_MAX]
        rows += plan.select(connection, " OR ".join(f"({plan.equal(key)})" for key in part))[0]
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
        self._extra = {name: int if schema.column(name).data_type == "enum" else bytes for name in expressions}
        self._list = ", ".join([select_list(schema), *expressions.values()])
        self._reader = compile_text(schema.columns, len(expressions))
        self.lines = LineForm(schema.columns, len(expressions))
        self.order = "ORDER BY " + ", ".join(self._names)

    def select(self, connection: Connection, where: str) -> tuple[list[Row], list[Extra]]:
        """The rows, and of each what `key` needs besides."""
        return select_rows(connection, self._statement(where), self._reader)

    def copy(self, connection: Connection, where: str, lines: LineRows) -> None:
        """The same rows, as lines."""
        read_packets(connection, self._statement(where), lines)

    def _statement(self, where: str) -> str:
        table = quote_table(self._schema.full_name)
        return f"SELECT {self._list} FROM {table} FORCE INDEX (PRIMARY) WHERE {where}"  # noqa: S608 - quoted parts

    def key(self, row: Row, extra: Extra) -> Key:
        """The row's key. An ENUM's number was selected as digits, and text of a charset as its stored bytes."""
        found = dict(row)
        for (name, read), value in zip(self._extra.items(), extra, strict=True):
            found[name] = read(value or b"")
        return canonical_key(self._schema, found)

    def equal(self, key: Key) -> str:
        return " AND ".join(f"{name} = {value}" for name, value in self._compared(key))

    def after(self, key: Key) -> str:
        """Greater than the key, column by column; both servers turn this form, not a row constructor, into a range."""
        return self._beside(key, ">", ">")

    def until(self, key: Key) -> str:
        """Not greater than the key. Of first values of a key: nor than any key that begins with them."""
        return self._beside(key, "<", "<=")

    def _beside(self, key: Key, way: str, way_of_last: str) -> str:
        pairs = self._compared(key)
        if len(pairs) == 1:
            return f"{pairs[0][0]} {way_of_last} {pairs[0][1]}"
        ways = []
        for last, (name, value) in enumerate(pairs):
            same = [f"{other} = {equal}" for other, equal in pairs[:last]]
            compared = f"{name} {way_of_last if last == len(pairs) - 1 else way} {value}"
            ways.append("(" + " AND ".join([*same, compared]) + ")")
        first_name, first_value = pairs[0]
        return f"({first_name} {way}= {first_value} AND ({' OR '.join(ways)}))"

    def _compared(self, key: Key) -> list[tuple[str, str]]:
        return [
            (name, literal(column, value)) for name, column, value in zip(self._names, self._columns, key, strict=False)
        ]


@lru_cache(maxsize=256)
def _plan(schema: TableSchema) -> _Plan:
    return _Plan(schema)
