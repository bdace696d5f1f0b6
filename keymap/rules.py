"""The compiled keymap: one row image in, patches out. An update is `patches(before)` against `patches(after)`.

So a primary-key update, a change of any column that a key template uses, a changed attribute name, and a row that
leaves or enters a filter are one rule: what only `before` has is removed, what `after` has is set, at its version.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path

from keymap.attributes import PARTITION_KEY_BYTES_MAX, SORT_KEY_BYTES_MAX, Attribute, attribute, key_number
from keymap.bookkeeping import Bookkeeping
from keymap.change import Change
from keymap.columns import Columns, key_columns
from keymap.computed import AnyComputed, Conditions, computed_of, conditions_of, meets
from keymap.conditions import constant
from keymap.document import KeymapDocument, RuleDocument, parse_document
from keymap.errors import KeyshiftError, Problems
from keymap.form import form_problems
from keymap.generate import QuickCheck, QuickKey, quick_check, quick_key
from keymap.hook_modules import load_hooks, told
from keymap.hooks import Hook
from keymap.index_keys import IndexKey, index_keys, require_index_keys
from keymap.lanes import lane_of, table_check
from keymap.owners import owner_name
from keymap.patch import WHOLE, Item, Key, KeyValue, Patch
from keymap.slots import entry_slot
from keymap.targets import Target, target_of
from keymap.template import PatchError, Template, disjoint, parse_template
from keymap.values import Row
from keymap.yaml_file import Lines


@dataclass(frozen=True, slots=True)
class Rule:
    """One compiled rule of a source table: how a row becomes one patch, or none where the filter keeps it out.

    `slot` is the template of the name of what the row owns of a group. `meets_others`: rows of other rules may have
    slots in the same items. `limits` are the most bytes that each key may have; `index_keys` the attributes that
    indexes have as keys.
    """

    document: RuleDocument
    target: Target
    templates: tuple[Template, ...]
    slot: Template | None
    meets_others: bool
    conditions: Conditions
    constants: Item
    columns: Columns
    computed: tuple[AnyComputed, ...]
    limits: tuple[int, ...]
    index_keys: tuple[IndexKey, ...]
    reserved: Bookkeeping
    quick_key: QuickKey
    quick_check: QuickCheck
    hook: Hook | None = None

    @property
    def shares(self) -> bool:
        """Whether other rows, of this rule or another, have slots in the same items."""
        return self.slot is not None or self.meets_others

    @property
    def puts(self) -> bool:
        """Whether the rule's items are put whole, each by one row that owns nothing together with another."""
        return not self.shares and not self.document.owner

    def key(self, row: Row) -> Key | None:
        """The key of the item that this row has a part of; None where the filter keeps it out. Raises PatchError."""
        if self.conditions and not meets(row, self.conditions):
            return None
        return self.quick_key(row) or tuple(self._key_value(index, row) for index in range(len(self.templates)))

    def lane(self, row: Row, lanes: int) -> int | None:
        """The lane of that item: that of its key, which is not made where it is a usual one. Raises PatchError."""
        if self.conditions and not meets(row, self.conditions):
            return None
        check = self.quick_check(row)
        if check is not None:
            return check % lanes
        key = self.key(row)
        return None if key is None else lane_of(self.target.name, key, lanes)

    def patch(self, row: Row, version: str) -> Patch | None:
        """The patch that sets what this row owns. Raises PatchError where the row cannot become an item."""
        key = self.key(row)
        if key is None:
            return None
        owner = self._owner(row) if self.document.owner else ""
        if self.slot is not None:
            name = self._name(self.slot, row)
            return Patch(self.target.name, key, self._slot(name), self._part(name, row), version, owner)
        attributes = self.content(row)
        if self.shares:
            return Patch(self.target.name, key, WHOLE, attributes, version, owner, self._names(row))
        return Patch(self.target.name, key, WHOLE, attributes, version, owner)

    def content(self, row: Row) -> Item:
        """What the row sets beside its key, where it is no part of a group. Raises PatchError."""
        attributes = self._attributes(row)
        if self.index_keys:
            require_index_keys(self.index_keys, attributes)
        return attributes

    def removal(self, row: Row, version: str) -> Patch | None:
        """The patch that removes what this row owned: for a part of what `patch` costs, as its values do not count."""
        key = self.key(row)
        if key is None:
            return None
        owner = self._owner(row) if self.document.owner else ""
        slot = WHOLE if self.slot is None else self._slot(self._name(self.slot, row))
        names = self._names(row) if self.slot is None and self.shares else None
        return Patch(self.target.name, key, slot, None, version, owner, names)

    def _owner(self, row: Row) -> str:
        try:
            return owner_name(row[column] for column in self.document.owner)
        except KeyError as missing:
            what = f"the row has no column {missing.args[0]}"
            raise PatchError(what, "Compare the rule's owner with the table's columns") from None

    def _names(self, row: Row) -> tuple[str, ...]:
        """All attributes that rows of this shape may have, whatever they hold."""
        return (*self.constants, *self.columns.names(row), *(computed.name for computed in self.computed))

    def _name(self, template: Template, row: Row) -> str:
        """The name of what a row of a group owns: of an attribute, or of an entry of the group's map."""
        group = self.document.group
        assert group is not None
        name = template.render(row, self.document.defaults)
        if group.map is None:
            self._require_name(name)
        elif not name:
            raise PatchError(f"the name of an entry of {group.map} is empty", "Give the name a literal prefix")
        return name

    def _slot(self, name: str) -> str:
        group = self.document.group
        return name if group is None or group.map is None else entry_slot(group.map, name)

    def _part(self, name: str, row: Row) -> Item:
        """What a row of a group sets in its slot: nothing where its value is NULL."""
        group = self.document.group
        assert group is not None
        if group.value is None:
            value: Attribute | None = {"M": self._attributes(row)}
        else:
            value = self.columns.value(group.value, row)
        attributes = {} if value is None else {name: value}
        if self.index_keys and group.map is None:
            require_index_keys(self.index_keys, attributes)
        return attributes

    def _require_name(self, name: str) -> None:
        keys = {part.name for part in self.target.keys}
        if not name or name.startswith(".") or self.reserved.is_ours(name) or name in keys:
            what = "a grouped attribute's name is empty, reserved, a key's, or begins with a dot"
            raise PatchError(what, "Give the name a literal prefix")

    def _key_value(self, index: int, row: Row) -> KeyValue:
        template, part = self.templates[index], self.target.keys[index]
        if part.type == "S":
            text = template.render(row, self.document.defaults)
            _require_length(part.name, len(text.encode()), self.limits[index])
            return text
        bare = template.bare
        value = row.get(bare) if bare else template.value(row, {})  # without defaults, whose text is no number
        if part.type == "N" and isinstance(value, int | Decimal) and "N" in (attribute(value) or {}):
            return key_number(value)
        if part.type == "B" and isinstance(value, bytes):
            _require_length(part.name, len(value), self.limits[index])
            return value
        raise PatchError(f"key {part.name} is of type {part.type}, and {template.text!r} gives none", _KEY_REMEDY)

    def _attributes(self, row: Row) -> Item:
        found = dict(self.constants)
        self.columns.add(row, found)
        for computed in self.computed:
            if computed.name in found:
                what = f"attribute {computed.name} is computed, and a column has its name"
                raise PatchError(what, "Rename or exclude the column")
            value = computed.attribute(row)
            if value is not None:
                found[computed.name] = value
        return found


_KEY_REMEDY = "Make the key type S, or give the template a value of the key's type"


def _require_length(name: str, size: int, limit: int) -> None:
    if not 0 < size <= limit:
        raise PatchError(
            f"key {name} has {size} bytes, and DynamoDB takes 1 to {limit}",
            "Change the key's template, or filter such rows out",
        )


def _limits(target: Target) -> tuple[int, ...]:
    """The most bytes of each key of the table; one that is a sort key of an index has that limit too."""
    of_indexes = {key.name: key.bytes_max for key in index_keys(target)}
    own = (PARTITION_KEY_BYTES_MAX, SORT_KEY_BYTES_MAX)
    return tuple(min(limit, of_indexes.get(part.name, limit)) for part, limit in zip(target.keys, own, strict=False))


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
        target = self.targets[document.target]
        templates, limits = tuple(document.templates().values()), _limits(target)
        return Rule(
            document=document,
            target=target,
            templates=templates,
            slot=parse_template(document.group.name) if document.group else None,
            meets_others=any(other is not document and may_meet(document, other) for other in everywhere),
            conditions=conditions_of(document.where),
            constants={name: constant(value) for name, value in document.constants.items()},
            columns=Columns(document, {} if document.group else key_columns(target, templates)),
            computed=computed_of(document),
            limits=limits,
            index_keys=index_keys(target),
            reserved=self.bookkeeping,
            quick_key=quick_key(target.keys, templates, limits, document.defaults),
            quick_check=quick_check(table_check(target.name), target.keys, templates, limits, document.defaults),
            hook=self._hooks.of(document),
        )

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
    except (OSError, UnicodeDecodeError) as error:
        raise KeyshiftError(f"the keymap {path} cannot be read: {error}", "Correct `keymap:` in the settings") from None
    return parse_keymap(text, Path(path).name, Path(path).absolute().parent)
