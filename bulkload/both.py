"""Dump and load at once: each chunk is loaded as soon as it is recorded as dumped, with no waiting for the whole dump.

Both are what they are alone, each with its lease and its records; only that the load is told of chunks by the dump
beside it. So whatever becomes of either of them, the next run, of both or of one, goes on with what is recorded.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from bulkload.dump.run import DumpReport, dump
from bulkload.load.reading import Task
from bulkload.load.run import LoadReport, load
from bulkload.load.work import Following
from bulkload.progress import Progress, silent
from keymap.rules import Keymap
from keymap.schema import TableSchema
from keyshift.aws.clients import Clients
from keyshift.control.chunks import Chunk
from keyshift.control.reloads import FIRST
from keyshift.process.settings import Settings
from keyshift.process.stop import Stop


def dump_and_load(  # noqa: PLR0913 - collaborators are handed in
    settings: Settings,
    keymap: Keymap,
    clients: Clients,
    schemas: Mapping[str, TableSchema],
    stop: Stop,
    *,
    dumping: Progress = silent,
    loading: Progress = silent,
) -> tuple[DumpReport, LoadReport]:
    """Dump and load what is not done yet, and open replay; `schemas` are those of the captured tables now.

    A stop ends both early, with reports that are not complete. Raises what either of them raises, the dump first; then
    `stop` is set, as the other one was stopped with it.
    """
    following = Following(schemas)
    with ThreadPoolExecutor(1, thread_name_prefix="dump") as executor:
        dumped = executor.submit(_dump, settings, keymap, clients, stop, dumping, following)
        try:
            report = load(settings, keymap, clients, stop, loading, following=following)
        except BaseException:
            stop.set()
            if (error := dumped.exception()) is not None:
                raise error from None
            raise
        return dumped.result(), report


def _dump(  # noqa: PLR0913, PLR0917 - as above
    settings: Settings, keymap: Keymap, clients: Clients, stop: Stop, progress: Progress, following: Following
) -> DumpReport:
    complete = False
    try:
        recorded = partial(_put, following)
        report = dump(settings, keymap, clients, stop, progress, recorded=recorded)
        complete = report.complete
        return report
    finally:
        following.feed.end(complete=complete)


def _put(following: Following, chunk: Chunk, schema: TableSchema) -> None:
    if chunk.generation == FIRST:  # what is loaded again comes when replay is open
        following.feed.put(Task(chunk, schema))
