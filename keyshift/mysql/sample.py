"""A few rows of a table, cheaply: the first ones by primary key, and some from the middle of its key range."""

from dataclasses import replace

from keymap.schema import TableSchema
from keymap.values import Row
from keyshift.mysql.connection import Connection, query
from keyshift.mysql.keys import Key, canonical_key
from keyshift.mysql.select import quote_name, quote_table
from keyshift.mysql.table_reader import read_chunk

KEYS_MAX = 10_000  # read to get away from the beginning where keys are no numbers, and so have no middle: milliseconds
_WHOLE = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})


def read_sample(connection: Connection, schema: TableSchema, rows: int) -> list[Row]:
    """At most `rows` rows (at least 1): the first by primary key, and, where there are more, a third from further on.

    Raises MySQLError, and KeyshiftError for a table that cannot be read by its key.
    """
    first = read_chunk(connection, schema, None, rows)
    after = middle_key(connection, schema) if first.upper and rows // 3 else None
    further = read_chunk(connection, schema, after, rows // 3).rows if after else []
    found = {canonical_key(schema, row): row for row in first.rows[: rows - len(further)] + further}
    for row in first.rows:
        if len(found) < rows:  # what is further on may be the first rows again
            found.setdefault(canonical_key(schema, row), row)
    return list(found.values())


def middle_key(connection: Connection, schema: TableSchema) -> Key | None:
    """A key about the table's middle, or the beginning of one, to read on behind; None where the table is empty.

    Raises as `read_sample`.
    """
    leading = schema.column(schema.primary_key[0])
    if leading.data_type in _WHOLE:
        name, table = quote_name(leading.name), quote_table(schema.full_name)
        ((low, high),) = query(connection, f"SELECT MIN({name}), MAX({name}) FROM {table}")  # noqa: S608 - quoted
        return None if low is None else ((low + high) // 2 - 1,)
    keys = replace(schema, columns=tuple(map(schema.column, schema.primary_key)))
    chunk = read_chunk(connection, keys, None, KEYS_MAX)
    return chunk.upper or read_chunk(connection, keys, None, max(1, len(chunk.rows) // 2)).upper
