"""Secondary indexes as global indexes of the one table: a few, shared by all tables ("overloaded").

Each source index takes the next of gsi1, gsi2, … that its table does not use yet, so there are as many as the table
with the most indexes has. Their attributes are computed: the partition key names the table and the column, so that the
items of different tables stay apart.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from keymap.attributes import PARTITION_KEY_BYTES_MAX, SORT_KEY_BYTES_MAX
from keymap.schema import TableSchema
from keymap.suggest.columns import bytes_max, field_of, is_binary, names_few
from keymap.suggest.facts import Index, TableFacts
from keymap.suggest.layout import Layout
from keymap.suggest.names import capitals
from keymap.suggest.places import Place, problems

INDEXES_MAX = 20  # global indexes of one table, by DynamoDB's default quota
_NAMES_BYTES = 200  # room for the literal text of a key
_NOT_PLAIN = "its first column has no text for a key"


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """What becomes of one source index: the `attributes` that put items into index `name`, or `why` there are none."""

    source: Index
    name: str
    attributes: dict[str, str]
    why: str


def index_name(number: int) -> str:
    """The name of the table's `number`-th index, from 1."""
    return f"gsi{number}"


def key_names(index: str) -> tuple[str, str]:
    """The attributes that are the index's partition key and sort key."""
    return f"{index}pk", f"{index}sk"


def plan_indexes(table: TableFacts, layout: Layout) -> list[IndexPlan]:
    """What becomes of each index of the table that its places do not serve already."""
    plans: list[IndexPlan] = []
    number = 0
    for index in table.indexes:
        if not index.obstacle and _is_served(index, layout.places[table.name], table.schema):
            continue
        plan = _plan(table, index, layout, number + 1)
        number += bool(plan.attributes)
        plans.append(plan)
    return plans


def _is_served(index: Index, places: list[Place], schema: TableSchema) -> bool:
    """Whether some place's partition is what the index finds."""
    leading = [set(index.columns[: len(place.head_columns)]) == set(place.head_columns) for place in places]
    return any(leading) or index.columns == schema.primary_key


def _plan(table: TableFacts, index: Index, layout: Layout, number: int) -> IndexPlan:
    refused = index.obstacle or _too_many(number)
    if refused:
        return IndexPlan(index, "", {}, refused)
    attributes = _attributes(table, index, layout, index_name(number))
    if _longest(table.schema, index.columns[0]) > PARTITION_KEY_BYTES_MAX - _NAMES_BYTES:
        return IndexPlan(
            index, "", {}, f"{index.columns[0]} may be longer than the {PARTITION_KEY_BYTES_MAX} bytes of a key"
        )
    found = problems(table.schema, _trial(table, layout, attributes), _declaration(index_name(number)))
    if found:
        return IndexPlan(index, "", {}, f"{_NOT_PLAIN} ({found[0].what})")
    return IndexPlan(index, index_name(number), attributes, " ".join(_notes(table, index)))


def _too_many(number: int) -> str:
    return f"a table has at most {INDEXES_MAX} global indexes" if number > INDEXES_MAX else ""


def _attributes(table: TableFacts, index: Index, layout: Layout, name: str) -> dict[str, str]:
    schema, entity = table.schema, layout.entities[table.name]
    head, used = _head(table, index, layout)
    sorted_by = [_field(schema, column, padded=True) for column in _sorting(schema, index, used)]
    partition_key, sort_key = key_names(name)
    partition = "#".join([head, *(_field(schema, column, padded=False) for column in used)])
    return {partition_key: partition, sort_key: "#".join([entity, *sorted_by])}


def _sorting(schema: TableSchema, index: Index, used: tuple[str, ...]) -> list[str]:
    """The columns of the sort key: the index's others as far as every row has them, then the primary key."""
    others = takewhile(lambda name: not schema.column(name).nullable, index.columns[len(used) :])
    found: list[str] = []
    size = _NAMES_BYTES
    for column in dict.fromkeys((*others, *schema.primary_key)):
        size += _longest(schema, column)
        if size <= SORT_KEY_BYTES_MAX and column not in used:  # an item with too long a key could not be written at all
            found.append(column)
    return found


def _head(table: TableFacts, index: Index, layout: Layout) -> tuple[str, tuple[str, ...]]:
    """The beginning of the index's partition key, and the columns in it: a whole foreign key, or one column."""
    for reference in table.references:
        leads = set(index.columns[: len(reference.columns)]) == set(reference.columns)
        if leads and reference.parent in layout.places:
            return layout.entities[reference.parent], reference.columns
    return f"{layout.entities[table.name]}#{capitals(index.columns[0])}", index.columns[:1]


def _field(schema: TableSchema, column: str, *, padded: bool) -> str:
    found = schema.column(column)
    return field_of(found, padded=padded, coded=is_binary(found))


def _longest(schema: TableSchema, column: str) -> int:
    return bytes_max(schema.column(column))


def _notes(table: TableFacts, index: Index) -> Iterator[str]:
    first = table.schema.column(index.columns[0])
    if index.unique:
        yield "Nothing enforces in DynamoDB that it is unique."
    if first.nullable:
        yield f"Rows whose {first.name} is NULL are not in it."
    if names_few(first):
        shard = f"{{{table.schema.primary_key[0]}|shard(10)}}"
        yield f"Few values make hot partitions: {shard} at the key's end spreads them."


def _trial(table: TableFacts, layout: Layout, attributes: dict[str, str]) -> dict[str, object]:
    place = layout.places[table.name][0]
    return {"key": place.key(table.schema), "include": [], "attributes": attributes}


def _declaration(name: str) -> dict[str, object]:
    partition_key, sort_key = key_names(name)
    keys = {"partition_key": {partition_key: "S"}, "sort_key": {sort_key: "S"}, "projection": "all"}
    return {"indexes": {name: keys}}
