"""How large the source's tables are, by the server's own estimate: for plans, progress bars, and the size of chunks."""

from collections.abc import Iterable
from dataclasses import dataclass

from keyshift.mysql.connection import Connection, query
from keyshift.mysql.schema import split_name
from keyshift.mysql.select import quote_text

CHUNK_BYTES_MAX = 32 * 1024 * 1024  # of a chunk before compression: with its rows and items, a few 100 MB of memory
FIRST_ROWS_MAX = 16  # of a run's first chunk of a table: the server's estimate may be old, and rows may have megabytes
GROWTH_MAX = 8  # from one chunk to the next: the usual size is reached with the fifth

# MySQL 8 keeps its estimates for a day unless told otherwise; other servers read the hint as a comment.
_STATEMENT = """
SELECT /*+ SET_VAR(information_schema_stats_expiry = 0) */ table_schema, table_name, table_rows, avg_row_length
FROM information_schema.tables WHERE table_schema IN ({schemas})"""


@dataclass(frozen=True, slots=True)
class Estimate:
    """About how many rows a table has, and bytes per row in the server's storage."""

    rows: int
    row_bytes: int


def read_estimates(connection: Connection, tables: Iterable[str]) -> dict[str, Estimate]:
    """The estimates of these tables ('db.table'); a table that is not there is absent. Raises MySQLError."""
    wanted = frozenset(tables)
    schemas = ", ".join(quote_text(schema) for schema in sorted({split_name(table)[0] for table in wanted}))
    found = query(connection, _STATEMENT.format(schemas=schemas)) if wanted else []
    estimates = {f"{row[0]}.{row[1]}": Estimate(int(row[2] or 0), int(row[3] or 0)) for row in found}
    return {table: estimates[table] for table in wanted & estimates.keys()}


def first_limit(estimate: Estimate, chunk_rows: int) -> int:
    """How many rows the first chunk of a run may have: a few, to see how large they are."""
    return _clamped(min(FIRST_ROWS_MAX, CHUNK_BYTES_MAX // max(1, estimate.row_bytes)), chunk_rows)


def next_limit(limit: int, rows: int, raw_bytes: int, chunk_rows: int) -> int:
    """How many rows the next chunk may have, after one of `rows` rows came to `raw_bytes`."""
    fitting = CHUNK_BYTES_MAX * rows // max(1, raw_bytes)
    return _clamped(min(fitting, limit * GROWTH_MAX), chunk_rows)


def _clamped(limit: int, chunk_rows: int) -> int:
    return max(1, min(limit, chunk_rows))
