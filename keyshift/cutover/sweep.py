"""Sweep: take the tombstones away before the application meets them.

A tombstone keeps a late older write out. Once replay is closed, and one request life is over, there is no such write
any more, and what is left of a removed row is an item without data that a scan or a count by the application would
find. So sweep runs between closing replay and switching the application.

Every removal is conditional on what was seen: on the mark of each slot and, of an item, on its revision, which each
write of ours raises. An item with data is never deleted. Being interrupted, run twice, or by two people is harmless.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from keymap.bookkeeping import Bookkeeping
from keymap.patch import Item
from keymap.rules import Keymap
from keymap.slots import content, empty_maps, is_empty
from keymap.targets import Target
from keymap.updates import SLOTS_PER_UPDATE_MAX
from keymap.version import is_tombstone
from keyshift.aws import items
from keyshift.aws.clients import DynamoDBClient, explaining
from keyshift.cutover.sides import Items
from keyshift.cutover.tally import Progress, silent
from keyshift.process.stop import Stop

IN_FLIGHT_MAX: Final = 500  # requests handed to the executor at a time: it stays busy, and a stop is soon noticed
Request = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Removal:
    """What to do about one item: delete it (`update` is False), or remove the marks of some of its slots."""

    request: Request
    update: bool
    marks: int


@dataclass(frozen=True, slots=True)
class Swept:
    """Items looked at and deleted, marks removed from items that stay, and removals refused: written to meanwhile."""

    items: int = 0
    deleted: int = 0
    marks: int = 0
    refused: int = 0


def removals(keymap: Keymap, migration: str, target: Target, item: Item) -> list[Removal]:
    """How to rid an item of its tombstones; nothing where it has none, is not ours, or holds data in their place."""
    books = keymap.bookkeeping
    marks = books.slots(item)
    if not books.belongs_to(item, migration) or not any(map(is_tombstone, books.marks(item))):
        return []
    if all(map(is_tombstone, books.marks(item))) and is_empty(books, target, item):
        return [_deletion(books, migration, target, item, marks)]
    slots = [slot for slot in marks if _has_gone(books, target, item, slot)]
    size = SLOTS_PER_UPDATE_MAX
    parts = [slots[begin : begin + size] for begin in range(0, len(slots), size)]
    return [_clearing(books, migration, target, item, part, maps=part is parts[0]) for part in parts]


def _has_gone(books: Bookkeeping, target: Target, item: Item, slot: str) -> bool:
    """Whether all that a slot has are tombstones, or at least all of its owners that are not shown."""
    parked = books.parked_marks(item, slot)
    if not all(map(is_tombstone, parked)):
        return False
    is_dead = is_tombstone(books.held(item, slot, ""))
    return not content(books, target, slot, item) if is_dead else bool(parked)


def _deletion(books: Bookkeeping, migration: str, target: Target, item: Item, marks: dict[str, str]) -> Removal:
    # The revision alone would do for an item that rows share; the marks are what a whole-item slot has. The first ones
    # of very many are enough, and keep the expression below DynamoDB's 4 KB.
    condition = _Condition(books, migration, list(marks)[:SLOTS_PER_UPDATE_MAX], item)
    condition.same("#r", books.revision, ":r", item)
    condition.empty(empty_maps(books, item))
    return Removal(condition.request(target, item), update=False, marks=len(marks))


def _clearing(  # noqa: PLR0913 - the item and where it is
    books: Bookkeeping, migration: str, target: Target, item: Item, slots: list[str], *, maps: bool
) -> Removal:
    """Of a dead slot all bookkeeping goes, of a living one what former owners left; with `maps` the empty ones too."""
    condition = _Condition(books, migration, slots, item)
    condition.same("#r", books.revision, ":r", item)
    emptied = empty_maps(books, item) if maps else []
    condition.empty(emptied)
    dead = [slot for slot in slots if is_tombstone(books.held(item, slot, ""))]
    names = [name for slot in dead for name in (books.mark(slot), books.owner(slot))]
    names += [books.parked(slot) for slot in slots] + emptied
    aliases = condition.aliases(name for name in names if name in item)
    request = condition.request(target, item) | {"UpdateExpression": f"REMOVE {', '.join(aliases)}"}
    return Removal(request, update=True, marks=len(slots))


class _Condition:
    """The item is ours, and these slots' marks are still the ones that were seen."""

    def __init__(self, books: Bookkeeping, migration: str, slots: Iterable[str], item: Item) -> None:
        self._names: dict[str, str] = {}
        self._values: Item = {}
        self._terms: list[str] = []
        self.equal("#m", books.migration, ":m", {"S": migration})
        for index, slot in enumerate(slots):
            self.equal(f"#v{index}", books.mark(slot), f":v{index}", item[books.mark(slot)])

    def equal(self, alias: str, name: str, placeholder: str, value: dict[str, Any]) -> None:
        self._names[alias], self._values[placeholder] = name, value
        self._terms.append(f"{alias} = {placeholder}")

    def same(self, alias: str, name: str, placeholder: str, item: Item) -> None:
        if name in item:
            self.equal(alias, name, placeholder, item[name])
        else:
            self._names[alias] = name
            self._terms.append(f"attribute_not_exists({alias})")

    def empty(self, maps: Iterable[str]) -> None:
        for index, name in enumerate(maps):
            self.equal(f"#e{index}", name, f":e{index}", {"M": {}})

    def aliases(self, names: Iterable[str]) -> list[str]:
        found = {f"#x{index}": name for index, name in enumerate(names)}
        self._names |= found
        return list(found)

    def request(self, target: Target, item: Item) -> Request:
        return {
            "TableName": target.name,
            "Key": {part.name: item[part.name] for part in target.keys},
            "ConditionExpression": " AND ".join(self._terms),
            "ExpressionAttributeNames": self._names,
            "ExpressionAttributeValues": self._values,
        }


class Sweeper:
    """Sweeps all target tables of one migration. The caller has made sure that replay is closed for long enough."""

    def __init__(  # noqa: PLR0913 - its collaborators
        self,
        client: DynamoDBClient,
        keymap: Keymap,
        migration: str,
        *,
        items: Items,
        executor: Executor,
        stop: Stop,
        progress: Progress = silent,
    ) -> None:
        self._client, self._keymap, self._migration, self._items = client, keymap, migration, items
        self._executor, self._stop, self._progress = executor, stop, progress

    def run(self) -> Swept:
        """Remove all tombstones. Raises KeyshiftError where a table refuses, Stopped; both leave a valid state."""
        total = Swept()
        for target in self._keymap.targets.values():
            scanned = self._items.scan(target.name)
            while page := list(islice(scanned, IN_FLIGHT_MAX)):
                wanted = (one for item in page for one in removals(self._keymap, self._migration, target, item))
                total = _add(total, len(page), self._executor.map(self._send, wanted))
                self._progress("sweep", target.name, len(page))
        return total

    def _send(self, removal: Removal) -> tuple[Removal, bool]:
        call = items.update if removal.update else items.delete
        table = removal.request["TableName"]
        with explaining(f"sweeping table {table}"):
            outcome = call(self._client, removal.request, stop=self._stop)
            if isinstance(outcome, items.Refused) and not outcome.old and not removal.update:
                # A deletion that finds nothing was done: by us, and the answer was lost, or by another sweep. But not
                # every endpoint tells what it found.
                return removal, not items.get(self._client, table, removal.request["Key"], self._stop)
        return removal, isinstance(outcome, items.Written)


def _add(total: Swept, looked_at: int, sent: Iterator[tuple[Removal, bool]]) -> Swept:
    deleted, marks, refused = total.deleted, total.marks, total.refused
    for removal, done in sent:
        refused += not done
        deleted += done and not removal.update
        marks += removal.marks if done and removal.update else 0
    return Swept(total.items + looked_at, deleted, marks, refused)
