"""When a difference on a source that is being written to is a difference, and when it is only a change on its way.

Everything rests on one rule. Let a barrier have passed: all changes up to version V are applied, and SELECT sees them.
Read the source row. Let a second barrier pass, so that every change that was committed before that read is applied too.
Read the item. If the slot's mark is not newer than V, then no change between V and the read of the row touched the
slot; so the row as read and the slot as read belong together, and a difference between them is one for good. The same
holds for a slot without any mark, unless tombstones that are newer than V may have been taken away meanwhile. A newer
mark says that the row has just changed: it is looked at again.

One more case ends it: a mark that was there before a barrier was asked for, and is newer than that barrier. No captured
change can have left it. It is one of another binlog numbering, beside which every genuine change ends as STALE, and a
difference with it is one for good, too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from keymap.values import Row
from keymap.version import version_of
from keyshift.cutover.rows import Place, RowJudge, RowName, Verdict
from keyshift.cutover.sides import PrimaryKey, Source

Marks = Mapping[Place, str]


class Barrier(Protocol):
    """A way to know that everything so far has been applied."""

    def passed(self) -> str:
        """Wait until all that was committed at the source before this call is applied, and say up to which version.

        From then on SELECT sees everything up to that version as well.
        """

    def horizon(self) -> str:
        """Up to which version tombstones may have been taken away by now, "" for none."""


@dataclass(frozen=True, slots=True)
class Round:
    """The versions of the barriers around the reading of a row: `first` passed before, `second` was asked for after.

    `horizon` is the one behind the reading of the items: tombstones up to there may be gone.
    """

    first: str
    second: str
    horizon: str = ""


def is_final(mark: str, barriers: Round, before: str | None) -> bool:
    """Whether a slot's difference is one for good; see the module. `before` is the mark that the last round saw."""
    if not mark:
        return barriers.horizon <= barriers.first
    return version_of(mark) <= barriers.first or (mark == before and version_of(mark) > barriers.second)


def is_settled(verdict: Verdict, barriers: Round, before: Marks) -> bool:
    """Whether all that is wrong with a row is wrong for good (also: whether nothing is)."""
    return all(is_final(mark, barriers, before.get(one.place)) for one, mark in verdict.differences)


class Settler:
    """Looks at suspicious rows again until each is cleared or convicted, for a bounded number of rounds."""

    def __init__(self, judge: RowJudge, source: Source, barrier: Barrier, rounds: int) -> None:
        self._judge, self._source, self._barrier, self._rounds = judge, source, barrier, rounds

    def settle(self, suspects: Iterable[RowName]) -> tuple[list[Verdict], int]:
        """The rows whose differences are for good, and how many were still changing when the rounds ended."""
        waiting: dict[RowName, Marks] = {row: {} for row in suspects}
        found: list[Verdict] = []
        first = self._barrier.passed() if waiting else ""
        for _ in range(self._rounds):
            if not waiting:
                break
            rows = self._read(waiting)
            second = self._barrier.passed()
            verdicts = [verdict for table, some in rows for verdict in self._judge.verdicts(table, some)]
            barriers = Round(first, second, self._barrier.horizon())
            left: dict[RowName, Marks] = {}
            for verdict in verdicts:
                if is_settled(verdict, barriers, waiting.get(verdict.row, {})):
                    found += [verdict] if verdict.differences else []
                else:
                    left[verdict.row] = {one.place: mark for one, mark in verdict.differences}
            waiting, first = left, barriers.second
        return found, len(waiting)

    def _read(self, waiting: Iterable[RowName]) -> list[tuple[str, list[Row]]]:
        keys: dict[str, list[PrimaryKey]] = {}
        for table, key in waiting:
            keys.setdefault(table, []).append(key)
        return [(table, self._source.rows(table, wanted)) for table, wanted in keys.items()]
