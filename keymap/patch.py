"""Patches: what one row asks of one slot of one item. A slot is the part of an item that one source row owns."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Item = dict[str, dict[str, Any]]  # DynamoDB's typed form: {"name": {"S": "x"}}
KeyValue = str | int | Decimal | bytes
Key = tuple[KeyValue, ...]  # (partition key,) or (partition key, sort key)
WHOLE = ""  # the slot that is the whole item


@dataclass(frozen=True, slots=True)
class Patch:
    """Set (`attributes`, without the key) or remove (None) one slot at one version.

    `slot` is "" for the whole item, else the name of the attribute that the row owns in a grouped item. A set
    replaces its slot: what the slot held before and `attributes` lacks is removed.
    """

    table: str
    key: Key
    slot: str
    attributes: Item | None
    version: str

    @property
    def register(self) -> tuple[str, Key, str]:
        """What the patch writes to: each (table, key, slot) is one last-writer-wins register."""
        return self.table, self.key, self.slot


def fold(patches: Iterable[Patch]) -> list[Patch]:
    """The newest patch of each register: writing only these leaves the same items as writing all of them.

    At one version a set wins over a removal: they are two halves of one update that stayed in its slot.
    """
    newest: dict[tuple[str, Key, str], Patch] = {}
    for patch in patches:
        held = newest.get(patch.register)
        if held is None or (patch.version, patch.attributes is not None) > (held.version, held.attributes is not None):
            newest[patch.register] = patch
    return list(newest.values())
