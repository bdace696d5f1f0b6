"""The proposal's text: YAML whose comments say why each part is as it is, and what to think about."""

from collections.abc import Iterator, Mapping, Sequence

from keymap.bookkeeping import Bookkeeping
from keymap.errors import KeyshiftError
from keymap.schema import TableSchema
from keymap.suggest.facts import TableFacts
from keymap.suggest.hints import hints
from keymap.suggest.indexes import IndexPlan, key_names, plan_indexes
from keymap.suggest.layout import Layout, lay_out, own_place
from keymap.suggest.names import constant_name, target_name, unused
from keymap.suggest.places import PARTITION_KEY, SORT_KEY, Place
from keymap.yaml_text import comment, commented, entry, flow, scalar

_BOOLEANS = frozenset({"tinyint(1)", "bit(1)"})
_HEAD = """
A keymap proposed by `keyshift keymap suggest` from primary keys, foreign keys, indexes and types. It fits the tables as
they are and can be used as it is; but only you know what your application asks for, and that is what keys are for.

How it is made: all tables share one DynamoDB table, with keys of text. pk says in which partition an item is; one
Query reads a partition, in the order of sk. Rows that belong to a row of another table (a foreign key) are in the
partition of that row, so that both are read together. Numbers in sk are padded with zeros, so that they sort as numbers
do (negative ones do not). A sort key that begins with '#' is the partition's own item, before all others.

What to do with it: write down each question that the application asks, find the key that answers it, and change what
does not fit: what is read by other columns, what is never read (exclude), what one partition would hold too much of.
Then `keyshift keymap check`, and `keyshift keymap preview` for real rows as items. The language is in docs/keymap.md.
"""


def suggest(tables: Sequence[TableFacts], target: str = "") -> str:
    """A keymap for these tables, as YAML. `target` names the DynamoDB table; without it the database does.

    Raises KeyshiftError where none of the tables can be migrated, with the reasons.
    """
    layout = lay_out(tables)
    if not layout.places:
        reasons = "; ".join(f"{name}: {why}" for name, why in layout.refused.items()) or "there are no tables"
        raise KeyshiftError(f"no table can be migrated as it is: {reasons}", "Change the tables, or name others")
    writer = _Writer([table for table in tables if table.name in layout.places], layout, target)
    return "\n".join([*writer.lines(), *_left_out(layout.refused)]) + "\n"


def _left_out(refused: Mapping[str, str]) -> Iterator[str]:
    if refused:
        yield ""
        yield from comment("Left out, because they cannot be migrated as they are:")
    for name, why in refused.items():
        yield from comment(f"{name}: {why}", first="- ", rest="  ")


class _Writer:
    def __init__(self, tables: Sequence[TableFacts], layout: Layout, target: str) -> None:
        self.tables, self.layout = tables, layout
        self.target = target or target_name({table.schema.database for table in tables})
        self.plans = {table.name: plan_indexes(table, layout) for table in tables}
        self.indexes = sorted(
            {plan.name for plans in self.plans.values() for plan in plans if plan.name}, key=_by_number
        )
        columns = {column.name for table in tables for column in table.schema.columns}
        self.constant = constant_name(columns)
        self.reserved = {PARTITION_KEY, SORT_KEY, *(name for index in self.indexes for name in key_names(index))}

    def lines(self) -> Iterator[str]:
        for at, paragraph in enumerate(_HEAD.strip().split("\n\n")):
            yield from ["#"] if at else []
            yield from comment(paragraph)
        yield "keyshift: 1"
        yield "targets:"
        yield from self._target()
        yield "tables:"
        for table in self.tables:
            yield from self._table(table)

    def _target(self) -> Iterator[str]:
        yield f"  {scalar(self.target)}:"
        yield f"    partition_key: {flow({PARTITION_KEY: 'S'})}"
        yield f"    sort_key: {flow({SORT_KEY: 'S'})}"
        if not self.indexes:
            return
        yield from comment(
            "Global indexes, shared by the tables: each item has the attributes of those that it is in. Every index "
            "costs a write more for each write of an item in it; remove those whose question nobody asks.",
            4,
        )
        yield "    indexes:"
        for index in self.indexes:
            partition_key, sort_key = key_names(index)
            used = [
                f"{name} ({plan.source.name})"
                for name, plans in self.plans.items()
                for plan in plans
                if plan.name == index
            ]
            yield from comment(f"In {index}: {', '.join(used)}", 6)
            keys = f"partition_key: {flow({partition_key: 'S'})}, sort_key: {flow({sort_key: 'S'})}, projection: all"
            yield f"      {index}: {{{keys}}}"

    def _table(self, table: TableFacts) -> Iterator[str]:
        places = self.layout.places[table.name]
        entity = self.layout.entities[table.name]
        for obstacle in table.obstacles:
            yield from comment(f"Before `keyshift init`: {obstacle}", 2)
        yield f"  {scalar(table.name)}:"
        for at, place in enumerate(places):
            yield from comment(f"{place.why}.", 4)
            yield from self._rule(table, place, self.plans[table.name] if at == 0 else [])
        yield from self._by_itself(table, entity, places)
        for hint in hints(table):
            yield from comment(hint, 4, first="- ", rest="  ")

    def _rule(self, table: TableFacts, place: Place, plans: Sequence[IndexPlan]) -> list[str]:
        schema = table.schema
        lines = [f"    - target: {scalar(self.target)}"]
        fields = {
            "key": place.key(schema),
            "constants": {self.constant: self.layout.entities[table.name].lower()},
            "rename": self._renamed(schema),
            "types": _types(table),
        }
        for field, value in fields.items():
            lines += entry(field, value, 6) if value else []
        attributes = [plan for plan in plans if plan.attributes]
        if attributes:
            lines.append("      attributes:")
        for plan in attributes:
            columns = ", ".join(plan.source.columns)
            lines += comment(f"For index {plan.source.name} ({columns}). {plan.why}", 8)
            lines += [f"        {name}: {scalar(template)}" for name, template in plan.attributes.items()]
        for plan in plans:
            if not plan.attributes:
                columns = ", ".join(plan.source.columns)
                lines += comment(f"Nothing for index {plan.source.name} ({columns}): {plan.why}", 6)
        return lines

    def _renamed(self, schema: TableSchema) -> dict[str, str]:
        """Columns whose names are those of keys, or reserved for the bookkeeping."""
        taken = set(schema.by_name) | self.reserved | {self.constant}
        renamed: dict[str, str] = {}
        for column in schema.by_name:
            if column in self.reserved or Bookkeeping().is_ours(column):
                renamed[column] = unused(f"{schema.name}_{column}".lstrip("_"), taken | set(renamed.values()))
        return renamed

    def _by_itself(self, table: TableFacts, entity: str, places: Sequence[Place]) -> Iterator[str]:
        """How a row is found by its primary key alone, where its place needs another column."""
        alone = own_place(table.schema, entity)
        if alone is None or any(place.columns <= alone.columns for place in places):
            return
        yield from comment(
            f"To find a {entity} by its primary key alone, make each row a second item (each write then costs two):", 4
        )
        yield from commented(self._rule(table, alone, []), 4)


def _types(table: TableFacts) -> dict[str, str]:
    types = {column.name: "BOOL" for column in table.schema.columns if column.column_type in _BOOLEANS}
    return types | dict.fromkeys(sorted(table.documents), "JSON")


def _by_number(index: str) -> tuple[int, str]:
    return len(index), index
