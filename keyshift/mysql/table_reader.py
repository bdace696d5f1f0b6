"""Reading a table in pieces, in primary-key order: short statements that continue after a key, no long transaction.

Each chunk is one moment of the table, and different chunks are different moments; replay makes the whole consistent.
Every comparison of keys is left to the server, since only it knows the collations.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from keymap.schema import TableSchema
from keymap.values import Row
from keyshift.mysql.connection import Connection
from keyshift.mysql.key_plan import plan_of
from keyshift.mysql.keys import Key, canonical_key
from keyshift.mysql.text_lines import LineRows

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
    plan = plan_of(schema)
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
    plan = plan_of(schema)
    lines = LineRows(plan.lines, take, limit)
    plan.copy(connection, f"{plan.within(after, until)} {plan.order} LIMIT {limit + 1}", lines)
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
    plan, wanted = plan_of(schema), list(keys)
    rows: list[Row] = []
    for begin in range(0, len(wanted), KEYS_PER_STATEMENT_MAX):
        part = wanted[begin : begin + KEYS_PER_STATEMENT_MAX]
        rows += plan.select(connection, " OR ".join(f"({plan.equal(key)})" for key in part))[0]
    return {canonical_key(schema, row): row for row in rows}
