"""Chunks into the files of whole items that an import reads.

An item that one chunk has all of goes straight to a file. The slots of all others go through the spool, and their items
to the files in the end. Nothing is put together by a look at DynamoDB: there is no table yet.
"""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from bulkload.imports.merge import Collision, item_of
from bulkload.imports.objects import UPLOADS_MAX, Objects, Written
from bulkload.imports.spool import Shared, Spool
from bulkload.load.reading import Dump, Table, Task
from bulkload.load.rejects import NAMED_MAX, Reject, encode_rejects, problems
from bulkload.load.run import UNIT, Tools
from bulkload.load.targets import item_name
from bulkload.load.writes import SIZE_REMEDY, SLOT_REMEDY
from keymap.attributes import ITEM_BYTES_MAX, oversize
from keymap.errors import Problem, Problems
from keymap.wire import dumps
from keyshift.aws.imports import item_line
from keyshift.process.garbage import collected_later
from keyshift.process.log import get_logger

_log = get_logger(__name__)
_NEITHER = "two rows want it, and which of them is right nobody can know: "


def rejected_name(prefix: str) -> str:
    """The object that tells how many rows of which chunk went to rejects files, beside the folder of a table's files.

    It is written with them, as another process may be the one that records the chunks as loaded.
    """
    return f"{prefix.rstrip('/').rpartition('/')[0]}/rejected.json"


class Conversion:
    """Makes the files of some target tables, each below a prefix of its own (``table → prefix/``)."""

    def __init__(self, tools: Tools, dump: Dump, prefixes: Mapping[str, str]) -> None:
        self._tools = tools
        self._dump = dump
        self._prefixes = prefixes
        self._problems: list[Problem] = []
        self._rejected: dict[str, dict[str, int]] = {}  # rows by chunk's number, by source table
        self._collided = self._more = 0

    def run(self, tables: Sequence[Table]) -> dict[str, Written]:
        """Convert all chunks of these tables; returns what was written, by target table, when all files are there.

        Rows that cannot become items go to rejects files, as in any load. Raises Problems for too many of them, and for
        items of several rows that DynamoDB does not take; KeyshiftError, RetriesExhausted, Stopped.
        """
        with Spool() as spool, ThreadPoolExecutor(UPLOADS_MAX, thread_name_prefix="import") as executor:
            objects = Objects(self._tools.storage.put, self._prefixes.__getitem__, executor)
            for table in tables:
                self._convert_table(table, objects, spool)
            for item in spool.items():
                self._tools.stop.sleep(0)
                self._merge(item, objects)
            Problems.raise_if_any(self._shortened())
            written = objects.finish()
            for name in set(map(rejected_name, self._prefixes.values())):
                self._tools.storage.put(name, dumps(self._rejected))
        _log.info("converted", shared_slots=spool.patches, collided=self._collided)
        return written

    def _convert_table(self, table: Table, objects: Objects, spool: Spool) -> None:
        rows = 0
        # Not in the order of the primary key: files that are imported side by side then seldom meet in a partition.
        for task in sorted(table.tasks, key=lambda one: one.chunk.sha256):
            self._tools.stop.sleep(0)
            self._convert_chunk(task, objects, spool)
            rows += task.chunk.rows
            self._tools.board(table.name, rows, table.rows, UNIT)

    @collected_later()
    def _convert_chunk(self, task: Task, objects: Objects, spool: Spool) -> None:
        wanted: Collection[str] = self._prefixes.keys()
        writes = self._dump.writes(task)
        if writes.rejects:
            self._set_aside(task, writes.rejects)
        for target, item in writes.puts:
            if target in wanted:
                objects.add(target, item_line(item))
        for patches in writes.guarded:
            if patches[0].table in wanted:
                spool.add(patches)

    def _set_aside(self, task: Task, rejects: Sequence[Reject]) -> None:
        chunk = task.chunk
        of_table = self._rejected.setdefault(chunk.table, {})
        of_table[str(chunk.number)] = len(rejects)
        if sum(of_table.values()) > self._tools.settings.bulkload.rejects_max:
            raise Problems(problems(rejects, task.schema))
        name = self._tools.storage.rejects_name(chunk.table, chunk.generation, chunk.number)
        self._tools.storage.put(name, encode_rejects(rejects, chunk, task.schema))

    def _merge(self, shared: Shared, objects: Objects) -> None:
        name = item_name(self._tools.keymap.targets[shared.table], shared.key)
        if shared.too_large:
            self._found(Problem(name, f"its rows make far more than {ITEM_BYTES_MAX} bytes together", SIZE_REMEDY))
            return
        try:
            item, collided = item_of(self._tools.keymap, self._tools.migration.id, shared.patches)
        except Collision as collision:
            self._found(Problem(name, f"{_NEITHER}{collision.message}", SLOT_REMEDY))
            return
        self._collided += collided
        if size := oversize(item):
            what = f"it would have {size} bytes, and DynamoDB takes {ITEM_BYTES_MAX}"
            self._found(Problem(name, what, SIZE_REMEDY))
        else:
            objects.add(shared.table, item_line(item))

    def _found(self, problem: Problem) -> None:
        if len(self._problems) < NAMED_MAX:
            self._problems.append(problem)
        else:
            self._more += 1

    def _shortened(self) -> list[Problem]:
        if not self._more:
            return self._problems
        return [*self._problems, Problem("import", f"{self._more} more items cannot be written", "Mend those first")]
