"""The dump of one table: read a chunk, store it, record it, and go on behind it until the table's end.

A large table is cut into ranges first (keyshift.mysql.key_ranges), and its chunks are read from all of them in turn: by
several readers at once, and in an order in which what follows each other lies far apart.

What is recorded is the only memory. A process that dies between any two lines leaves at most objects that nobody names;
the next one reads the same places again, by as many readers as it has. When every range is read to its end, and the
chunks are seen to follow each other from the table's beginning to its end, the manifest is written, and last the table
is recorded as dumped.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from typing import Final

from bulkload.board import Board
from bulkload.chunkfile import ChunkHeader, ChunkWriter, EncodedChunk
from bulkload.dump.chain import Numbers, Span, require_chain, spans_left, spread
from bulkload.dump.crew import Step
from bulkload.dump.gentle import Gentle, Reader
from bulkload.dump.origin import Origin
from bulkload.estimate import Estimate, first_limit
from bulkload.manifest import encode_manifest, make_manifest
from bulkload.storage import Storage
from keymap.check import uncut_columns
from keymap.rules import Keymap
from keymap.schema import TableSchema
from keyshift.aws.hold import steadily
from keyshift.control.chunks import Chunk, chunks, dumped_chunks, record_dumped, record_table_dumped
from keyshift.control.lease import Lease
from keyshift.control.migration import Migration
from keyshift.control.ranges import read_bounds, record_bounds
from keyshift.control.reloads import floor_of
from keyshift.mysql.connection import Connection
from keyshift.mysql.facts import read_gtid_seen
from keyshift.mysql.key_ranges import find_bounds
from keyshift.mysql.keys import Key
from keyshift.mysql.table_reader import Copied, copy_chunk
from keyshift.process.log import get_logger
from keyshift.process.stop import Stop

_log = get_logger(__name__)
UNIT: Final = "rows"
RANGES_MAX: Final = 32  # of a table: chunks of as many places follow each other, and so few of one target partition
RANGE_CHUNKS_MIN: Final = 4  # a table with fewer for each of two ranges is read as a whole


Recorded = Callable[[Chunk, TableSchema], None]


def nobody(chunk: Chunk, schema: TableSchema) -> None:
    """Nobody waits for chunks."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What the dump of any table works with."""

    migration: Migration
    keymap: Keymap
    lease: Lease
    storage: Storage
    chunk_rows: int
    board: Board
    gentle: Gentle
    stop: Stop
    recorded: Recorded
    origin: Origin
    recording: threading.Lock = field(default_factory=threading.Lock)  # transactions with one lease get in their way


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


class _State(Enum):
    NEW = auto()
    AT_IT = auto()  # one thread begins or ends it
    OPEN = auto()
    DONE = auto()


class TableDump:
    """Dumps one table, or what is missing of it, in steps (bulkload.dump.crew.Work). `done` counts.

    `start_epoch` is the epoch that capture began in; `generation` the table's. Steps raise KeyshiftError (LeaseLost
    among them) and Stopped.
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
        self._state = _State.NEW
        self._spans: deque[Span] = deque()  # to be read, none of them being read
        self._reading = 0
        self._numbers = Numbers(())
        self._rows_before = 0
        self._end: tuple[Key | None, str] = (None, "")  # behind which a last look found nothing, and what it showed
        self._limit = first_limit(estimate, tools.chunk_rows)
        self._lock = threading.Lock()

    @property
    def is_done(self) -> bool:
        """See Work."""
        return self._state is _State.DONE

    def next_step(self) -> Step | None:
        """See Work."""
        with self._lock:
            if self._state is _State.NEW:
                self._state = _State.AT_IT
                return self._begin
            if self._state is not _State.OPEN:
                return None
            if self._spans:
                self._reading += 1
                return partial(self._chunk, self._spans.popleft())
            if not self._reading:
                self._state = _State.AT_IT
                return self._finish
            return None

    def _begin(self, reader: Reader, _free: Callable[[], None]) -> None:
        store, stop, generation = self._tools.lease.store, self._tools.stop, self._generation
        if steadily(lambda: dumped_chunks(store, self._table, generation), stop) is not None:
            self._state = _State.DONE
            return
        recorded = steadily(lambda: list(chunks(store, self._table, generation)), stop)
        self._rows_before = sum(chunk.rows for chunk in recorded)
        self._tools.board.begins(self._table, self._rows_before, self._estimate.rows)
        bounds = steadily(lambda: read_bounds(store, self._table, generation), stop)
        if not recorded and not bounds:
            self._tools.gentle.wait(reader, 0)
            bounds = self._cut(reader)
        self._spans.extend(spread(spans_left(recorded, bounds)))
        self._numbers = Numbers(recorded)
        self._state = _State.OPEN

    def _cut(self, reader: Reader) -> tuple[Key, ...]:
        """Find bounds, and record them before anything is read."""
        find = partial(
            find_bounds,
            schema=self._schema,
            ranges_max=RANGES_MAX,
            rows_min=RANGE_CHUNKS_MIN * self._tools.chunk_rows,
            uncut_columns=self._uncut,
        )
        bounds = reader.source.ask(find, f"looking for where to cut table {self._table}")
        if not bounds:
            return ()
        lease, epoch = self._tools.lease, self._tools.migration.epoch
        record = partial(record_bounds, lease, self._table, bounds, epoch=epoch, generation=self._generation)
        _log.info("table_cut", table=self._table, ranges=len(bounds) + 1)
        return steadily(record, self._tools.stop)

    def _chunk(self, span: Span, reader: Reader, free: Callable[[], None]) -> None:
        """Read and keep the next chunk of a range, and give back what is left of the range then."""
        limit = self._limit
        self._tools.gentle.wait(reader, limit)
        read, encoded, seen = self._read(reader, span, limit)
        with self._lock:
            largest = max(limit, self._limit)
            self._limit = self._tools.gentle.next_limit(reader, largest, encoded, is_full=not read.is_last)
        free()
        self._tools.origin.vouch(seen)  # before anything of it counts
        if read.rows or self._is_wanted_empty(span):
            self._keep(span, read, encoded, seen)
        else:
            self._end = (span.lower, seen)
        with self._lock:
            self._reading -= 1
            if not read.is_last and read.upper != span.upper:
                self._spans.append(Span(read.upper, span.upper))

    def _is_wanted_empty(self, span: Span) -> bool:
        """Whether a chunk without rows is needed: to lead to the next range, or to fill a gap in the numbers."""
        with self._lock:
            return span.upper is not None or self._numbers.has_gap

    def _read(self, reader: Reader, span: Span, limit: int) -> tuple[Copied, EncodedChunk, str]:
        """The next rows, and a GTID set that contains all that they show."""

        def read(connection: Connection) -> tuple[Copied, EncodedChunk, str]:
            file = ChunkWriter(self._header)
            with self._tools.gentle.reading(reader):
                read = copy_chunk(
                    connection,
                    self._schema,
                    file.write,
                    after=span.lower,
                    until=span.upper,
                    limit=limit,
                    uncut_columns=self._uncut,
                )
            return read, file.end(read.rows), read_gtid_seen(connection)

        return reader.source.ask(read, f"reading table {self._table}")

    def _keep(self, span: Span, read: Copied, encoded: EncodedChunk, seen: str) -> None:
        """Store a chunk, and record it once it is stored."""
        tools = self._tools
        with self._lock:
            number = self._numbers.draw()
        chunk = Chunk(
            table=self._table,
            number=number,
            lower=span.lower,
            upper=read.upper,
            rows=encoded.rows,
            object=tools.storage.chunk_name(self._table, self._generation, number, encoded.sha256),
            sha256=encoded.sha256,
            bytes=len(encoded.data),
            uncut=self._uncut,
            gtid_set=seen,
            generation=self._generation,
        )
        tools.storage.put(chunk.object, encoded.data)
        with tools.recording:
            record = partial(record_dumped, tools.lease, chunk, tools.migration.epoch, is_new=True)
            steadily(record, tools.stop)
        tools.recorded(chunk, self._schema)
        _log.info("chunk_dumped", table=self._table, chunk=number, rows=chunk.rows, bytes=chunk.bytes)
        with self._lock:
            self.done = self.done.with_chunk(chunk)
            rows = self._rows_before + self.done.rows
            tools.board(self._table, rows, max(rows + 1, self._estimate.rows), UNIT)  # there may be more

    def _finish(self, _reader: Reader, free: Callable[[], None]) -> None:
        """Record the table as dumped, once its chunks are known to be all of it."""
        free()
        tools, table, generation = self._tools, self._table, self._generation
        recorded = steadily(lambda: list(chunks(tools.lease.store, table, generation)), tools.stop)
        require_chain(table, recorded, self._end[0])
        manifest = make_manifest(tools.migration.id, self._schema, recorded)
        tools.storage.put(tools.storage.manifest_name(table, generation), encode_manifest(manifest))
        record = partial(record_table_dumped, tools.lease, table, len(recorded), manifest.rows)
        epoch, seen = tools.migration.epoch, self._end[1]
        with tools.recording:
            steadily(lambda: record(gtid_set=seen, epoch=epoch, generation=generation), tools.stop)
        _log.info("table_dumped", table=table, chunks=len(recorded), rows=manifest.rows)
        tools.board(table, manifest.rows, manifest.rows, UNIT)
        self._state = _State.DONE
