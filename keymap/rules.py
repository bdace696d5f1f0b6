"""The compiled keymap: one row image in, patches out. An update is `patches(before)` against `patches(after)`.

So a primary-key update, a change of any column that a key template uses, a changed attribute name, and a row that
leaves or enters a filter are one rule: what only `before` has is removed, what `after` has is set, at its version.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
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
from keymap.generate import QuickKey, quick_key
from keymap.hook_modules import load_hooks, told
from keymap.hooks import Hook
from keymap.index_keys import IndexKey, index_keys, require_index_keys
from keymap.lanes import lane_of
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
        if not meets(row, self.conditions):
            return None
        return self.quick_key(row) or tuple(self._key_value(index, row) for index in range(len(self.templates)))

    def patch(self, row: Row, version: str) -> Patch | None:
        """The patch that sets what this row owns. Raises PatchError where the row cannot become an item."""
        key = self.key(row)
        if key is None:
            return None
        owner = self._owner(row) if self.document.owner else ""
        if self.slot is not None:
            slot, attributes = self._part(self.slot, row)
            return Patch(self.target.name, key, slot, attributes, version, owner)
        attributes = self._attributes(row)
        if self.index_keys:
            require_index_keys(self.index_keys, attributes)
        if self.shares:
            return Patch(self.target.name, key, WHOLE, attributes, version, owner, self._names(row))
        return Patch(self.target.name, key, WHOLE, attributes, version, owner)

    def _owner(self, row: Row) -> str:
        try:
            return owner_name(row[column] for column in self.document.owner)
        except KeyError as missing:
            what = f"the row has no column {missing.args[0]}"
            raise PatchError(what, "Compare the rule's owner with the table's columns") from None

    def _names(self, row: Row) -> tuple[str, ...]:
        """All attributes that rows of this shape may have, whatever they hold."""
        return (*self.constants, *self.columns.names(row), *(computed.name for computed in self.computed))

    def _part(self, template: Template, row: Row) -> tuple[str, Item]:
        """The slot that a row of a group owns, and what it sets there: nothing where its value is NULL."""
        group = self.document.group
        assert group is not None
        name = template.render(row, self.document.defaults)
        if group.value is None:
            value: Attribute | None = {"M": self._attributes(row)}
        else:
            value = self.columns.value(group.value, row)
        if group.map is not None:
            if not name:
                raise PatchError(f"the name of an entry of {group.map} is empty", "Give the name a literal prefix")
            return entry_slot(group.map, name), {} if value is None else {name: value}
        self._require_name(name)
        attributes = {} if value is None else {name: value}
        if self.index_keys:
            require_index_keys(self.index_keys, attributes)
        return name, attributes

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
            hook=self._hooks.of(document),
        )

    def row_patches(self, table: str, row: Row, version: str) -> list[Patch]:
        """What a row sets, for the bulk load and verify. Raises PatchError, naming the table."""
        found: list[Patch] = []
        try:
            for rule in self.rules[table]:
                if rule.hook is not None:
                    found += rule.hook.patches(rule.patch, row, version)
                elif (patch := rule.patch(row, version)) is not None:
                    found.append(patch)
        except PatchError as error:
            raise PatchError(f"table {table}: {error.message}", error.remedy) from None
        return found

    def lanes(self, table: str, before: Row | None, after: Row | None, lanes: int) -> tuple[int, ...]:
        """The lanes that a change must be sent to: of every item that its row had a part of, and has now; ascending.

        By the keys alone, for a part of what mapping costs: whether all of a row can become an item is known only when
        it is mapped. Raises PatchError, naming the table, where a key cannot be made.
        """
        images = [image for image in (before, after) if image is not None]
        found: list[int] = []
        try:
            for rule in self.rules[table]:
                target = rule.target.name
                for image in images:
                    for row in (image,) if rule.hook is None else rule.hook.rows(image):
                        key = rule.key(row)
                        if key is not None:
                            found.append(lane_of(target, key, lanes))
        except PatchError as error:
            raise PatchError(f"table {table}: {error.message}", error.remedy) from None
        return tuple(found) if len(found) < 2 else tuple(sorted(set(found)))  # noqa: PLR2004 - most have one

    def patches(self, change: Change) -> list[Patch]:
        """What a change removes and sets, at its version. Raises PatchError, naming the table."""
        before = [] if change.before is None else self.row_patches(change.table, change.before, change.version)
        after = [] if change.after is None else self.row_patches(change.table, change.after, change.version)
        kept = {patch.register for patch in after}
        removed = [replace(patch, attributes=None) for patch in before if patch.register not in kept]
        return removed + after

    def puts_all(self, target: str) -> bool:
        """Whether each of the target's items is put whole by the one row that it belongs to."""
        return all(rule.puts for rules in self.rules.values() for rule in rules if rule.target.name == target)


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
