"""The compiled keymap: one row image in, patches out. An update is `patches(before)` against `patches(after)`.

So a primary-key update, a change of any column that a key template uses, a changed attribute name, and a row that
leaves or enters a filter are one rule: what only `before` has is removed, what `after` has is set, at its version.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from keymap.bookkeeping import Bookkeeping
from keymap.change import Change
from keymap.document import KeymapDocument, RuleDocument, parse_document
from keymap.errors import KeyshiftError, Problem, Problems
from keymap.form import form_problems
from keymap.generate import QuickCheck
from keymap.hook_modules import load_hooks, told
from keymap.patch import Patch
from keymap.rule import Rule, compile_rule
from keymap.targets import Target, target_of
from keymap.template import PatchError, disjoint
from keymap.values import Row
from keymap.yaml_file import Lines


class Keymap:
    """A keymap ready to use. `tables` are the captured source tables, `targets` the DynamoDB tables by name.

    `digest` identifies what the keymap means, not how it is written: comments and layout do not change it, hooks do.
    `folder` is the keymap file's, beside which hooks are found; the text of `hook_modules` counts in the digest.
    """

    targets: Mapping[str, Target]
    rules: Mapping[str, tuple[Rule, ...]]

    def __init__(self, document: KeymapDocument, lines: Lines, folder: Path | None = None) -> None:
        self.document, self.lines = document, lines
        self.bookkeeping = Bookkeeping(document.bookkeeping_prefix)
        self.targets = {name: target_of(name, target) for name, target in document.targets.items()}
        self.tables = tuple(document.tables)
        self._hooks = load_hooks(document, lines, folder)
        self.hook_sources: Mapping[str, str] = self._hooks.sources  # the text of each module, by its name
        self.hook_modules = tuple(sorted(self._hooks.sources))
        self.digest = _digest(document, self._hooks.sources)
        problems = form_problems(document, lines, self.targets, self.bookkeeping)
        Problems.raise_if_any(problems + self._hooks.problems)
        everywhere = [rule for rules in document.tables.values() for rule in rules]
        self.rules = {
            table: tuple(self._rule(rule, everywhere) for rule in rules) for table, rules in document.tables.items()
        }
        self._quick_checks = {  # of tables with one rule, which takes every row as it is
            table: rules[0].quick_check
            for table, rules in self.rules.items()
            if len(rules) == 1 and not rules[0].conditions and rules[0].hook is None
        }

    def _rule(self, document: RuleDocument, everywhere: Sequence[RuleDocument]) -> Rule:
        meets_others = any(other is not document and may_meet(document, other) for other in everywhere)
        target, hook = self.targets[document.target], self._hooks.of(document)
        return compile_rule(document, target, self.bookkeeping, hook, meets_others=meets_others)

    def row_patches(self, table: str, row: Row, version: str) -> list[Patch]:
        """What a row sets, for the bulk load and verify. Raises PatchError, naming the table."""
        return self._made(table, row, version, Rule.patch)

    def _made(self, table: str, row: Row, version: str, make: Callable[[Rule, Row, str], Patch | None]) -> list[Patch]:
        found: list[Patch] = []
        try:
            for rule in self.rules[table]:
                if rule.hook is not None:
                    found += rule.hook.patches(partial(make, rule), row, version)
                elif (patch := make(rule, row, version)) is not None:
                    found.append(patch)
        except PatchError as error:
            raise naming(table, error) from None
        return found

    def lanes(self, table: str, before: Row | None, after: Row | None, lanes: int) -> tuple[int, ...]:
        """The lanes that a change must be sent to: of every item that its row had a part of, and has now; ascending.

        By the keys alone, for a part of what mapping costs: whether all of a row can become an item is known only when
        it is mapped. Raises PatchError, naming the table, where a key cannot be made.
        """
        quick = self._quick_checks.get(table)
        if quick is not None and (found := _quick_lanes(quick, before, after, lanes)):
            return found
        return self._lanes(table, before, after, lanes)

    def _lanes(self, table: str, before: Row | None, after: Row | None, lanes: int) -> tuple[int, ...]:
        found: list[int] = []
        try:
            for rule in self.rules[table]:
                for image in (before, after):
                    if image is None:
                        continue
                    for row in (image,) if rule.hook is None else rule.hook.rows(image):
                        lane = rule.lane(row, lanes)
                        if lane is not None:
                            found.append(lane)
        except PatchError as error:
            raise naming(table, error) from None
        return tuple(found) if len(found) < 2 else tuple(sorted(set(found)))  # noqa: PLR2004 - most have one

    def patches(self, change: Change) -> list[Patch]:
        """What a change removes and sets, at its version. Raises PatchError, naming the table."""
        after = [] if change.after is None else self.row_patches(change.table, change.after, change.version)
        if change.before is None:
            return after
        kept = {patch.register for patch in after}
        removals = self._made(change.table, change.before, change.version, Rule.removal)
        return [patch for patch in removals if patch.register not in kept] + after

    def puts_all(self, target: str) -> bool:
        """Whether each of the target's items is put whole by the one row that it belongs to."""
        return all(rule.puts for rules in self.rules.values() for rule in rules if rule.target.name == target)


def naming(table: str, error: PatchError) -> PatchError:
    """The error with its table."""
    return PatchError(f"table {table}: {error.message}", error.remedy)


def _quick_lanes(quick: QuickCheck, before: Row | None, after: Row | None, lanes: int) -> tuple[int, ...]:
    """The lanes of a change where that is quickly told, else none."""
    old = None if before is None else quick(before)
    new = old if after is None else quick(after)
    if new is None or (before is not None and old is None):
        return ()
    if old is None or old % lanes == new % lanes:
        return (new % lanes,)
    return tuple(sorted((old % lanes, new % lanes)))


def may_meet(one: RuleDocument, other: RuleDocument) -> bool:
    """Whether two rules may give slots of one item: no fixed beginning or ending of a key keeps them apart."""
    return one.target == other.target and not any(map(disjoint, one.templates().values(), other.templates().values()))


def _digest(document: KeymapDocument, sources: Mapping[str, str]) -> str:
    # Without what is left at its default: a field that the language gains does not change what is recorded.
    meaning = document.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    text = json.dumps(meaning, sort_keys=True, separators=(",", ":"), ensure_ascii=False)  # also of longer integers
    text += told(sources)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def parse_keymap(text: str, name: str, folder: Path | None = None) -> Keymap:
    """Compile a keymap's text; `name` is the file's, for messages, `folder` its folder, where there is one.

    Raises Problems with all mistakes.
    """
    return Keymap(*parse_document(text, name), folder)


def load_keymap(path: str | Path) -> Keymap:
    """Compile a keymap file. Raises Problems with all mistakes, or KeyshiftError where it cannot be read."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise KeyshiftError(f"the keymap {path} cannot be read: {error}", "Correct `keymap:` in the settings") from None
    except UnicodeDecodeError:
        raise Problems([Problem(Path(path).name, "it is not UTF-8 text", "Save it as UTF-8")]) from None
    return parse_keymap(text, Path(path).name, Path(path).absolute().parent)
