"""The load: every chunk of the dump, from S3 into DynamoDB through the keymap, and then replay is opened.

A chunk is recorded as loaded when all its writes were accepted (bulkload/load/chunk.py), and a load that is started
again does what is not recorded. Rows carry the lowest version of the epoch in which they were dumped, so that every
captured change is newer. Most writes have no condition (bulkload/load/writes). What makes that safe: replay is closed,
the targets hold nothing else (bulkload/load/targets), and nothing is sent without the lease (keyshift/aws/hold).

Tables that are loaded again come after that, beside replay: each of their writes is guarded, and their rows carry the
version of the place where the reload began (docs/decisions/0022).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from multiprocessing.sharedctypes import RawValue

from bulkload.board import Board
from bulkload.folder import open_storage
from bulkload.load.chunk import Loaded, chunk_loader, writing_clients
from bulkload.load.opening import open_when_settled
from bulkload.load.reading import Dump, Table, Task
from bulkload.load.targets import Survey
from bulkload.load.work import Following, Work
from bulkload.load.worker import Order
from bulkload.load.workers import Alone, Crew, Workers, processors
from bulkload.progress import Progress, silent
from bulkload.storage import Storage
from keymap.errors import KeyshiftError, Problem, Problems
from keymap.rules import Keymap
from keyshift.aws.clients import Clients, explaining
from keyshift.aws.hold import NEVER, Hold, SendGuard, steadily
from keyshift.aws.leases import this_process
from keyshift.control import migration as control
from keyshift.control.chunks import record_loaded
from keyshift.control.imports import unfinished_imports
from keyshift.control.lease import LOAD, Lease
from keyshift.control.migration import Migration
from keyshift.control.phase import Phase, read_phase
from keyshift.control.reloads import FIRST, read_reloads
from keyshift.control.store import Store
from keyshift.process.clock import boottime
from keyshift.process.log import get_logger
from keyshift.process.settings import Settings
from keyshift.process.stop import Stop, Stopped

_log = get_logger(__name__)
UNIT = "rows"


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What this run did: chunks, rows, writes to items, rows that went to rejects files instead; and whether everything
    is loaded and replay open now.
    """

    chunks: int
    rows: int
    writes: int
    complete: bool
    rejected: int = 0


def load(  # noqa: PLR0913 - collaborators are handed in
    settings: Settings,
    keymap: Keymap,
    clients: Clients,
    stop: Stop,
    progress: Progress = silent,
    *,
    following: Following | None = None,
    writing: Clients | None = None,
    engine: "Engine | None" = None,
    first: "First | None" = None,
) -> LoadReport:
    """Load what is not loaded yet, and open replay; then what is loaded again. A stop ends it early, with a report that
    is not complete.

    With `following` the first load does not wait for the whole dump; `first` brings its chunks into the tables in
    another way, and has recorded each when it returns. `engine` makes the workers; by default they are this process, or
    several of this machine. `writing` are clients for nothing but the writes, which this process then does alone; by
    default they are made from the settings, and closed in the end.

    Raises KeyshiftError, with what to do: the dump is not complete, another process loads (Busy), a target holds other
    items (Problems, before anything is written), too many rows cannot become items (Problems, before anything of their
    chunk is written), a chunk is damaged, the lease is lost. What was recorded is kept.
    """
    with explaining("loading"), closing(writing or writing_clients(settings)) as own:
        store = Store(clients.control, settings.control_table, settings.migration)
        migration = control.load(store)
        control.require_digest(migration, keymap.digest)
        deadline = RawValue("d", NEVER)  # where the processes of the load see it too
        seconds = settings.bulkload.lease_seconds
        lease = Lease(store, LOAD, this_process(), seconds, boottime, deadline=deadline)
        guard = SendGuard(lease, settings.apply.request_life_seconds, boottime)
        guard.watch(own.dynamodb)
        board = Board(store, LOAD, progress, stop, boottime)
        storage = open_storage(settings.bulkload.folder, clients, migration, stop)
        tools = Tools(settings, migration, keymap, lease, guard, storage, clients, own, board, stop)
        job = Load(tools, engine, alone=writing is not None)
        try:
            with Hold(lease, stop, boottime) as hold:
                try:
                    if job.needed():
                        job.run(following, first)
                        open_when_settled(lease, guard, settings.bulkload.signature_validity_seconds, stop)
                    job.run_again()
                finally:
                    hold.keep = guard.unsettled_seconds > 0
        except Stopped:
            return job.report(complete=False)
        return job.report(complete=True)


@dataclass(frozen=True, slots=True)
class Tools:
    """What the load works with. `own` is guarded by the lease, and used for nothing but the target tables."""

    settings: Settings
    migration: Migration
    keymap: Keymap
    lease: Lease
    guard: SendGuard
    storage: Storage
    clients: Clients
    own: Clients
    board: Board
    stop: Stop


Engine = Callable[[Tools], Workers]  # who loads, under the lease of these tools
First = Callable[[Tools, Dump, Sequence[str]], LoadReport]  # with the names of the tables


class Load:
    """All chunks of all tables. Those of the first load come before those of tables that are loaded again."""

    def __init__(self, tools: Tools, engine: Engine | None, *, alone: bool) -> None:
        self._tools = tools
        self._engine = engine
        self._dump = Dump(tools.migration, tools.keymap, tools.lease.store, tools.storage, tools.stop)
        self._alone = alone
        self._chunks = self._rows = self._writes = 0
        self._rejected: Counter[str] = Counter()
        self._rejected_before: Counter[str] = Counter()  # by earlier runs
        self._loaded: Counter[str] = Counter()  # rows by table, those of earlier runs too
        self._totals: dict[str, int] = {}

    def needed(self) -> bool:
        """Whether replay is still closed. Raises KeyshiftError where nothing may be loaded any more."""
        phase = read_phase(self._tools.lease.store)
        if phase is Phase.CLOSED:
            message = (
                f"migration {self._tools.migration.name} has been cut over: its targets may belong to the application"
            )
            raise KeyshiftError(message, "Nothing more is loaded; `keyshift status` shows where it stands")
        return phase is Phase.LOAD

    def run(self, following: Following | None, first: "First | None") -> None:
        """Load every chunk of the first load that is not recorded as loaded. Raises KeyshiftError and Stopped."""
        again = self._again()
        names = [name for name in self._tools.migration.tables if name not in again]
        if first is not None:
            done = first(self._tools, self._dump, names)
            self._chunks, self._rows, self._writes = done.chunks, done.rows, done.writes
            self._rejected["all"] = done.rejected
            return
        self._require_no_import()
        if following is not None:
            self._load(following.tables(self._tools.lease.store, names, self._tools.stop), following)
            following.require_end()  # nothing is left then: what the manifests say is checked
        self._load(self._dump.tables(dict.fromkeys(names, FIRST)))

    def _require_no_import(self) -> None:
        """Where an import may be under way, it might still write old items when replay has opened."""
        if begun := steadily(lambda: unfinished_imports(self._tools.lease.store), self._tools.stop):
            message = f"an import from S3 was begun into {', '.join(begun)}, and is not recorded as done"
            remedy = "Set bulkload.engine to import, and run it to its end; or begin anew (`keyshift destroy`, `init`)"
            raise KeyshiftError(message, remedy)

    def run_again(self) -> None:
        """The same of tables that are loaded again. Replay is open: nothing is written without a guard."""
        self._load(self._dump.tables(self._again()))

    def report(self, *, complete: bool) -> LoadReport:
        """What was done."""
        return LoadReport(self._chunks, self._rows, self._writes, complete, self._rejected.total())

    def _again(self) -> dict[str, str]:
        """The tables that are loaded again, or were, with their generations."""
        found = steadily(lambda: read_reloads(self._tools.lease.store), self._tools.stop)
        return {name: found[name].generation for name in self._tools.migration.tables if name in found}

    def _load(self, tables: Sequence[Table], following: Following | None = None) -> None:
        work = Work((task for table in tables for task in table.pending), following.feed if following else None)
        for table in tables:
            self._totals[table.name], self._loaded[table.name] = table.rows, table.rows_loaded
            recorded = sum(chunk.rejected for chunk in table.chunks)
            self._rejected_before[table.name] = recorded - self._rejected[table.name]
        if work.ended:
            return
        concurrency = self._tools.settings.bulkload.load_concurrency
        with ThreadPoolExecutor(concurrency, thread_name_prefix="load") as executor:
            if following or not tables[0].generation:
                self._survey(executor)
            self._workers(executor, work, following).run(work, self._done)

    def _survey(self, executor: ThreadPoolExecutor) -> None:
        tools = self._tools
        survey = Survey(tools.own.dynamodb, tools.keymap, tools.migration.id, tools.migration.epoch, tools.stop)
        survey.require_ours(executor, segments=tools.settings.bulkload.load_concurrency)

    def _workers(self, executor: ThreadPoolExecutor, work: Work, following: Following | None) -> Workers:
        if self._engine:
            return self._engine(self._tools)
        tools, settings = self._tools, self._tools.settings
        count = settings.bulkload.load_processes or processors()
        if following is None:
            count = min(count, len(work))
        if count > 1 and not self._alone:
            order = Order(settings.without_password(), tools.migration, tools.lease.owner, share=1 / count)
            return Crew(order, tools.lease.deadline, count, tools.guard, tools.stop)
        loader = chunk_loader(
            settings,
            tools.keymap,
            tools.migration,
            tools.storage,
            client=tools.own.dynamodb,
            executor=executor,
            stop=tools.stop,
            capacities=tools.clients.dynamodb,
        )
        return Alone(loader, tools.stop)

    def _done(self, task: Task, loaded: Loaded) -> None:
        chunk, tools = task.chunk, self._tools
        self._rejected[chunk.table] += loaded.rejected
        self._require_few(chunk.table)
        steadily(partial(record_loaded, tools.lease, chunk, loaded.rejected), tools.stop)
        self._chunks += 1
        self._rows += chunk.rows
        self._writes += loaded.writes
        rows = self._loaded[chunk.table] = self._loaded[chunk.table] + chunk.rows
        rejected = {"rejected": loaded.rejected} if loaded.rejected else {}
        _log.info(
            "chunk_loaded", table=chunk.table, chunk=chunk.number, rows=chunk.rows, writes=loaded.writes, **rejected
        )
        if loaded.waits:
            tools.board.waits(loaded.waits)
        else:
            tools.board.goes_on()
        tools.board(chunk.table, rows, max(rows, self._totals.get(chunk.table, 0)), UNIT)

    def _require_few(self, table: str) -> None:
        rejected = self._rejected_before[table] + self._rejected[table]
        most = self._tools.settings.bulkload.rejects_max
        if rejected > most:
            what = f"{rejected} of its rows cannot become items, and bulkload.rejects_max is {most}"
            remedy = "Look at the rejects files beside its chunks, correct the keymap or the rows, or raise that limit"
            raise Problems([Problem(f"table {table}", what, remedy)])
