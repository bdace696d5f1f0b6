"""Patches into DynamoDB: each lands only if it is newer than what its slot holds.

That condition is the whole of this module's safety. It may be called twice with the same patches, late, in any order
or by two processes at once, and die anywhere: the items end the same. Patches of one item share a write where they can;
if one of them is not newer the write fails as a whole, and the item that DynamoDB returns says which of them still are.
These alone are written again; the others are STALE, which is a normal outcome (docs/design, "Slots and patches").
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from decimal import Decimal
from functools import partial
from math import inf
from typing import Final

from keymap.errors import KeyshiftError
from keymap.folding import Put
from keymap.items import newer_than
from keymap.patch import WHOLE, Item, Key, Patch, fold
from keymap.rules import Keymap
from keymap.targets import Target
from keymap.updates import per_update
from keyshift.apply.lifetime import Lifetime
from keyshift.apply.outcome import Failure, Outcome, summed, told
from keyshift.apply.refusals import GateClosed, Poison
from keyshift.aws import items
from keyshift.aws.clients import BotoCoreError, ClientError, DynamoDBClient, error_code
from keyshift.aws.many import ManyWrites, Ready, many_writes
from keyshift.aws.slots import write_slots
from keyshift.process.stop import Stop, Stopped

# The items of a batch are shared out among so many jobs, more than can be in flight: handing a thread a job of its own
# for each item costs as much as half of the write.
JOBS_MAX: Final = 256
WRITES_AT_ONCE: Final = 16  # hides DynamoDB's round trip of some milliseconds behind what one core can prepare


_Write = Put | list[Patch]  # of one item
_Work = tuple[list[Patch], Item | None]  # patches of one item, and the item where it is known


class GuardedWriter:
    """Writes patches for one migration, items concurrently on the executor that is handed in and sized by its owner.

    `writes_at_once`: requests under way at a time, of the batches that are written so. `lifetime` bounds how long what
    is written in one call may take; it guards the client too (guard_sends).
    """

    def __init__(  # noqa: PLR0913 - its collaborators
        self,
        client: DynamoDBClient,
        keymap: Keymap,
        migration: str,
        executor: Executor,
        stop: Stop | None = None,
        *,
        lifetime: Lifetime | None = None,
        writes_at_once: int = WRITES_AT_ONCE,
    ) -> None:
        self.lifetime = lifetime or Lifetime()
        self._client = client
        self._keymap = keymap
        self._migration = migration
        self._executor = executor
        self._stop = stop
        self._many = many_writes(client, keymap, migration, writes_at_once)

    def apply(self, patches: Iterable[Patch], until: float = inf) -> Outcome:
        """Write the newest patch of each slot. What cannot be written is told per item, beside what was.

        Nothing is sent after `until`, on the clock of `lifetime`: it fails as Overdue.

        Throttles and lost answers are tried again within (keyshift.aws.items); a failure of that kind is left only
        when it lasted, or when the writer's `stop` was set: items that were not begun by then fail, too.
        """
        return self._one_by_one([(of_item, None) for of_item in _by_item(fold(patches))], until)

    def write(self, puts: Sequence[Put], patches: Iterable[Patch], until: float = inf) -> Outcome:
        """Write what is folded already, as `apply` does, with many requests under way at once where the client can.

        Raises PatchError, with nothing written, where one of the puts cannot be made.
        """
        writes: list[_Write] = [*puts, *_by_item(patches)]
        if self._many is None:
            return self._one_by_one([(_patches(write), None) for write in writes], until)
        ready = [self._many.put(one) if isinstance(one, Put) else self._many.slots(one) for one in writes]
        left: dict[int, Item | None] = dict.fromkeys(range(len(writes)))
        outcomes: list[Outcome] = []
        with self.lifetime.until(until):
            for number, outcome in self._sent(self._many, ready):
                if isinstance(outcome, items.Written):
                    outcomes.append(_written(writes[number]))
                    del left[number]
                elif not outcome.old or self._keymap.bookkeeping.belongs_to(outcome.old, self._migration):
                    left[number] = outcome.old
        rest = []
        for number, old in left.items():
            newer = self._newer(writes[number], old)
            outcomes.append(Outcome(stale=_size(writes[number]) - len(newer)))
            if newer:
                rest.append((newer, old))
        return summed((*outcomes, self._one_by_one(rest, until)))

    def _sent(self, many: ManyWrites, ready: Sequence[Ready | None]) -> Iterator[tuple[int, items.Outcome]]:
        """What came of the requests, until somebody asks to stop."""
        for answer in many.send(ready):
            yield answer
            if self._stop is not None and self._stop.is_set():
                return

    def _newer(self, write: _Write, old: Item | None) -> list[Patch]:
        """The patches that are newer than what was in the way; all of them where that is not known."""
        books = self._keymap.bookkeeping
        if not old:
            return _patches(write)
        if isinstance(write, Put):
            return [] if books.held(old, WHOLE, "") >= write.version else [write.patch()]
        return newer_than(books, old, write)

    def check(self, patches: Iterable[Patch]) -> Outcome:
        """Write nothing, and fail each item for which `apply` would have to write: the others are stale.

        Raises what reading raises (keyshift.aws.items.batch_get).
        """
        by_table: dict[str, dict[Key, list[Patch]]] = {}
        for patch in fold(patches):
            by_table.setdefault(patch.table, {}).setdefault(patch.key, []).append(patch)
        return summed(self._check_table(table, by_key) for table, by_key in by_table.items())

    def _check_table(self, table: str, by_key: Mapping[Key, list[Patch]]) -> Outcome:
        target, books = self._keymap.targets[table], self._keymap.bookkeeping
        keys = [target.key_item(key) for key in by_key]
        found = items.batch_get(self._client, table, keys, stop=self._stop)
        held = {_key_of(target, item): item for item in found if books.belongs_to(item, self._migration)}
        failures, stale = [], 0
        for key, patches in by_key.items():
            newer = newer_than(books, held.get(key, {}), patches)
            stale += len(patches) - len(newer)
            if newer:
                failures.append(Failure(table, key, GateClosed(newer[0].version, table), tuple(newer)))
        return Outcome(stale=stale, failures=tuple(failures))

    def _one_by_one(self, every: Sequence[_Work], until: float) -> Outcome:
        jobs = min(len(every), JOBS_MAX)
        write = partial(self._items, until)
        return summed(self._executor.map(write, (every[begin::jobs] for begin in range(jobs))))

    def _items(self, until: float, every: Iterable[_Work]) -> Outcome:
        with self.lifetime.until(until):
            return summed(self._item(*one) for one in every)

    def _item(self, patches: list[Patch], old: Item | None) -> Outcome:
        try:
            if self._stop is not None and self._stop.is_set():
                self._stop.sleep(0)  # raises Stopped
            return summed(self._slots(part, old) for part in per_update(patches))
        except (KeyshiftError, Stopped, ClientError, BotoCoreError) as error:
            return self._failed(patches, told(error, patches[0]))

    def _failed(self, patches: list[Patch], error: KeyshiftError | Stopped) -> Outcome:
        """What became of an item that was refused. Of several slots each is tried alone, what removes first, so that
        one that can never be written takes no other along.
        """
        failure = Outcome(failures=(Failure(patches[0].table, patches[0].key, error, tuple(patches)),))
        if not isinstance(error, Poison):
            return failure
        if len(patches) > 1:
            return summed(
                self._item([patch], None) for patch in sorted(patches, key=lambda patch: patch.attributes is not None)
            )
        try:
            return failure if self._is_wanted(patches[0]) else Outcome(stale=1)
        except (KeyshiftError, Stopped, ClientError, BotoCoreError) as unread:
            return Outcome(failures=(replace(failure.failures[0], error=told(unread, patches[0])),))

    def _is_wanted(self, patch: Patch) -> bool:
        """Whether a patch is newer than what its slot holds: what is too large is refused before anybody looks."""
        target, books = self._keymap.targets[patch.table], self._keymap.bookkeeping
        try:
            held = items.get(self._client, patch.table, target.key_item(patch.key), self._stop)
        except ClientError as error:
            if error_code(error) != "ValidationException":
                raise
            held = {}  # of a key that no item can have
        ours = held if books.belongs_to(held, self._migration) else {}
        return bool(newer_than(books, ours, [patch]))

    def _slots(self, patches: list[Patch], old: Item | None) -> Outcome:
        """Write slots of one item that fit one request."""
        landed = write_slots(self._client, self._keymap, self._migration, patches, guess=old, stop=self._stop)
        removed = sum(patch.attributes is None for patch in landed.patches)
        return Outcome(
            set=len(landed.patches) - removed,
            removed=removed,
            stale=len(patches) - len(landed.patches),
            collided=landed.collided,
        )


def _by_item(patches: Iterable[Patch]) -> list[list[Patch]]:
    found: dict[tuple[str, Key], list[Patch]] = {}
    for patch in patches:
        found.setdefault((patch.table, patch.key), []).append(patch)
    return list(found.values())


def _patches(write: _Write) -> list[Patch]:
    return [write.patch()] if isinstance(write, Put) else write


def _size(write: _Write) -> int:
    return 1 if isinstance(write, Put) else len(write)


def _written(write: _Write) -> Outcome:
    if isinstance(write, Put):
        return _REMOVED if write.row is None else _SET
    removed = sum(patch.attributes is None for patch in write)
    return Outcome(len(write) - removed, removed)


_SET: Final = Outcome(set=1)
_REMOVED: Final = Outcome(removed=1)


def _key_of(target: Target, item: Item) -> Key:
    """An item's key as patches have it. DynamoDB may write a number differently: 1E+2 comes back as 100."""
    typed = (next(iter(item[part.name].items())) for part in target.keys)
    return tuple(Decimal(value) if kind == "N" else value for kind, value in typed)
