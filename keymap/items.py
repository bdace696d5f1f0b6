"""Items that are written whole: what is put, and under which condition it may land.

The condition is the design's one idea: a slot is written if the item is absent, or is ours and the slot's mark is
absent or older. An item that is there without our migration's bookkeeping is FOREIGN and never overwritten.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from keymap.attributes import Attribute
from keymap.bookkeeping import Bookkeeping
from keymap.owners import Registers, merged, registers_of, shown, stored
from keymap.patch import WHOLE, Item, Key, Patch
from keymap.rules import Keymap, naming
from keymap.slots import entry_of
from keymap.template import PatchError
from keymap.values import Row
from keymap.version import mark

Request = dict[str, Any]


def whole_item(keymap: Keymap, migration: str, patch: Patch) -> Item:
    """The item that a patch of the whole-item slot stores: key, data and bookkeeping; a tombstone has no data."""
    books = keymap.bookkeeping
    item = {
        **keymap.targets[patch.table].key_item(patch.key),
        **(patch.attributes or {}),
        books.migration: {"S": migration},
        books.mark(WHOLE): {"S": mark(patch.version, tombstone=patch.attributes is None)},
    }
    return item | {books.owner(WHOLE): {"S": patch.owner}} if patch.owner else item


class WholeItems:
    """What `whole_item` gives of all patches of a table's rows, made in one step, where each row is an item of its own.

    That is so where every rule puts and none has a hook (`of` is for such tables). The rows carry one version.
    """

    def __init__(self, keymap: Keymap, table: str, migration: str, version: str) -> None:
        books = keymap.bookkeeping
        self._table, self._rules = table, keymap.rules[table]
        self._books = {
            books.migration: {"S": migration},
            books.mark(WHOLE): {"S": mark(version, tombstone=False)},
        }

    @property
    def possible(self) -> bool:
        """Whether the table is such a one."""
        return all(rule.puts and rule.hook is None for rule in self._rules)

    def of(self, row: Row) -> list[tuple[str, Key, Item]]:
        """Target table, key and item of each rule that takes the row. Raises PatchError, naming the table."""
        found: list[tuple[str, Key, Item]] = []
        try:
            for rule in self._rules:
                key = rule.key(row)
                if key is not None:
                    target = rule.target
                    found.append((target.name, key, {**target.key_item(key), **rule.content(row), **self._books}))
        except PatchError as error:
            raise naming(self._table, error) from None
        return found


def group_item(keymap: Keymap, migration: str, patches: Sequence[Patch]) -> Item:
    """An item that rows share and of which every slot is in hand (`patches` of one item, all sets), for the load."""
    books = keymap.bookkeeping
    item = {**keymap.targets[patches[0].table].key_item(patches[0].key), books.migration: {"S": migration}}
    for patch in patches:
        entry = entry_of(patch.slot)
        if entry:
            item.setdefault(entry[0], {"M": {}})["M"].update(patch.attributes or {})
        else:
            item |= patch.attributes or {}
        item[books.mark(patch.slot)] = {"S": mark(patch.version, tombstone=False)}
        if patch.owner:
            item[books.owner(patch.slot)] = {"S": patch.owner}
    return item | {books.revision: {"N": "1"}}


def put_request(keymap: Keymap, migration: str, patch: Patch) -> Request:
    """The guarded PutItem of a whole-item patch, set or removal. A put replaces the slot, as a set must.

    Where the slot has owners, it lands on what this owner shows alone; `put_merged` does the rest.
    """
    books, target = keymap.bookkeeping, keymap.targets[patch.table]
    request = _put(patch.table, whole_item(keymap, migration, patch))
    names = {"#pk": target.partition_key.name, "#m": books.migration, "#v": books.mark(WHOLE)}
    values = {":m": {"S": migration}, ":v": {"S": patch.version}}
    guard = "#m = :m AND (attribute_not_exists(#v) OR #v < :v)"
    if patch.owner:
        guard += " AND #o = :o AND attribute_not_exists(#p)"
        names |= {"#o": books.owner(WHOLE), "#p": books.parked(WHOLE)}
        values[":o"] = {"S": patch.owner}
    return request | {
        "ConditionExpression": f"attribute_not_exists(#pk) OR ({guard})",
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }


def put_merged(keymap: Keymap, migration: str, patches: Sequence[Patch], old: Item) -> tuple[Request, Registers]:
    """The PutItem of a whole item with owners as it is after `patches`, and its registers; `old` as it was read.

    It lands only on that very state: mark, owner and revision together never come back.
    """
    books, target = keymap.bookkeeping, keymap.targets[patches[0].table]
    registers = merged(registers_of(books, target, old, WHOLE), patches)
    revision = int(old.get(books.revision, {"N": "0"})["N"]) + 1
    item = {
        **target.key_item(patches[0].key),
        **(registers[shown(registers)].content or {}),
        books.migration: {"S": migration},
        books.revision: {"N": str(revision)},
        **stored(books, WHOLE, registers),
    }
    condition = Unchanged(books, old, target.partition_key.name, (books.mark(WHOLE), books.owner(WHOLE)))
    return _put(target.name, item) | condition.request(), registers


def _put(table: str, item: Item) -> Request:
    return {"TableName": table, "Item": item, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}


class Unchanged:
    """The condition that an item still is as it was read: of this migration, with this revision and these attributes.

    `old` is empty where there was none.
    """

    def __init__(self, books: Bookkeeping, old: Item, partition_key: str, also: Sequence[str] = ()) -> None:
        self.names: dict[str, str] = {}
        self.values: dict[str, Attribute] = {}
        self.terms: list[str] = []
        if not old:
            self._absent(partition_key)
            return
        for name in (books.migration, books.revision, *also):
            if name in old:
                self._equal(name, old[name])
            else:
                self._absent(name)

    def request(self) -> Request:
        """The condition as part of a request."""
        values = {"ExpressionAttributeValues": self.values} if self.values else {}
        return {"ConditionExpression": " AND ".join(self.terms), "ExpressionAttributeNames": self.names, **values}

    def _equal(self, name: str, value: Attribute) -> None:
        at = len(self.terms)
        self.names[f"#u{at}"], self.values[f":u{at}"] = name, value
        self.terms.append(f"#u{at} = :u{at}")

    def _absent(self, name: str) -> None:
        at = len(self.terms)
        self.names[f"#u{at}"] = name
        self.terms.append(f"attribute_not_exists(#u{at})")


def newer_than(books: Bookkeeping, old: Mapping[str, Attribute], patches: Sequence[Patch]) -> list[Patch]:
    """The patches that are newer than what an item holds for them. The others are STALE."""
    item = dict(old)
    return [patch for patch in patches if books.held(item, patch.slot, patch.owner) < patch.version]
