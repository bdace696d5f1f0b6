"""Where each table's rows go: along the foreign keys where the proof holds, else into a collection of the table's own.

For each table there are several options, the best first; the first one that keymap.check has nothing against is taken.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from keymap.schema import TableSchema
from keymap.suggest.columns import is_binary, names_few
from keymap.suggest.facts import Reference, TableFacts
from keymap.suggest.names import entity_names, unused
from keymap.suggest.places import Place, problems


@dataclass(frozen=True, slots=True)
class Layout:
    """The `places` of each table that has some, the first of them its home; why the others were `refused`."""

    entities: dict[str, str]
    places: dict[str, list[Place]]
    refused: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Partition:
    """The partition of a parent as a child's row tells it: its head, and of the child the columns that name it.

    `rest` are the columns of the foreign key that the partition does not use; they lead the sort key. `copy` is the
    place that the parent needs besides its own, so that it is in this partition; None where it is there already.
    """

    head: str
    columns: tuple[str, ...]
    rest: tuple[str, ...]
    copy: Place | None


@dataclass(frozen=True, slots=True)
class _Option:
    places: list[Place]
    copies: list[tuple[str, Place]] = field(default_factory=list)


def lay_out(tables: Sequence[TableFacts]) -> Layout:
    """A place for every table that can have one."""
    planner = _Planner(tables)
    for table in _parents_first(planner.tables):
        planner.settle(table)
    order = [table.name for table in tables]
    places = {name: planner.places[name] for name in order if name in planner.places}
    return Layout(planner.entities, places, {name: planner.refused[name] for name in order if name in planner.refused})


def _parents_first(tables: dict[str, TableFacts]) -> Iterator[TableFacts]:
    """Each table after those that it refers to; where foreign keys form a circle, one of its tables comes too early."""
    begun: set[str] = set()
    waiting = [(name, False) for name in reversed(tables)]
    while waiting:
        name, parents_done = waiting.pop()
        if parents_done:
            yield tables[name]
        elif name not in begun:
            begun.add(name)
            waiting.append((name, True))
            waiting += [(each.parent, False) for each in tables[name].references if each.parent in tables]


class _Planner:
    def __init__(self, tables: Sequence[TableFacts]) -> None:
        self.tables = {table.name: table for table in tables}
        self.entities = entity_names(self.tables)
        self.places: dict[str, list[Place]] = {}
        self.refused: dict[str, str] = {}

    def settle(self, table: TableFacts) -> None:
        """Find a place for the table, whose parents are settled."""
        reasons = ["it has no primary key, so a row cannot be told from another. Add a primary key"]
        for option in self._options(table) if table.schema.primary_key else ():
            found = [found for place in option.places for found in problems(table.schema, _rule(place, table.schema))]
            if not found and self._adopt(option.copies):
                self.places[table.name] = option.places
                return
            reasons = [f"{problem.what}. {problem.remedy}".strip() for problem in found] or reasons
        self.refused[table.name] = "; ".join(dict.fromkeys(reasons))

    def _adopt(self, copies: list[tuple[str, Place]]) -> bool:
        """Give parents the places that an option needs, unless one of them cannot have its place."""
        schemas = [(self.tables[name].schema, place) for name, place in copies]
        if any(problems(schema, _rule(place, schema)) for schema, place in schemas):
            return False
        for name, place in copies:
            if place not in self.places[name]:
                self.places[name].append(place)
        return True

    def _options(self, table: TableFacts) -> Iterator[_Option]:
        yield from self._between_two(table)
        for reference in self._parents(table):
            yield self._below(table, reference)
        for place in _own_places(table.schema, self.entities[table.name]):
            yield _Option([place])

    def _parents(self, table: TableFacts) -> list[Reference]:
        """The foreign keys that could say where the rows live, the best first.

        First those within the primary key: such a row never moves. Then parents that own their rows. A parent of a type
        with few values (a status, a country) would make few, hot partitions: only where it is part of the primary key.
        """
        schema, position = table.schema, {column.name: at for at, column in enumerate(table.schema.columns)}

        def within(reference: Reference) -> bool:
            return set(reference.columns) <= set(schema.primary_key)

        def serves(reference: Reference) -> bool:
            return (
                reference.parent in self.places
                and set(reference.parent_columns) == set(self.tables[reference.parent].schema.primary_key)
                and not any(schema.column(name).nullable for name in reference.columns)
                and (within(reference) or not all(names_few(schema.column(name)) for name in reference.columns))
            )

        def rank(reference: Reference) -> tuple[Any, ...]:
            return not within(reference), not reference.owns, [position[name] for name in reference.columns]

        return sorted(filter(serves, table.references), key=rank)

    def _partition(self, reference: Reference) -> _Partition:
        parent, home = self.tables[reference.parent], self.places[reference.parent][0]
        child_of = dict(zip(reference.parent_columns, reference.columns, strict=True))
        if child_of.keys() >= set(home.head_columns):
            rest = tuple(child_of[name] for name in parent.schema.primary_key if name not in home.head_columns)
            return _Partition(home.head, tuple(child_of[name] for name in home.head_columns), rest, None)
        entity, key = self.entities[parent.name], parent.schema.primary_key
        why = f"A copy of each {entity} at the head of a partition of its own, where what belongs to it is"
        copy = Place(entity, key, entity, (), home.coded, why)
        return _Partition(entity, tuple(child_of[name] for name in key), (), copy)

    def _below(self, table: TableFacts, reference: Reference) -> _Option:
        schema, partition = table.schema, self._partition(reference)
        why = f"In the partition of its {self.entities[reference.parent]}: one Query reads both"
        place = self._in(partition, schema, self.entities[table.name], why)
        return _Option([place], [(reference.parent, partition.copy)] if partition.copy else [])

    def _in(self, partition: _Partition, schema: TableSchema, kind: str, why: str) -> Place:
        used = partition.columns + partition.rest
        rest = partition.rest + tuple(name for name in schema.primary_key if name not in used)
        return Place(partition.head, partition.columns, kind, rest, _coded(schema), why)

    def _between_two(self, table: TableFacts) -> Iterator[_Option]:
        """A table that is nothing but pairs of two parents: an adjacency list, each pair in both partitions."""
        schema, kind = table.schema, self.entities[table.name]
        key = sorted(schema.primary_key)
        for one, other in combinations(self._parents(table), 2):
            if sorted(one.columns + other.columns) != key:
                continue
            sides = [self._partition(one), self._partition(other)]
            same = sides[0].head == sides[1].head
            kinds = [kind, unused(f"{kind}_INVERSE", self.entities.values()) if same else kind]
            names = [self.entities[reference.parent] for reference in (one, other)]
            why = [
                f"Pairs of {names[0]} and {names[1]}, an adjacency list: here in the partition of the {names[0]}",
                f"and once more, the other way around, in the partition of the {names[1]}",
            ]
            places = [self._in(*side) for side in zip(sides, [schema] * 2, kinds, why, strict=True)]
            copies = [
                (each.parent, side.copy)
                for each, side in zip((one, other), sides, strict=True)
                if side.copy is not None
            ]
            yield _Option(places, copies)


def own_place(schema: TableSchema, entity: str) -> Place | None:
    """A place by the primary key alone; None where no key of two texts tells it."""
    return next((place for place in _own_places(schema, entity) if not problems(schema, _rule(place, schema))), None)


def _own_places(schema: TableSchema, entity: str) -> Iterator[Place]:
    """Partitions of the table's own: by the first columns of the primary key, the others sort within them."""
    key = schema.primary_key
    for cut in range(1, len(key) + 1):
        why = f"Partitions of its own, by {', '.join(key[:cut])}"
        why += f"; within one, sorted by {', '.join(key[cut:])}" if key[cut:] else ""
        yield Place(entity, key[:cut], entity, key[cut:], _coded(schema), why)


def _coded(schema: TableSchema) -> frozenset[str]:
    """Bytes have no text, so keys hold their hexadecimal digits."""
    return frozenset(column.name for column in schema.columns if is_binary(column))


def _rule(place: Place, schema: TableSchema) -> dict[str, Any]:
    """The least rule that has this key: attributes do not matter yet."""
    return {"key": place.key(schema), "include": []}
