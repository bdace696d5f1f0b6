"""What is wrong with a keymap in itself: targets that cannot be made, rules that do not fit their target.

Known before any schema is. Limits are those of the DynamoDB developer guide (quotas of tables and indexes).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Final

from keymap.bookkeeping import Bookkeeping
from keymap.document import AttributeDocument, KeymapDocument, RuleDocument
from keymap.errors import Problem
from keymap.targets import Index, Target
from keymap.template import parse_template
from keymap.yaml_file import Lines

GLOBAL_INDEXES_MAX: Final = 20  # AWS raises it on request; the keymap does not know whether it did
LOCAL_INDEXES_MAX: Final = 5
PROJECTED_MAX: Final = 20  # names in one projection
MAPS_WITHIN_MAPS_MAX: Final = 31  # DynamoDB's 32 levels, of which the item is one; tried on DynamoDB Local
PROJECTED_TOTAL_MAX: Final = 100  # names in all projections of a table

Found = tuple[str, str]  # what it is, and the remedy


def form_problems(
    document: KeymapDocument, lines: Lines, targets: Mapping[str, Target], books: Bookkeeping
) -> list[Problem]:
    """All that is wrong with targets and rules, with file and line."""
    problems = list(chain.from_iterable(_target_problems(lines, target, books) for target in targets.values()))
    for table, rules in document.tables.items():
        for index, rule in enumerate(rules):
            where = lines.where("tables", table, index)
            target = targets.get(rule.target)
            if target is None:
                what = f"target {rule.target} is not among targets"
                problems.append(Problem(where, what, "Add it there, or correct the name"))
            elif tuple(rule.key) != tuple(part.name for part in target.keys):
                names = ", ".join(part.name for part in target.keys)
                problems.append(
                    Problem(where, f"key must give {names}, in this order", "Name exactly the target's keys")
                )
            else:
                problems.extend(Problem(where, *found) for found in _name_problems(rule, target, books))
                path = ("tables", table, index, "attributes")
                problems.extend(
                    Problem(lines.where(*path, name), *found) for name, found in _computed_problems(rule, target, books)
                )
    return problems


def _name_problems(rule: RuleDocument, target: Target, books: Bookkeeping) -> Iterator[Found]:
    yield from _empty_problems(rule)
    own_map = [rule.group.map] if rule.group and rule.group.map else []
    for name in (*rule.rename.values(), *rule.constants, *own_map):
        if books.is_ours(name):
            yield f"attribute {name} has the bookkeeping prefix", _PREFIX_REMEDY
    for name in own_map:
        if any(name == part.name for part in target.keys):
            yield f"map {name} has the name of a key", "Give the map another name"
    for name in rule.constants if rule.group is None else ():
        if any(name == part.name for part in target.keys):
            yield f"constant {name} has the name of a key", "Give the constant another name"
    for part in target.keys:
        if part.type != "S" and not parse_template(rule.key[part.name]).alone:
            what = f"key {part.name} is of type {part.type}, so its template must be one field alone"
            yield what, 'Write "{column}" or "{column|function}", or make the key type S'


def _empty_problems(rule: RuleDocument) -> Iterator[Found]:
    if "" in (*rule.rename.values(), *rule.constants, *rule.attributes):
        yield "an attribute has an empty name", _EMPTY_REMEDY
    for name, text in rule.key.items():
        if not text:
            yield f"key {name} is empty", "Give it a template: DynamoDB takes no key that is empty text"


_EMPTY_REMEDY: Final = "Name it: DynamoDB takes names of at least one character"
_PREFIX_REMEDY: Final = "Rename it, or set bookkeeping_prefix"


def _computed_problems(rule: RuleDocument, target: Target, books: Bookkeeping) -> Iterator[tuple[str, Found]]:
    """Computed attributes whose name something else has. (Columns that are not named here: keymap.check_attributes.)"""
    taken = {} if rule.group else dict.fromkeys((part.name for part in target.keys), "a key")
    columns = [column for column in rule.include or rule.rename if column not in rule.exclude]
    taken |= {rule.rename.get(column, column): f"column {column}" for column in columns}
    taken |= dict.fromkeys(rule.constants, "a constant")
    for name in rule.attributes:
        if books.is_ours(name):
            yield name, (f"attribute {name} has the bookkeeping prefix", _PREFIX_REMEDY)
        if name in taken:
            yield name, (f"attribute {name} has the name of {taken[name]}", "Rename one of them, or exclude the column")
        if _levels(rule.attributes[name]) > MAPS_WITHIN_MAPS_MAX:
            what = (
                f"attribute {name} has more than {MAPS_WITHIN_MAPS_MAX} maps within each other: DynamoDB takes no more"
            )
            yield name, (what, "Give the innermost maps attributes of their own")


def _levels(attribute: AttributeDocument) -> int:
    """How many maps stand within each other."""
    return 0 if attribute.map is None else 1 + max(map(_levels, attribute.map.values()), default=0)


def _target_problems(lines: Lines, target: Target, books: Bookkeeping) -> Iterator[Problem]:
    where = lines.where("targets", target.name)
    yield from (Problem(where, *found) for found in _table_problems(target))
    for index in target.indexes:
        where = lines.where("targets", target.name, "local_indexes" if index.is_local else "indexes", index.name)
        yield from (Problem(where, *found) for found in _index_problems(target, index, books))


def _table_problems(target: Target) -> Iterator[Found]:
    if len({part.name for part in target.keys}) < len(target.keys):
        yield "partition key and sort key have one name", "Name another sort key, or none"
    if not all(part.name for part in chain(target.keys, *(index.keys for index in target.indexes))):
        yield "an attribute has an empty name", _EMPTY_REMEDY
    local = sum(index.is_local for index in target.indexes)
    if local > LOCAL_INDEXES_MAX or len(target.indexes) - local > GLOBAL_INDEXES_MAX:
        what = f"it has {len(target.indexes) - local} indexes and {local} local ones"
        yield f"{what}: DynamoDB allows {GLOBAL_INDEXES_MAX} and {LOCAL_INDEXES_MAX}", "Let indexes share attributes"
    if local and target.sort_key is None:
        yield "it has local indexes, and no sort key: DynamoDB wants one", "Add a sort key, or make them global"
    for name, count in Counter(index.name for index in target.indexes).items():
        if count > 1:
            yield f"index {name} is both global and local", "Rename one of them"
    projected = sum(len(_projected(index)) for index in target.indexes)
    if projected > PROJECTED_TOTAL_MAX:
        what = f"its indexes' projections name {projected} attributes, and DynamoDB allows {PROJECTED_TOTAL_MAX}"
        yield what, "Use projection: all"


def _projected(index: Index) -> Sequence[str]:
    return index.projection if isinstance(index.projection, tuple) else ()


def _index_problems(target: Target, index: Index, books: Bookkeeping) -> Iterator[Found]:
    given = index.read_capacity is not None and index.write_capacity is not None
    if not index.is_local and (target.billing == "provisioned") != given:
        what = f"index {index.name}: an index of a provisioned table takes read_capacity and write_capacity"
        yield f"{what}, one of an on_demand table takes neither", "Add or remove them"
    if len({part.name for part in index.keys}) < len(index.keys):
        yield f"index {index.name}: partition key and sort key have one name", "Name another sort key"
    for part in index.keys:
        if books.is_ours(part.name):
            yield f"index {index.name}: attribute {part.name} has the bookkeeping prefix", _PREFIX_REMEDY
        other = _first_type(target, part.name)
        if part.type != other:
            what = f"index {index.name}: {part.name} is of type {part.type}, and elsewhere in the table {other}"
            yield what, "Give it one type, or two names"
    yield from _projection_problems(target, index)


def _first_type(target: Target, name: str) -> str:
    """The type that the attribute has where the target first names it as a key."""
    everywhere = chain(target.keys, *(index.keys for index in target.indexes))
    return next(part.type for part in everywhere if part.name == name)


def _projection_problems(target: Target, index: Index) -> Iterator[Found]:
    names = _projected(index)
    if isinstance(index.projection, tuple) and not 0 < len(names) <= PROJECTED_MAX:
        what = f"index {index.name}: a projection names 1 to {PROJECTED_MAX} attributes, not {len(names)}"
        yield what, "Use projection: keys where there is none, projection: all where there are more"
    if len(set(names)) < len(names):
        yield f"index {index.name}: its projection names an attribute twice", "Name it once"
    keys = {part.name for part in (*target.keys, *index.keys)} & set(names)
    if keys:
        what = f"index {index.name}: its projection names {', '.join(sorted(keys))}, which it holds as a key"
        yield what, "Take it out of the projection"
