"""Rows through the keymap: the patches that each rule makes, and the rows that a rule refuses, counted by reason."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from bulkload.load.rejects import row_name
from keymap.check import named_columns
from keymap.check_hooks import seen_by
from keymap.computed import AnyComputed, ComputedMap
from keymap.errors import Problem
from keymap.patch import Patch
from keymap.rule import Rule
from keymap.rules import Keymap
from keymap.schema import TableSchema
from keymap.template import PatchError
from keymap.values import Row
from keymap.version import floor

EXAMPLES_MAX: Final = 5  # rows named for one thing: enough to see what they share
_VERSION: Final = floor(1)  # what the load writes in the first epoch: as long as any other
REASONS_MAX: Final = 200  # kept apart; whatever is wrong with a rule has a few
# What messages say of their one row: the bytes that it has, and, of a hook (keymap.hooks), its key.
_MEASURED: Final = re.compile(r"(has|returned) \d+ ")
_NAMED: Final = re.compile(r" for the row with .*", re.DOTALL)


class Mapped(NamedTuple):
    """What one rule makes of one row. `rule` is its place among all rules of the keymap.

    `seen` is the row as the rule sees it: behind its hook, which may make several of one.
    """

    rule: int
    row: Row
    patch: Patch
    seen: Row


@dataclass(frozen=True, slots=True)
class PlacedRule:
    """A rule and where it stands: its table, its index among the table's rules, file and line."""

    number: int
    table: str
    index: int
    where: str
    rule: Rule


def placed_rules(keymap: Keymap) -> tuple[PlacedRule, ...]:
    """All rules, in the order of the keymap; `number` counts them."""
    places = ((table, index, rule) for table, rules in keymap.rules.items() for index, rule in enumerate(rules))
    return tuple(
        PlacedRule(number, table, index, keymap.lines.where("tables", table, index), rule)
        for number, (table, index, rule) in enumerate(places)
    )


@dataclass(slots=True)
class _Refusal:
    message: str
    remedy: str
    count: int = 0
    examples: list[str] = field(default_factory=list)


class Mapper:
    """Maps rows, one rule at a time, so that a refusal knows its rule."""

    def __init__(self, keymap: Keymap, schemas: Mapping[str, TableSchema]) -> None:
        self._schemas = schemas
        self.rules = placed_rules(keymap)
        self._tried = {table: [one for one in self.rules if _fits(one, schema)] for table, schema in schemas.items()}
        self._refusals: dict[tuple[int, str], _Refusal] = {}

    def patches(self, table: str, rows: Iterable[Row], *, counting: bool = True) -> Iterator[Mapped]:
        """What the table's rules make of the rows. Refusals are kept, if they are to be counted.

        Rules that name columns which are not there are left out: keymap.check tells them, and all rows would only say
        so again.
        """
        for row in rows:
            for placed in self._tried[table]:
                try:
                    yield from _mapped(placed, row)
                except PatchError as error:
                    if counting:
                        self._refuse(placed, row, error)

    def schema(self, table: str) -> TableSchema:
        """The table's shape."""
        return self._schemas[table]

    def name(self, table: str, row: Row) -> str:
        """A row as messages name it."""
        return row_name(self._schemas[table], row)

    def problems(self) -> list[Problem]:
        """One problem for each reason for which a rule refused rows, with examples."""
        return [
            Problem(self.rules[number].where, _told(refusal), refusal.remedy or "Correct the rule")
            for (number, _), refusal in self._refusals.items()
        ]

    def _refuse(self, placed: PlacedRule, row: Row, error: PatchError) -> None:
        message = _NAMED.sub("", error.message)
        reason = placed.number, _MEASURED.sub("", message)
        if reason not in self._refusals and len(self._refusals) >= REASONS_MAX:
            reason, message = (placed.number, ""), "further reasons"
        refusal = self._refusals.setdefault(reason, _Refusal(message, error.remedy))
        refusal.count += 1
        if len(refusal.examples) < EXAMPLES_MAX:
            refusal.examples.append(self.name(placed.table, row))


def _mapped(placed: PlacedRule, row: Row) -> list[Mapped]:
    rule = placed.rule
    if rule.hook is None:
        patch = rule.patch(row, _VERSION)
        return [] if patch is None else [Mapped(placed.number, row, patch, row)]
    seen: list[Row] = []

    def make(one: Row, version: str) -> Patch | None:
        patch = rule.patch(one, version)
        if patch is not None:
            seen.append(one)
        return patch

    patches = rule.hook.patches(make, row, _VERSION)
    return [Mapped(placed.number, row, patch, one) for patch, one in zip(patches, seen, strict=True)]


def _fits(placed: PlacedRule, schema: TableSchema) -> bool:
    names = named_columns(placed.rule).union(*map(_columns, placed.rule.computed))
    return placed.table == schema.full_name and names <= seen_by(placed.rule, schema).by_name.keys()


def _columns(computed: AnyComputed) -> set[str]:
    """The columns that a computed attribute names, and what is within it."""
    return computed.columns.union(*map(_columns, computed.inner if isinstance(computed, ComputedMap) else ()))


def _told(refusal: _Refusal) -> str:
    return f"{refusal.message}: {counted(refusal.count, 'row')}, {examples(refusal.examples, refusal.count)}"


def counted(count: int, what: str) -> str:
    """``1 row``, ``5,000 rows``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def examples(names: Iterable[str], count: int) -> str:
    """The names, and whether they are all of them."""
    listed = list(names)
    return ("" if len(listed) >= count else "among them ") + ", ".join(listed)
