"""What was dumped, read back: a table's chunks as they are recorded, and what the rows of one of them ask for."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bulkload.chunkfile import ChunkReader, check_digest
from bulkload.load.writes import ChunkRows, ChunkWrites, plan_writes
from bulkload.manifest import decode_manifest, require_agreement
from bulkload.storage import Storage
from keymap.errors import KeyshiftError
from keymap.rules import Keymap
from keymap.schema import TableSchema
from keyshift.aws.hold import steadily
from keyshift.control.chunks import Chunk, ChunkState, chunks, dumped_chunks
from keyshift.control.migration import Migration
from keyshift.control.reloads import FIRST
from keyshift.control.store import Store
from keyshift.process.stop import Stop

_DUMP_FIRST: Final = "Run `keyshift bulkload dump` to its end first"


@dataclass(frozen=True, slots=True)
class Task:
    """A chunk to be loaded, and the schema of its table as it was dumped."""

    chunk: Chunk
    schema: TableSchema


@dataclass(frozen=True, slots=True)
class Table:
    """A table and its chunks as they are recorded: all of them, or those that a dump has recorded so far."""

    schema: TableSchema
    chunks: Sequence[Chunk]
    generation: str = FIRST

    @property
    def name(self) -> str:
        """`db.table`."""
        return self.schema.full_name

    @property
    def rows(self) -> int:
        """Rows of these chunks."""
        return sum(chunk.rows for chunk in self.chunks)

    @property
    def rows_loaded(self) -> int:
        """Those of them that are loaded."""
        return sum(chunk.rows for chunk in self.chunks if chunk.state is ChunkState.LOADED)

    @property
    def tasks(self) -> list[Task]:
        """All chunks."""
        return [Task(chunk, self.schema) for chunk in self.chunks]

    @property
    def pending(self) -> list[Task]:
        """The chunks that are not recorded as loaded."""
        return [task for task in self.tasks if task.chunk.state is not ChunkState.LOADED]


@dataclass(frozen=True, slots=True)
class Dump:
    """The dump of a migration, for one loader."""

    migration: Migration
    keymap: Keymap
    store: Store
    storage: Storage
    stop: Stop

    def table(self, name: str, generation: str) -> Table:
        """A table that is dumped whole. Raises KeyshiftError where it is not, or its manifest says something else."""
        store, storage = self.store, self.storage
        if steadily(lambda: dumped_chunks(store, name, generation), self.stop) is None:
            raise KeyshiftError(f"table {name} is not dumped", _DUMP_FIRST)
        recorded = recorded_chunks(store, name, self.stop, generation)
        object_name = storage.manifest_name(name, generation)
        manifest = decode_manifest(storage.get(object_name), storage.address(object_name))
        require_agreement(manifest, storage.address(object_name), self.migration.id, name, recorded)
        return Table(manifest.schema, recorded, generation)

    def writes(self, task: Task) -> ChunkWrites:
        """All writes of a chunk whose file is what was recorded, and its rejects. Raises ChunkError."""
        data = self.storage.get(task.chunk.object)
        return plan_writes(self.keymap, self.migration.id, rows_of(task, data, self.storage, self.migration.id))


def recorded_chunks(store: Store, table: str, stop: Stop, generation: str = FIRST) -> list[Chunk]:
    """The chunks of a table that are recorded now."""
    return steadily(lambda: list(chunks(store, table, generation)), stop)


def rows_of(task: Task, data: bytes, storage: Storage, migration: str) -> ChunkRows:
    """The rows of a chunk, from its file's bytes. Raises ChunkError, also later, unless they are what was recorded."""
    chunk, name = task.chunk, storage.address(task.chunk.object)
    check_digest(data, chunk.sha256, name)
    reader = ChunkReader(io.BytesIO(data), name)
    reader.require(migration, chunk.table, task.schema.primary_key)
    rows = reader.rows(chunk.rows)
    return ChunkRows(task.schema, rows, chunk.uncut, reader.header.version, alone=not chunk.generation)
