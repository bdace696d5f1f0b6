"""The DynamoDB tables that a keymap writes to, their keys and their indexes."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from keymap.attributes import key_number
from keymap.document import IndexDocument, LocalIndexDocument, OneAttribute, TargetDocument
from keymap.patch import Item, Key, KeyValue


@dataclass(frozen=True, slots=True)
class KeyAttribute:
    """A key attribute's name and type (S, N or B)."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Index:
    """A secondary index. `projection` is "all", "keys", or the names of what it holds besides all keys.

    A local one has the table's partition key. Capacities are None for it, and where the table is billed on demand.
    """

    name: str
    partition_key: KeyAttribute
    sort_key: KeyAttribute | None
    projection: Literal["all", "keys"] | tuple[str, ...] = "all"
    is_local: bool = False
    read_capacity: int | None = None
    write_capacity: int | None = None

    @property
    def keys(self) -> tuple[KeyAttribute, ...]:
        """Partition key and, where there is one, sort key."""
        return (self.partition_key,) if self.sort_key is None else (self.partition_key, self.sort_key)


@dataclass(frozen=True, slots=True)
class Target:
    """A DynamoDB table that the keymap writes to. Capacities are None when it is billed on demand."""

    name: str
    partition_key: KeyAttribute
    sort_key: KeyAttribute | None
    billing: str
    read_capacity: int | None
    write_capacity: int | None
    indexes: tuple[Index, ...] = ()

    @property
    def keys(self) -> tuple[KeyAttribute, ...]:
        """Partition key and, where there is one, sort key."""
        return (self.partition_key,) if self.sort_key is None else (self.partition_key, self.sort_key)

    def key_item(self, key: Key) -> Item:
        """A key as typed attributes."""
        first, sort = self.partition_key, self.sort_key
        if sort is None:
            (value,) = key
            return {first.name: {first.type: _typed(value)}}
        value, other = key
        return {first.name: {first.type: _typed(value)}, sort.name: {sort.type: _typed(other)}}

    def key_of(self, item: Item) -> Key:
        """The key of an item as DynamoDB gives it, equal to the key of the patches that wrote it."""
        values = (item[part.name][part.type] for part in self.keys)
        return tuple(
            key_number(Decimal(value)) if part.type == "N" else value
            for part, value in zip(self.keys, values, strict=True)
        )


def _typed(value: KeyValue) -> str | bytes:
    return value if isinstance(value, str | bytes) else str(value)


def target_of(name: str, document: TargetDocument) -> Target:
    """The target of that name as the keymap describes it."""
    partition = _key(document.partition_key)
    return Target(
        name,
        partition,
        _optional_key(document.sort_key),
        document.billing,
        document.read_capacity,
        document.write_capacity,
        (*_global_indexes(document.indexes), *_local_indexes(document.local_indexes, partition)),
    )


def _key(attribute: OneAttribute) -> KeyAttribute:
    ((name, kind),) = attribute.items()
    return KeyAttribute(name, kind)


def _optional_key(attribute: OneAttribute | None) -> KeyAttribute | None:
    return None if attribute is None else _key(attribute)


def _global_indexes(documents: Mapping[str, IndexDocument]) -> list[Index]:
    return [
        Index(
            name,
            _key(index.partition_key),
            _optional_key(index.sort_key),
            index.projection,
            read_capacity=index.read_capacity,
            write_capacity=index.write_capacity,
        )
        for name, index in documents.items()
    ]


def _local_indexes(documents: Mapping[str, LocalIndexDocument], partition: KeyAttribute) -> list[Index]:
    return [
        Index(name, partition, _key(index.sort_key), index.projection, is_local=True)
        for name, index in documents.items()
    ]
