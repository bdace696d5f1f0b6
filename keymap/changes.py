"""What differs between two keymaps of one migration, told so that tables which are not named mean the same in both.

A table means the same where each of its rules does: the rule's own text, the text of its hook's module, the key of its
target and of the target's indexes, and whether rows of other rules may have slots in its items. From these alone a row
becomes patches (keymap.rules).
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from keymap.document import KeymapDocument, RuleDocument, parse_document
from keymap.errors import Problem
from keymap.printing import keymap_text
from keymap.rule import Rule
from keymap.rules import Keymap


@dataclass(frozen=True, slots=True)
class Former:
    """A keymap as it is kept: its text in the normal form, and of each module with hooks the digest of its text."""

    text: str
    hooks: Mapping[str, str]

    @property
    def rules_only(self) -> Keymap:
        """The keymap without its hooks, whose modules may be gone: what it says of keys and slots."""
        document, lines = parse_document(self.text, "the former keymap")
        return Keymap(_without_hooks(document), lines)


@dataclass(frozen=True, slots=True)
class Changes:
    """The tables whose rules are others, those that are new, and what no migration can take in its stride."""

    changed: tuple[str, ...]
    added: tuple[str, ...]
    problems: tuple[Problem, ...]


def kept(keymap: Keymap) -> Former:
    """What is kept of a keymap."""
    hooks = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in keymap.hook_sources.items()}
    return Former(keymap_text(keymap.document), hooks)


def changes(former: Former, keymap: Keymap) -> Changes:
    """What differs in `keymap` from one that was before it."""
    before, _ = parse_document(former.text, "the former keymap")
    olds = _meanings(before, former.rules_only, former.hooks)
    news = _meanings(keymap.document, keymap, kept(keymap).hooks)
    return Changes(
        tuple(table for table in keymap.tables if table in olds and olds[table] != news[table]),
        tuple(table for table in keymap.tables if table not in olds),
        tuple(_problems(former.rules_only, keymap)),
    )


def _problems(before: Keymap, keymap: Keymap) -> Iterator[Problem]:
    if before.bookkeeping.prefix != keymap.bookkeeping.prefix:
        what = f"bookkeeping_prefix was {before.bookkeeping.prefix}, and all items have it"
        yield Problem("the keymap", what, "Leave it as it was")
    for table in before.tables:
        if table not in keymap.tables:
            remedy = "Keep its rule; or destroy the migration, and begin anew"
            yield Problem(f"table {table}", "it is captured, and the keymap has it no more", remedy)
    for name, target in before.targets.items():
        if name in keymap.targets and keymap.targets[name].keys != target.keys:
            what = "its key was another, and a DynamoDB table keeps its key"
            yield Problem(f"target {name}", what, "Give the new design a target of another name")


def _meanings(
    document: KeymapDocument, keymap: Keymap, hooks: Mapping[str, str]
) -> dict[str, list[tuple[object, ...]]]:
    return {
        table: [_meaning(rule, compiled, hooks) for rule, compiled in zip(rules, keymap.rules[table], strict=True)]
        for table, rules in document.tables.items()
    }


def _meaning(document: RuleDocument, rule: Rule, hooks: Mapping[str, str]) -> tuple[object, ...]:
    module = document.hook.call.partition(":")[0] if document.hook else ""
    text = json.dumps(document.model_dump(mode="json", by_alias=True, exclude_defaults=True), sort_keys=True)
    return text, hooks.get(module, ""), rule.target.keys, rule.index_keys, rule.limits, rule.meets_others


def _without_hooks(document: KeymapDocument) -> KeymapDocument:
    tables = {
        table: tuple(rule.model_copy(update={"hook": None}) for rule in rules)
        for table, rules in document.tables.items()
    }
    return document.model_copy(update={"tables": tables})
