"""Proof that the target tables hold nothing but what this bulk load wrote, asked before the first write of each run.

The bulk load overwrites without looking. So whatever else is in a target (an application's item, another migration's,
what a replay wrote) stops it, by name, while nothing has been touched.
"""

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import islice
from typing import Any

from keymap.errors import Problem, Problems
from keymap.patch import WHOLE, Item, Key
from keymap.rules import Keymap
from keymap.targets import Target
from keymap.version import floor
from keyshift.aws.clients import DynamoDBClient, explaining
from keyshift.aws.items import scan
from keyshift.process.stop import Stop

NAMED_MAX = 10  # items named per table: enough to see whose they are
COUNTED_MAX = 10_000  # items found per segment of a table; where there are so many, the exact number says no more
_TEXT_MAX = 60


@dataclass(frozen=True, slots=True)
class Stranger:
    """An item that the bulk load must not overwrite, and why not."""

    key: Key
    reason: str


def reason_against(keymap: Keymap, migration: str, epoch: int, item: Item) -> str:
    """Why the bulk load may not overwrite the item; "" where it wrote it itself, in this or an earlier epoch."""
    books = keymap.bookkeeping
    if not books.belongs_to(item, migration):
        other = item.get(books.migration, {}).get("S")
        return f"belongs to migration {other}" if other else "was not written by Keyshift"
    floors = {floor(earlier) for earlier in range(epoch + 1)}
    return "" if books.marks(item) <= floors else "was written by replay"


class Survey:
    """Looks at the target tables of one migration, each in `segments` at once on the executor handed in."""

    def __init__(self, client: DynamoDBClient, keymap: Keymap, migration: str, epoch: int, stop: Stop) -> None:
        self._client = client
        self._keymap = keymap
        self._migration = migration
        self._epoch = epoch
        self._stop = stop

    def require_ours(self, executor: Executor, segments: int) -> None:
        """Raises Problems that name FOREIGN items of all targets; KeyshiftError where a target cannot be read."""
        problems = [
            problem
            for target in targets_of(self._keymap)
            for problem in _problems(target, self._strangers(target, executor, segments))
        ]
        Problems.raise_if_any(problems)

    def _strangers(self, target: Target, executor: Executor, segments: int) -> list[Stranger]:
        def look(segment: int) -> list[Stranger]:
            return list(islice(self._segment(target, segment, segments), COUNTED_MAX))

        with explaining(f"looking at table {target.name}"):
            return [stranger for found in executor.map(look, range(segments)) for stranger in found]

    def _segment(self, target: Target, segment: int, segments: int) -> Iterator[Stranger]:
        options = self._options(target)
        items = scan(self._client, target.name, segment=segment, segments=segments, options=options, stop=self._stop)
        for item in items:
            if reason := reason_against(self._keymap, self._migration, self._epoch, item):
                yield Stranger(target.key_of(item), reason)

    def _options(self, target: Target) -> dict[str, Any]:
        """For tables of one-row items the service itself leaves out what is ours: little then travels."""
        if not self._keymap.puts_all(target.name):
            return {}
        books = self._keymap.bookkeeping
        return {
            "FilterExpression": "NOT (#m = :m AND #v = :v)",
            "ExpressionAttributeNames": {"#m": books.migration, "#v": books.mark(WHOLE)},
            "ExpressionAttributeValues": {":m": {"S": self._migration}, ":v": {"S": floor(self._epoch)}},
        }


def targets_of(keymap: Keymap) -> list[Target]:
    """The targets that some rule writes to."""
    return list({rule.target.name: rule.target for rules in keymap.rules.values() for rule in rules}.values())


def _problems(target: Target, strangers: list[Stranger]) -> Iterator[Problem]:
    for stranger in strangers[:NAMED_MAX]:
        yield Problem(item_name(target, stranger.key), f"it {stranger.reason}", _REMEDY)
    if len(strangers) > NAMED_MAX:
        count = f"{len(strangers)}" if len(strangers) < COUNTED_MAX else f"{COUNTED_MAX} or more"
        yield Problem(f"table {target.name}", f"{count} of its items are not of this bulk load", _REMEDY)


def item_name(target: Target, key: Key) -> str:
    """An item named by its key alone, for a message to a person: ``table app item (pk=CUSTOMER#1, sk=ORDER#5)``."""
    pairs = zip(target.keys, key, strict=True)
    return f"table {target.name} item ({', '.join(f'{part.name}={_shown(value)}' for part, value in pairs)})"


_REMEDY = "Give the migration a target table of its own, or remove these items; nothing was written"


def _shown(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= _TEXT_MAX else f"{text[:_TEXT_MAX]}…"
