"""The shape of a table, key and indexes: as CreateTable wants it, and an existing one against the keymap. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from keymap.errors import Problem
from keymap.targets import Index, KeyAttribute, Target
from keyshift.aws.billing import index_billing, table_billing
from keyshift.process.capacity import CapacitySection

_KEY_TYPES: Final = ("HASH", "RANGE")
_PROJECTIONS: Final = {"all": "ALL", "keys": "KEYS_ONLY"}
_TABLE_REMEDY: Final = "Name another table, correct the target's key, or remove this table"


def request(target: Target, capacity: CapacitySection | None = None) -> dict[str, Any]:
    """What CreateTable wants of the target, without tags. The target's indexes are made with the table."""
    attributes = {key.name: key.type for keys in _all_keys(target) for key in keys}
    wanted: dict[str, Any] = {
        "TableName": target.name,
        "KeySchema": _schema(target.keys),
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": kind} for name, kind in sorted(attributes.items())
        ],
    }
    wanted |= table_billing(target, capacity)
    for name, is_local in (("GlobalSecondaryIndexes", False), ("LocalSecondaryIndexes", True)):
        indexes = [
            _index(index) | ({} if is_local else index_billing(target, index, capacity))
            for index in target.indexes
            if index.is_local is is_local
        ]
        if indexes:  # an empty list is refused
            wanted[name] = indexes
    return wanted


def _all_keys(target: Target) -> list[tuple[KeyAttribute, ...]]:
    return [target.keys, *(index.keys for index in target.indexes)]


def _index(index: Index) -> dict[str, Any]:
    return {"IndexName": index.name, "KeySchema": _schema(index.keys), "Projection": _projection(index)}


def _schema(keys: Sequence[KeyAttribute]) -> list[dict[str, str]]:
    return [{"AttributeName": key.name, "KeyType": kind} for key, kind in zip(keys, _KEY_TYPES, strict=False)]


def _projection(index: Index) -> dict[str, Any]:
    if isinstance(index.projection, tuple):
        return {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(index.projection)}
    return {"ProjectionType": _PROJECTIONS[index.projection]}


def keys_of(table: Mapping[str, Any]) -> tuple[KeyAttribute, ...]:
    """The key of a table as DescribeTable tells it, partition key first."""
    return _keys(table, table)


def _keys(table: Mapping[str, Any], described: Mapping[str, Any]) -> tuple[KeyAttribute, ...]:
    """The key of the table or of one of its indexes."""
    types = {one["AttributeName"]: one["AttributeType"] for one in table["AttributeDefinitions"]}
    by_kind = {one["KeyType"]: one["AttributeName"] for one in described["KeySchema"]}
    names = [by_kind[kind] for kind in _KEY_TYPES if kind in by_kind]
    return tuple(KeyAttribute(name, types[name]) for name in names)


def problems(target: Target, table: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with an existing table: another key, and indexes that are missing or different.

    Indexes that the keymap does not know are nobody's business here, nor is capacity.
    """
    return [*check_keys(target.name, keys_of(table), target.keys), *_index_problems(target, table)]


def check_keys(name: str, found: Sequence[KeyAttribute], wanted: Sequence[KeyAttribute]) -> list[Problem]:
    """What is wrong with an existing table's key."""
    if tuple(found) == tuple(wanted):
        return []
    return [Problem(f"table {name}", f"its key is ({_show(found)}), ({_show(wanted)}) is needed", _TABLE_REMEDY)]


def _index_problems(target: Target, table: Mapping[str, Any]) -> Iterator[Problem]:
    for index in target.indexes:
        there = table.get("LocalSecondaryIndexes" if index.is_local else "GlobalSecondaryIndexes") or []
        described = next((one for one in there if one["IndexName"] == index.name), None)
        what = _difference(index, table, described)
        if what:
            yield Problem(f"table {target.name}", what, _remedy(index, exists=described is not None))


def _difference(index: Index, table: Mapping[str, Any], described: Mapping[str, Any] | None) -> str:
    """What is different about an index; "" where it is as it should be."""
    kind = "local index" if index.is_local else "index"
    if described is None or described.get("IndexStatus") == "DELETING":
        return f"it has no {kind} {index.name}"
    found, wanted = _keys(table, described), index.keys
    if found != wanted:
        return f"the key of {kind} {index.name} is ({_show(found)}), ({_show(wanted)}) is needed"
    projected = _projected(described["Projection"])
    if projected != _projected(_projection(index)):
        return f"{kind} {index.name} projects {projected}, {_projected(_projection(index))} is needed"
    return ""


def _projected(projection: Mapping[str, Any]) -> str:
    names = ", ".join(sorted(projection.get("NonKeyAttributes") or ()))
    return f"{projection['ProjectionType']} ({names})" if names else str(projection["ProjectionType"])


def _remedy(index: Index, *, exists: bool) -> str:
    if index.is_local:
        return (
            "Correct the keymap, or remove the table: a local index can only be made with it, as `keyshift init` does"
        )
    if exists:
        return "Correct the keymap, or delete this index and create it anew (aws dynamodb update-table)"
    return "Create it (aws dynamodb update-table), take it out of the keymap, or remove the table: init creates both"


def _show(keys: Sequence[KeyAttribute]) -> str:
    return ", ".join(f"{key.name} {key.type}" for key in keys)
