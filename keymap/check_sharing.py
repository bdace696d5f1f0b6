"""Who may have a part of an item: rows that pass a slot to each other, and rules that meet in one item.

The proofs matter most: that every slot's identity contains its row's whole primary key, or names it as its owner, and
that no two rules can give one slot. So no two rows at rest ever share a register.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations

from keymap.check_hooks import hook_columns, seen_by
from keymap.check_indexes import stored_columns
from keymap.errors import Problem
from keymap.kinds import INTEGERS
from keymap.rule import Rule
from keymap.rules import Keymap, may_meet
from keymap.schema import TableSchema
from keymap.template import Template, disjoint, parse_template, recovers
from keymap.updates import ATTRIBUTES_PER_UPDATE_MAX

Found = Iterator[tuple[str, str]]
_Placed = tuple[str, int, Rule]


def identity_problems(rule: Rule, schema: TableSchema) -> Found:
    """A slot that does not contain the whole primary key can pass from row to row: it must keep them apart by owner."""
    templates = rule.templates if rule.slot is None else (*rule.templates, rule.slot)
    told = recovered(rule, schema, templates)
    missing = [name for name in schema.primary_key if name not in told]
    key = ", ".join(schema.primary_key)
    made = sorted(hook_columns(rule) & set(rule.document.owner))
    if made:
        yield f"owner names column {made[0]}, which the hook makes", "Let the hook give another column"
    if rule.document.owner and set(rule.document.owner) != set(schema.primary_key):
        yield f"owner names {', '.join(rule.document.owner)}, and the primary key is {key}", f"Write owner: [{key}]"
    elif rule.document.owner and not missing:
        what = "owner is not needed: the key tells the primary key, so no other row can come to its slot"
        yield what, "Remove it: each write of the load would be guarded for nothing"
    elif missing and not rule.document.owner:
        lost = ", ".join(missing)
        what = f"two rows of {schema.full_name} may fall on one slot: the key does not tell primary key column {lost}"
        yield (
            what,
            f"Put it into the key (one text column to a template, or integers set apart by text); {_OWNED}[{key}]",
        )


_OWNED = "or, where no two rows ever rest on one slot, let it tell its rows apart with owner: "


def recovered(rule: Rule, schema: TableSchema, templates: Iterable[Template]) -> set[str]:
    """The columns of the row itself that can be read back from what the templates render."""
    integers = frozenset(
        column.name for column in schema.columns if column.data_type in INTEGERS and not column.nullable
    )
    defaulted = frozenset(rule.document.defaults)
    told = {name for template in templates for name in recovers(template, integers, defaulted)}
    return told - hook_columns(rule)  # what a hook made of a column does not tell what the column holds


def sharing_problems(keymap: Keymap, schemas: Mapping[str, TableSchema]) -> list[Problem]:
    """Pairs of rules that might give one slot. Where a fixed beginning or ending of a key differs, they cannot meet."""
    placed = [(table, index, rule) for table, rules in keymap.rules.items() for index, rule in enumerate(rules)]
    problems = []
    for one, other in combinations(placed, 2):
        if may_meet(one[2].document, other[2].document):
            where, first = (keymap.lines.where("tables", table, index) for table, index, _ in (other, one))
            for what, remedy in _meeting(one, other, schemas):
                rules = f"this rule and the one at {first} may write the same item of {other[2].target.name}"
                problems.append(Problem(where, f"{rules}{what}", remedy))
    return problems + [problem for one in placed for problem in _too_many(keymap, one, schemas)]


def _meeting(one: _Placed, other: _Placed, schemas: Mapping[str, TableSchema]) -> Found:
    """What is wrong with two rules meeting in an item. Nothing, where each row has a part of its own."""
    if one[2].slot is None and other[2].slot is None:
        yield "", 'Give their keys different beginnings, such as "ORDER#" and "CUSTOMER#"'
        return
    for part, whole in ((one, other), (other, one)):
        if part[2].slot is not None and whole[2].slot is None:
            taken = [name for name in _own_names(whole, schemas) if not disjoint(_name(part[2]), _literal(name))]
            if taken:
                yield f", and attribute {taken[0]} may be given by both", "Exclude or rename it in one of them"
    if one[2].slot is not None and other[2].slot is not None and not _apart(one[2], other[2]):
        yield ", and what their rows own there may have one name", "Give the names different beginnings"


def _apart(one: Rule, other: Rule) -> bool:
    maps = [rule.document.group.map if rule.document.group else None for rule in (one, other)]
    if maps[0] is not None and maps[0] == maps[1]:
        assert one.slot is not None
        assert other.slot is not None
        return disjoint(one.slot, other.slot)
    return disjoint(_name(one), _name(other))


def _name(rule: Rule) -> Template:
    """The template of the attribute that a row of a group has a part of, or owns."""
    group = rule.document.group
    assert group is not None
    assert rule.slot is not None
    return rule.slot if group.map is None else _literal(group.map)


def _literal(text: str) -> Template:
    return parse_template(text.replace("{", "{{").replace("}", "}}"))


def _own_names(placed: _Placed, schemas: Mapping[str, TableSchema]) -> list[str]:
    """The attributes that a rule without a group may give; those that are columns only where the table is known."""
    table, _, rule = placed
    seen = seen_by(rule, schemas[table]) if table in schemas else None
    columns = [name for _, name in stored_columns(rule, seen)] if seen else []
    return [*columns, *rule.constants, *(computed.name for computed in rule.computed)]


def _too_many(keymap: Keymap, placed: _Placed, schemas: Mapping[str, TableSchema]) -> Iterator[Problem]:
    table, index, rule = placed
    count = len(_own_names(placed, schemas))
    if rule.slot is None and rule.shares and count > ATTRIBUTES_PER_UPDATE_MAX:
        limit = f"one update holds {ATTRIBUTES_PER_UPDATE_MAX}"
        what = f"a row gives {count} attributes to an item that it shares, and {limit}"
        yield Problem(
            keymap.lines.where("tables", table, index), what, "Exclude columns, or give the rows their own items"
        )
