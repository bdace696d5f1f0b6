"""What must hold of a history, at each moment at which somebody relies on it, and in the end."""

import copy
from collections.abc import Iterable
from typing import Final

from keymap.items import newer_than
from keymap.patch import Item, Key, Patch
from keymap.version import is_tombstone
from keyshift.apply.sweep import Sweeper, Swept
from keyshift.apply.tidy import _Scan
from keyshift.control import barrier
from keyshift.control.phase import Phase, told_by
from keyshift.control.record import Record
from keyshift.control.setasides import read_all, with_objects
from keyshift.control.store import Store
from tests.apply.conftest import Inline
from tests.apply.fake_dynamodb import FakeDynamoDB
from tests.apply.history import LANES
from tests.apply.keymaps import MIGRATION
from tests.apply.simulation.capture import Capture
from tests.apply.simulation.functions import Functions, Invocation
from tests.apply.simulation.passing import Hurried
from tests.apply.simulation.schedule import Schedule
from tests.apply.simulation.timeline import KEYMAP, KEYS, Timeline, settled, visible

BOOKS: Final = KEYMAP.bookkeeping


class Proof:
    """Watches one history (services.Watcher). `in_order`: records are delivered as a mapping does."""

    def __init__(  # noqa: PLR0917 - what it looks at
        self,
        timeline: Timeline,
        capture: Capture,
        dynamodb: FakeDynamoDB,
        store: Store,
        functions: Functions,
        schedule: Schedule,
        *,
        in_order: bool,
    ) -> None:
        self.horizon, self.is_closed = "", False
        self._timeline, self._capture, self._dynamodb, self._store = timeline, capture, dynamodb, store
        self._functions, self._schedule, self._in_order = functions, schedule, in_order
        self._closings = 0

    def marker(self, number: int, lane: int) -> None:
        """No marker is recorded before all that precedes it in its lane is applied, or set aside."""
        if not self._in_order:
            return
        aside = {(one.version, one.lane) for one in read_all(self._store) if one.is_open}
        before = [one for one in self._capture.before(number, lane) if (one.version, lane) not in aside]
        unapplied = self._unapplied(before)
        assert not unapplied, f"marker {number} of lane {lane} is recorded before {unapplied}"

    def phase(self, before: Record, after: Record) -> None:
        """The horizon rises to where all is applied, and everybody sees when the gate is closed, and opened again."""
        horizon = after.text("horizon")
        if horizon != before.text("horizon"):
            assert horizon > self.horizon
            upto = [one for _, one in self._capture.every if one.version <= horizon]
            assert not self._unapplied(upto), f"the horizon rises to {horizon} before they are applied"
            self.horizon = horizon
        was_closed, self.is_closed = self.is_closed, told_by(after) is Phase.CLOSED
        if was_closed != self.is_closed:
            self._closings += self.is_closed
            self._functions.closing = self._closings if self.is_closed else 0

    def set_aside(self, record: Record) -> None:
        """What is set aside can be had again."""
        assert record.text("object") in self._capture.objects, "an item without its object"

    def write(self, sender: str) -> None:
        """Nothing is written by an invocation that began when the gate was closed, and it has not been opened since,
        and nothing that was redriven lands behind a closed gate."""
        task = self._schedule.running
        if task and isinstance(task.about, Invocation) and task.about.closing:
            assert task.about.closing != self._functions.closing, "a write past the gate"
        assert not (sender == "redrive" and self.is_closed), "a redrive past the gate"

    def require_converged(self, final: int) -> None:
        """The items are those of the rows, and with their bookkeeping those of a replay in order, but for tombstones
        that may be gone; nothing is set aside, and the last barrier shows that all is applied."""
        assert visible(BOOKS, self._dynamodb.items) == self._timeline.expected()
        found, replayed = self._swept(self._dynamodb), self._swept(self._timeline.replayed())
        for table in KEYS:
            assert settled(BOOKS, found.items(table)) == settled(BOOKS, replayed.items(table)), table
        every = read_all(self._store)
        assert not with_objects(every)
        assert not any(one.is_open for one in every)
        assert barrier.state(self._store, final, LANES).complete

    def has_tombstones(self) -> bool:
        """Whether one is left that nothing needs any more, or will not once the horizon has risen."""
        items = (item for table in self._dynamodb.tables.values() for item in table.values())
        return any(is_tombstone(mark) for item in items for mark in BOOKS.marks(item))

    def _swept(self, dynamodb: FakeDynamoDB) -> FakeDynamoDB:
        """A copy without the tombstones up to the horizon."""
        left = FakeDynamoDB(KEYS)
        left.tables = copy.deepcopy(dynamodb.tables)
        while self.horizon:
            stop, client = Hurried(), left
            done: Swept = Sweeper(
                client,  # type: ignore[arg-type]
                KEYMAP,
                MIGRATION,
                items=_Scan(client, stop),  # type: ignore[arg-type]
                executor=Inline(),
                stop=stop,
                upto=self.horizon,
            ).run()
            if not (done.deleted or done.marks):
                break
        return left

    def _unapplied(self, patches: Iterable[Patch]) -> list[Patch]:
        """Those that are neither in their items nor superseded there. Up to the horizon nobody can tell any more."""
        by_item: dict[tuple[str, Key], list[Patch]] = {}
        for patch in patches:
            if patch.version > self.horizon:
                by_item.setdefault((patch.table, patch.key), []).append(patch)
        return [one for place, some in by_item.items() for one in newer_than(BOOKS, self._held(*place), some)]

    def _held(self, table: str, key: Key) -> Item:
        identity = self._dynamodb._identity(table, KEYMAP.targets[table].key_item(key))
        return self._dynamodb.tables[table].get(identity, {})
