"""Verify: each source row against what it should have become, and each item against what it should have come from.

Rows are read in chunks and compared with their items at once (rows.py, compare.py). What a row owns is remembered by a
digest, for the other direction: what is live in the target, and has no row (extras.py). Both are needed: the first
finds what is missing or different, only the second what should not be there at all. On a source that is being written
to, nothing is called a difference before it has outlived a barrier (settle.py). What is found wrong for good may be
repaired on the spot, where the tables' team has answered for it (repair.py).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from keymap.rule import Rule
from keymap.rules import Keymap
from keyshift.cutover.digests import DigestPair, digest
from keyshift.cutover.extras import ExtraFinder
from keyshift.cutover.repair import NOTHING, Repairable, Repairer
from keyshift.cutover.rows import RowJudge, RowName, Verdict
from keyshift.cutover.settle import Barrier, Settler
from keyshift.cutover.sides import Items, Source
from keyshift.cutover.tally import Progress, Report, Tally, silent

SUSPECTS_MAX: Final = 1_000  # rows looked at again together: a few barriers' time, and few statements, for all of them


class Verifier:
    """One verification. `barrier` is None where nothing moves, or nobody would answer: then it is not `settled`.

    `pending` are tables that are being loaded again, with the rules that they had and have: nothing is said of them.
    """

    def __init__(  # noqa: PLR0913 - its collaborators
        self,
        keymap: Keymap,
        migration: str,
        *,
        source: Source,
        items: Items,
        judge: RowJudge,
        barrier: Barrier | None,
        rounds: int,
        examples_max: int,
        clock: Callable[[], float],
        progress: Progress = silent,
        repairable: Repairable = NOTHING,
        repairer: Repairer | None = None,
        pending: Mapping[str, Sequence[Rule]] | None = None,
        settled: bool = True,
    ) -> None:
        self._keymap, self._source, self._judge, self._barrier = keymap, source, judge, barrier
        self._clock, self._progress, self._tally = clock, progress, Tally(examples_max)
        self._repairable, self._repairer = repairable, repairer
        self._settler = Settler(judge, source, barrier, rounds) if barrier and rounds else None
        self._pending, self._settled = pending or {}, settled
        rules = [rule for some in self._pending.values() for rule in some]
        self._finder = ExtraFinder(keymap, migration, items, self._tally, progress, repairable, repairer, rules)

    def run(self, start: str = "") -> Report:
        """Compare both sides. `start` is the version of a barrier that has just passed, if one has.

        Raises KeyshiftError where one of them cannot be read or a barrier is not answered.
        """
        began = self._clock()
        if self._barrier:
            start = start or self._barrier.passed()
        with DigestPair() as pair:
            for table in self._keymap.tables:
                if table not in self._pending:
                    self._compare(table, pair)
            if self._barrier:
                self._finder.find_moving(pair, self._barrier, start)
            else:
                self._finder.find(pair)
        pending = tuple(sorted(self._pending))
        seconds, live = self._clock() - began, self._barrier is not None
        return self._tally.report(live=live, settled=self._settled, seconds=seconds, pending=pending)

    def _compare(self, table: str, pair: DigestPair) -> None:
        suspects: list[RowName] = []
        for rows in self._source.chunks(table):
            verdicts = self._judge.verdicts(table, rows)
            self._expect(verdicts, pair)
            differing = [verdict for verdict in verdicts if verdict.differences]
            if self._settler:
                suspects += [verdict.row for verdict in differing]
            else:
                self._convict(differing)
            while len(suspects) >= SUSPECTS_MAX:
                self._settle(suspects[:SUSPECTS_MAX])
                del suspects[:SUSPECTS_MAX]
            self._progress("compare", table, len(rows))
        self._settle(suspects)

    def _expect(self, verdicts: Iterable[Verdict], pair: DigestPair) -> None:
        for verdict in verdicts:
            for place in verdict.places:
                pair.expected.add(digest(*place))
            self._tally.slots += len(verdict.places)
            self._tally.rows += 1

    def _settle(self, suspects: list[RowName]) -> None:
        if self._settler and suspects:
            found, changing = self._settler.settle(suspects)
            self._convict(found)
            self._tally.changing += changing

    def _convict(self, verdicts: list[Verdict]) -> None:
        for verdict in verdicts:
            for difference, _ in verdict.differences:
                self._tally.difference(difference)
        wrong = [verdict for verdict in verdicts if self._repairable.has_row(verdict)]
        self._tally.repairable += sum(len(verdict.differences) for verdict in wrong)
        if self._repairer and wrong:
            self._repairer.rows(wrong)
