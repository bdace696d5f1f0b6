"""What a keymap's author should know although it is no mistake: told by the check as notes, before a row is read."""

import re
from collections.abc import Iterator, Mapping

from keymap.attributes import NUMBER_DIGITS_MAX
from keymap.check_hooks import seen_by
from keymap.check_indexes import stored_columns
from keymap.collations import Equality, equality_of
from keymap.errors import Problem
from keymap.fields import Part
from keymap.rule import Rule
from keymap.rules import Keymap
from keymap.schema import Column, TableSchema

_DECIMAL = re.compile(r"decimal\((\d+)").match


def collation_risks(keymap: Keymap, schemas: Mapping[str, TableSchema]) -> list[Problem]:
    """Text in keys of which MySQL calls more equal than bytes are. Blanks at the end alone (`_bin`) are not told."""
    return [
        Problem(keymap.lines.where("tables", table, index), *found)
        for table, rules in keymap.rules.items()
        if table in schemas
        for index, rule in enumerate(rules)
        for found in _collation_risks(rule, seen_by(rule, schemas[table]))
    ]


def _collation_risks(rule: Rule, schema: TableSchema) -> Iterator[tuple[str, str]]:
    told: set[str] = set()
    for part in key_parts(rule):
        for name in part.columns:
            column = schema.by_name.get(name)
            if column is None or name in told:
                continue
            told.add(name)
            left = _left(part, equality_of(column))
            if left.case or (left.blanks and equality_of(column).case):
                yield _collation_risk(column, left)


def key_parts(rule: Rule) -> Iterator[Part]:
    """The parts of the templates that say where a row's slot is: of the keys, and of a group's attribute."""
    for template in (*rule.templates, *([rule.slot] if rule.slot else [])):
        yield from template.parts


def _left(part: Part, equality: Equality) -> Equality:
    """What is still equal in MySQL and not here after the field's functions."""
    names = {function.name for function in part.functions}
    case, blanks = equality.case and not names & {"lower", "upper"}, equality.blanks and "trim" not in names
    return Equality(case=case, accents=equality.accents, blanks=blanks)


def _collation_risk(column: Column, left: Equality) -> tuple[str, str]:
    pairs = [pair for pair, is_left in (("'A' = 'a'", left.case), ("'a ' = 'a'", left.blanks)) if is_left]
    functions = [name for name, is_left in (("trim", left.blanks), ("lower", left.case)) if is_left]
    what = (
        f"column {column.name} ({column.collation}) is in a key: in MySQL {' and '.join(pairs)}, "
        "in DynamoDB they are different keys"
    )
    remedy = (
        f"Let every rule that makes this key write {{{column.name}|{'|'.join(functions)}}}, and readers do the same; "
        "or, where it must tell the primary key, let readers use the spelling that the row has"
    )
    return what, remedy


def number_risks(keymap: Keymap, schemas: Mapping[str, TableSchema]) -> list[Problem]:
    """DECIMAL columns, stored as N, that may hold numbers of more digits than DynamoDB's."""
    return [
        Problem(
            keymap.lines.where("tables", table, index, "types", column.name),
            f"column {column.name} ({column.column_type}) may hold numbers of more than {NUMBER_DIGITS_MAX} digits, "
            "and such a value becomes text (S) among numbers (N)",
            f"Make all of them text (types: {{{column.name}: S}}), or make sure that there are none",
        )
        for table, rules in keymap.rules.items()
        if table in schemas
        for index, rule in enumerate(rules)
        for column, _ in number_columns(rule, seen_by(rule, schemas[table]))
        if _digits(column) > NUMBER_DIGITS_MAX
    ]


def _digits(column: Column) -> int:
    found = _DECIMAL(column.column_type)
    return int(found[1]) if found else 0


_NUMBERS = frozenset({"decimal", "float", "double"})  # no integer type has 38 digits


def number_columns(rule: Rule, schema: TableSchema) -> Iterator[tuple[Column, str]]:
    """The columns of decimals and floats that a rule stores as N, each with its attribute in the item, or in the map
    that a row owns; "" where it alone is what a row of a group owns.
    """
    group = rule.document.group
    stored = [(group.value, "")] if group and group.value else stored_columns(rule, schema)
    for name, attribute in stored:
        column = schema.by_name.get(name)
        if column and column.data_type in _NUMBERS and rule.document.types.get(name, "N") == "N":
            yield column, attribute
