"""What was dumped, read back: a table's chunks as they are recorded, and what the rows of one of them ask for."""

import io
from collections.abc import Mapping, Sequence
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

    def tables(self, generations: Mapping[str, str]) -> list[Table]:
        """These tables, which are dumped whole, each in its generation. Raises KeyshiftError with all that are not."""
        missing = [name for name, one in generations.items() if not self._is_dumped(name, one)]
        if missing:
            what = f"table {missing[0]} is" if len(missing) == 1 else f"tables {', '.join(missing)} are"
            raise KeyshiftError(f"{what} not dumped", _DUMP_FIRST)
        return [self._table(name, generation) for name, generation in generations.items()]

    def _table(self, name: str, generation: str) -> Table:
        """A table of `tables`. Raises KeyshiftError where its manifest says something else than what is recorded."""
        store, storage = self.store, self.storage
        recorded = recorded_chunks(store, name, self.stop, generation)
        object_name = storage.manifest_name(name, generation)
        manifest = decode_manifest(storage.get(object_name), storage.address(object_name))
        require_agreement(manifest, storage.address(object_name), self.migration.id, name, recorded)
        return Table(manifest.schema, recorded, generation)

    def _is_dumped(self, name: str, generation: str) -> bool:
        return steadily(lambda: dumped_chunks(self.store, name, generation), self.stop) is not None

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
