"""The load: every chunk of the dump, from S3 into DynamoDB through the keymap, and then replay is opened.

A chunk is read whole, checked against what was recorded, turned into writes, and only when all of these are in order is
the first of them sent; only when all of them were accepted is the chunk recorded as loaded. A load that is started
again does what is not recorded. Rows carry the lowest version of the epoch in which they were dumped, so that every
captured change is newer. Most writes have no condition (bulkload/load/writes). What makes that safe: replay is closed,
the targets hold nothing else (bulkload/load/targets), and nothing is sent without the lease (bulkload/hold).

Tables that are loaded again come after that, beside replay: each of their writes is guarded, and their rows carry the
version of the place where the reload began (docs/decisions/0022).
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Final

from bulkload.folder import open_storage
from bulkload.hold import Hold, SendGuard, steadily
from bulkload.load.reading import Dump, DumpedTable
from bulkload.load.send import Sender
from bulkload.load.targets import Survey
from bulkload.manifest import Manifest
from bulkload.parallel import run_all
from bulkload.progress import Progress, silent
from bulkload.storage import Storage
from keymap.errors import KeyshiftError
from keymap.rules import Keymap
from keyshift.aws.clients import Clients, DynamoDBClient, explaining, make_clients
from keyshift.aws.leases import this_process
from keyshift.control import migration as control
from keyshift.control.chunks import Chunk, ChunkState, record_loaded
from keyshift.control.imports import unfinished_imports
from keyshift.control.lease import LOAD, Lease
from keyshift.control.migration import Migration
from keyshift.control.phase import Phase, TooEarly, open_replay, read_phase
from keyshift.control.reloads import FIRST, read_reloads
from keyshift.control.store import Store
from keyshift.process.clock import boottime
from keyshift.process.garbage import collected_later
from keyshift.process.log import get_logger
from keyshift.process.settings import Settings
from keyshift.process.stop import Stop, Stopped

_log = get_logger(__name__)
UNIT: Final = "rows"


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What this run did (chunks, rows, writes to items), and whether everything is loaded and replay open now."""

    chunks: int
    rows: int
    writes: int
    complete: bool


def load(  # noqa: PLR0913 - the last but one is for tests
    settings: Settings,
    keymap: Keymap,
    clients: Clients,
    stop: Stop,
    progress: Progress = silent,
    *,
    writing: Clients | None = None,
    first: "First | None" = None,
) -> LoadReport:
    """Load what is not loaded yet, and open replay; then what is loaded again. A stop ends it early, with a report that
    is not complete.

    `writing` are clients for nothing but the writes, made from the settings by default, and closed in the end. `first`
    brings the chunks of the first load into the tables in another way, and has recorded each when it returns. Raises
    KeyshiftError, with what to do: the dump is not complete, another process loads (Busy), a target holds other items
    or rows cannot be written (Problems, before anything of their chunk is), a chunk is damaged, the lease is lost. What
    was recorded is kept.
    """
    with explaining("loading"), closing(writing or _clients(settings)) as own:
        store = Store(clients.dynamodb, settings.control_table, settings.migration)
        migration = control.load(store)
        control.require_digest(migration, keymap.digest)
        lease = Lease(store, LOAD, this_process(), settings.bulkload.lease_seconds, boottime)
        guard = SendGuard(lease, settings.apply.request_life_seconds, boottime)
        guard.watch(own.dynamodb)
        storage = open_storage(settings.bulkload.folder, clients, migration, stop)
        tools = Tools(migration, keymap, lease, storage, own.dynamodb, progress, stop)
        job = Load(tools, settings.bulkload.load_concurrency)
        try:
            with Hold(lease, stop, boottime) as hold:
                try:
                    if job.needed():
                        job.run(first)
                        guard.settle(stop)
                        _open(lease, settings.bulkload.signature_validity_seconds, stop)
                    job.run_again()
                finally:
                    hold.keep = guard.unsettled_seconds > 0
        except Stopped:
            return job.report(complete=False)
        return job.report(complete=True)


def _clients(settings: Settings) -> Clients:
    aws, connections_max = settings.aws, settings.bulkload.load_concurrency + 1
    return make_clients(aws.region, aws.endpoints.urls, connections_max=connections_max, kind=aws.client)


def _open(lease: Lease, signature_validity_seconds: float, stop: Stop) -> None:
    """Open replay, waiting where a loader that was replaced may have signed something. Raises Stopped, LeaseLost."""
    while True:
        try:
            steadily(lambda: open_replay(lease, signature_validity_seconds), stop)
        except TooEarly as early:
            _log.info("waiting_to_open_replay", seconds=round(early.seconds, 1))
            stop.sleep(early.seconds)
        else:
            _log.info("replay_opened")
            return


@dataclass(frozen=True, slots=True)
class Tools:
    """What the load works with. `dynamodb` is guarded by the lease, and used for nothing but the target tables."""

    migration: Migration
    keymap: Keymap
    lease: Lease
    storage: Storage
    dynamodb: DynamoDBClient
    progress: Progress
    stop: Stop


First = Callable[[Tools, Dump, Sequence[str]], LoadReport]  # with the names of the tables


class Load:
    """All chunks of all tables, one after the other, each with several threads."""

    def __init__(self, tools: Tools, concurrency: int) -> None:
        self._tools = tools
        self._dump = Dump(tools.migration, tools.keymap, tools.lease.store, tools.storage, tools.stop)
        self._concurrency = concurrency
        self._chunks = self._rows = self._writes = 0

    def needed(self) -> bool:
        """Whether replay is still closed. Raises KeyshiftError where nothing may be loaded any more."""
        phase = read_phase(self._tools.lease.store)
        if phase is Phase.CLOSED:
            message = (
                f"migration {self._tools.migration.name} has been cut over: its targets may belong to the application"
            )
            raise KeyshiftError(message, "Nothing more is loaded; `keyshift status` shows where it stands")
        return phase is Phase.LOAD

    def run(self, first: First | None = None) -> None:
        """Load every chunk of the first load that is not recorded as loaded. Raises KeyshiftError and Stopped."""
        again = self._again()
        names = [name for name in self._tools.migration.tables if name not in again]
        if first is None:
            self._require_no_import()
            self._load([self._dump.table(name, FIRST) for name in names])
            return
        done = first(self._tools, self._dump, names)
        self._chunks, self._rows, self._writes = done.chunks, done.rows, done.writes

    def _require_no_import(self) -> None:
        """Where an import may be under way, it might still write old items when replay has opened."""
        if begun := steadily(lambda: unfinished_imports(self._tools.lease.store), self._tools.stop):
            message = f"an import from S3 was begun into {', '.join(begun)}, and is not recorded as done"
            remedy = "Set bulkload.engine to import, and run it to its end; or begin anew (`keyshift destroy`, `init`)"
            raise KeyshiftError(message, remedy)

    def run_again(self) -> None:
        """The same of tables that are loaded again. Replay is open: nothing is written without a guard."""
        self._load([self._dump.table(name, generation) for name, generation in self._again().items()])

    def _again(self) -> dict[str, str]:
        """The tables that are loaded again, or were, with their generations."""
        found = steadily(lambda: read_reloads(self._tools.lease.store), self._tools.stop)
        return {name: found[name].generation for name in self._tools.migration.tables if name in found}

    def _load(self, tables: Sequence[DumpedTable]) -> None:
        if not any(table.pending for table in tables):
            return
        with ThreadPoolExecutor(self._concurrency, thread_name_prefix="load") as executor:
            if not tables[0].generation:
                self._survey(executor)
            sender = self._sender(executor)
            for table in tables:
                self._load_table(table, sender)

    def report(self, *, complete: bool) -> LoadReport:
        """What was done."""
        return LoadReport(self._chunks, self._rows, self._writes, complete)

    def _survey(self, executor: Executor) -> None:
        tools = self._tools
        survey = Survey(tools.dynamodb, tools.keymap, tools.migration.id, tools.migration.epoch, tools.stop)
        survey.require_ours(executor, segments=self._concurrency)

    def _sender(self, executor: Executor) -> Sender:
        tools = self._tools
        run = partial(run_all, executor=executor, concurrency=self._concurrency, stop=tools.stop)
        return Sender(tools.dynamodb, tools.keymap, tools.migration.id, run, tools.stop)

    def _load_table(self, table: DumpedTable, sender: Sender) -> None:
        rows = sum(chunk.rows for chunk in table.chunks if chunk.state is ChunkState.LOADED)
        for chunk in table.pending:
            self._tools.stop.sleep(0)
            writes = self._load_chunk(table.manifest, chunk, sender)
            steadily(partial(record_loaded, self._tools.lease, chunk), self._tools.stop)
            rows += chunk.rows
            self._count(chunk, writes)
            self._tools.progress(chunk.table, rows, table.manifest.rows, UNIT)

    @collected_later()
    def _load_chunk(self, manifest: Manifest, chunk: Chunk, sender: Sender) -> int:
        """Write a chunk; how many writes it took. All that it was made of is let go of."""
        writes = self._dump.writes(manifest, chunk)
        sender.send(writes)
        return writes.items

    def _count(self, chunk: Chunk, writes: int) -> None:
        self._chunks += 1
        self._rows += chunk.rows
        self._writes += writes
        _log.info("chunk_loaded", table=chunk.table, chunk=chunk.number, rows=chunk.rows, writes=writes)
