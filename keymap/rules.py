"""The compiled keymap: one row image in, patches out. An update is `patches(before)` against `patches(after)`.

So a primary-key update, a change of any column that a key template uses, a changed attribute name, and a row that
leaves or enters a filter are one rule: what only `before` has is removed, what `after` has is set, at its version.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import orjson

from keymap.attributes import PARTITION_KEY_BYTES_MAX, SORT_KEY_BYTES_MAX, Attribute, attribute, key_number
from keymap.bookkeeping import Bookkeeping
from keymap.change import Change
from keymap.conditions import condition_of, constant
from keymap.conversions import converted
from keymap.document import KeymapDocument, Lines, RuleDocument, parse_document
from keymap.errors import KeyshiftError, Problem, Problems
from keymap.patch import WHOLE, Item, KeyValue, Patch
from keymap.targets import Target, target_of
from keymap.template import PatchError, Template, parse_template
from keymap.values import Canonical, Row


@dataclass(frozen=True, slots=True)
class Rule:
    """One compiled rule of a source table: how a row becomes one patch, or none where the filter keeps it out."""

    document: RuleDocument
    target: Target
    templates: tuple[Template, ...]
    slot: Template | None
    conditions: tuple[tuple[str, Callable[[Canonical], bool]], ...]
    constants: Item
    reserved: Bookkeeping

    def patch(self, row: Row, version: str) -> Patch | None:
        """The patch that sets what this row owns. Raises PatchError where the row cannot become an item."""
        if not all(holds(row.get(column)) for column, holds in self.conditions):
            return None
        key = tuple(self._key_value(index, row) for index in range(len(self.templates)))
        if self.slot is None:
            return Patch(self.target.name, key, WHOLE, self._attributes(row), version)
        slot = self._slot_name(self.slot, row)
        assert self.document.group is not None
        value = self._value(self.document.group.value, row)
        return Patch(self.target.name, key, slot, {} if value is None else {slot: value}, version)

    def _key_value(self, index: int, row: Row) -> KeyValue:
        template, part = self.templates[index], self.target.keys[index]
        if part.type == "S":
            text = template.render(row, self.document.defaults)
            _require_length(part.name, len(text.encode()), index)
            return text
        value = row.get(template.bare)
        if part.type == "N" and isinstance(value, int | Decimal) and "N" in (attribute(value) or {}):
            return key_number(value)
        if part.type == "B" and isinstance(value, bytes):
            _require_length(part.name, len(value), index)
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
        document, found = self.document, dict(self.constants)
        for column in document.include if document.include is not None else row:
            if column in document.exclude:
                continue
            name = document.rename.get(column, column)
            if any(
                name == part.name and template.bare == column
                for part, template in zip(self.target.keys, self.templates, strict=True)
            ):
                continue  # the key attribute itself holds it
            value = self._value(column, row)
            if value is not None:
                found[name] = value
            elif document.nulls == "keep" and row.get(column) is None:
                found[name] = {"NULL": True}
        if any(part.name in found for part in self.target.keys):
            raise PatchError("a column has the name of a key attribute", "Rename or exclude the column")
        return found

    def _value(self, column: str, row: Row) -> Attribute | None:
        if column not in row:
            raise PatchError(f"the row has no column {column}", "Compare the keymap with the table's columns")
        return converted(row[column], self.document.types.get(column), column)


_KEY_REMEDY = "Use type S with a template, or a column of the key's type"


def _require_length(name: str, size: int, index: int) -> None:
    limit = SORT_KEY_BYTES_MAX if index else PARTITION_KEY_BYTES_MAX
    if not 0 < size <= limit:
        raise PatchError(
            f"key {name} has {size} bytes, and DynamoDB takes 1 to {limit}",
            "Change the key's template, or filter such rows out",
        )


class Keymap:
    """A keymap ready to use. `tables` are the captured source tables, `targets` the DynamoDB tables by name.

    `digest` identifies what the keymap means, not how it is written: comments and layout do not change it.
    """

    def __init__(self, document: KeymapDocument, lines: Lines) -> None:
        self.document, self.lines = document, lines
        self.bookkeeping = Bookkeeping(document.bookkeeping_prefix)
        self.targets: Mapping[str, Target] = {
            name: target_of(name, target) for name, target in document.targets.items()
        }
        self.tables = tuple(document.tables)
        self.digest = _digest(document)
        Problems.raise_if_any(self._form_problems())
        self.rules: Mapping[str, tuple[Rule, ...]] = {
            table: tuple(self._rule(rule) for rule in rules) for table, rules in document.tables.items()
        }

    def _form_problems(self) -> list[Problem]:
        """Rules whose target is unknown, or whose key is not the target's: known before any schema is."""
        problems = []
        for table, rules in self.document.tables.items():
            for index, rule in enumerate(rules):
                where = self.lines.where("tables", table, index)
                target = self.targets.get(rule.target)
                if target is None:
                    problems.append(
                        Problem(
                            where, f"target {rule.target} is not among targets", "Add it there, or correct the name"
                        )
                    )
                elif tuple(rule.key) != tuple(part.name for part in target.keys):
                    names = ", ".join(part.name for part in target.keys)
                    problems.append(
                        Problem(where, f"key must give {names}, in this order", "Name exactly the target's keys")
                    )
                else:
                    problems.extend(self._name_problems(where, rule, target))
        return problems

    def _name_problems(self, where: str, rule: RuleDocument, target: Target) -> list[Problem]:
        named = [*rule.rename.values(), *rule.constants]
        reserved = [name for name in named if self.bookkeeping.is_ours(name)]
        keys = [name for name in rule.constants if any(name == part.name for part in target.keys)]
        found = [
            Problem(where, f"attribute {name} has the bookkeeping prefix", "Rename it, or set bookkeeping_prefix")
            for name in reserved
        ]
        found += [
            Problem(where, f"constant {name} has the name of a key", "Give the constant another name") for name in keys
        ]
        for part in target.keys:
            if part.type != "S" and not parse_template(rule.key[part.name]).bare:
                what = f"key {part.name} is of type {part.type}, so its template must be one column alone"
                found.append(Problem(where, what, 'Write "{column}", or make the key type S'))
        return found

    def _rule(self, document: RuleDocument) -> Rule:
        return Rule(
            document=document,
            target=self.targets[document.target],
            templates=tuple(document.templates().values()),
            slot=parse_template(document.group.attribute) if document.group else None,
            conditions=tuple((column, condition_of(condition)) for column, condition in document.where.items()),
            constants={name: constant(value) for name, value in document.constants.items()},
            reserved=self.bookkeeping,
        )

    def row_patches(self, table: str, row: Row, version: str) -> list[Patch]:
        """What a row sets, for the bulk load and verify. Raises PatchError, naming the table."""
        try:
            found = (rule.patch(row, version) for rule in self.rules[table])
            return [patch for patch in found if patch is not None]
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
    meaning = orjson.dumps(document.model_dump(mode="json", by_alias=True), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(meaning).hexdigest()[:16]


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
