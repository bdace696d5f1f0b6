"""The dump: every captured table, a chunk of rows at a time, from MySQL to S3.

Each chunk is one moment of its table, and no lock or long transaction holds them together: replay does, because capture
started before the first row is read. So the dump refuses until the daemon's first record was acknowledged, and reads
only from a server that contains everything before that point.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bulkload.board import Board
from bulkload.estimate import Estimate, read_estimates
from bulkload.folder import open_storage
from bulkload.gentle import Gentle
from bulkload.hold import Hold
from bulkload.progress import Progress, silent
from bulkload.source import RECONNECT_SECONDS_MAX, Source, open_at_start
from bulkload.table_dump import Done, TableDump, Tools
from keymap.check import check
from keymap.errors import KeyshiftError, Problem, Problems
from keymap.position import Position
from keymap.rules import Keymap
from keyshift.aws.clients import Clients, explaining
from keyshift.aws.leases import this_process
from keyshift.control.checkpoint import read_capture
from keyshift.control.lease import DUMP, Lease
from keyshift.control.migration import load, require_digest
from keyshift.control.store import Store
from keyshift.mysql.schema import read_schemas
from keyshift.mysql.strain import Replicas
from keyshift.process.backoff import Backoff
from keyshift.process.clock import boottime
from keyshift.process.settings import Settings
from keyshift.process.stop import Stop, Stopped


@dataclass(frozen=True, slots=True)
class DumpReport:
    """What this run did (chunks, their rows and compressed bytes), and whether all that it was asked for is dumped."""

    chunks: int
    rows: int
    bytes: int
    complete: bool


def dump(  # noqa: PLR0913 - collaborators are handed in
    settings: Settings,
    keymap: Keymap,
    clients: Clients,
    stop: Stop,
    progress: Progress = silent,
    *,
    tables: Collection[str] = (),
) -> DumpReport:
    """Dump what is not dumped yet. A stop ends it early, between two chunks, with a report that is not complete.

    `tables` limits this run to some of the captured tables (none: all). Raises KeyshiftError, with what to do: capture
    has not started, another process dumps (Busy), the keymap does not fit the tables or one is not captured (Problems),
    source, control table or bucket refuse. What was recorded is kept.
    """
    with explaining("dumping"):
        store = Store(clients.dynamodb, settings.control_table, settings.migration)
        migration = load(store)
        require_digest(migration, keymap.digest)
        capture = _required_start(store)
        lease = Lease(store, DUMP, this_process(), settings.bulkload.lease_seconds, boottime)
        source = Source(
            lambda: open_at_start(settings.source, capture.start, capture.server),
            Backoff(max_seconds=RECONNECT_SECONDS_MAX),
            stop,
        )
        replicas = Replicas(settings.source, settings.bulkload.throttle.places(settings.source.port))
        board = Board(store, DUMP, progress, stop, boottime)
        tools = Tools(
            migration=migration,
            start_epoch=capture.epoch,
            keymap=keymap,
            lease=lease,
            source=source,
            storage=open_storage(settings.bulkload.folder, clients, migration, stop),
            chunk_rows=settings.bulkload.chunk_rows,
            board=board,
            gentle=Gentle(
                settings.bulkload,
                source=source,
                replicas=replicas,
                store=store,
                board=board,
                stop=stop,
                clock=boottime,
            ),
            stop=stop,
        )
        done = _Dump(tools, _chosen(migration.tables, tables))
        try:
            with Hold(lease, stop, boottime), source, replicas:
                done.run()
        except Stopped:
            return done.report(complete=False)
        return done.report(complete=True)


def _chosen(captured: Sequence[str], wanted: Collection[str]) -> tuple[str, ...]:
    """The captured tables that are wanted, all if none is named. Raises Problems with each that is not captured."""
    remedy = f"Name captured tables: {', '.join(captured)}"
    unknown = sorted(set(wanted) - set(captured))
    Problems.raise_if_any(Problem(f"table {table}", "it is not captured", remedy) for table in unknown)
    return tuple(table for table in captured if not wanted or table in wanted)


@dataclass(frozen=True, slots=True)
class _Start:
    """Where capture began, on which server, and in which epoch."""

    start: Position
    server: str
    epoch: int


def _required_start(store: Store) -> _Start:
    capture = read_capture(store)
    if not capture.started or capture.start is None:
        message = f"capture of migration {store.name} has not started: rows dumped now could miss changes for good"
        raise KeyshiftError(message, "Start `keyshift cdc run`, and dump when `keyshift status` says that it runs")
    return _Start(capture.start, capture.server, capture.start_epoch)


class _Dump:
    """The tables that were chosen, one after the other."""

    def __init__(self, tools: Tools, chosen: Sequence[str]) -> None:
        self._tools = tools
        self._chosen = chosen
        self._tables: list[TableDump] = []

    def run(self) -> None:
        names = self._tools.migration.tables
        schemas = self._tools.source.ask(lambda connection: read_schemas(connection, names), "reading the schema")
        Problems.raise_if_any(check(self._tools.keymap, schemas, running=True))
        estimates = self._tools.source.ask(lambda connection: read_estimates(connection, names), "reading the sizes")
        for name in self._chosen:
            self._tools.board.expects(name, estimates.get(name, Estimate(0, 0)).rows)
        for name in self._chosen:
            table = TableDump(self._tools, schemas[name], estimates.get(name, Estimate(0, 0)))
            self._tables.append(table)
            table.run()

    def report(self, *, complete: bool) -> DumpReport:
        done = sum((table.done for table in self._tables), Done())
        return DumpReport(done.chunks, done.rows, done.bytes, complete)
