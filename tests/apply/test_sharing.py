"""Rows that share items and pass slots to each other: whatever the order, the same items. On the real code.

The bulk load reads each row at a moment of its own. In the end no two rows rest on one slot, but in the one test that
says so: else there would be nothing to expect.
"""

import os
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keymap.values import Row
from keyshift.cli.demo.endpoints import Endpoints
from tests.apply.club import club
from tests.apply.club_history import Club, History, fake_club
from tests.apply.conftest import Inline
from tests.apply.keymaps import create_tables
from tests.servers.aws import client, unique

EXAMPLES = int(os.environ.get("KEYSHIFT_TEST_EXAMPLES", "300"))
seeds = st.integers(0, 2**32)


@settings(max_examples=EXAMPLES)
@given(seed=seeds, steps=st.integers(1, 40))
def test_any_order_and_any_duplication_end_in_the_same_items(seed: int, steps: int) -> None:
    chance = random.Random(seed)
    history, found = History(chance, steps), fake_club()
    found.dynamodb.tells_old = chance.random() < 0.7
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


@settings(max_examples=EXAMPLES)
@given(seed=seeds, steps=st.integers(1, 30))
def test_killed_between_any_two_writes_and_done_again_it_ends_in_the_same_items(seed: int, steps: int) -> None:
    chance = random.Random(seed)
    history, found = History(chance, steps), fake_club()
    found.dynamodb.tells_old = chance.random() < 0.7

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


@settings(max_examples=EXAMPLES)
@given(seed=seeds, steps=st.integers(1, 30))
def test_another_writer_between_any_two_requests_changes_nothing(seed: int, steps: int) -> None:
    """An overlapping invocation does its own part of the changes in between, and nobody does that part again."""
    chance = random.Random(seed)
    history, found = History(chance, steps), fake_club()
    found.dynamodb.tells_old = chance.random() < 0.7
    other = Club(found.keymap, found.dynamodb, "", Inline())
    changes = list(history.changes)
    chance.shuffle(changes)

    def meanwhile() -> None:
        if changes and chance.random() < 0.5:
            found.dynamodb.before_call = found.dynamodb.before_read = lambda: None
            other.apply([changes.pop()])
            found.dynamodb.before_call = found.dynamodb.before_read = meanwhile

    found.dynamodb.before_call = found.dynamodb.before_read = meanwhile
    while changes:
        found.apply([changes.pop() for _ in range(min(3, len(changes)))])
    assert found.visible() == history.expected()


@settings(max_examples=EXAMPLES)
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
