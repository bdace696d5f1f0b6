"""A selected table and its object-mapping rule as a draft of the keymap's rule."""

import re
from dataclasses import dataclass

from keymap.bookkeeping import Bookkeeping
from keymap.dms.columns import column_name, masked_columns
from keymap.dms.drafts import TYPES, Draft, KeyPart
from keymap.dms.expressions import columns_of, of_template
from keymap.dms.index import Index
from keymap.dms.listed import PrimaryKey
from keymap.dms.names import renamed
from keymap.dms.remarks import Remarks
from keymap.dms.rules import AttributeMapping, MappingParameters, ObjectMapping, Transformation
from keymap.dms.selection import Selected

_TARGET = re.compile(r"[a-zA-Z0-9_.-]{3,255}")  # DynamoDB's rule for table names
_NO_KEY = "which column the primary key of {table} is, is not known here, and DMS would take it as the partition key"
_GIVE_KEY = "Give it, as in --tables {table}:id or --tables {table}:id:N, or write the rule by hand"


class _NoKey(ValueError):
    """No rule, and nobody else, says which column the key is."""


@dataclass(frozen=True, slots=True)
class Tables:
    """All that is known: the rules, the primary keys that the caller gave by table, and where remarks go."""

    index: Index
    primary_keys: dict[str, PrimaryKey]
    remarks: Remarks

    def draft(self, chosen: Selected, rule: ObjectMapping | None) -> Draft | None:
        """The draft for a table and one object-mapping rule (None: DMS's default); None where there can be none."""
        where = rule.label if rule else chosen.rule.label
        parameters = rule.mapping_parameters if rule else MappingParameters.model_validate({})
        target = self._target(chosen.table, rule)
        hidden = masked_columns(self.index.about(chosen.table))
        draft = Draft(chosen.table, where, target, (), where=dict(chosen.where), hidden=hidden)
        try:
            if not _TARGET.fullmatch(target):
                raise ValueError(f"{target!r} cannot be the name of a DynamoDB table")  # noqa: TRY301 - told below
            draft.keys = self._keys(draft, parameters)
        except ValueError as error:
            remedy = _GIVE_KEY if isinstance(error, _NoKey) else "Write the rule of {table} by hand (docs/keymap.md)"
            what = f"table {chosen.table} is not in the keymap: {error}"
            self.remarks.leave_out(where, what, remedy.format(table=chosen.table))
            return None
        draft.exclude = list(dict.fromkeys(parameters.exclude_columns))
        if rule:
            self._attributes(draft, rule)
        return draft

    def _target(self, table: str, rule: ObjectMapping | None) -> str:
        name = table.partition(".")[2]
        about = [one for one in self.index.about(table) if isinstance(one, Transformation)]
        naming = [one for one in about if one.rule_target == "table" and renamed(one, name) is not None]
        if rule and rule.target_table_name:
            for one in naming:
                self.remarks.note(one.label, f"{rule.label} names the target of {table}, and wins", "Nothing")
            return rule.target_table_name
        for one in naming[1:]:
            what = f"{naming[0].label} already names the target of {table}"
            self.remarks.leave_out(one.label, what, "Write the name that is meant under `targets` and `target`")
        return (renamed(naming[0], name) if naming else None) or name

    def _keys(self, draft: Draft, parameters: MappingParameters) -> tuple[KeyPart, ...]:
        names = [parameters.partition_key_name, parameters.sort_key_name]
        if parameters.partition_key_name is None:
            first = self._default_key(draft)
            if first.name == parameters.sort_key_name:
                raise ValueError("its partition key and its sort key have one name")
        else:
            first = self._key(draft, parameters.partition_key_name, parameters)
        return (first,) if names[1] is None else (first, self._key(draft, names[1], parameters))

    def _default_key(self, draft: Draft) -> KeyPart:
        given = self.primary_keys.get(draft.table) or self._defined_key(draft.table)
        if given is None:
            raise _NoKey(_NO_KEY.format(table=draft.table))
        expression = of_template(f"${{{given.column}}}")
        draft.require_shown(expression)
        name = column_name(self.index.about(draft.table), given.column)
        if given.type == "S":
            self._note_text(draft, name, given.column)
        return KeyPart(_unreserved(name), given.type, expression.template)

    def _defined_key(self, table: str) -> PrimaryKey | None:
        for rule in self.index.about(table):
            if isinstance(rule, Transformation) and rule.primary_key_def:
                columns = rule.primary_key_def.columns
                return PrimaryKey(columns[0]) if len(columns) == 1 else None
        return None

    def _key(self, draft: Draft, name: str, parameters: MappingParameters) -> KeyPart:
        mapping = _mapping_of(name, parameters)
        if mapping is None:
            self._note_text(draft, name, name)
            expression = of_template(f"${{{name}}}")
            draft.require_shown(expression)
            return KeyPart(_unreserved(name), "S", expression.template)
        if mapping.attribute_type == "document" or not isinstance(mapping.value, str | int | float):
            raise ValueError(f"its key {name} is a document")
        expression = of_template(mapping.value)
        draft.require_shown(expression)
        if not expression.template:
            raise ValueError(f"its key {name} is empty")
        wants_number = TYPES.get(mapping.attribute_sub_type.lower()) == "N"
        if wants_number and not expression.bare:
            what = f"key {name} of {draft.table} is of type S, because a key of type N is one column alone"
            self.remarks.leave_out(draft.origin, what, "Let the application read it as text, or use one column")
        return KeyPart(_unreserved(name), "N" if wants_number and expression.bare else "S", expression.template)

    def _note_text(self, draft: Draft, name: str, column: str) -> None:
        what = f"key {name} of {draft.table} is taken to be column {column}, as text"
        self.remarks.note(draft.origin, what, f"Make it N under `targets`, if DMS made {draft.target} so")

    def _attributes(self, draft: Draft, rule: ObjectMapping) -> None:
        parameters = rule.mapping_parameters
        if rule.rule_action == "map-record-to-document":
            what = f"the columns of {draft.table} become attributes of their own, where DMS makes a map of them, _doc"
            self.remarks.leave_out(rule.label, what, "Let the application read them from the item itself")
        if parameters.condition_expression is not None:
            what = "the condition-expression is left out: Keyshift's own conditions let no older write win over a newer"
            self.remarks.leave_out(rule.label, what, f"Say under `where` of {draft.table} which rows are meant")
        keys = [_mapping_of(part.name, parameters) for part in draft.keys]
        for mapping in parameters.attribute_mappings:
            if any(mapping is key for key in keys):
                continue
            try:
                self._attribute(draft, rule, mapping)
            except ValueError as error:
                what = f"attribute {mapping.target_attribute_name} of {draft.table} is left out: {error}"
                self.remarks.leave_out(rule.label, what, "Write it under `attributes` by hand (docs/keymap.md)")

    def _attribute(self, draft: Draft, rule: ObjectMapping, mapping: AttributeMapping) -> None:
        if mapping.attribute_type == "document" or not isinstance(mapping.value, str | int | float):
            self._document(draft, rule, mapping)
            return
        kind = TYPES.get(mapping.attribute_sub_type.lower())
        if kind is None:
            raise ValueError(f"attribute-sub-type {mapping.attribute_sub_type} is not known for a scalar")
        draft.add(mapping.target_attribute_name, of_template(mapping.value), kind)

    def _document(self, draft: Draft, rule: ObjectMapping, mapping: AttributeMapping) -> None:
        """Documents are not carried over; their columns stay what they are, so nothing is lost but the nesting."""
        columns = [column for column in columns_of(mapping.value) if column not in draft.hidden]
        draft.exclude = [column for column in draft.exclude if column not in columns]
        stay = f"; {', '.join(columns)} stay attributes of their own" if columns else ""
        what = f"attribute {mapping.target_attribute_name} of {draft.table} is a document of columns{stay}"
        remedy = "Make it under `attributes`, with `map`, and exclude its columns; or let the application read these"
        self.remarks.leave_out(rule.label, what, remedy)


def _mapping_of(name: str, parameters: MappingParameters) -> AttributeMapping | None:
    found = (one for one in parameters.attribute_mappings if one.target_attribute_name == name)
    return next(found, None)


def _unreserved(name: str) -> str:
    if Bookkeeping().is_ours(name):
        raise ValueError(f"its key {name} begins like the bookkeeping attributes")
    return name
