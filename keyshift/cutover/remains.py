"""What a table that was loaded again has left of before, taken away: items of which no row took the place.

A statement that was not captured, as TRUNCATE, removed or changed rows without a trace. The rows that are there were
loaded at the floor of the reload, and change by what was captured behind it. So whatever of the table still lives with
an older version has no row. It is removed as a captured deletion would be, at the version right below the floor: by
replay's guarded write, which lands only on what is older, and leaves a tombstone. So being interrupted, done twice, or
done beside replay is harmless.

Before that every change from before the floor must be applied, or it might come afterwards where nothing stands in its
way: a barrier shows it.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import islice
from typing import Final

from keymap.errors import KeyshiftError
from keymap.patch import Item
from keymap.rule import Rule
from keymap.rules import Keymap
from keymap.targets import Target
from keymap.whose import may_reach, remains, rules_of
from keyshift.apply.writer import GuardedWriter
from keyshift.aws.clients import DynamoDBClient
from keyshift.control.phase import Phase, read_phase
from keyshift.control.progress import progress
from keyshift.control.reloads import Reload, finish_reload
from keyshift.control.store import Store
from keyshift.cutover.sides import Items
from keyshift.cutover.tally import Progress, silent
from keyshift.process.log import get_logger
from keyshift.process.stop import Stop

ITEMS_PER_PART: Final = 500  # looked at before what they ask for is written: a stop is soon noticed
_log = get_logger("reload")


@dataclass(frozen=True, slots=True)
class Cleared:
    """Items looked at, and parts of items removed; what had been written meanwhile was left as it is."""

    items: int = 0
    removed: int = 0


def ready(store: Store, tables: Iterable[str]) -> list[Reload]:
    """The reloads of which all rows are loaded, and that are not done yet.

    Raises KeyshiftError where there are some, and nothing may be written any more.
    """
    found = [one.reload for one in progress(store, tables).tables if one.reload and one.loaded_whole and not one.wanted]
    waiting = [one for one in found if not one.done]
    if waiting and read_phase(store) is Phase.CLOSED:
        names = ", ".join(one.table for one in waiting)
        message = f"replay is closed, and what {names} had before it was loaded again is not removed yet"
        raise KeyshiftError(message, "Run `keyshift cutover abort`, and then this command again")
    return waiting


class Remover:
    """Removes what is left of before. `former` are keymaps that the migration had, by digest."""

    def __init__(  # noqa: PLR0913 - its collaborators
        self,
        client: DynamoDBClient,
        keymap: Keymap,
        former: Mapping[str, Keymap],
        migration: str,
        *,
        items: Items,
        executor: Executor,
        stop: Stop,
        progress: Progress = silent,
    ) -> None:
        self._client, self._keymap, self._former, self._migration = client, keymap, former, migration
        self._items, self._executor, self._stop, self._progress = items, executor, stop, progress

    def run(self, store: Store, reloads: Sequence[Reload]) -> Cleared:
        """Remove it, and record that these reloads are done. A barrier has passed since they began.

        Raises KeyshiftError where a write is refused or a reload has begun anew, Stopped; both may be repeated.
        """
        total = self._clear(self._keymap, reloads)
        for digest, keymap in self._former.items():
            more = self._clear(keymap, [one for one in reloads if digest in one.keymaps])
            total = Cleared(total.items + more.items, total.removed + more.removed)
        for one in reloads:
            finish_reload(store, one)
        _log.info("reload_done", tables=[one.table for one in reloads], removed=total.removed)
        return total

    def _shared(self, keymap: Keymap, target: Target, item: Item) -> bool:
        """Whether rows of the keymap of now may have slots in an item that a former one gave, now or in a moment."""
        if keymap is self._keymap:
            return False
        rules = rules_of(self._keymap, self._keymap.tables)
        return may_reach(rules, target.name, target.key_of(item))

    def _clear(self, keymap: Keymap, reloads: Sequence[Reload]) -> Cleared:
        """What the rules of this keymap have left."""
        rules = [(one.gone, rules_of(keymap, {one.table})) for one in reloads]
        names = {rule.target.name for _, some in rules for rule in some}
        total = Cleared()
        for name in sorted(names):
            cleared = self._target(keymap, keymap.targets[name], rules)
            total = Cleared(total.items + cleared.items, total.removed + cleared.removed)
        return total

    def _target(self, keymap: Keymap, target: Target, rules: Sequence[tuple[str, list[Rule]]]) -> Cleared:
        writer = GuardedWriter(self._client, keymap, self._migration, self._executor, self._stop)
        looked_at = removed = 0
        scanned = self._items.scan(target.name)
        while part := list(islice(scanned, ITEMS_PER_PART)):
            ours = [item for item in part if keymap.bookkeeping.belongs_to(item, self._migration)]
            outcome = writer.apply(
                patch
                for item in ours
                for gone, some in rules
                for patch in remains(keymap, some, target, item, gone, shared=self._shared(keymap, target, item))
            )
            if outcome.failures:
                raise outcome.failures[0].error
            looked_at += len(part)
            removed += outcome.removed
            self._progress("remove what is left of before", target.name, len(part))
        return Cleared(looked_at, removed)
