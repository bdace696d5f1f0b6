"""What is live in the target without a row at the source, and what is not ours at all.

A scan of the target tables remembers every live slot by its digest; without the digests of what rows own, taken in
bounded memory (digests.py), these are the extras. A second scan, only where there are some, gives their keys.

On a source that is being written to the argument is this. V0 was applied, and visible to SELECT, before the rows were
read. A live slot whose mark is not newer than V0 had its row before that; if the row was deleted since, a barrier after
the reading makes the deletion land. So what is live then, still with a mark up to V0, has no row. A newer mark: a row
came or changed while we looked, the slot is *in motion*, and nothing is said of it. That a mark is genuine is checked,
too: one that was seen before a barrier was asked for, and is newer than that barrier, was left by no captured change.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, TypeVar

from keymap.patch import WHOLE, Item
from keymap.rule import Rule
from keymap.rules import Keymap
from keymap.slots import content, data_of, live_slots
from keymap.targets import Target
from keymap.version import version_of
from keymap.whose import may_give
from keyshift.cutover.compare import Difference, Kind
from keyshift.cutover.digests import DigestPair, digest
from keyshift.cutover.repair import NOTHING, Extra, Repairable, Repairer
from keyshift.cutover.settle import Barrier
from keyshift.cutover.sides import Items
from keyshift.cutover.tally import Progress, Tally

T = TypeVar("T")

# Extras whose keys are looked up (and, on a live source, judged); beyond, they are counted as they were first seen. A
# hundred thousand are no matter of fine judgement any more.
EXTRAS_MAX: Final = 100_000
NEW_MARKS_MAX: Final = 10_000  # marks newer than the last barrier that are kept until the next one decides about them
PROGRESS_ITEMS: Final = 1_000
REPAIRED_TOGETHER: Final = 1_000  # extras: enough to keep all writes in flight busy


class ExtraFinder:
    """Scans the target tables, and counts what it finds; what rows of the `pending` rules may have is passed over."""

    def __init__(  # noqa: PLR0913, PLR0917 - its collaborators
        self,
        keymap: Keymap,
        migration: str,
        items: Items,
        tally: Tally,
        progress: Progress,
        repairable: Repairable = NOTHING,
        repairer: Repairer | None = None,
        pending: Sequence[Rule] = (),
    ) -> None:
        self._pending = pending
        self._keymap, self._migration, self._items, self._tally = keymap, migration, items, tally
        self._progress, self._repairable, self._repairer = progress, repairable, repairer

    def find(self, pair: DigestPair) -> None:
        """Count the extras of a target that nobody writes to. `pair.expected` holds what rows own."""
        for one, _ in self._live():
            pair.found.add(one)
        self._convict(extra for extra, _ in self._look_again(self._candidates(pair)))

    def find_moving(self, pair: DigestPair, barrier: Barrier, start: str) -> None:
        """Count the extras while changes arrive; `start` is the version of the barrier before the rows were read."""
        for one in self._suspicious(self._live(), barrier, start):
            pair.found.add(one)
        wanted = self._candidates(pair)
        if wanted:  # else there is nothing that a barrier could clear
            barrier.passed()
        self._convict(self._suspicious(self._look_again(wanted), barrier, start))

    def _convict(self, extras: Iterable[Extra]) -> None:
        waiting = iter(extras)
        while found := list(islice(waiting, REPAIRED_TOGETHER)):
            for extra in found:
                self._tally.difference(extra.difference)
            wrong = [extra for extra in found if self._repairable.has_extra(extra)]
            self._tally.repairable += len(wrong)
            if self._repairer and wrong:
                self._repairer.extras(wrong)

    def _suspicious(self, things: Iterable[tuple[T, str]], barrier: Barrier, start: str) -> Iterator[T]:
        """Those with a mark up to `start`, or with one that is not genuine. The others are counted as in motion."""
        known = start
        new: list[tuple[T, str]] = []
        for thing, version in things:
            if version <= start:
                yield thing
            elif version <= known:
                self._tally.in_motion += 1
            else:
                new.append((thing, version))
            if len(new) >= NEW_MARKS_MAX:
                known = barrier.passed()
                yield from self._not_genuine(new, known)
                new = []
        if new:
            yield from self._not_genuine(new, barrier.passed())

    def _not_genuine(self, things: list[tuple[T, str]], known: str) -> list[T]:
        found = [thing for thing, version in things if version > known]
        self._tally.in_motion += len(things) - len(found)
        return found

    def _live(self) -> Iterator[tuple[bytes, str]]:
        """The digest and the version of every live slot. Counts the items on the way, FOREIGN ones as differences."""
        books = self._keymap.bookkeeping
        for target, item in self._scan("scan"):
            if not books.belongs_to(item, self._migration):
                self._tally.difference(self._foreign(target, item))
                continue
            slots = list(live_slots(books, target, item))
            self._tally.items += 1
            self._tally.tombstones += not slots
            key = target.key_of(item)
            for slot, mark in slots:
                if may_give(self._pending, target.name, key, slot):
                    continue
                yield digest(target.name, key, slot), version_of(mark)

    def _candidates(self, pair: DigestPair) -> frozenset[bytes]:
        """The slots that were found live and owned by no row; those beyond the bound are counted at once."""
        extras = pair.extras()
        wanted = frozenset(islice(extras, EXTRAS_MAX))
        self._tally.differences[Kind.EXTRA] += sum(1 for _ in extras)
        return wanted

    def _look_again(self, wanted: frozenset[bytes]) -> Iterator[tuple[Extra, str]]:
        """These slots, as far as they are live still, with their versions."""
        if not wanted:
            return
        books = self._keymap.bookkeeping
        for target, item in self._scan("look again"):
            if books.belongs_to(item, self._migration):
                key = target.key_of(item)
                for slot, mark in live_slots(books, target, item):
                    if digest(target.name, key, slot) in wanted:
                        held = content(books, target, slot, item)
                        difference = Difference(Kind.EXTRA, target.name, key, slot, None, held)
                        yield Extra(difference, item, mark), version_of(mark)

    def _scan(self, what: str) -> Iterator[tuple[Target, Item]]:
        for target in self._keymap.targets.values():
            for count, item in enumerate(self._items.scan(target.name), 1):
                yield target, item
                if count % PROGRESS_ITEMS == 0:
                    self._progress(what, target.name, PROGRESS_ITEMS)

    def _foreign(self, target: Target, item: Item) -> Difference:
        books = self._keymap.bookkeeping
        owner = item.get(books.migration, {}).get("S")
        note = f"belongs to migration {owner}" if owner else ""
        held = data_of(books, target, item)
        return Difference(Kind.FOREIGN, target.name, target.key_of(item), WHOLE, None, held, note)
