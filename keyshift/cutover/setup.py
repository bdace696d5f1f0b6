"""How the parts of the cutover are put together, once, for the commands that need them."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Final

from keymap.check import check
from keymap.errors import Problems
from keymap.rule import Rule
from keymap.rules import Keymap
from keymap.schema import TableSchema
from keymap.targets import Target
from keymap.whose import rules_of
from keyshift.apply.lifetime import Lifetime
from keyshift.apply.sweep import Sweeper
from keyshift.apply.writer import GuardedWriter
from keyshift.aws.clients import DynamoDBClient, guard_sends
from keyshift.control.answers import read_answers
from keyshift.control.keymaps import read_keymap
from keyshift.control.migration import Migration
from keyshift.control.progress import progress as progress_of
from keyshift.control.reloads import read_reloads
from keyshift.control.store import Store
from keyshift.control.wanted import pending_wish
from keyshift.cutover.barriers import DRAIN_SECONDS_MAX, StreamBarrier
from keyshift.cutover.basis import Basis
from keyshift.cutover.remains import Remover
from keyshift.cutover.repair import Repairable, Repairer, require_open
from keyshift.cutover.rows import RowJudge
from keyshift.cutover.sides import DynamoItems, MySQLSource
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

    @cached_property
    def former(self) -> Mapping[str, Keymap]:
        """The keymaps that it had before, by digest, as far as something of them may be left."""
        reloads, wish = read_reloads(self.store).values(), pending_wish(self.store)
        digests = {digest for one in reloads if not one.done for digest in one.keymaps} | set(
            wish.keymaps if wish else ()
        )
        found = {digest: read_keymap(self.store, digest) for digest in sorted(digests)}
        return {digest: one.rules_only for digest, one in found.items() if one is not None}

    def rules_of(self, table: str) -> list[Rule]:
        """All rules that a table has and had."""
        return [rule for keymap in (self.keymap, *self.former.values()) for rule in rules_of(keymap, {table})]


@contextmanager
def _reading(parts: Parts, targets: Mapping[str, Target]) -> Iterator[tuple[Executor, DynamoItems]]:
    """Reads of these target tables, many at once, and the threads that make them."""
    with ThreadPoolExecutor(READS_IN_FLIGHT) as executor:
        yield executor, DynamoItems(parts.dynamodb, targets, executor, parts.stop)


@contextmanager
def verifier(  # noqa: PLR0913 - the choices of its callers
    parts: Parts,
    schemas: dict[str, TableSchema],
    *,
    basis: Basis,
    rounds: int,
    examples_max: int = EXAMPLES_MAX,
    progress: Progress = silent,
    repair: str = "",
) -> Iterator[Verifier]:
    """A verification on this basis, ready to run. Raises Problems where the schema has changed.

    `repair` is the version at which it repairs what may be repaired, "" where it changes nothing. Tables that are being
    loaded again are left out.
    """
    unfinished = progress_of(parts.store, parts.migration.tables).unfinished
    pending = {table: parts.rules_of(table) for table in unfinished}
    Problems.raise_if_any(check(parts.keymap, schemas, running=True))
    source = MySQLSource(parts.connect, schemas, parts.stop)
    with _reading(parts, parts.keymap.targets) as (executor, items):
        lifetime = Lifetime()
        guard_sends(parts.dynamodb, lifetime.check)
        writer = GuardedWriter(
            parts.dynamodb, parts.keymap, parts.migration.id, executor, parts.stop, lifetime=lifetime
        )
        require = partial(require_open, parts.store, repair)
        try:
            yield Verifier(
                parts.keymap,
                parts.migration.id,
                source=source,
                items=items,
                judge=RowJudge(parts.keymap, parts.migration.id, schemas, items),
                barrier=parts.barrier if basis.live else None,
                rounds=rounds,
                examples_max=examples_max,
                clock=boottime,
                progress=progress,
                repairable=Repairable.of(parts.keymap, [one.table for one in read_answers(parts.store)]),
                repairer=Repairer(parts.keymap, source, writer, repair, require) if repair else None,
                pending=pending,
                settled=basis.settled,
            )
        finally:
            source.close()


@contextmanager
def sweeper(parts: Parts, progress: Progress = silent) -> Iterator[Sweeper]:
    """A sweep, ready to run."""
    with _reading(parts, parts.keymap.targets) as (executor, items):
        yield Sweeper(
            parts.dynamodb,
            parts.keymap,
            parts.migration.id,
            items=items,
            executor=executor,
            stop=parts.stop,
            progress=progress,
        )


@contextmanager
def remover(parts: Parts, progress: Progress = silent) -> Iterator[Remover]:
    """What takes away what tables that were loaded again have left of before, ready to run."""
    keymaps = (*parts.former.values(), parts.keymap)
    targets = {name: one for keymap in keymaps for name, one in keymap.targets.items()}
    with _reading(parts, targets) as (executor, items):
        yield Remover(
            parts.dynamodb,
            parts.keymap,
            parts.former,
            parts.migration.id,
            items=items,
            executor=executor,
            stop=parts.stop,
            progress=progress,
        )
