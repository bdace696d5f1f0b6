"""The two sides that verify compares, as the few questions that it asks them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Final, Protocol, TypeVar

from bulkload.estimate import Estimate, first_limit, next_limit, read_estimates
from keymap.errors import KeyshiftError
from keymap.patch import Item, Key
from keymap.schema import TableSchema
from keymap.targets import Target
from keymap.values import Canonical, Json, Row
from keyshift.aws import items
from keyshift.aws.clients import DynamoDBClient, explaining
from keyshift.mysql.connection import Connection, MySQLError, is_lost
from keyshift.mysql.sample import middle_key
from keyshift.mysql.table_reader import get_rows, read_chunk
from keyshift.process.backoff import Backoff
from keyshift.process.stop import Stop

T = TypeVar("T")
PrimaryKey = tuple[Canonical, ...]

# A SELECT of milliseconds, and enough keys for twenty concurrent BatchGetItem calls; fewer where rows are large.
CHUNK_ROWS: Final = 2_000
RECONNECTS_MAX: Final = 10  # in a row; with pauses up to 5 s a server has half a minute to come back


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a table: its rows as they were at one moment, and where it is: at most `limit` rows after a key.

    `upper` is the key behind which to read on, None at the table's end.
    """

    table: str
    after: PrimaryKey | None
    limit: int
    rows: list[Row]
    upper: PrimaryKey | None


class Source(Protocol):
    """The source's rows, as they are when they are asked for."""

    def chunks(self, table: str) -> Iterator[list[Row]]:
        """All rows of a table, in pieces; each piece is one moment of it."""

    def rows(self, table: str, keys: Iterable[PrimaryKey]) -> list[Row]:
        """The rows that these primary keys have now; a key without a row is left out."""


class Items(Protocol):
    """The target's items, read consistently."""

    def get(self, table: str, keys: Sequence[Key]) -> Mapping[Key, Item]:
        """Those of the items that exist."""

    def scan(self, table: str) -> Iterator[Item]:
        """Every item of the table, each as it is when its page is read."""


class MySQLSource:
    """The source's rows through one connection, which is made again when it is lost. For one thread."""

    def __init__(self, connect: Callable[[], Connection], schemas: Mapping[str, TableSchema], stop: Stop) -> None:
        self._connect, self._schemas, self._stop = connect, schemas, stop
        self._connection: Connection | None = None

    def chunks(self, table: str) -> Iterator[list[Row]]:
        """All rows of a table. Raises KeyshiftError where it cannot be read, Stopped."""
        return (piece.rows for piece in self.pieces(table))

    def pieces(self, table: str, after: PrimaryKey | None = None) -> Iterator[Piece]:
        """All rows of a table after a key, in pieces that grow until they have the usual size. Raises as `chunks`."""
        limit = first_limit(self.estimate(table), CHUNK_ROWS)
        while True:
            piece = self.piece(table, after, limit)
            yield piece
            after = piece.upper
            if after is None:
                return
            limit = next_limit(limit, len(piece.rows), _bytes_of(piece.rows), CHUNK_ROWS)

    def piece(self, table: str, after: PrimaryKey | None, limit: int) -> Piece:
        """One piece: at most `limit` rows after the key. Raises as `chunks`."""
        chunk = self._read(table, partial(read_chunk, schema=self._schemas[table], after=after, limit=limit))
        return Piece(table, after, limit, chunk.rows, chunk.upper)

    def middle(self, table: str) -> PrimaryKey | None:
        """A key about the middle of the table, None where it is empty. Raises as `chunks`."""
        return self._read(table, partial(middle_key, schema=self._schemas[table]))

    def estimate(self, table: str) -> Estimate:
        """The server's estimate of the table's size. Raises as `chunks`."""
        return self._read(table, partial(read_estimates, tables=[table])).get(table, Estimate(0, 0))

    def rows(self, table: str, keys: Iterable[PrimaryKey]) -> list[Row]:
        """The rows that these primary keys have now. Raises as `chunks`."""
        schema, wanted = self._schemas[table], list(keys)
        return list(self._read(table, partial(get_rows, schema=schema, keys=wanted)).values())

    def close(self) -> None:
        """End the connection; a later call makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _read(self, table: str, work: Callable[[Connection], T]) -> T:
        backoff = Backoff()
        while True:
            self._stop.sleep(0)
            try:
                if self._connection is None:
                    self._connection = self._connect()
                return work(self._connection)
            except MySQLError as error:
                self._connection = None
                if not is_lost(error) or backoff.attempts >= RECONNECTS_MAX:
                    remedy = "Check the grants and the server's error log, then do it again"
                    raise KeyshiftError(f"reading table {table} failed: {error}", remedy) from error
                self._stop.sleep(backoff.next())


def _bytes_of(rows: Iterable[Row]) -> int:
    """About how much these rows occupy."""
    return sum(_value_bytes(value) for row in rows for value in row.values())


def _value_bytes(value: Canonical) -> int:
    if isinstance(value, str | bytes):
        return len(value)
    return len(value.text) if isinstance(value, Json) else 8


class DynamoItems:
    """The target's items; the reads of one call run at once on the executor that is handed in."""

    def __init__(self, client: DynamoDBClient, targets: Mapping[str, Target], executor: Executor, stop: Stop) -> None:
        self._client, self._targets, self._executor, self._stop = client, targets, executor, stop

    def get(self, table: str, keys: Sequence[Key]) -> Mapping[Key, Item]:
        """Those of the items that exist, by key. Raises KeyshiftError where the service refuses, Stopped."""
        target, size = self._targets[table], items.READS_PER_BATCH_MAX
        typed = [target.key_item(key) for key in keys]
        batches = [typed[begin : begin + size] for begin in range(0, len(typed), size)]
        found = chain.from_iterable(self._executor.map(lambda batch: self._batch(table, batch), batches))
        return {target.key_of(item): item for item in found}

    def scan(self, table: str) -> Iterator[Item]:
        """Every item of the table. Raises as `get`."""
        with explaining(f"scanning table {table}"):
            for item in items.scan(self._client, table, stop=self._stop):
                if self._stop.is_set():
                    self._stop.sleep(0)
                yield item

    def _batch(self, table: str, keys: list[Item]) -> list[Item]:
        with explaining(f"reading items of table {table}"):
            return list(items.batch_get(self._client, table, keys, stop=self._stop))
