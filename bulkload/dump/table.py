"""The dump of one table: read a chunk, store it, record it, and go on behind it until the table's end.

What is recorded is the only memory. A process that dies between any two lines leaves at most an object that nobody
names; the next one reads the same range again. The table's end is a chunk without an upper bound, or nothing left to
read; then the manifest is written, and last the table is recorded as dumped.
"""

from dataclasses import dataclass
from typing import Final

from bulkload.board import Board
from bulkload.chunkfile import ChunkHeader, ChunkWriter, EncodedChunk
from bulkload.dump.gentle import Gentle
from bulkload.dump.source import Source
from bulkload.estimate import Estimate, first_limit
from bulkload.hold import steadily
from bulkload.manifest import encode_manifest, make_manifest
from bulkload.storage import Storage
from keymap.check import uncut_columns
from keymap.rules import Keymap
from keymap.schema import TableSchema
from keyshift.control.chunks import (
    FIRST_CHUNK,
    Chunk,
    chunks,
    dumped_chunks,
    record_dumped,
    record_table_dumped,
)
from keyshift.control.lease import Lease
from keyshift.control.migration import Migration
from keyshift.control.reloads import floor_of
from keyshift.mysql.connection import Connection
from keyshift.mysql.facts import read_gtid_seen
from keyshift.mysql.table_reader import Copied, copy_chunk
from keyshift.process.log import get_logger
from keyshift.process.stop import Stop

_log = get_logger(__name__)
UNIT: Final = "rows"


@dataclass(frozen=True, slots=True)
class Tools:
    """What the dump of any table works with."""

    migration: Migration
    keymap: Keymap
    lease: Lease
    source: Source
    storage: Storage
    chunk_rows: int
    board: Board
    gentle: Gentle
    stop: Stop


@dataclass(frozen=True, slots=True)
class Done:
    """What one run did: chunks, their rows and compressed bytes."""

    chunks: int = 0
    rows: int = 0
    bytes: int = 0

    def __add__(self, other: "Done") -> "Done":
        return Done(self.chunks + other.chunks, self.rows + other.rows, self.bytes + other.bytes)

    def with_chunk(self, chunk: Chunk) -> "Done":
        """One chunk more."""
        return self + Done(1, chunk.rows, chunk.bytes)


class TableDump:
    """Dumps one table, or what is missing of it. `done` counts, also when run() was cut short.

    `start_epoch` is the epoch that capture began in; `generation` the table's.
    """

    def __init__(
        self, tools: Tools, schema: TableSchema, estimate: Estimate, *, start_epoch: int, generation: str
    ) -> None:
        self.done = Done()
        self._tools = tools
        self._schema = schema
        self._table = schema.full_name
        self._estimate = estimate
        self._uncut = uncut_columns(tools.keymap, schema)
        self._generation = generation
        floor = floor_of(generation) if generation else ""
        # A later epoch's lowest version would be newer than changes of an earlier one, which a replica that lags may
        # not show yet (docs/decisions/0017). A table that is loaded again keeps the place where that began (0022).
        self._header = ChunkHeader(tools.migration.id, self._table, tuple(schema.by_name), start_epoch, floor)

    def run(self) -> None:
        """Dump until the table is recorded as dumped. Raises KeyshiftError (LeaseLost among them) and Stopped."""
        recorded = self._recorded()
        if recorded is None:
            return
        last = recorded[-1] if recorded else None
        rows_before = sum(chunk.rows for chunk in recorded)
        self._tools.board.begins(self._table, rows_before, self._estimate.rows)
        limit, found_empty = first_limit(self._estimate, self._tools.chunk_rows), ""
        while last is None or last.upper is not None:
            self._tools.gentle.wait()
            read, encoded, seen = self._read(last, limit)
            if not read.rows:
                found_empty = seen
                break
            last = self._keep(last, read, encoded, seen)
            limit = self._tools.gentle.next_limit(limit, encoded)
            self._tell(rows_before + self.done.rows)
        self._finish(found_empty)

    def _recorded(self) -> list[Chunk] | None:
        """The chunks that are recorded; None when the table is dumped."""
        store, stop = self._tools.lease.store, self._tools.stop
        if steadily(lambda: dumped_chunks(store, self._table, self._generation), stop) is not None:
            return None
        return steadily(lambda: list(chunks(store, self._table, self._generation)), stop)

    def _read(self, last: Chunk | None, limit: int) -> tuple[Copied, EncodedChunk, str]:
        """The next rows, and a GTID set that contains all that they show."""
        after = last.upper if last else None

        def read(connection: Connection) -> tuple[Copied, EncodedChunk, str]:
            file = ChunkWriter(self._header)
            with self._tools.gentle.reading():
                read = copy_chunk(
                    connection,
                    self._schema,
                    file.write,
                    after=after,
                    until=None,
                    limit=limit,
                    uncut_columns=self._uncut,
                )
            return read, file.end(read.rows), read_gtid_seen(connection)

        return self._tools.source.ask(read, f"reading table {self._table}")

    def _keep(self, last: Chunk | None, read: Copied, encoded: EncodedChunk, seen: str) -> Chunk:
        number = last.number + 1 if last else FIRST_CHUNK
        chunk = Chunk(
            table=self._table,
            number=number,
            lower=last.upper if last else None,
            upper=read.upper,
            rows=encoded.rows,
            object=self._tools.storage.chunk_name(self._table, self._generation, number, encoded.sha256),
            sha256=encoded.sha256,
            bytes=len(encoded.data),
            uncut=self._uncut,
            gtid_set=seen,
            generation=self._generation,
        )
        self._tools.storage.put(chunk.object, encoded.data)
        steadily(lambda: record_dumped(self._tools.lease, chunk, self._tools.migration.epoch), self._tools.stop)
        self.done = self.done.with_chunk(chunk)
        _log.info("chunk_dumped", table=self._table, chunk=number, rows=chunk.rows, bytes=chunk.bytes)
        return chunk

    def _finish(self, seen: str) -> None:
        """Record the table as dumped; `seen` is what a last look showed that found no more rows."""
        tools, epoch = self._tools, self._tools.migration.epoch
        generation = self._generation
        recorded = steadily(lambda: list(chunks(tools.lease.store, self._table, generation)), tools.stop)
        manifest = make_manifest(tools.migration.id, self._schema, recorded)
        tools.storage.put(tools.storage.manifest_name(self._table, generation), encode_manifest(manifest))
        count, rows = len(recorded), manifest.rows
        steadily(
            lambda: record_table_dumped(
                tools.lease, self._table, count, rows, gtid_set=seen, epoch=epoch, generation=generation
            ),
            tools.stop,
        )
        _log.info("table_dumped", table=self._table, chunks=len(recorded), rows=manifest.rows)
        tools.board(self._table, manifest.rows, manifest.rows, UNIT)

    def _tell(self, rows: int) -> None:
        self._tools.board(self._table, rows, max(rows, self._estimate.rows), UNIT)
