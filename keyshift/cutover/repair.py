"""Repair: what the source changed behind the binlog's back, brought to the target while writes are stopped.

Only tables whose team has answered for it (keyshift.control.answers) are repaired, and only what a verification on a
live stream has found wrong for good. A row is read again and what it owns is set; a slot without a row is removed.

Both are guarded writes, like any other. Their version lies right behind the newest that a barrier found captured: newer
than every change up to there, which is applied and which SELECT sees, and older than every change to come. So a row
that was read here can only be overwritten by what was committed later, whether or not the writes were stopped; and a
repair that comes twice, or late, is STALE (docs/decisions/0023).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

from keymap.errors import KeyshiftError
from keymap.owners import live_owners, registers_of
from keymap.patch import WHOLE, Item, Patch
from keymap.rules import Keymap
from keymap.slots import content
from keymap.version import behind
from keyshift.apply.refusals import Foreign
from keyshift.apply.writer import GuardedWriter
from keyshift.control.horizon import read_horizon
from keyshift.control.phase import Phase, read_phase
from keyshift.control.store import Store
from keyshift.cutover.compare import Difference
from keyshift.cutover.rows import Verdict
from keyshift.cutover.sides import PrimaryKey, Source
from keyshift.cutover.tally import Report
from keyshift.process.stop import Stopped


@dataclass(frozen=True, slots=True)
class Extra:
    """A live slot without a row, the item that it was seen in, and its mark ("" for data that no mark accounts for)."""

    difference: Difference
    item: Item
    mark: str


@dataclass(frozen=True, slots=True)
class Repairable:
    """What may be repaired: rows of these source `tables`, and extras in the `targets` that such rows go to."""

    tables: frozenset[str]
    targets: frozenset[str]

    @classmethod
    def of(cls, keymap: Keymap, tables: Iterable[str]) -> "Repairable":
        """Of those of the tables that the keymap has."""
        found = frozenset(tables) & frozenset(keymap.tables)
        return cls(found, frozenset(rule.target.name for table in found for rule in keymap.rules[table]))

    def has_row(self, verdict: Verdict) -> bool:
        """Whether what is wrong with this row may be repaired; one that cannot become an item cannot."""
        return verdict.row[0] in self.tables and bool(verdict.places)

    def has_extra(self, extra: Extra) -> bool:
        """Whether this slot may be removed. Data without a mark was not written by the migration."""
        return extra.difference.table in self.targets and bool(extra.mark)


NOTHING: Final = Repairable(frozenset(), frozenset())


def repair_version(captured: str, floors: Iterable[str], number: int) -> str:
    """The version of pass `number` of repair. `captured` is a barrier's, `floors` were read before it was asked for.

    Rows that were loaded, or loaded again, behind the newest change carry a floor that is newer than it.
    """
    return behind(max(captured, *floors), number)


class Repairer:
    """Writes one pass of repair. `require` raises where nothing may be written any more."""

    def __init__(
        self, keymap: Keymap, source: Source, writer: GuardedWriter, version: str, require: Callable[[], None]
    ) -> None:
        self._keymap, self._source, self._writer = keymap, source, writer
        self._version, self._require = version, require

    def rows(self, wrong: Iterable[Verdict]) -> None:
        """Read these rows again, and set what of them differed. Raises KeyshiftError where a write is refused."""
        places = {verdict.row: {one.place for one, _ in verdict.differences} for verdict in wrong}
        keys: dict[str, list[PrimaryKey]] = {}
        for table, key in places:
            keys.setdefault(table, []).append(key)
        for table, wanted in keys.items():
            differed = {place for row, found in places.items() if row[0] == table for place in found}
            rows = self._source.rows(table, wanted)
            patches = [patch for row in rows for patch in self._keymap.row_patches(table, row, self._version)]
            self._write(patch for patch in patches if patch.place in differed)

    def extras(self, extras: Iterable[Extra]) -> None:
        """Remove these slots. Raises KeyshiftError where a write is refused."""
        self._write(patch for extra in extras for patch in self._removals(extra))

    def _removals(self, extra: Extra) -> list[Patch]:
        """Of every row that lives in the slot: none of them is at the source."""
        one, books = extra.difference, self._keymap.bookkeeping
        target = self._keymap.targets[one.table]
        remove = partial(Patch, one.table, one.key, one.slot, None, self._version)
        names = None
        if one.slot == WHOLE and self._is_shared(one.table):
            names = tuple(content(books, target, WHOLE, extra.item))
        owners = live_owners(registers_of(books, target, extra.item, one.slot)) or [""]
        return [remove(owner, names) for owner in owners]

    def _is_shared(self, table: str) -> bool:
        return any(rule.shares for rules in self._keymap.rules.values() for rule in rules if rule.target.name == table)

    def _write(self, patches: Iterable[Patch]) -> None:
        until = self._writer.lifetime.begin()
        self._require()
        for failure in self._writer.apply(patches, until).failures:
            if isinstance(failure.error, Foreign):
                continue  # it stays as it is, and the next comparison tells
            if isinstance(failure.error, Stopped):
                raise failure.error
            message = f"an item of table {failure.table} could not be repaired: {failure.error.message}"
            raise KeyshiftError(message, failure.error.remedy)


def require_open(store: Store, version: str) -> None:
    """Raise KeyshiftError unless replay is open, and the horizon lies before the version that is repaired at.

    Asked before each part, which then may take as long as a batch of replay: whoever closes replay, or takes away what
    keeps older writes out, waits for that.
    """
    if read_phase(store) is not Phase.REPLAY:
        raise KeyshiftError("replay was closed while rows were repaired", "Run one `keyshift cutover run` at a time")
    if read_horizon(store) >= version:
        message = "changes came while rows were repaired, and the horizon has passed the version of this repair"
        raise KeyshiftError(message, "Stop every writer of the captured tables, run `keyshift cutover run` again")


def worth_another(report: Report, before: Report | None) -> bool:
    """Whether to compare, and repair, once more: until nothing is repairable, or a pass has found no less than before.

    So the last comparison is one that wrote nothing, or one that failed. What comes back each time (two rows that both
    live on one slot) ends it.
    """
    return bool(report.repairable) and (before is None or report.total < before.total)
