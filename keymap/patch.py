"""Patches: what one row asks of one slot of one item. A slot is the part of an item that one source row owns."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Item = dict[str, dict[str, Any]]  # DynamoDB's typed form: {"name": {"S": "x"}}
KeyValue = str | int | Decimal | bytes
Key = tuple[KeyValue, ...]  # (partition key,) or (partition key, sort key)
WHOLE = ""  # the slot of a row's own attributes: all of the item, unless other rows share it


@dataclass(frozen=True, slots=True)
class Patch:
    """Set (`attributes`, without the key) or remove (None) one slot at one version.

    `slot` is named as keymap.slots says; of an entry of a map, `attributes` is the entry alone. A set replaces its
    slot: what the slot held before and `attributes` lacks is removed. `owner` names the source row where rows can pass
    the slot to each other (keymap.owners), and is "" elsewhere. `names` are all attributes that may be the slot's,
    where other rows have slots in the same item; None where all that is in the item is the slot's.
    """

    table: str
    key: Key
    slot: str
    attributes: Item | None
    version: str
    owner: str = ""
    names: tuple[str, ...] | None = None

    @property
    def place(self) -> tuple[str, Key, str]:
        """Where in DynamoDB the patch writes: the slot of one item of one table."""
        return self.table, self.key, self.slot

    @property
    def register(self) -> tuple[str, Key, str, str]:
        """What the patch writes to: each (table, key, slot, owner) is one last-writer-wins register."""
        return self.table, self.key, self.slot, self.owner

    @property
    def is_whole(self) -> bool:
        """Whether the slot is the whole item, which then is put; other slots are updated in place."""
        return self.slot == WHOLE and self.names is None


def fold(patches: Iterable[Patch]) -> list[Patch]:
    """The newest patch of each register: writing only these leaves the same items as writing all of them.

    At one version a set wins over a removal: they are two halves of one update that stayed in its slot.
    """
    newest: dict[tuple[str, Key, str, str], Patch] = {}
    for patch in patches:
        held = newest.get(patch.register)
        if held is None or (patch.version, patch.attributes is not None) > (held.version, held.attributes is not None):
            newest[patch.register] = patch
    return list(newest.values())
