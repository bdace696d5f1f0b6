"""What of a trial's sums is wrong, or worth knowing: each with its place in the keymap, and what to do about it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from keymap.attributes import ITEM_BYTES_MAX, NUMBER_DIGITS_MAX
from keymap.capacity import COLLECTION_BYTES_MAX, PARTITION_UNITS_MAX
from keymap.errors import Problem
from keymap.rules import Keymap
from keyshift.trial.mapping import EXAMPLES_MAX, PlacedRule, counted, examples
from keyshift.trial.report import HotKey, TargetReport
from keyshift.trial.sightings import Collision, Sightings
from keyshift.trial.spellings import LEVELS
from keyshift.trial.sums import Sums, TargetSums
from keyshift.trial.totals import Large

LOAD_UNITS_A_SECOND: Final = 10_000  # a load that somebody waits for: 36 million small items an hour
HOT_UNITS_MIN: Final = 10_000  # of one key: with less its partition is done in ten seconds, whatever its share is


class Findings:
    """Makes problems of sums. Places are those of the keymap's file."""

    def __init__(self, keymap: Keymap, rules: Sequence[PlacedRule], sums: Sums, seen: Sightings) -> None:
        self._lines, self._targets = keymap.lines, keymap.targets
        self._rules, self._sums, self._seen = rules, sums, seen

    def collisions(self, confirmed: Iterable[Collision]) -> Iterator[Problem]:
        """Rows that share a slot: one problem for each rule."""
        by_rule: dict[int, list[str]] = {}
        for collision in confirmed:
            by_rule.setdefault(collision.rule, []).append(" and ".join(collision.rows))
        for rule, pairs in by_rule.items():
            all_looked_at = self._sums.suspects_count == len(self._sums.suspects)
            count = len(pairs) if all_looked_at else self._sums.suspects_count
            target = self._rules[rule].rule.target.name
            named = examples(pairs[:EXAMPLES_MAX], count)
            what = f"rows fall on one slot of {target}, {counted(count, 'slot')}: {named}"
            yield Problem(self._rules[rule].where, what, _SLOT_REMEDY)

    def unconfirmed(self, confirmed: Sequence[Collision]) -> Iterator[Problem]:
        """Slots that rows only seemed to share, where nobody can tell for all of them."""
        more = self._sums.suspects_count - len(self._sums.suspects)
        if more > 0 and not confirmed:
            what = f"{counted(more, 'slot')} seemed to be written by two rows, and were not looked at again"
            yield Problem("the rows", what, "Rows were moving while they were read; check again in a quiet hour")

    def too_large(self) -> Iterator[Problem]:
        """Items over the limit, and full item collections."""
        for name, sums in self._sums.targets.items():
            totals = sums.totals
            if totals.over:
                names = [f"{self._seen.name(one.digest)} ({_measured(one)})" for one in totals.over]
                what = (
                    f"{counted(totals.over_count, 'item')} of {name} would have more than {ITEM_BYTES_MAX:,} bytes, "
                    f"bookkeeping included: {examples(names, totals.over_count)}"
                )
                yield Problem(self._rules[totals.over[0].rule].where, what, _LARGE_REMEDY)
            yield from self._full(name, sums)

    def _full(self, name: str, sums: TargetSums) -> Iterator[Problem]:
        if any(index.is_local for index in self._targets[name].indexes):
            for one in sums.partitions.full:
                what = (
                    f"{one.stored:,} bytes under {self._seen.name(one.digest)}, local indexes included: DynamoDB takes "
                    f"{COLLECTION_BYTES_MAX:,} in a table with local indexes"
                )
                yield Problem(self._lines.where("targets", name), what, "Make the indexes global, or the key finer")

    def spellings(self) -> Iterator[Problem]:
        """Keys that MySQL calls equal and DynamoDB does not."""
        for name, sums in self._sums.targets.items():
            for level, (splits, count) in sums.splits.items():
                if count:
                    told = [self._told(split.digest) for split in splits]
                    what = (
                        f"{counted(count, LEVELS[level])} of {name} in several spellings, which the columns' "
                        f"collations call equal, DynamoDB does not: {examples(told, count)}"
                    )
                    yield Problem(self._lines.where("targets", name), what, _SPELLING_REMEDY)

    def _told(self, form: bytes) -> str:
        found = self._seen.spellings.get(form)
        return " and ".join(found.values()) if found else "(one that was not seen again)"

    def wide_numbers(self, wide: Mapping[tuple[int, str], int]) -> Iterator[Problem]:
        """Numbers that become text."""
        for (rule, column), count in wide.items():
            placed = self._rules[rule]
            what = (
                f"column {column} has {counted(count, 'value')} that DynamoDB's numbers do not hold (over "
                f"{NUMBER_DIGITS_MAX} digits, or beyond 1E-130 and 9.99E+125), and which become text (S)"
            )
            where = self._lines.where("tables", placed.table, placed.index, "types", column)
            yield Problem(where, what, f"Make all of them text, with types: {{{column}: S}}, or exclude the column")

    def hot(self, report: TargetReport) -> Iterator[Problem]:
        """Partition keys that hold up the load of their table, or of one of its indexes."""
        name = report.target
        if report.hot_keys:
            where = self._lines.where("targets", name)
            yield from _hot(where, name, report.hot_keys[0], report.write_units, sampled=report.sampled)
        for index in report.indexes:
            if index.hot_keys:
                where = self._lines.where("targets", name, "indexes", index.index)
                what = f"index {index.index} of {name}"
                yield from _hot(where, what, index.hot_keys[0], index.write_units, sampled=report.sampled)


def _measured(large: Large) -> str:
    return f"{counted(large.slots, 'row')}, {large.size:,} bytes"


def _hot(where: str, what: str, key: HotKey, units: int, *, sampled: bool) -> Iterator[Problem]:
    own = key.units_share * units
    if key.units_a_second_max < LOAD_UNITS_A_SECOND and own >= HOT_UNITS_MIN:
        of = "the sample's write units" if sampled else "the write units"
        told = (
            f"{key.key} takes {key.units_share:.0%} of {of} of {what}: one partition takes {PARTITION_UNITS_MAX:,} a "
            f"second, so the load {key.units_a_second_max:,.0f}, and {own / PARTITION_UNITS_MAX:,.0f} seconds at least"
        )
        yield Problem(where, told, _HOT_REMEDY)


_SLOT_REMEDY = "Put the whole primary key into the target's key (owner serves rows that pass, not rows that rest)"
_LARGE_REMEDY = "Exclude or shorten large columns, make the group's key finer, or filter such rows out"
_SPELLING_REMEDY = "Fold them in every rule that makes the key ({column|trim|lower}), or give such rows one spelling"
_HOT_REMEDY = "Spread it: a part of the key such as {column|shard(16)}, which readers must then ask for one by one"
