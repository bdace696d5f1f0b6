"""Rows that share items and pass slots to each other: whatever the order, the same items. On the real code.

A history has inserts, updates, deletes, moves, and swaps as one statement makes them: for a moment two rows live on one
slot, and the one that moves in is set before the one that moves out is removed. The bulk load reads each row at a
moment of its own. In the end no two rows rest on one slot: else there would be nothing to expect.
"""

import os
import random
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keymap.change import Change, Source
from keymap.patch import Patch
from keymap.rules import Keymap
from keymap.updates import per_update
from keymap.values import Row
from keymap.version import floor, version
from keyshift.apply.writer import GuardedWriter
from keyshift.aws.slots import write_slots
from keyshift.cli.demo.endpoints import Endpoints
from tests.apply.club import KEYS, TABLES, club, slot_of, truth, visible
from tests.apply.conftest import Inline
from tests.apply.fake_dynamodb import FakeDynamoDB
from tests.apply.keymaps import MIGRATION, create_tables
from tests.servers.aws import client, unique

EXAMPLES = int(os.environ.get("KEYSHIFT_TEST_EXAMPLES", "300"))
seeds = st.integers(0, 2**32)
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

    def __init__(self, keymap: Keymap, dynamodb: Any, prefix: str, executor: Any) -> None:
        self.keymap, self.dynamodb, self.prefix = keymap, dynamodb, prefix
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
                write_slots(self.dynamodb, self.keymap, MIGRATION, part, guess={})

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


@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=seeds, steps=st.integers(1, 40))
def test_any_order_and_any_duplication_end_in_the_same_items(seed: int, steps: int) -> None:
    chance = random.Random(seed)
    history, found = History(chance, steps), fake_club()
    start = chance.randrange(len(history.states))
    found.load(history, start)
    changes = history.changes[start:]
    changes = changes + chance.choices(changes, k=chance.randrange(len(changes) + 1)) if changes else []
    if chance.random() < 0.7:
        chance.shuffle(changes)
    while changes:
        count = chance.randrange(1, 6)
        found.apply(changes[:count])
        changes = changes[count:]
    assert found.visible() == history.expected()


class Killed(BaseException):
    """The process ends here: nothing catches this."""


@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=seeds, steps=st.integers(1, 30))
def test_killed_between_any_two_writes_and_done_again_it_ends_in_the_same_items(seed: int, steps: int) -> None:
    chance = random.Random(seed)
    history, found = History(chance, steps), fake_club()

    def maybe_die() -> None:
        if chance.random() < 0.2:
            raise Killed

    at = 0
    while at < len(history.changes):
        found.dynamodb.before_call, found.dynamodb.after_call = chance.sample([maybe_die, lambda: None], k=2)
        count = chance.randrange(1, 5)
        try:
            found.apply(history.changes[at : at + count])
        except Killed:
            continue
        at += count
    assert found.visible() == history.expected()


@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=seeds, steps=st.integers(1, 30))
def test_another_writer_between_any_two_requests_changes_nothing(seed: int, steps: int) -> None:
    """An overlapping invocation does its own part of the changes in between, and nobody does that part again."""
    chance = random.Random(seed)
    history, found = History(chance, steps), fake_club()
    other = Club(found.keymap, found.dynamodb, "", Inline())
    changes = list(history.changes)
    chance.shuffle(changes)

    def meanwhile() -> None:
        if changes and chance.random() < 0.5:
            found.dynamodb.before_call = lambda: None
            other.apply([changes.pop()])
            found.dynamodb.before_call = meanwhile

    found.dynamodb.before_call = meanwhile
    while changes:
        found.apply([changes.pop() for _ in range(min(3, len(changes)))])
    assert found.visible() == history.expected()


@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=seeds, steps=st.integers(1, 30))
def test_rows_that_rest_on_one_slot_show_the_newest_in_any_order(seed: int, steps: int) -> None:
    """A collision is no secret of the order in which it came about; verify and the counts tell it."""
    chance = random.Random(seed)
    history, clubs = History(chance, steps, part=False), (fake_club(), fake_club())
    seats = [(row["pos"], at, row) for at, row in newest(history, "seat") if row]
    for found in clubs:
        found.load(history, 0)
        changes = history.changes + chance.choices(history.changes, k=5)
        chance.shuffle(changes)
        found.apply(changes)
    assert clubs[0].visible() == clubs[1].visible()
    shown = {item["pk"]["S"]: item["id"]["N"] for item in clubs[0].visible()["seats"]}
    assert shown == {f"SEAT#{pos}": str(row["id"]) for pos, _, row in sorted(seats, key=lambda seat: seat[:2])}


def newest(history: History, table: str) -> list[tuple[int, Row | None]]:
    """The last change of each row of a table: which it was, and the row after it."""
    found: dict[Any, tuple[int, Row | None]] = {}
    for at, change in enumerate(history.changes):
        for image in (change.before, change.after):
            if change.table == f"club.{table}" and image:
                kept = change.after if change.after and image["id"] == change.after["id"] else None
                found[image["id"]] = (at, kept)
    return list(found.values())


@pytest.mark.parametrize("seed", range(3))
def test_overlapping_writers_converge_on_a_real_endpoint(endpoints: Endpoints, seed: int) -> None:
    prefix, chance = unique("club") + "-", random.Random(seed)
    with ThreadPoolExecutor(4) as executor:
        found = Club(club(prefix), client("dynamodb", endpoints, attempts=3), prefix, executor)
        create_tables(found.dynamodb, found.keymap)
        history = History(chance, 60)
        start = len(history.states) // 3
        found.load(history, start)
        changes = history.changes[start:]
        chance.shuffle(changes)
        batches = [changes[begin : begin + 7] for begin in range(0, len(changes), 7)]
        with ThreadPoolExecutor(3) as invocations:
            for _ in invocations.map(found.apply, batches + batches[:2]):
                pass
        assert found.visible() == history.expected()
        for name in found.keymap.targets:
            found.dynamodb.delete_table(TableName=name)
