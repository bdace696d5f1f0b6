"""A table whose rows changed without a trace is loaded again, beside the changes: whatever the order, the same items.

On the real code, with every kind of slot (tests/apply/club.py). Some changes of one table are in no binlog. Behind them
a reload begins; its rows are read at moments of their own, and come with what was captured in any order. Only one order
is kept: what was captured before the place is applied, once, before what is left of before is removed.
"""

import os
import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from keymap.change import Change
from keymap.patch import Patch
from keymap.rules import parse_keymap
from keymap.version import floor, version
from keymap.whose import remains, rules_of
from keyshift.control.reloads import Reload, floor_of_epoch
from tests.apply.club import TABLES, TEXT
from tests.apply.club_history import Club, History, fake_club
from tests.apply.conftest import Inline
from tests.apply.keymaps import in_order

EXAMPLES = int(os.environ.get("KEYSHIFT_TEST_EXAMPLES", "300"))
seeds = st.integers(0, 2**32)


class Reloading:
    """A history of which a table's changes between two moments were not captured, and the reload behind them."""

    def __init__(self, chance: random.Random, steps: int) -> None:
        self.chance, self.history, self.club = chance, History(chance, steps), fake_club()
        self.table = chance.choice(list(TABLES))
        last = len(self.history.changes)
        self.first, self.begins = sorted(chance.choices(range(last + 1), k=2))
        self.reload = Reload(f"club.{self.table}", version(1, 1, self.begins, 1), "a statement", "")
        numbered = list(enumerate(self.history.changes, 1))
        captured = [(at, one) for at, one in numbered if not self._is_lost(at, one)]
        self.early = [one for at, one in captured if at <= self.begins]
        self.late = [one for at, one in captured if at > self.begins]

    def _is_lost(self, at: int, change: Change) -> bool:
        # A change at the very place would be at the version of the removals: events lie between real ones.
        return change.table == self.reload.table and (self.first < at < self.begins or at == self.begins)

    def steps(self, changes: list[Change]) -> list[Callable[[], None]]:
        return [lambda some=one: self.club.apply([some]) for one in changes]  # type: ignore[misc]

    def loads(self) -> list[Callable[[], None]]:
        """The table's rows, each as it is at a moment of its own behind the place."""
        states = self.history.states[self.begins :]
        names = {name for state in states for name in state if name[0] == self.table}
        rows = [row for name in sorted(names) if (row := self.chance.choice(states).get(name))]
        patches = [self.club.keymap.row_patches(self.reload.table, row, self.reload.floor) for row in rows]
        return [lambda some=one: self.club.write_guarded(some) for one in patches]  # type: ignore[misc]

    def remove(self) -> None:
        """What is left of before."""
        self.club.writer.apply(left_of(self.club, self.reload))

    def run(self) -> None:
        self.club.load(self.history, 0)  # the first load, which may have read the table before or after
        before = self.steps(self.early)
        rest = [*self.steps(self.late), *self.loads()]
        self.chance.shuffle(rest)
        cut = self.chance.randrange(len(rest) + 1)
        before += rest[:cut]
        self.chance.shuffle(before)
        after = rest[cut:] + self.steps(self.chance.choices(self.history_sent(), k=5))
        self.chance.shuffle(after)
        for step in (*before, self.remove, *after, self.remove):
            step()

    def history_sent(self) -> list[Change]:
        return [*self.early, *self.late] or self.history.changes


def left_of(club: Club, reload: Reload) -> list[Patch]:
    rules = rules_of(club.keymap, {reload.table})
    return [
        patch
        for name, target in club.keymap.targets.items()
        for item in club.dynamodb.items(name)
        for patch in remains(club.keymap, rules, target, item, reload.gone)
    ]


@settings(max_examples=EXAMPLES)
@given(seed=seeds, steps=st.integers(1, 40))
def test_a_table_that_is_loaded_again_in_any_order_ends_in_the_items_of_its_rows(seed: int, steps: int) -> None:
    found = Reloading(random.Random(seed), steps)
    if not (found.early or found.late):
        return
    found.run()
    assert found.club.visible() == found.history.expected()
    assert not left_of(found.club, found.reload)


SEAT = "club.seat"


@settings(max_examples=EXAMPLES)
@given(seed=seeds, steps=st.integers(1, 40))
def test_a_keymap_that_changes_on_the_way_ends_in_the_items_of_the_new_one(seed: int, steps: int) -> None:
    """Seats get other keys. What was sent with the keymap of before is applied by it, or by the new one without seats;
    from the checkpoint on everything is sent once more, with the new one and in a new epoch."""
    chance = random.Random(seed)
    history, old = History(chance, steps), fake_club()
    text = TEXT.format(prefix="").replace("SEAT#", "CHAIR#")
    new = Club(parse_keymap(text, "keymap.yaml"), old.dynamodb, "", Inline())
    checkpoint, sent = sorted(chance.choices(range(len(history.changes) + 1), k=2))
    early = history.changes[:sent]
    late = [replace(one, version=version(2, 1, at, 0)) for at, one in enumerate(history.changes[checkpoint:], 1)]
    reload = Reload(SEAT, floor_of_epoch(2), "another keymap", "")
    old.load(history, 0)
    cut = chance.randrange(sent + 1)
    others = [one for one in early if one.table != SEAT]
    before = [partial(old.apply, [one]) for one in early[:cut]]
    before += [partial(new.apply, [one]) for one in early[cut:] if one.table != SEAT]
    rest = [partial(new.apply, [one]) for one in late]
    states = history.states[checkpoint:]
    seats = sorted({name for state in states for name in state if name[0] == "seat"})
    rows = [row for name in seats if (row := chance.choice(states).get(name))]
    rest += [partial(new.write_guarded, new.keymap.row_patches(SEAT, row, reload.floor)) for row in rows]
    chance.shuffle(rest)
    early_of_rest = chance.randrange(len(rest) + 1)
    before += rest[:early_of_rest]
    chance.shuffle(before)
    after = rest[early_of_rest:] + [
        partial(new.apply, [one]) for one in (chance.choices(others, k=3) if others else [])
    ]
    chance.shuffle(after)
    removals = [partial(remove_from, club, reload) for club in (old, new)]
    for step in (*before, *removals, *after):
        step()
    expected = history.expected()
    for seat in expected["seats"]:
        seat["pk"] = {"S": seat["pk"]["S"].replace("SEAT#", "CHAIR#")}
    assert new.visible() == {**expected, "seats": in_order(expected["seats"])}


def remove_from(club: Club, reload: Reload) -> None:
    club.writer.apply(left_of(club, reload))


def test_the_names_of_a_reload_are_those_of_its_place() -> None:
    one = Reload("club.seat", version(3, 57, 1234, 1), "TRUNCATE seat", "a mistake")
    assert one.generation == "3.57.1234"
    assert floor(3) < version(3, 57, 1233, 9) < one.gone < one.floor < version(3, 57, 1235, 0)
