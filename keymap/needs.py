"""Which columns of a row the keymap looks at: a change is sent without the others.

A column that every rule of its table leaves out, and that no template, condition or owner names, is in no item and
changes none. So a large column that is excluded costs nothing, and one that is secret is not on the stream. A hook is
given the whole row, and may look at all of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from keymap.computed import AnyComputed, ComputedMap
from keymap.rule import Rule
from keymap.rules import Keymap
from keymap.values import Row


@dataclass(frozen=True, slots=True)
class Needs:
    """What the rules of one table need of its rows: the `named` columns, and, where `excluded` is not None (some rule
    takes whatever columns there are), all but those.
    """

    named: frozenset[str]
    excluded: frozenset[str] | None

    def of(self, row: Row) -> Row:
        """The row, without what no rule looks at."""
        if self.excluded is None:
            return row if row.keys() <= self.named else {name: row[name] for name in row if name in self.named}
        if self.excluded.isdisjoint(row):
            return row
        return {name: row[name] for name in row if name not in self.excluded}

    def of_images(self, before: Row | None, after: Row | None) -> tuple[Row | None, Row | None]:
        """The same of both images of a change."""
        return None if before is None else self.of(before), None if after is None else self.of(after)


def needs(keymap: Keymap) -> dict[str, Needs]:
    """What is needed of the rows of each captured table of which not all is."""
    found = {table: needs_of(rules) for table, rules in keymap.rules.items()}
    return {table: one for table, one in found.items() if one.excluded != frozenset()}


def needs_of(rules: Sequence[Rule]) -> Needs:
    """What the rules of one table need together."""
    named = frozenset(name for rule in rules for name in _named(rule))
    left_out = [frozenset(rule.document.exclude) for rule in rules if _takes_all(rule)]
    if any(rule.hook for rule in rules):
        return Needs(named, frozenset())
    return Needs(named, frozenset.intersection(*left_out) - named if left_out else None)


def _takes_all(rule: Rule) -> bool:
    """Whether columns that the rule does not name become attributes."""
    group = rule.document.group
    return rule.document.include is None and (group is None or group.value is None)


def _named(rule: Rule) -> Iterable[str]:
    document = rule.document
    for template in (*rule.templates, *((rule.slot,) if rule.slot else ())):
        yield from template.columns
    yield from document.where
    yield from document.owner
    yield from document.include or ()
    if document.group is not None and document.group.value is not None:
        yield document.group.value
    for computed in rule.computed:
        yield from _of_computed(computed)


def _of_computed(computed: AnyComputed) -> Iterable[str]:
    yield from computed.columns
    if isinstance(computed, ComputedMap):
        for inner in computed.inner:
            yield from _of_computed(inner)
