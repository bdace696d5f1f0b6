"""Sweep: take tombstones away, of all target tables of a migration.

Two do it: the cutover, between closing replay and the switch, when nothing is written forward any more, so that the
application meets none of them (`keyshift cutover sweep`); and while replay runs whoever tidies, up to the horizon
(keyshift/apply/tidy.py). What is sent is decided in keymap/removals.py, and lands only on what was seen. So being
interrupted, run twice, by two, or beside replay is harmless.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol

from keymap.patch import Item
from keymap.removals import Removal, removals
from keymap.rules import Keymap
from keyshift.aws import items
from keyshift.aws.clients import DynamoDBClient, explaining
from keyshift.process.stop import Stop

IN_FLIGHT_MAX: Final = 500  # requests handed to the executor at a time: it stays busy, and a stop is soon noticed


class Scanned(Protocol):
    """What the target tables hold."""

    def scan(self, table: str) -> Iterator[Item]:
        """Every item of a table, each as it is, or was a moment before, when its page is read."""


@dataclass(frozen=True, slots=True)
class Swept:
    """Items looked at and deleted, marks removed from items that stay, and removals refused: written to meanwhile.

    `tombstones` are the marks of both.
    """

    items: int = 0
    deleted: int = 0
    marks: int = 0
    refused: int = 0
    tombstones: int = 0


class Sweeper:
    """Sweeps all target tables of one migration.

    The caller has made sure that no change can arrive any more, or none up to the version `upto` where one is given.
    `between` is called before each part of a table, `removed` after it with the tombstones that were taken away.
    """

    def __init__(  # noqa: PLR0913 - its collaborators
        self,
        client: DynamoDBClient,
        keymap: Keymap,
        migration: str,
        *,
        items: Scanned,
        executor: Executor,
        stop: Stop,
        progress: Callable[[str, str, int], None] = lambda _doing, _table, _count: None,
        upto: str = "",
        between: Callable[[], None] = lambda: None,
        removed: Callable[[int], None] = lambda _tombstones: None,
    ) -> None:
        self._client, self._keymap, self._migration, self._items = client, keymap, migration, items
        self._executor, self._stop, self._progress = executor, stop, progress
        self._upto, self._between, self._removed = upto, between, removed

    def run(self) -> Swept:
        """Remove the tombstones. Raises what `between` does, KeyshiftError where a table refuses, Stopped.

        All of these leave a valid state.
        """
        total = Swept()
        for target in self._keymap.targets.values():
            scanned = self._items.scan(target.name)
            while page := self._part(scanned):
                wanted = (
                    one for item in page for one in removals(self._keymap, self._migration, target, item, self._upto)
                )
                before, total = total, _add(total, len(page), self._executor.map(self._send, wanted))
                self._removed(total.tombstones - before.tombstones)
                self._progress("sweep", target.name, len(page))
        return total

    def _part(self, scanned: Iterator[Item]) -> list[Item]:
        self._between()
        return list(islice(scanned, IN_FLIGHT_MAX))

    def _send(self, removal: Removal) -> tuple[Removal, bool]:
        call = items.update if removal.update else items.delete
        table = removal.request["TableName"]
        with explaining(f"sweeping table {table}"):
            outcome = call(self._client, removal.request, stop=self._stop)
            if isinstance(outcome, items.Refused) and not outcome.old and not removal.update:
                # A deletion that finds nothing was done: by us, and the answer was lost, or by another sweep. But not
                # every endpoint tells what it found.
                return removal, not items.get(self._client, table, removal.request["Key"], self._stop)
        return removal, isinstance(outcome, items.Written)


def _add(total: Swept, looked_at: int, sent: Iterator[tuple[Removal, bool]]) -> Swept:
    deleted, marks, refused, tombstones = total.deleted, total.marks, total.refused, total.tombstones
    for removal, done in sent:
        refused += not done
        deleted += done and not removal.update
        marks += removal.marks if done and removal.update else 0
        tombstones += removal.marks if done else 0
    return Swept(total.items + looked_at, deleted, marks, refused, tombstones)
