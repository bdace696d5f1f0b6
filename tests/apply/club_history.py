"""Made-up histories of the club's rows, and its tables with both writers.

A history has inserts, updates, deletes, moves, and swaps as one statement makes them: for a moment two rows live on one
slot, and the one that moves in is set before the one that moves out is removed.
"""

import random
from collections.abc import Iterable, Sequence
from typing import Any

from keymap.change import Change, Source
from keymap.patch import Patch
from keymap.rules import Keymap
from keymap.updates import per_update
from keymap.values import Row
from keymap.version import floor, version
from keyshift.apply.writer import GuardedWriter
from keyshift.aws.slots import write_slots
from keyshift.process.stop import Stop
from tests.apply.club import KEYS, TABLES, club, slot_of, truth, visible
from tests.apply.conftest import Inline
from tests.apply.fake_dynamodb import FakeDynamoDB
from tests.apply.keymaps import MIGRATION

Rows = dict[tuple[str, tuple[Any, ...]], Row]


def name_of(table: str, row: Row) -> tuple[str, tuple[Any, ...]]:
    return table, tuple(row[column] for column in TABLES[table][0])


class History:
    """What happened at the source: the rows after each change, and the changes."""

    def __init__(self, chance: random.Random, steps: int, *, part: bool = True) -> None:
        self.chance = chance
        self.states: list[Rows] = [{}]
        self.changes: list[Change] = []
        for _ in range(steps):
            self._step()
        if part:
            self._part_who_rest_together()

    def _step(self) -> None:
        table = self.chance.choice(list(TABLES))
        mine = [row for (of, _), row in self.states[-1].items() if of == table]
        pairs = [(one, other) for one in mine for other in mine if slot_of(table, one) < slot_of(table, other)]
        draw = self.chance.random()
        if pairs and TABLES[table][1] and draw < 0.25:
            self._swap(table, *self.chance.choice(pairs))
        elif mine and draw < 0.45:
            self._change(table, self.chance.choice(mine), None)
        else:
            self._put(table, self._row(table))

    def _row(self, table: str) -> Row:
        values = {"text": self.chance.choice([None, "a", "b"]), "state": self.chance.choice(["draft", "held"])}
        small = {name: self.chance.randrange(2) for name in ("pos", "number", "line", "name")}
        columns = [column for part in TABLES[table] for column in part]
        return {name: ({"id": self.chance.randrange(3)} | small | values)[name] for name in columns}

    def _put(self, table: str, row: Row) -> None:
        """Insert the row, or update the one that has its key; now and then under a new primary key."""
        taken = self.states[-1].get(name_of(table, row))
        others = [held for (of, _), held in self.states[-1].items() if of == table]
        if not taken and others and self.chance.random() < 0.3:
            taken = self.chance.choice(others)
        self._change(table, taken, row)

    def _swap(self, table: str, one: Row, other: Row) -> None:
        """One statement in which two rows change places, row after row."""
        slots = TABLES[table][1]
        there = one | {name: other[name] for name in slots}
        self._change(table, one, there)
        if self.chance.random() < 0.3:
            there = self._touched(table, there)
        self._change(table, other, other | {name: one[name] for name in slots})

    def _touched(self, table: str, row: Row) -> Row:
        after = row | {"text": self.chance.choice([None, "c", "d"])}
        self._change(table, row, after)
        return after

    def _part_who_rest_together(self) -> None:
        seen: set[tuple[Any, ...]] = set()
        for (table, _), row in list(self.states[-1].items()):
            if slot_of(table, row) in seen:
                self._change(table, row, None)
            seen.add(slot_of(table, row))

    def _change(self, table: str, before: Row | None, after: Row | None) -> None:
        rows, at = dict(self.states[-1]), len(self.states)
        if before:
            del rows[name_of(table, before)]
        if after:
            rows[name_of(table, after)] = after
        op = "c" if before is None else "d" if after is None else "u"
        source = Source("binlog.000001", at, 0, "", "", 0)
        self.changes.append(Change(op, f"club.{table}", before, after, version(1, 1, at, 0), source))
        self.states.append(rows)

    def expected(self) -> dict[str, list[dict[str, Any]]]:
        return truth((table, row) for (table, _), row in self.states[-1].items())


class Club:
    """The tables, in memory or on an endpoint, and the two writers."""

    def __init__(self, keymap: Keymap, dynamodb: Any, prefix: str, executor: Any, stop: Stop | None = None) -> None:
        self.keymap, self.dynamodb, self.prefix, self.stop = keymap, dynamodb, prefix, stop
        self.writer = GuardedWriter(dynamodb, keymap, MIGRATION, executor)

    def load(self, history: History, start: int) -> None:
        """Every row as it was at a moment of its own since the start, chunk by chunk, as the bulk load writes."""
        chance = history.chance
        keys = list(dict.fromkeys(name for state in history.states for name in state))
        chance.shuffle(keys)
        while keys:
            chunk, keys = keys[:4], keys[4:]
            moments = [chance.choice(history.states[start:]).get(name) for name in chunk]
            rows = [(name[0], row) for name, row in zip(chunk, moments, strict=True) if row]
            self.write_guarded(patch for table, row in rows for patch in self.patches(table, row))

    def patches(self, table: str, row: Row) -> list[Patch]:
        return self.keymap.row_patches(f"club.{table}", row, floor(1))

    def write_guarded(self, patches: Iterable[Patch]) -> None:
        by_item: dict[Any, list[Patch]] = {}
        for patch in patches:
            by_item.setdefault((patch.table, patch.key), []).append(patch)
        for of_item in by_item.values():
            for part in per_update(of_item):
                write_slots(self.dynamodb, self.keymap, MIGRATION, part, guess={}, stop=self.stop)

    def apply(self, changes: Sequence[Change]) -> None:
        outcome = self.writer.apply([patch for change in changes for patch in self.keymap.patches(change)])
        assert not outcome.failures

    def visible(self) -> dict[str, list[dict[str, Any]]]:
        found = {}
        for table in KEYS:
            name = self.prefix + table
            fake = isinstance(self.dynamodb, FakeDynamoDB)
            items = self.dynamodb.items(name) if fake else self.dynamodb.scan(TableName=name)["Items"]
            found[table] = visible(self.keymap.bookkeeping, items)
        return found


def fake_club() -> Club:
    return Club(club(), FakeDynamoDB(KEYS), "", Inline())
