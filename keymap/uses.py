"""What the keymap does with a column: does any rule look at it, and would its being NULL show in an item?

A change of a table that leaves no trace in its rows' items may be followed while the migration runs; this says which
columns leave none.
"""

from collections.abc import Iterable, Iterator

from keymap.computed import AnyComputed, ComputedMap
from keymap.rule import Rule


def use_of(rules: Iterable[Rule], column: str) -> str:
    """How some rule uses the column, in words that go on from "the column"; "" where none does."""
    for rule in rules:
        if rule.hook is not None:
            return f"may be read by hook {rule.hook.call}"
        if column in _named(rule):
            return f"is used by a rule for {rule.target.name}"
        if _is_stored(rule, column):
            return f"is stored in {rule.target.name}"
    return ""


def use_of_null(rules: Iterable[Rule], column: str) -> str:
    """How an item differs where the row has this column, as NULL, from where it has no such column; "": not at all."""
    rules = tuple(rules)
    unseen = all(
        rule.hook is None and column not in _named(rule) and rule.document.nulls == "omit"
        for rule in rules
        if rule.hook is not None or column in _named(rule) or _is_stored(rule, column)
    )
    return "" if unseen else use_of(rules, column)


def _named(rule: Rule) -> set[str]:
    """The columns that a rule reads by name."""
    document = rule.document
    named = {*document.where, *document.types, *document.owner}
    for template in rule.templates if rule.slot is None else (*rule.templates, rule.slot):
        named.update(template.columns)
    if document.group and document.group.value:
        named.add(document.group.value)
    return named.union(*(columns for computed in rule.computed for columns in _computed(computed)))


def _computed(computed: AnyComputed) -> Iterator[set[str]]:
    yield computed.columns
    if isinstance(computed, ComputedMap):
        for inner in computed.inner:
            yield from _computed(inner)


def _is_stored(rule: Rule, column: str) -> bool:
    document = rule.document
    if (document.group and document.group.value) or column in document.exclude:
        return False
    return document.include is None or column in document.include
