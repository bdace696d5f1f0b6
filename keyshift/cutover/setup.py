"""How the parts of the cutover are put together, once, for the commands that need them."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Final

from keymap.check import check
from keymap.errors import Problems
from keymap.rules import Keymap
from keymap.schema import TableSchema
from keyshift.apply.writer import GuardedWriter
from keyshift.aws.clients import DynamoDBClient
from keyshift.control.answers import read_answers
from keyshift.control.migration import Migration
from keyshift.control.store import Store
from keyshift.cutover.barriers import DRAIN_SECONDS_MAX, StreamBarrier
from keyshift.cutover.repair import Repairable, Repairer, require_open
from keyshift.cutover.rows import RowJudge
from keyshift.cutover.sides import DynamoItems, MySQLSource
from keyshift.cutover.sweep import Sweeper
from keyshift.cutover.tally import Progress, silent
from keyshift.cutover.verify import Verifier
from keyshift.mysql.connection import Connection
from keyshift.process.clock import boottime
from keyshift.process.stop import Stop

READS_IN_FLIGHT: Final = 16  # hides the round trip of BatchGetItem behind what one core can decode
EXAMPLES_MAX: Final = 20  # of each kind: what fits a screen, and shows what they have in common


@dataclass(frozen=True)
class Parts:
    """What all of the cutover works on. `drain_seconds_max` is what a barrier may take before somebody must look."""

    store: Store
    migration: Migration
    keymap: Keymap
    dynamodb: DynamoDBClient
    connect: Callable[[], Connection]
    stop: Stop
    drain_seconds_max: float = DRAIN_SECONDS_MAX

    @cached_property
    def barrier(self) -> StreamBarrier:
        """Barriers through the migration's stream."""
        connect, seconds = self.connect, self.drain_seconds_max
        return StreamBarrier(self.store, self.migration, self.keymap, connect, self.stop, seconds_max=seconds)


@contextmanager
def verifier(  # noqa: PLR0913 - the choices of its callers
    parts: Parts,
    schemas: dict[str, TableSchema],
    *,
    live: bool,
    rounds: int,
    examples_max: int = EXAMPLES_MAX,
    progress: Progress = silent,
    repair: str = "",
) -> Iterator[Verifier]:
    """A verification, ready to run; with `live` it asks for barriers. Raises Problems where the schema has changed.

    `repair` is the version at which it repairs what may be repaired, "" where it changes nothing.
    """
    Problems.raise_if_any(check(parts.keymap, schemas, running=True))
    source = MySQLSource(parts.connect, schemas, parts.stop)
    with ThreadPoolExecutor(READS_IN_FLIGHT) as executor:
        items = DynamoItems(parts.dynamodb, parts.keymap.targets, executor, parts.stop)
        writer = GuardedWriter(parts.dynamodb, parts.keymap, parts.migration.id, executor, parts.stop)
        require = partial(require_open, parts.store)
        try:
            yield Verifier(
                parts.keymap,
                parts.migration.id,
                source=source,
                items=items,
                judge=RowJudge(parts.keymap, parts.migration.id, schemas, items),
                barrier=parts.barrier if live else None,
                rounds=rounds,
                examples_max=examples_max,
                clock=boottime,
                progress=progress,
                repairable=Repairable.of(parts.keymap, [one.table for one in read_answers(parts.store)]),
                repairer=Repairer(parts.keymap, source, writer, repair, require) if repair else None,
            )
        finally:
            source.close()


@contextmanager
def sweeper(parts: Parts, progress: Progress = silent) -> Iterator[Sweeper]:
    """A sweep, ready to run."""
    with ThreadPoolExecutor(READS_IN_FLIGHT) as executor:
        items = DynamoItems(parts.dynamodb, parts.keymap.targets, executor, parts.stop)
        yield Sweeper(
            parts.dynamodb,
            parts.keymap,
            parts.migration.id,
            items=items,
            executor=executor,
            stop=parts.stop,
            progress=progress,
        )
