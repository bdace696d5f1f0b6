"""Whose a slot of an item is, told from the item alone: by what the templates of the tables' rules can give.

No two rules of one keymap can give the same slot: their fixed beginnings or endings keep them apart, which is proven
before anything is written (keymap.check_sharing). So where a rule of a table fits a slot, no rule of another table
does, and the slot is that table's, whatever became of the row.
"""

from collections.abc import Collection, Iterator, Sequence

from keymap.bookkeeping import Bookkeeping
from keymap.owners import registers_of
from keymap.patch import WHOLE, Item, Key, Patch
from keymap.rule import Rule
from keymap.rules import Keymap
from keymap.slots import content, entry_of
from keymap.targets import Target
from keymap.template import Template
from keymap.version import is_tombstone, version_of


def rules_of(keymap: Keymap, tables: Collection[str]) -> list[Rule]:
    """The rules of these tables, as far as the keymap has them."""
    return [rule for table in keymap.tables if table in tables for rule in keymap.rules[table]]


def may_give(rules: Sequence[Rule], target: str, key: Key, slot: str) -> bool:
    """Whether one of the rules can give this slot of the item."""
    return any(_reaches(rule, target, key) and _owns(rule, slot) for rule in rules)


def may_reach(rules: Sequence[Rule], target: str, key: Key) -> bool:
    """Whether one of the rules can give an item this key."""
    return any(_reaches(rule, target, key) for rule in rules)


def remains(  # noqa: PLR0913 - the item, and whose rows are looked for
    keymap: Keymap, rules: Sequence[Rule], target: Target, item: Item, gone: str, *, shared: bool = False
) -> list[Patch]:
    """The removals, at version `gone`, of what rows of these rules have in an item since before it, and still live.

    `shared`: rows of another keymap's rules may come to have slots in the item, which is then not put. Each removal
    lands only where its slot is still older than `gone`.
    """
    books, key = keymap.bookkeeping, target.key_of(item)
    reaching = [rule for rule in rules if _reaches(rule, target.name, key)]
    if not reaching:
        return []
    whole = not shared and not any(rule.shares for rule in reaching)
    slots = [slot for slot in books.slots(item) if any(_owns(rule, slot) for rule in reaching)]
    own = None if whole else tuple(content(books, target, WHOLE, item))  # what belongs to no other slot
    return [
        Patch(target.name, key, slot, None, gone, owner, own if slot == WHOLE else None)
        for slot in slots
        for owner in _living(books, target, item, slot, gone)
    ]


def _living(books: Bookkeeping, target: Target, item: Item, slot: str, gone: str) -> Iterator[str]:
    """The owners ("" where a slot has none) of what lives in a slot and is older than `gone`."""
    if books.owner(slot) in item:
        for owner, register in registers_of(books, target, item, slot).items():
            if not is_tombstone(register.mark) and version_of(register.mark) < gone:
                yield owner
        return
    held = books.held(item, slot, "")
    if not is_tombstone(held) and version_of(held) < gone:
        yield ""


def _reaches(rule: Rule, target: str, key: Key) -> bool:
    if rule.target.name != target:
        return False
    pairs = zip(rule.templates, key, strict=True)
    return all(not isinstance(value, str) or _fits(template, value) for template, value in pairs)


def _owns(rule: Rule, slot: str) -> bool:
    """Whether a row of the rule can have this slot of an item."""
    if rule.slot is None:
        return slot == WHOLE
    group, entry = rule.document.group, entry_of(slot)
    if group is None or (group.map is None) != (entry is None) or slot == WHOLE:
        return False
    if entry is None:
        return _fits(rule.slot, slot)
    return entry[0] == group.map and _fits(rule.slot, entry[1])


def _fits(template: Template, text: str) -> bool:
    """Whether the template may render this text: by its fixed beginning and ending."""
    if not template.columns:
        return text == template.prefix
    long_enough = len(text) >= len(template.prefix) + len(template.suffix)
    return long_enough and text.startswith(template.prefix) and text.endswith(template.suffix)
