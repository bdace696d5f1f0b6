"""Which tables a DMS mapping means, as far as their names are known, and which of their rows."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from keymap.dms.filters import Conditions, where_of
from keymap.dms.index import Index
from keymap.dms.names import literal_table, matches_table
from keymap.dms.remarks import Remarks
from keymap.dms.rules import AnyRule, ObjectMapping, Selection

_SOURCE = re.compile(r"[^.\s]+\.[^.\s]+")
_LIST_TABLES = "Give the tables: --tables {schema}.TABLE,… (SELECT table_name FROM information_schema.tables)"


@dataclass(frozen=True, slots=True)
class Selected:
    """A table that is migrated, the rule that says so, and the conditions on its rows."""

    table: str
    rule: Selection
    where: Conditions


def selected(index: Index, listed: Collection[str], remarks: Remarks) -> list[Selected]:
    """The tables that are migrated. Known are those that `listed` and the rules name without wildcards."""
    known = _known(index.rules, listed)
    found = []
    for table in known:
        if not _SOURCE.fullmatch(table):
            what = f"table {table} is not in the keymap: its name has a dot or a blank, which a keymap cannot say"
            remarks.leave_out(f"table {table}", what, "Rename the table, or copy it")
            continue
        rules = [rule for rule in index.about(table) if isinstance(rule, Selection)]
        if rules and all(rule.rule_action != "exclude" for rule in rules):
            found.append(_selected(table, rules, remarks))
    for rule in index.rules:
        if isinstance(rule, Selection):
            _remark(rule, known, listed, remarks)
    return found


def _remark(rule: Selection, known: list[str], listed: Collection[str], remarks: Remarks) -> None:
    if rule.filters and rule.rule_action != "include":
        remarks.note(rule.label, "DMS applies filters of rule-action include only", "Nothing: they have no effect")
    if rule.rule_action != "exclude":
        _remark_wildcard(rule, known, listed, remarks)
        _remark_views(rule, remarks)


def _known(rules: list[AnyRule], listed: Collection[str]) -> list[str]:
    naming = [rule for rule in rules if isinstance(rule, Selection | ObjectMapping) and rule.rule_action != "exclude"]
    named = (literal_table(rule.object_locator) for rule in naming)
    return list(dict.fromkeys([*(table for table in named if table is not None), *listed]))


def _selected(table: str, rules: list[Selection], remarks: Remarks) -> Selected:
    filtered = [rule for rule in rules if rule.filters and rule.rule_action == "include"]
    first = filtered[0] if filtered else rules[0]
    for rule in rules:
        if filtered and rule.filters != first.filters:
            what = f"it selects {table} with other filters than {first.label}, whose filters are the ones carried over"
            remarks.leave_out(rule.label, what, f"Say under `where` of {table} which rows are meant")
    where, refused = where_of(first.filters) if filtered else ({}, [])
    for one, why in refused:
        what = (
            f"the filter on {table}, column {one.column_name}, is not in the keymap, so more rows are migrated: {why}"
        )
        remedy = "Add a generated column to the table that says which rows are meant, and name it under `where`"
        remarks.leave_out(first.label, what, remedy)
    return Selected(table, first, where)


def _remark_wildcard(rule: Selection, known: list[str], listed: Collection[str], remarks: Remarks) -> None:
    locator = rule.object_locator
    if literal_table(locator) is not None:
        return
    pattern = f"{locator.schema_name}.{locator.table_name}"
    if not listed:
        what = f"which tables {pattern} means is not known here; only those that other rules name are carried over"
        schema = locator.schema_name if "%" not in locator.schema_name else "SCHEMA"
        remarks.leave_out(rule.label, what, _LIST_TABLES.format(schema=schema))
    elif not any(matches_table(locator, table) for table in known):
        remarks.leave_out(rule.label, f"{pattern} means none of the tables that are given", "Complete --tables")


def _remark_views(rule: Selection, remarks: Remarks) -> None:
    if rule.object_locator.table_type == "view":
        remarks.leave_out(
            rule.label,
            "it selects views, and only tables have changes to follow",
            "Take the view's tables from the keymap, or copy the view into a table",
        )
    elif rule.object_locator.table_type == "all":
        remarks.note(rule.label, "of tables and views it takes the tables only", "Remove views from the keymap")
