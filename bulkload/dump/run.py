"""The dump: every captured table, a chunk of rows at a time, from MySQL to S3.

Each chunk is one moment of its table, and no lock or long transaction holds them together: replay does, because capture
started before the first row is read. So the dump refuses until the daemon's first record was acknowledged, and reads
only from a server that contains everything before that point.

A table that is loaded again has such a point of its own: its rows are read when capture has passed the place where that
began, and from a server that shows everything before.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from bulkload.board import Board
from bulkload.dump.crew import Crew
from bulkload.dump.gentle import Gentle, Reader
from bulkload.dump.origin import Origin
from bulkload.dump.source import Source
from bulkload.dump.table import Done, Recorded, TableDump, Tools, nobody
from bulkload.estimate import Estimate, read_estimates
from bulkload.folder import open_storage
from bulkload.parallel import run_all
from bulkload.progress import Progress, silent
from keymap.check import check
from keymap.errors import KeyshiftError, Problem, Problems
from keymap.position import Position
from keymap.rules import Keymap
from keyshift.aws.clients import Clients, explaining
from keyshift.aws.hold import Hold
from keyshift.aws.leases import this_process
from keyshift.control.checkpoint import CaptureStatus, read_capture
from keyshift.control.chunks import dumped_chunks
from keyshift.control.lease import DUMP, Lease
from keyshift.control.migration import Migration, load, require_digest
from keyshift.control.reloads import FIRST, Reload, read_reloads
from keyshift.control.shapes import place
from keyshift.control.store import Store
from keyshift.control.wanted import pending_wish
from keyshift.mysql.connection import Connection
from keyshift.mysql.schema import read_schemas
from keyshift.mysql.strain import Replicas
from keyshift.process.clock import boottime
from keyshift.process.settings import Settings
from keyshift.process.stop import Stop, Stopped

THREADS_PER_READER: Final = 3  # one reads, and two store and record: as long as reading takes where the bucket is near


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
    recorded: Recorded = nobody,
) -> DumpReport:
    """Dump what is not dumped yet. A stop ends it early, after the chunks at hand, with a report that is not complete.

    `tables` limits this run to some of the captured tables (none: all); `recorded` is called for each chunk that is
    recorded, in whichever thread did that. Raises KeyshiftError, with what to do: capture has not started, another
    process dumps (Busy), the keymap does not fit the tables or one is not captured (Problems), source, control table or
    bucket refuse. What was recorded is kept.
    """
    with explaining("dumping"):
        store = Store(clients.control, settings.control_table, settings.migration)
        migration = load(store)
        require_digest(migration, keymap.digest)
        _require_begun(store)
        capture = _required_start(store)
        lease = Lease(store, DUMP, this_process(), settings.bulkload.lease_seconds, boottime)
        replicas = Replicas(settings.source, settings.bulkload.throttle.places(settings.source.port))
        board = Board(store, DUMP, progress, stop, boottime)
        origin = Origin(settings, stop)
        tools = Tools(
            migration=migration,
            keymap=keymap,
            lease=lease,
            storage=open_storage(settings.bulkload.folder, clients, migration, stop),
            chunk_rows=settings.bulkload.chunk_rows,
            board=board,
            gentle=Gentle(settings.bulkload, replicas=replicas, store=store, board=board, stop=stop, clock=boottime),
            stop=stop,
            recorded=recorded,
            origin=origin,
        )
        done = _Dump(tools, _chosen(migration.tables, tables), settings.bulkload.dump_concurrency)
        try:
            with Hold(lease, stop, boottime), replicas, origin:
                done.run(_parts(origin, store, migration, capture))
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
class _Part:
    """Tables whose rows are read from the same place on: by `connect`, which waits for it. By table its generation."""

    connect: Callable[[], Connection]
    generations: Mapping[str, str]
    epoch: int


def _parts(origin: Origin, store: Store, migration: Migration, capture: CaptureStatus) -> Iterator[_Part]:
    """The tables of the first load, and those that are loaded again, as far as they are not dumped."""
    reloads = {table: one for table, one in read_reloads(store).items() if table in migration.tables}
    first = {table: FIRST for table in migration.tables if table not in reloads}
    again = {table: one.generation for table, one in reloads.items()}
    epoch = capture.start_epoch
    if _pending(store, first) and capture.start is not None:
        yield _Part(partial(origin.at_start, capture.start, capture.server), first, epoch)
    if _pending(store, again):
        captured = _required_place(capture, reloads.values())
        yield _Part(partial(origin.behind, captured, capture.server, list(again)), again, epoch)


def _pending(store: Store, generations: Mapping[str, str]) -> bool:
    return any(dumped_chunks(store, table, generation) is None for table, generation in generations.items())


def _require_begun(store: Store) -> None:
    """Raise KeyshiftError where the daemon has not begun yet what was asked for: rows would be read in vain."""
    if (wish := pending_wish(store)) is not None:
        message = f"{', '.join(wish.tables)} is to be loaded (again), which the daemon's next run begins"
        raise KeyshiftError(message, "Start `keyshift cdc run` again, with the keymap of now, and then run this again")


def _required_start(store: Store) -> CaptureStatus:
    capture = read_capture(store)
    if not capture.started or capture.start is None:
        message = f"capture of migration {store.name} has not started: rows dumped now could miss changes for good"
        raise KeyshiftError(message, "Start `keyshift cdc run`, and dump when `keyshift status` says that it runs")
    return capture


def _required_place(capture: CaptureStatus, reloads: Iterable[Reload]) -> Position:
    """A place that is captured, behind those where the reloads begin. Raises KeyshiftError where there is none yet."""
    position = capture.position
    behind = [one.table for one in reloads if position is None or place(capture.epoch, position) < one.gone]
    if behind or position is None:
        message = f"capture has not passed the place from which {', '.join(behind)} is loaded again"
        raise KeyshiftError(message, "Start `keyshift cdc run`, and dump when it has read on")
    return position


class _Dump:
    """The tables that were chosen, with several readers at once."""

    def __init__(self, tools: Tools, chosen: Sequence[str], concurrency: int) -> None:
        self._tools = tools
        self._chosen = chosen
        self._concurrency = concurrency
        self._tables: list[TableDump] = []

    def run(self, parts: Iterable[_Part]) -> None:
        """Dump the parts. Raises KeyshiftError and Stopped."""
        for part in parts:
            with self._sources(part) as sources:
                self._part(part, sources)

    @contextmanager
    def _sources(self, part: _Part) -> Iterator[list[Source]]:
        """One for each reader. The first is connected, the others connect when they have something to read."""
        with ExitStack() as stack:
            sources = [self._tools.origin.reader(part.connect) for _ in range(self._concurrency)]
            for source in sources:
                stack.callback(source.close)
            stack.enter_context(sources[0])
            yield sources

    def _part(self, part: _Part, sources: Sequence[Source]) -> None:
        tools, first = self._tools, sources[0]
        names = tools.migration.tables  # all of them: the keymap is looked at as a whole
        schemas = first.ask(lambda connection: read_schemas(connection, names), "reading the schema")
        Problems.raise_if_any(check(tools.keymap, schemas, running=True))
        sizes = first.ask(lambda connection: read_estimates(connection, names), "reading the sizes")
        chosen = [name for name in part.generations if name in self._chosen]
        estimates = {name: sizes.get(name, Estimate(0, 0)) for name in chosen}
        for name in chosen:
            tools.board.expects(name, estimates[name].rows)
        tables = [
            TableDump(tools, schemas[name], estimates[name], start_epoch=part.epoch, generation=part.generations[name])
            for name in chosen
        ]
        self._tables += tables
        threads = THREADS_PER_READER * len(sources)
        crew = Crew(tables, map(Reader, reversed(sources)))
        with ThreadPoolExecutor(threads, thread_name_prefix="dump") as executor:
            run_all(crew.jobs(), executor, threads, tools.stop)

    def report(self, *, complete: bool) -> DumpReport:
        """What was done."""
        done = sum((table.done for table in self._tables), Done())
        return DumpReport(done.chunks, done.rows, done.bytes, complete)
