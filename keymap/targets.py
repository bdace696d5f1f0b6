"""The DynamoDB tables that a keymap writes to, and their keys."""

from dataclasses import dataclass
from decimal import Decimal

from keymap.attributes import key_number
from keymap.document import TargetDocument
from keymap.patch import Item, Key


@dataclass(frozen=True, slots=True)
class KeyAttribute:
    """A key attribute's name and type (S, N or B)."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Target:
    """A DynamoDB table that the keymap writes to. Capacities are None when it is billed on demand."""

    name: str
    partition_key: KeyAttribute
    sort_key: KeyAttribute | None
    billing: str
    read_capacity: int | None
    write_capacity: int | None

    @property
    def keys(self) -> tuple[KeyAttribute, ...]:
        """Partition key and, where there is one, sort key."""
        return (self.partition_key,) if self.sort_key is None else (self.partition_key, self.sort_key)

    def key_item(self, key: Key) -> Item:
        """A key as typed attributes."""
        return {
            part.name: {part.type: value if isinstance(value, bytes) else str(value)}
            for part, value in zip(self.keys, key, strict=True)
        }

    def key_of(self, item: Item) -> Key:
        """The key of an item as DynamoDB gives it, equal to the key of the patches that wrote it."""
        values = (item[part.name][part.type] for part in self.keys)
        return tuple(
            key_number(Decimal(value)) if part.type == "N" else value
            for part, value in zip(self.keys, values, strict=True)
        )


def target_of(name: str, document: TargetDocument) -> Target:
    """The target of that name as the keymap describes it."""
    partition, sort = (
        [KeyAttribute(*pair) for pair in (keys or {}).items()] for keys in (document.partition_key, document.sort_key)
    )
    return Target(
        name, partition[0], sort[0] if sort else None, document.billing, document.read_capacity, document.write_capacity
    )
