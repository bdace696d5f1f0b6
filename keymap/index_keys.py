"""The keys of secondary indexes within items: DynamoDB refuses an item in which one is wrong, so we do so first.

An item without such an attribute is fine: it is not in the index (a sparse index). One whose attribute has another
type, is empty, or is too long is refused by the service with the whole write (the developer guide on secondary indexes
and on constraints).
"""

from dataclasses import dataclass

from keymap.attributes import PARTITION_KEY_BYTES_MAX, SORT_KEY_BYTES_MAX, Attribute
from keymap.patch import Item
from keymap.targets import Index, KeyAttribute, Target
from keymap.template import PatchError


@dataclass(frozen=True, slots=True)
class IndexKey:
    """An attribute that is a key of the named indexes: its type there, and the most bytes that it may have."""

    name: str
    type: str
    bytes_max: int
    indexes: tuple[str, ...]


def index_keys(target: Target) -> tuple[IndexKey, ...]:
    """The attributes that are keys of the target's indexes, the table's own keys among them."""
    found: dict[str, IndexKey] = {}
    for index in target.indexes:
        for part in index.keys:
            held = found.get(part.name)
            limit = min(_bytes_max(index, part), held.bytes_max if held else PARTITION_KEY_BYTES_MAX)
            names = (*held.indexes, index.name) if held else (index.name,)
            found[part.name] = IndexKey(part.name, part.type, limit, names)
    return tuple(found.values())


def _bytes_max(index: Index, part: KeyAttribute) -> int:
    return PARTITION_KEY_BYTES_MAX if part is index.partition_key else SORT_KEY_BYTES_MAX


def require_index_keys(keys: tuple[IndexKey, ...], attributes: Item) -> None:
    """Raise PatchError where an attribute cannot be the key of an index that it is."""
    for key in keys:
        value = attributes.get(key.name)
        if value is not None:
            _require(key, value)


def _require(key: IndexKey, value: Attribute) -> None:
    ((kind, held),) = value.items()
    if kind != key.type:
        what = f"attribute {key.name} is of type {key.type} in index {_names(key)}, and this row gives {kind}"
        raise PatchError(what, f"Give it type {key.type}, or leave it out of such rows: {_WHEN}")
    size = 1 if kind == "N" else len(held.encode() if isinstance(held, str) else held)
    if not size:
        what = f"attribute {key.name} is empty, and is a key of index {_names(key)}: DynamoDB takes no empty ones"
        raise PatchError(what, f"Leave it out of such rows: {_WHEN}")
    if size > key.bytes_max:
        what = f"attribute {key.name} has {size} bytes, and as a key of index {_names(key)} may have {key.bytes_max}"
        raise PatchError(what, f"Shorten it, or leave it out of such rows: {_WHEN}")


_WHEN = "make it under attributes, where `when` says which rows have it"


def _names(key: IndexKey) -> str:
    return ", ".join(key.indexes)
