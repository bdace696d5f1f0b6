"""The compiled keymap: one row image in, patches out. An update is `patches(before)` against `patches(after)`.

So a primary-key update, a change of any column that a key template uses, a changed attribute name, and a row that
leaves or enters a filter are one rule: what only `before` has is removed, what `after` has is set, at its version.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from keymap.attributes import PARTITION_KEY_BYTES_MAX, SORT_KEY_BYTES_MAX, attribute, key_number
from keymap.bookkeeping import Bookkeeping
from keymap.change import Change
from keymap.columns import Columns
from keymap.computed import Computed, Conditions, computed_of, conditions_of, meets
from keymap.conditions import constant
from keymap.document import KeymapDocument, Lines, RuleDocument, parse_document
from keymap.errors import KeyshiftError, Problems
from keymap.form import form_problems
from keymap.generate import QuickKey, quick_key
from keymap.index_keys import IndexKey, index_keys, require_index_keys
from keymap.patch import WHOLE, Item, KeyValue, Patch
from keymap.targets import Target, target_of
from keymap.template import PatchError, Template, parse_template
from keymap.values import Row


@dataclass(frozen=True, slots=True)
class Rule:
    """One compiled rule of a source table: how a row becomes one patch, or none where the filter keeps it out.

    `limits` are the most bytes that each key may have; `index_keys` the attributes that indexes have as keys.
    """

    document: RuleDocument
    target: Target
    templates: tuple[Template, ...]
    slot: Template | None
    conditions: Conditions
    constants: Item
    columns: Columns
    computed: tuple[Computed, ...]
    limits: tuple[int, ...]
    index_keys: tuple[IndexKey, ...]
    reserved: Bookkeeping
    quick_key: QuickKey

    def patch(self, row: Row, version: str) -> Patch | None:
        """The patch that sets what this row owns. Raises PatchError where the row cannot become an item."""
        if not meets(row, self.conditions):
            return None
        key = self.quick_key(row) or tuple(self._key_value(index, row) for index in range(len(self.templates)))
        if self.slot is None:
            slot, attributes = WHOLE, self._attributes(row)
        else:
            slot = self._slot_name(self.slot, row)
            assert self.document.group is not None
            value = self.columns.value(self.document.group.value, row)
            attributes = {} if value is None else {slot: value}
        if self.index_keys:
            require_index_keys(self.index_keys, attributes)
        return Patch(self.target.name, key, slot, attributes, version)

    def _key_value(self, index: int, row: Row) -> KeyValue:
        template, part = self.templates[index], self.target.keys[index]
        if part.type == "S":
            text = template.render(row, self.document.defaults)
            _require_length(part.name, len(text.encode()), self.limits[index])
            return text
        value = row.get(template.bare)
        if part.type == "N" and isinstance(value, int | Decimal) and "N" in (attribute(value) or {}):
            return key_number(value)
        if part.type == "B" and isinstance(value, bytes):
            _require_length(part.name, len(value), self.limits[index])
            return value
        raise PatchError(f"key {part.name} is of type {part.type}, and column {template.bare} holds none", _KEY_REMEDY)

    def _slot_name(self, template: Template, row: Row) -> str:
        slot = template.render(row, self.document.defaults)
        if not slot or self.reserved.is_ours(slot) or any(slot == part.name for part in self.target.keys):
            raise PatchError(
                "a grouped attribute's name is empty, reserved, or a key's", "Give the name a literal prefix"
            )
        return slot

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


_KEY_REMEDY = "Use type S with a template, or a column of the key's type"


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

    `digest` identifies what the keymap means, not how it is written: comments and layout do not change it.
    """

    targets: Mapping[str, Target]
    rules: Mapping[str, tuple[Rule, ...]]

    def __init__(self, document: KeymapDocument, lines: Lines) -> None:
        self.document, self.lines = document, lines
        self.bookkeeping = Bookkeeping(document.bookkeeping_prefix)
        self.targets = {name: target_of(name, target) for name, target in document.targets.items()}
        self.tables = tuple(document.tables)
        self.digest = _digest(document)
        Problems.raise_if_any(form_problems(document, lines, self.targets, self.bookkeeping))
        self.rules = {table: tuple(self._rule(rule) for rule in rules) for table, rules in document.tables.items()}

    def _rule(self, document: RuleDocument) -> Rule:
        target = self.targets[document.target]
        templates, limits = tuple(document.templates().values()), _limits(target)
        return Rule(
            document=document,
            target=target,
            templates=templates,
            slot=parse_template(document.group.attribute) if document.group else None,
            conditions=conditions_of(document.where),
            constants={name: constant(value) for name, value in document.constants.items()},
            columns=Columns(document, target, templates),
            computed=computed_of(document),
            limits=limits,
            index_keys=index_keys(target),
            reserved=self.bookkeeping,
            quick_key=quick_key(target.keys, templates, limits, document.defaults),
        )

    def row_patches(self, table: str, row: Row, version: str) -> list[Patch]:
        """What a row sets, for the bulk load and verify. Raises PatchError, naming the table."""
        try:
            return [patch for rule in self.rules[table] if (patch := rule.patch(row, version)) is not None]
        except PatchError as error:
            raise PatchError(f"table {table}: {error.message}", error.remedy) from None

    def patches(self, change: Change) -> list[Patch]:
        """What a change removes and sets, at its version. Raises PatchError, naming the table."""
        before = [] if change.before is None else self.row_patches(change.table, change.before, change.version)
        after = [] if change.after is None else self.row_patches(change.table, change.after, change.version)
        kept = {patch.register for patch in after}
        removed = [
            Patch(patch.table, patch.key, patch.slot, None, change.version)
            for patch in before
            if patch.register not in kept
        ]
        return removed + after

    def is_grouped(self, target: str) -> bool:
        """Whether rows own attribute slots of the target's items (some rule of it has `group`)."""
        return any(
            rule.slot is not None for rules in self.rules.values() for rule in rules if rule.target.name == target
        )


def _digest(document: KeymapDocument) -> str:
    # Without what is left at its default: a field that the language gains does not change what is recorded.
    meaning = document.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    text = json.dumps(meaning, sort_keys=True, separators=(",", ":"), ensure_ascii=False)  # also of longer integers
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def parse_keymap(text: str, name: str) -> Keymap:
    """Compile a keymap's text; `name` is the file's, for messages. Raises Problems with all mistakes."""
    return Keymap(*parse_document(text, name))


def load_keymap(path: str | Path) -> Keymap:
    """Compile a keymap file. Raises Problems with all mistakes, or KeyshiftError where it cannot be read."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyshiftError(f"the keymap {path} cannot be read: {error}", "Correct `keymap:` in the settings") from None
    return parse_keymap(text, Path(path).name)
