"""Patches as DynamoDB requests: what is written, and under which condition it may land.

The condition is the design's one idea: a slot is written if the item is absent, or is ours and the slot's mark is
absent or older. An item that is there without our migration's bookkeeping is FOREIGN and never overwritten.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from keymap.attributes import Attribute
from keymap.bookkeeping import Bookkeeping
from keymap.patch import WHOLE, Item, Patch
from keymap.rules import Keymap
from keymap.version import mark

Request = dict[str, Any]


def whole_item(keymap: Keymap, migration: str, patch: Patch) -> Item:
    """The item that a patch of the whole-item slot stores: key, data and bookkeeping; a tombstone has no data."""
    books = keymap.bookkeeping
    return {
        **keymap.targets[patch.table].key_item(patch.key),
        **(patch.attributes or {}),
        books.migration: {"S": migration},
        books.mark(WHOLE): {"S": mark(patch.version, tombstone=patch.attributes is None)},
    }


def group_item(keymap: Keymap, migration: str, patches: Sequence[Patch]) -> Item:
    """A grouped item of which every slot is in hand (`patches` of one item, all sets), for the bulk load."""
    books = keymap.bookkeeping
    item = {**keymap.targets[patches[0].table].key_item(patches[0].key), books.migration: {"S": migration}}
    for patch in patches:
        item |= patch.attributes or {}
        item[books.mark(patch.slot)] = {"S": mark(patch.version, tombstone=False)}
    return item | {books.revision: {"N": "1"}}


def put_request(keymap: Keymap, migration: str, patch: Patch) -> Request:
    """The guarded PutItem of a whole-item patch, set or removal. A put replaces the slot, as a set must."""
    books, target = keymap.bookkeeping, keymap.targets[patch.table]
    return {
        "TableName": patch.table,
        "Item": whole_item(keymap, migration, patch),
        "ConditionExpression": "attribute_not_exists(#pk) OR (#m = :m AND (attribute_not_exists(#v) OR #v < :v))",
        "ExpressionAttributeNames": {"#pk": target.partition_key.name, "#m": books.migration, "#v": books.mark(WHOLE)},
        "ExpressionAttributeValues": {":m": {"S": migration}, ":v": {"S": patch.version}},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def update_request(keymap: Keymap, migration: str, patches: Sequence[Patch]) -> Request:
    """The guarded UpdateItem of attribute slots of one item. Where one slot is not newer, none of them lands."""
    books, target = keymap.bookkeeping, keymap.targets[patches[0].table]
    names = {"#pk": target.partition_key.name, "#m": books.migration, "#r": books.revision}
    values: dict[str, Attribute] = {":m": {"S": migration}, ":one": {"N": "1"}}
    sets, removes, guards = ["#m = :m"], [], ["(attribute_not_exists(#pk) OR #m = :m)"]
    for index, patch in enumerate(patches):
        names[f"#v{index}"], names[f"#a{index}"] = books.mark(patch.slot), patch.slot
        values[f":v{index}"] = {"S": patch.version}
        values[f":k{index}"] = {"S": mark(patch.version, tombstone=patch.attributes is None)}
        sets.append(f"#v{index} = :k{index}")
        guards.append(f"(attribute_not_exists(#v{index}) OR #v{index} < :v{index})")
        if patch.attributes:
            values[f":a{index}"] = patch.attributes[patch.slot]
            sets.append(f"#a{index} = :a{index}")
        else:
            removes.append(f"#a{index}")
    return {
        "TableName": patches[0].table,
        "Key": target.key_item(patches[0].key),
        "UpdateExpression": f"SET {', '.join(sets)} ADD #r :one" + (f" REMOVE {', '.join(removes)}" if removes else ""),
        "ConditionExpression": " AND ".join(guards),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


# An expression string may hold 4 KB; with at most this many slots both strings stay under it (about 70 bytes a slot),
# and the request under the 300 operators that DynamoDB allows in one expression.
SLOTS_PER_UPDATE_MAX = 40
T = TypeVar("T")


def per_update(slots: list[T]) -> Iterator[list[T]]:
    """The slots of one item, or their patches, in parts that each fit one UpdateItem."""
    return (slots[at : at + SLOTS_PER_UPDATE_MAX] for at in range(0, len(slots), SLOTS_PER_UPDATE_MAX))


def newer_than(books: Bookkeeping, old: Mapping[str, Attribute], patches: Sequence[Patch]) -> list[Patch]:
    """The patches that are still newer than what the item held when the condition failed. The others are STALE."""
    held = books.slots(dict(old))
    return [patch for patch in patches if held.get(patch.slot, "") < patch.version]
