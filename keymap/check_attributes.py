"""Computed attributes and conversions against the live schema: what can be told before a row is read is."""

from collections.abc import Iterator, Mapping

from keymap.check_hooks import seen_by
from keymap.check_indexes import index_problems, stored_columns
from keymap.check_templates import template_kind, value_problems
from keymap.computed import AnyComputed, ComputedMap
from keymap.conversions import types_of_column, types_of_kind
from keymap.errors import Problem
from keymap.rule import Rule
from keymap.rules import Keymap
from keymap.schema import TableSchema
from keymap.template import Template
from keymap.yaml_file import Path

Found = Iterator[tuple[str, str]]


def attribute_problems(keymap: Keymap, schemas: Mapping[str, TableSchema]) -> list[Problem]:
    """What is wrong with computed attributes, `types` and index keys. `schemas` lacks the tables that do not exist."""
    problems: list[Problem] = []
    for table, rules in keymap.rules.items():
        if table in schemas:
            for index, rule in enumerate(rules):
                problems.extend(_rule_problems(keymap, (table, index), rule, seen_by(rule, schemas[table])))
    return problems + index_problems(keymap, schemas)


def _rule_problems(keymap: Keymap, place: tuple[str, int], rule: Rule, schema: TableSchema) -> Iterator[Problem]:
    lines = keymap.lines
    for column, wanted in rule.document.types.items():
        if column in schema.by_name and wanted not in types_of_column(schema.column(column)):
            where = lines.where("tables", *place, "types", column)
            what = f"column {column} is {schema.column(column).column_type}, whose values are no {wanted}"
            yield Problem(where, what, "Remove its entry, or choose another type")
    stored = {name for _, name in stored_columns(rule, schema)}
    for computed in rule.computed:
        path = ("tables", *place, "attributes", computed.name)
        if computed.name in stored:
            what = f"attribute {computed.name}: a column has its name"
            remedy = f"Exclude or rename column {computed.name}, or name the attribute otherwise"
            yield Problem(lines.where(*path), what, remedy)
        for inner, inner_path in _with_inner(computed, path):
            for what, remedy in _computed_problems(inner, schema):
                yield Problem(lines.where(*inner_path), f"attribute {inner.place}: {what}", remedy)


def _with_inner(computed: AnyComputed, path: Path) -> Iterator[tuple[AnyComputed, Path]]:
    """The attribute and all that it holds, each with where it stands."""
    yield computed, path
    if isinstance(computed, ComputedMap):
        for inner in computed.inner:
            yield from _with_inner(inner, (*path, "map", inner.name))


def _computed_problems(computed: AnyComputed, schema: TableSchema) -> Found:
    unknown = sorted(computed.columns - schema.by_name.keys())
    for column in unknown:
        yield f"column {column} does not exist in {schema.full_name}", "Correct the name"
    if unknown or isinstance(computed, ComputedMap):
        return  # what follows reasons about columns that are there
    unfit = list(value_problems(computed.template, schema))
    yield from unfit
    if not unfit and computed.wanted is not None and computed.wanted not in _types(computed.template, schema):
        yield f"{computed.template.text!r} gives no {computed.wanted}", "Change its type or its template"


def _types(template: Template, schema: TableSchema) -> frozenset[str]:
    if template.bare:
        return types_of_column(schema.column(template.bare))
    return types_of_kind(template_kind(template, schema))
