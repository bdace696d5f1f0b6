"""What the write of one item costs, by what pays for it: the table, and each of its global indexes. Pure.

DynamoDB counts a table and each of its global indexes apart, and each has a capacity of its own; local indexes are paid
by the table. `keymap.sizes` adds up whole tables from their slots; here one item is weighed before it is sent.
"""

from collections.abc import Mapping
from typing import Any, Final

from keymap.attributes import item_size
from keymap.capacity import write_units
from keymap.patch import Item
from keymap.targets import Index, Target

TABLE: Final = ""  # in the place of an index's name: the table itself
Units = Mapping[str, float]  # by name of the global index, TABLE for the table


def put_units(target: Target, item: Item) -> dict[str, float]:
    """Write units of putting an item where none was."""
    units: dict[str, float] = {TABLE: write_units(item_size(item))}
    for index in target.indexes:
        if all(part.name in item for part in index.keys):
            payer = TABLE if index.is_local else index.name
            units[payer] = units.get(payer, 0) + write_units(_projected_size(target, index, item))
    return units


def update_units(target: Target, request: Mapping[str, Any]) -> dict[str, float]:
    """Write units of an UpdateItem, at least: those of what it carries, and one in each index, which it may touch."""
    units: dict[str, float] = {TABLE: write_units(item_size(request.get("ExpressionAttributeValues", {})))}
    for index in target.indexes:
        payer = TABLE if index.is_local else index.name
        units[payer] = units.get(payer, 0) + 1
    return units


def _projected_size(target: Target, index: Index, item: Item) -> int:
    if index.projection == "all":
        return item_size(item)
    named = index.projection if isinstance(index.projection, tuple) else ()
    held = {*(part.name for part in (*target.keys, *index.keys)), *named}
    return item_size({name: value for name, value in item.items() if name in held})
