"""One compiled rule: how a row of its table becomes the patch of one item, the key of that item, and its lane.

What of it can be made ahead is made once, when the keymap is compiled: templates, conditions, columns, and the quick
ways to a key and to its lane (keymap.generate), which the plain ones below are the fallback of.
"""

from dataclasses import dataclass
from decimal import Decimal

from keymap.attributes import PARTITION_KEY_BYTES_MAX, SORT_KEY_BYTES_MAX, Attribute, attribute, key_number
from keymap.bookkeeping import Bookkeeping
from keymap.columns import Columns, key_columns
from keymap.computed import AnyComputed, Conditions, computed_of, conditions_of, meets
from keymap.conditions import constant
from keymap.document import RuleDocument
from keymap.generate import QuickCheck, QuickKey, quick_check, quick_key
from keymap.hooks import Hook
from keymap.index_keys import IndexKey, index_keys, require_index_keys
from keymap.lanes import lane_of, table_check
from keymap.owners import owner_name
from keymap.patch import WHOLE, Item, Key, KeyValue, Patch
from keymap.slots import entry_slot
from keymap.targets import Target
from keymap.template import PatchError, Template, parse_template
from keymap.values import Row


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


def compile_rule(
    document: RuleDocument, target: Target, reserved: Bookkeeping, hook: Hook | None, *, meets_others: bool
) -> Rule:
    """The rule that a document, which has no mistakes of form, asks for."""
    templates, limits = tuple(document.templates().values()), _limits(target)
    return Rule(
        document=document,
        target=target,
        templates=templates,
        slot=parse_template(document.group.name) if document.group else None,
        meets_others=meets_others,
        conditions=conditions_of(document.where),
        constants={name: constant(value) for name, value in document.constants.items()},
        columns=Columns(document, {} if document.group else key_columns(target, templates)),
        computed=computed_of(document),
        limits=limits,
        index_keys=index_keys(target),
        reserved=reserved,
        quick_key=quick_key(target.keys, templates, limits, document.defaults),
        quick_check=quick_check(table_check(target.name), target.keys, templates, limits, document.defaults),
        hook=hook,
    )


def _limits(target: Target) -> tuple[int, ...]:
    """The most bytes of each key of the table; one that is a sort key of an index has that limit too."""
    of_indexes = {key.name: key.bytes_max for key in index_keys(target)}
    own = (PARTITION_KEY_BYTES_MAX, SORT_KEY_BYTES_MAX)
    return tuple(min(limit, of_indexes.get(part.name, limit)) for part, limit in zip(target.keys, own, strict=False))
