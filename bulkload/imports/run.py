"""The load through DynamoDB's import from S3: no write units, for tables that are not there yet.

The chunks become files of whole items, one import for each target table makes it of them, and when every import has
brought in exactly what was written, the chunks are recorded as loaded and replay opens, as after any other load.

A process may die, or sleep and be replaced, between any two steps. Files are written below a prefix that has the
lease's fence in it, so no two processes ever write to one; they are used only when all of a table's are recorded. What
an import is asked for with is recorded before. An import runs on whoever dies, and whoever comes next finds it and
waits for it (keyshift/control/imports). Tables that are loaded again come after, and are written with guards.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from bulkload.imports.allowed import import_problems, in_the_way, source_bytes_max
from bulkload.imports.ask import Asking
from bulkload.imports.convert import Conversion, rejected_name
from bulkload.imports.ends import problem_of
from bulkload.imports.objects import Written
from bulkload.load.reading import Dump, Table
from bulkload.load.run import LoadReport, Tools
from bulkload.load.run import load as run_load
from bulkload.progress import Progress, silent
from keymap.errors import KeyshiftError, Problems
from keymap.rules import Keymap
from keymap.wire import loads
from keyshift.aws import resources
from keyshift.aws.clients import Clients
from keyshift.aws.hold import steadily
from keyshift.aws.imports import Described, describe_import
from keyshift.control.chunks import record_loaded
from keyshift.control.imports import Import, ImportState, read_imports, record_step, record_written
from keyshift.control.reloads import FIRST
from keyshift.process.log import get_logger
from keyshift.process.settings import Settings
from keyshift.process.stop import Stop

_log = get_logger(__name__)
POLL_SECONDS_FIRST: Final = 0.2
POLL_SECONDS_MAX: Final = 10.0  # of an import of minutes to hours
ITEMS: Final = "items"


def load(  # noqa: PLR0913 - the last is for tests
    settings: Settings,
    keymap: Keymap,
    clients: Clients,
    stop: Stop,
    progress: Progress = silent,
    *,
    writing: Clients | None = None,
) -> LoadReport:
    """As bulkload.load.run.load, whose promises it keeps; the first load goes through imports.

    Raises what that one does, and Problems where a target cannot be imported into, is there already, or where an import
    failed: each with its reasons, and the keys of what it refused.
    """

    def first(tools: Tools, dump: Dump, names: Sequence[str]) -> LoadReport:
        Problems.raise_if_any(import_problems(settings.bulkload, keymap.targets.values()))
        return Imports(tools, dump, clients).run(dump.tables(dict.fromkeys(names, FIRST)))

    return run_load(settings, keymap, clients, stop, progress, writing=writing, first=first)


class Imports:
    """The imports of all target tables of a migration, for the process that holds the lease."""

    def __init__(self, tools: Tools, dump: Dump, clients: Clients) -> None:
        self._tools = tools
        self._dump = dump
        self._clients = clients
        self._targets = tools.keymap.targets

    def run(self, tables: Sequence[Table]) -> LoadReport:
        """Bring all rows of these tables into the targets, and record their chunks as loaded."""
        made = self._files(tables)
        self._require_room(made.values())
        asking = Asking(self._tools, self._targets)
        begun = [asking.begin(one) for one in made.values()]
        self._finish([one for one in begun if one.state is not ImportState.DONE])
        return replace(self._record(tables, made.values()), writes=sum(one.items for one in begun))

    def _files(self, tables: Sequence[Table]) -> dict[str, Import]:
        """What is to be imported, all its files there and recorded."""
        lease, stop = self._tools.lease, self._tools.stop
        recorded = steadily(lambda: read_imports(lease.store), stop)
        wanted = [name for name in self._targets if name not in recorded]
        there = [name for name in wanted if resources.table_arn(self._tools.own.dynamodb, name) is not None]
        Problems.raise_if_any(map(in_the_way, there))
        if wanted:
            prefixes = {name: self._prefix(name) for name in wanted}
            written = Conversion(self._tools, self._dump, prefixes).run(tables)
            for name, prefix in prefixes.items():
                files = written.get(name, Written())
                one = Import(name, prefix, files.objects, files.items, files.bytes, files.raw_bytes)
                recorded[name] = steadily(partial(record_written, lease, one), stop)
        return {name: recorded[name] for name in self._targets}

    def _prefix(self, table: str) -> str:
        """What the keys of a table's files begin with; nobody else's do."""
        migration = self._tools.migration
        return f"{migration.prefix}/{migration.id}/import/{self._tools.lease.fence:06d}/{table}/"

    def _require_room(self, made: Iterable[Import]) -> None:
        """All files of imports that are not done must fit what AWS takes at once. Raises KeyshiftError."""
        total = sum(one.bytes for one in made if one.state is not ImportState.DONE)
        limit = source_bytes_max(self._clients.region)
        if total > limit:
            message = f"the files to be imported have {total:,} bytes, and AWS takes {limit:,} at once in this region"
            raise KeyshiftError(message, "Begin anew with bulkload.engine: local (`keyshift destroy`, `keyshift init`)")

    def _finish(self, running: Sequence[Import]) -> None:
        """Wait for these imports, and record those that are good. Raises Problems for the others."""
        tools, problems = self._tools, []
        for one, described in self._ends(running):
            problem = problem_of(one, described, self._targets[one.table], self._clients, tools.storage)
            if problem is not None:
                problems.append(problem)
                continue
            resources.adopt_table(tools.own.dynamodb, self._targets[one.table], tools.migration.id, stop=tools.stop)
            steadily(partial(record_step, tools.lease, one, ImportState.DONE), tools.stop)
            _log.info("import_done", table=one.table, items=one.items)
        Problems.raise_if_any(problems)

    def _ends(self, running: Sequence[Import]) -> Iterator[tuple[Import, Described]]:
        """Each import when it has ended, in the order in which they do."""
        left, pause = list(running), POLL_SECONDS_FIRST
        while left:
            for one in list(left):
                described = describe_import(self._tools.own.dynamodb, one.arn, self._tools.stop)
                self._tools.board(one.table, described.imported, max(one.items, described.imported), ITEMS)
                if described.ended:
                    left.remove(one)
                    yield one, described
            if left:
                self._tools.stop.sleep(pause)
                pause = min(2 * pause, POLL_SECONDS_MAX)

    def _record(self, tables: Sequence[Table], made: Iterable[Import]) -> LoadReport:
        """Record every chunk as loaded; a report of them."""
        newest = max(made, key=lambda one: one.prefix)  # each conversion counts the rejects of all chunks
        rejected = loads(self._tools.storage.get(rejected_name(newest.prefix)))
        pending = [task.chunk for table in tables for task in table.pending]
        counts = [rejected.get(chunk.table, {}).get(str(chunk.number), 0) for chunk in pending]
        for chunk, count in zip(pending, counts, strict=True):
            steadily(partial(record_loaded, self._tools.lease, chunk, count), self._tools.stop)
            _log.info("chunk_loaded", table=chunk.table, chunk=chunk.number, rows=chunk.rows)
        return LoadReport(len(pending), sum(chunk.rows for chunk in pending), 0, complete=True, rejected=sum(counts))
