"""The keymap against the live schema: everything that can be known before a row is read, all problems at once."""

from collections.abc import Iterator, Mapping

from keymap.check_attributes import attribute_problems
from keymap.check_hooks import seen_by
from keymap.check_keys import typed_key_problems
from keymap.check_sharing import identity_problems, recovered, sharing_problems
from keymap.check_templates import null_problems, text_problems
from keymap.errors import Problem
from keymap.kinds import INTEGERS
from keymap.rule import Rule
from keymap.rules import Keymap
from keymap.schema import Column, TableSchema
from keymap.template import Template
from keymap.uses import use_of
from keymap.values import UnsupportedType, converter

_BINARY = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
# Types whose order and equality in MySQL are those of the canonical value: no collation makes two of them equal.
_PLAIN_ORDER = INTEGERS | _BINARY | {"date", "datetime", "timestamp", "decimal"}


def check(keymap: Keymap, schemas: Mapping[str, TableSchema], *, running: bool = False) -> list[Problem]:
    """All problems of a keymap with the tables as they are. `schemas` lacks the tables that do not exist.

    `running`: the migration has begun, and a column that the keymap excludes may have been dropped since. Before, such
    a name is a slip of the pen, and what it meant to keep out would be stored.
    """
    problems: list[Problem] = []
    for table, rules in keymap.rules.items():
        schema = schemas.get(table)
        if schema is None:
            where = keymap.lines.where("tables", table)
            problems.append(
                Problem(where, f"table {table} does not exist, or may not be read", "Correct the name, or grant SELECT")
            )
            continue
        problems.extend(_table_problems(schema))
        for index, rule in enumerate(rules):
            where = keymap.lines.where("tables", table, index)
            problems.extend(
                Problem(where, what, remedy)
                for what, remedy in _rule_problems(keymap, rule, seen_by(rule, schema), running=running)
            )
    return problems + attribute_problems(keymap, schemas) + sharing_problems(keymap, schemas)


def _table_problems(schema: TableSchema) -> Iterator[Problem]:
    where = f"table {schema.full_name}"
    if not schema.primary_key:
        yield Problem(where, "it has no primary key, so a row cannot be told from another", "Add a primary key")
    for column in schema.columns:
        try:
            converter(column)
        except UnsupportedType as refusal:
            yield Problem(where, refusal.message, refusal.remedy)


def _rule_problems(keymap: Keymap, rule: Rule, schema: TableSchema, *, running: bool) -> Iterator[tuple[str, str]]:
    unknown = sorted(
        column for column in named_columns(rule) - schema.by_name.keys() if not running or use_of([rule], column)
    )
    for column in unknown:
        yield f"column {column} does not exist in {schema.full_name}", "Correct the name"
    if unknown:
        return  # what follows reasons about columns that are there
    yield from _key_problems(rule, schema)
    yield from _attribute_problems(keymap, rule, schema)
    if schema.primary_key:
        yield from identity_problems(rule, schema)


def named_columns(rule: Rule) -> set[str]:
    """The columns that a rule names, but for those of its computed attributes."""
    document = rule.document
    named = {
        *document.where,
        *document.defaults,
        *(document.include or ()),
        *document.exclude,
        *document.rename,
        *document.types,
        *document.owner,
    }
    for template in _templates(rule):
        named.update(template.columns)
    return named | ({document.group.value} if document.group and document.group.value else set())


def _templates(rule: Rule) -> tuple[Template, ...]:
    return rule.templates if rule.slot is None else (*rule.templates, rule.slot)


def _key_problems(rule: Rule, schema: TableSchema) -> Iterator[tuple[str, str]]:
    for template, part in zip(rule.templates, rule.target.keys, strict=True):
        if part.type == "S":
            yield from text_problems(template, schema)
            yield from null_problems(rule, template, schema)
        else:
            yield from typed_key_problems(rule, part, template, schema)
    if rule.slot is not None:
        yield from text_problems(rule.slot, schema)
        yield from null_problems(rule, rule.slot, schema)


def _attribute_problems(keymap: Keymap, rule: Rule, schema: TableSchema) -> Iterator[tuple[str, str]]:
    document = rule.document
    if document.group and document.group.value:
        return
    taken: dict[str, str] = dict.fromkeys(document.constants, "a constant")
    for column in document.include if document.include is not None else schema.by_name:
        if column in document.exclude:
            continue
        name = document.rename.get(column, column)
        if keymap.bookkeeping.is_ours(name):
            yield f"attribute {name} has the bookkeeping prefix", "Rename it, or set bookkeeping_prefix"
        keys = zip(rule.target.keys, rule.templates, strict=True)
        if rule.slot is None and any(part.name == name and template.bare != column for part, template in keys):
            yield f"column {column} has the name of key attribute {name}", "Rename or exclude the column"
        if name in taken:
            yield f"attribute {name} is given by column {column} and by {taken[name]}", "Rename one of them"
        taken[name] = f"column {column}"


def uncut_columns(keymap: Keymap, schema: TableSchema) -> int:
    """How many leading primary key columns a chunk must not cut, so that the table's groups are whole; 0: none."""
    prefixes = [_group_prefix(rule, schema) for rule in keymap.rules[schema.full_name] if rule.slot is not None]
    return min((prefix for prefix in prefixes if prefix), default=0)


def groups_whole(keymap: Keymap, schema: TableSchema, uncut: int) -> bool:
    """Whether each grouped item of the table lies within one chunk, where chunks do not cut groups of `uncut` columns.

    Only then may the bulk load put a group without a condition (design, "Slots and patches"). A group of more columns
    lies within a group of fewer, so an `uncut` that is at most the group's own prefix is enough.
    """
    prefixes = [_group_prefix(rule, schema) for rule in keymap.rules[schema.full_name] if rule.slot is not None]
    return bool(prefixes) and all(0 < uncut <= prefix for prefix in prefixes)


def _group_prefix(rule: Rule, schema: TableSchema) -> int:
    """The j for which the item's key is exactly the first j primary key columns, of types without a collation.

    0 where other rules have parts of the item, or rows pass theirs on: then no chunk has all of it in hand.
    """
    if rule.meets_others or rule.document.owner:
        return 0
    used = {name for template in rule.templates for name in template.columns}
    leading = schema.primary_key[: len(used)]
    plain = all(_plain_order(schema.column(name)) for name in leading)
    exact = used == set(leading) == recovered(rule, schema, rule.templates)  # a shard alone gathers many groups
    return len(used) if exact and plain else 0


def _plain_order(column: Column) -> bool:
    return column.data_type in _PLAIN_ORDER
