"""What is in the way of some changes, until it is mended: they cannot be applied as they are, and are set aside.

Unmappable: the keymap makes nothing of some rows, wherever they are met. Unwritable: DynamoDB takes no write that holds
a certain value, as it takes none of an item that grew too large. Foreign: somebody else's items stand at some keys.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from zlib import crc32

import pytest

from keymap.patch import Item, Key, Patch
from keymap.rules import Rule
from keymap.template import PatchError
from keymap.values import Row
from tests.apply.fake_dynamodb import FakeDynamoDB
from tests.apply.simulation.timeline import Timeline

TABOOS: Final = ("a", "b", "c", "held", "paid")
ONE_OF: Final = 3  # rows the keymap makes nothing of one


class Causes:
    """Those of one history, each kind of them so `likely`. `mended`: there are none, or none any more."""

    def __init__(self, chance: random.Random, timeline: Timeline, dynamodb: FakeDynamoDB, likely: float) -> None:
        self.kinds = frozenset(kind for kind in ("unmappable", "unwritable", "foreign") if chance.random() < likely)
        self.mended = not self.kinds
        self._timeline, self._dynamodb = timeline, dynamodb
        self._salt, self._taboo = chance.random(), chance.choice(TABOOS)
        if "foreign" in self.kinds:
            for table, key in self._places(chance):
                dynamodb.put_item(TableName=table, Item={**self._key(table, key), "whose": {"S": "somebody's"}})

    def refuses(self, request: dict[str, Any]) -> bool:
        """Whether DynamoDB takes no such write."""
        if self.mended or "unwritable" not in self.kinds:
            return False
        values = request.get("Item") or request.get("ExpressionAttributeValues") or {}
        return _holds(values, self._taboo)

    def mend(self) -> None:
        """Somebody does: what was refused can be applied from now on."""
        self.mended = True
        books = self._timeline.keymap.bookkeeping
        for items in self._dynamodb.tables.values():
            for identity in [one for one, item in items.items() if books.migration not in item]:
                del items[identity]

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Within, the keymap makes nothing of some rows."""
        patch_of, content_of = Rule.patch, Rule.content

        def patch(rule: Rule, row: Row, version: str) -> Patch | None:
            self._look_at(row)
            return patch_of(rule, row, version)

        def content(rule: Rule, row: Row) -> Item:
            self._look_at(row)
            return content_of(rule, row)

        with pytest.MonkeyPatch.context() as patching:
            if "unmappable" in self.kinds:
                patching.setattr(Rule, "patch", patch)
                patching.setattr(Rule, "content", content)
            yield

    def _look_at(self, row: Row) -> None:
        if not self.mended and crc32(f"{self._salt}{sorted(row.items())}".encode()) % ONE_OF == 0:
            raise PatchError("there is no item for such a row", "Mend it")

    def _places(self, chance: random.Random) -> list[tuple[str, Key]]:
        """Some keys that changes will want to write, and the load does not."""
        load = self._timeline.load
        taken = {(one.table, one.key) for chunk in load.guarded for one in chunk}
        put = [(table, item) for table, item in load.puts]
        wanted = {
            (patch.table, patch.key) for one in self._timeline.captured for _, patch in self._timeline.by_lane(one)
        }
        free = [
            (table, key)
            for table, key in sorted(wanted - taken, key=repr)
            if not any(of == table and item.items() >= self._key(table, key).items() for of, item in put)
        ]
        return chance.sample(free, min(2, len(free)))

    def _key(self, table: str, key: Key) -> Item:
        return self._timeline.keymap.targets[table].key_item(key)


def _holds(value: Any, taboo: str) -> bool:
    if isinstance(value, dict):
        return any(_holds(part, taboo) for part in value.values())
    return bool(value == taboo)
