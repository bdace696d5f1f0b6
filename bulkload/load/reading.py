"""What was dumped, read back: a table's chunks as they are recorded, and what the rows of one of them ask for."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bulkload.chunkfile import ChunkReader, check_digest
from bulkload.hold import steadily
from bulkload.load.writes import ChunkRows, ChunkWrites, plan_writes
from bulkload.manifest import Manifest, decode_manifest, require_agreement
from bulkload.storage import Storage
from keymap.errors import KeyshiftError
from keymap.rules import Keymap
from keyshift.control.chunks import Chunk, ChunkState, chunks, dumped_chunks
from keyshift.control.migration import Migration
from keyshift.control.store import Store
from keyshift.process.stop import Stop

_DUMP_FIRST: Final = "Run `keyshift bulkload dump` to its end first"


@dataclass(frozen=True, slots=True)
class DumpedTable:
    """A dumped table and its chunks, as they are recorded."""

    manifest: Manifest
    chunks: Sequence[Chunk]
    generation: str

    @property
    def pending(self) -> list[Chunk]:
        """The chunks that are not recorded as loaded."""
        return [chunk for chunk in self.chunks if chunk.state is not ChunkState.LOADED]


@dataclass(frozen=True, slots=True)
class Dump:
    """The dump of a migration, for one loader."""

    migration: Migration
    keymap: Keymap
    store: Store
    storage: Storage
    stop: Stop

    def table(self, name: str, generation: str) -> DumpedTable:
        """A table that is dumped whole. Raises KeyshiftError where it is not, or its manifest says something else."""
        store, storage = self.store, self.storage
        if steadily(lambda: dumped_chunks(store, name, generation), self.stop) is None:
            raise KeyshiftError(f"table {name} is not dumped", _DUMP_FIRST)
        recorded = steadily(lambda: list(chunks(store, name, generation)), self.stop)
        object_name = storage.manifest_name(name, generation)
        manifest = decode_manifest(storage.get(object_name), storage.address(object_name))
        require_agreement(manifest, storage.address(object_name), self.migration.id, name, recorded)
        return DumpedTable(manifest, recorded, generation)

    def writes(self, manifest: Manifest, chunk: Chunk) -> ChunkWrites:
        """All writes of a chunk whose file is what was recorded. Raises ChunkError, and Problems for its rows."""
        name = self.storage.address(chunk.object)
        data = self.storage.get(chunk.object)
        check_digest(data, chunk.sha256, name)
        reader = ChunkReader(io.BytesIO(data), name)
        reader.require(self.migration.id, chunk.table, manifest.schema.primary_key)
        rows = ChunkRows(
            manifest.schema, reader.rows(chunk.rows), chunk.uncut, reader.header.version, alone=not chunk.generation
        )
        return plan_writes(self.keymap, self.migration.id, rows)
