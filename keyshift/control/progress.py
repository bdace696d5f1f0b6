"""How far the bulk load is, and what keeps replay from opening."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from keyshift.control.chunks import FIRST_CHUNK, ChunkState, chunk_number, chunk_records, dumped_chunks
from keyshift.control.reloads import FIRST, Reload, read_reloads
from keyshift.control.store import Store
from keyshift.control.wanted import pending_wish


@dataclass(frozen=True, slots=True)
class TableProgress:
    """One table: `chunks` (None until it is dumped) and `rows` of it; counts of chunks and rows dumped and loaded, and
    of rows that could not become items (`rejected`, a part of the loaded).

    All of them in its newest generation: `reload` is where that began, None for the first. `wanted`: the daemon's next
    run begins to load it again.
    """

    table: str
    chunks: int | None
    dumped: int
    loaded: int
    rows_dumped: int
    rows_loaded: int
    reload: Reload | None = None
    wanted: bool = False
    rejected: int = 0

    @property
    def loaded_whole(self) -> bool:
        """Whether all of the table is loaded; what it was before a reload may be left of it."""
        return self.chunks is not None and self.loaded == self.dumped == self.chunks

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do for the table."""
        return self.loaded_whole and not self.wanted and (self.reload is None or self.reload.done)


@dataclass(frozen=True, slots=True)
class Progress:
    """All tables together, as Progress.tables tells them apart."""

    tables: tuple[TableProgress, ...]

    @property
    def total(self) -> int:
        """Chunks known so far; final once every table is dumped."""
        return sum(table.dumped if table.chunks is None else table.chunks for table in self.tables)

    @property
    def dumped(self) -> int:
        """Chunks recorded as dumped, the loaded ones among them."""
        return sum(table.dumped for table in self.tables)

    @property
    def loaded(self) -> int:
        """Chunks recorded as loaded."""
        return sum(table.loaded for table in self.tables)

    @property
    def rows_dumped(self) -> int:
        """Rows of the dumped chunks."""
        return sum(table.rows_dumped for table in self.tables)

    @property
    def rows_loaded(self) -> int:
        """Rows of the loaded chunks."""
        return sum(table.rows_loaded for table in self.tables)

    @property
    def rejected(self) -> int:
        """Rows of the loaded chunks that could not become items."""
        return sum(table.rejected for table in self.tables)

    @property
    def tables_dumped(self) -> int:
        """Tables of which the last chunk is recorded."""
        return sum(table.chunks is not None for table in self.tables)

    @property
    def complete(self) -> bool:
        """Whether everything is loaded."""
        return all(table.complete for table in self.tables)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The tables that the daemon's next run begins to load again."""
        return tuple(table.table for table in self.tables if table.wanted)

    @property
    def unfinished(self) -> tuple[str, ...]:
        """The tables that are loaded again, or will be."""
        again = (table for table in self.tables if table.reload is not None or table.wanted)
        return tuple(table.table for table in again if not table.complete)


def progress(store: Store, tables: Iterable[str]) -> Progress:
    """How far the bulk load of these tables is. It reads every chunk's record: for a status, not for a tight loop."""
    wish, reloads = pending_wish(store), read_reloads(store)
    wanted = wish.tables if wish else ()
    return Progress(tuple(_table_progress(store, table, reloads.get(table), wanted) for table in tables))


def missing(store: Store, tables: Iterable[str]) -> list[str]:
    """What keeps replay from opening, one phrase for each table or chunk; empty when everything is loaded.

    A table that is loaded again keeps nothing: its rows are written beside replay, with guards.
    """
    found: list[str] = []
    reloads = read_reloads(store)
    for table in tables:
        if table in reloads:
            continue
        count = dumped_chunks(store, table)
        if count is None:
            found.append(f"table {table} is not dumped")
            continue
        states = {chunk_number(record): record.text("state") for record in chunk_records(store, table, "state")}
        wanted = range(FIRST_CHUNK, FIRST_CHUNK + count)
        found += [
            f"chunk {number} of {table} is not loaded"
            for number in sorted({*wanted, *states})
            if states.get(number) != ChunkState.LOADED
        ]
    return found


def _table_progress(store: Store, table: str, reload: Reload | None, wanted: Collection[str]) -> TableProgress:
    generation = reload.generation if reload else FIRST
    count = dumped_chunks(store, table, generation)  # before the chunks: never more chunks than are counted
    records = list(chunk_records(store, table, "state", "rows", "rejected", generation=generation))
    loaded = [record for record in records if record.text("state") == ChunkState.LOADED]
    return TableProgress(
        table=table,
        chunks=count,
        dumped=len(records),
        loaded=len(loaded),
        rows_dumped=sum(record.number("rows") for record in records),
        rows_loaded=sum(record.number("rows") for record in loaded),
        reload=reload,
        wanted=table in wanted,
        rejected=sum(record.number("rejected") for record in records),
    )
