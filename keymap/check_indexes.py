"""The keys of indexes against the live schema: some rule must give each, and every rule that does, in its type.

DynamoDB refuses the whole item for a key of a wrong type, and an index that no rule fills would be empty for ever.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from keymap.check_hooks import seen_by
from keymap.check_templates import null_problems, template_kind
from keymap.computed import ComputedMap
from keymap.conversions import own_type
from keymap.document import ConditionDocument
from keymap.errors import Problem
from keymap.fields import Part
from keymap.index_keys import IndexKey, index_keys
from keymap.kinds import MADE_BY_HOOK, Unfit
from keymap.rule import Rule
from keymap.rules import Keymap
from keymap.schema import Column, TableSchema
from keymap.targets import Target
from keymap.template import Template

Conditions = Mapping[str, ConditionDocument]


def index_problems(keymap: Keymap, schemas: Mapping[str, TableSchema]) -> list[Problem]:
    """Index keys that no rule gives, and those that a rule gives in another type or as NULL."""
    problems = [problem for target in keymap.targets.values() for problem in _ungiven(keymap, target, schemas)]
    for key, given in _given_keys(keymap, schemas):
        names = ", ".join(key.indexes)
        if given.type != key.type:
            told = f"of type {given.type}" if given.type else "not always of one type"
            what = f"{given.what} is {told}, and of type {key.type} as a key of index {names}"
            problems.append(Problem(given.where, what, "Give it that type under types or attributes, or rename it"))
        elif given.is_null:
            what = f"{given.what} may be NULL, which nulls: keep would store, and is a key of index {names}"
            problems.append(Problem(given.where, what, "Keep NULL out with a condition, or remove nulls: keep"))
    return problems


def index_risks(keymap: Keymap, schemas: Mapping[str, TableSchema]) -> list[Problem]:
    """Index keys that some rows may have empty. Such a row is refused when it is met; most columns never have one."""
    return [
        Problem(
            given.where,
            f"{given.what} is a key of index {', '.join(key.indexes)}, and a row where it is empty is refused",
            f"Where there are such rows, make {key.name} under attributes, with a condition (when) against them",
        )
        for key, given in _given_keys(keymap, schemas)
        if given.type == key.type and given.is_empty
    ]


def stored_columns(rule: Rule, schema: TableSchema) -> Iterator[tuple[str, str]]:
    """The columns that a rule stores, each with its attribute's name; none where a group holds one value alone."""
    document = rule.document
    if document.group and document.group.value:
        return
    for column in document.include if document.include is not None else schema.by_name:
        if column not in document.exclude and column in schema.by_name:
            yield column, document.rename.get(column, column)


def _ungiven(keymap: Keymap, target: Target, schemas: Mapping[str, TableSchema]) -> Iterator[Problem]:
    tables = [table for table, rules in keymap.rules.items() if any(rule.target.name == target.name for rule in rules)]
    if not schemas.keys() >= set(tables):
        return  # the table that is missing may be the one that gives it
    own = {part.name for part in target.keys}
    given = {key.name for key, found in _given_keys(keymap, schemas) if found.target == target.name}
    local = {index.name for index in target.indexes if index.is_local}
    for key in index_keys(target):
        if key.name not in own | given:
            kind = "local_indexes" if key.indexes[0] in local else "indexes"
            where = keymap.lines.where("targets", target.name, kind, key.indexes[0])
            what = f"no rule of {target.name} gives attribute {key.name}, a key of index {', '.join(key.indexes)}"
            yield Problem(where, what, "Give it under attributes, or name an attribute that is there")


@dataclass(frozen=True, slots=True)
class _Given:
    """How a rule gives an attribute: its type, "" where it cannot be told, and whether it may be NULL, or empty."""

    target: str
    where: str
    what: str
    type: str
    is_null: bool = False
    is_empty: bool = False


def _given_keys(keymap: Keymap, schemas: Mapping[str, TableSchema]) -> Iterator[tuple[IndexKey, _Given]]:
    """What the rules give of the index keys. The table's own keys are always there, typed, and never empty.

    What a group gives has names made of data, or stands within a map, which no index sees.
    """
    for table, rules in keymap.rules.items():
        for index, rule in enumerate(rules):
            own = {part.name for part in rule.target.keys}
            for key in rule.index_keys if rule.slot is None else ():
                if table in schemas and key.name not in own:
                    schema = seen_by(rule, schemas[table])
                    found = _Finder(keymap, ("tables", table, index), rule, schema).find(key.name)
                    yield from ((key, given) for given in found)


@dataclass(frozen=True, slots=True)
class _Finder:
    """Finds how one rule gives an attribute. Columns that do not exist are told elsewhere."""

    keymap: Keymap
    path: tuple[str | int, ...]
    rule: Rule
    schema: TableSchema

    def find(self, name: str) -> Iterator[_Given]:
        where, rule = self.keymap.lines.where, self.rule
        if name in rule.constants:
            ((kind, value),) = rule.constants[name].items()
            place = where(*self.path, "constants", name)
            yield _Given(rule.target.name, place, f"constant {name}", kind, is_empty=value == "")
        for computed in rule.computed:
            if computed.name == name and computed.columns <= self.schema.by_name.keys():
                when = rule.document.attributes[name].when
                place = where(*self.path, "attributes", name)
                if isinstance(computed, ComputedMap):
                    yield _Given(rule.target.name, place, f"attribute {name}", "M")
                else:
                    yield self._given(place, f"attribute {name}", computed.template, computed.wanted, when)
        for column, attribute in stored_columns(rule, self.schema):
            if attribute == name:
                bare = Template(column, (Part("", column),))
                yield self._given(where(*self.path), f"column {column}", bare, rule.document.types.get(column), {})

    def _given(self, where: str, what: str, template: Template, wanted: str | None, when: Conditions) -> _Given:
        # The rule as it is for the rows that have the attribute.
        document = self.rule.document.model_copy(update={"where": {**self.rule.document.where, **when}})
        keeps = document.nulls == "keep"
        is_null = keeps and any(null_problems(replace(self.rule, document=document), template, self.schema))
        kind = wanted or self._own_type(template, document.defaults)
        is_empty = _may_be_empty(template, self.schema, document.where, document.defaults)
        return _Given(self.rule.target.name, where, what, kind, is_null, is_empty)

    def _own_type(self, template: Template, defaults: Mapping[str, str]) -> str:
        try:
            own = own_type(template_kind(template, self.schema))
        except Unfit:
            return ""  # told elsewhere
        nullable = {name for name in template.columns if self.schema.column(name).nullable}
        return "" if own != "S" and nullable & defaults.keys() else own  # a default is text


def _may_be_empty(template: Template, schema: TableSchema, where: Conditions, defaults: Mapping[str, str]) -> bool:
    """Whether the template's text or bytes may be empty: every part of it may."""
    if any(defaults.get(column) == "" for column in template.columns):
        return True
    return all(not part.literal and _field_may_be_empty(part, schema, where) for part in template.parts)


def _field_may_be_empty(part: Part, schema: TableSchema, where: Conditions) -> bool:
    if not part.column or part.spec:
        return not part.column
    empty = _column_may_be_empty(schema.column(part.column), where)
    for function in part.functions:
        if function.other:
            empty = empty or _column_may_be_empty(schema.column(function.other), where)
        elif function.name in _MAY_EMPTY:
            empty = True
        elif function.width is not None or function.name in _NEVER_EMPTY:
            empty = False
        empty = empty or function.null_value == ""
    return empty


_MAY_EMPTY = frozenset({"trim", "json"})
_NEVER_EMPTY = frozenset({"pad", "epoch", "number"})
_EMPTY_TYPES = frozenset(
    "char varchar tinytext text mediumtext longtext varbinary tinyblob blob mediumblob longblob json".split()
) | {MADE_BY_HOOK}


def _column_may_be_empty(column: Column, where: Conditions) -> bool:
    condition = where.get(column.name)
    if condition is None:
        return column.data_type in _EMPTY_TYPES
    refused = condition.not_equals == "" or "" in (condition.none_of or ())
    others = condition.equals not in (None, "") or "" not in (condition.one_of or ("",))
    return column.data_type in _EMPTY_TYPES and not refused and not others
