"""What is folded before it is mapped is what mapping and then folding gives, whatever the keymap and the rows."""

import random
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keymap.change import Change, Source
from keymap.folding import Folding
from keymap.lanes import lane_of
from keymap.patch import Patch, fold
from keymap.rules import Keymap
from keymap.template import PatchError
from keymap.values import Row
from keymap.version import version
from keymap.wire import encode_change, loads
from tests.apply.club import club
from tests.apply.club_history import History
from tests.keymap.keymaps import keymap
from tests.keymap.test_convergence import KEYMAP, LANES, ROWS
from tests.keymap.test_generate import ODD, keymaps, rows

ERRORS = (ArithmeticError, RecursionError, ValueError, TypeError, AttributeError)  # of values that no database gives


def change(table: str, before: Row | None, after: Row | None, place: int) -> Change:
    op = "c" if before is None else "d" if after is None else "u"
    return Change(op, table, before, after, version(1, 1, place, 0), Source("", place, 0, "", "", 0))


def quick(made: Keymap, changes: Iterable[Change], lane: int, lanes: int) -> list[Patch]:
    folding = Folding(made, lanes)
    newest = folding.begin()
    for one in changes:
        folding.add(newest, one.table, loads(encode_change(one)), lane)
    return [*(put.patch() for put in newest.puts()), *newest.patches()]


def plain(made: Keymap, changes: Iterable[Change], lane: int, lanes: int) -> list[Patch]:
    patches = (patch for one in changes for patch in made.patches(one))
    return fold(patch for patch in patches if lane_of(patch.table, patch.key, lanes) == lane)


def by_register(patches: Sequence[Patch]) -> dict[object, str]:
    found = {patch.register: repr(patch) for patch in patches}
    assert len(found) == len(patches)
    return found


def require_same(made: Keymap, changes: Sequence[Change], lanes: int) -> None:
    for lane in range(lanes):
        assert by_register(quick(made, changes, lane, lanes)) == by_register(plain(made, changes, lane, lanes))


CUSTOMERS = st.fixed_dictionaries({"id": st.integers(0, 1), "vip": st.integers(0, 1), "name": st.sampled_from("ab")})
IMAGES = {**ROWS, "shop.customer": CUSTOMERS}
images = st.sampled_from(sorted(IMAGES)).flatmap(
    lambda table: st.tuples(st.just(table), st.none() | IMAGES[table], st.none() | IMAGES[table], st.integers(1, 9))
)


@settings(max_examples=250)
@given(st.lists(images, max_size=12))
def test_whole_items_groups_filters_and_hooks(given_images: list[tuple[str, Row | None, Row | None, int]]) -> None:
    """In any order, and several at one version, as no source would send them."""
    require_same(KEYMAP, [change(*one) for one in given_images if one[1:3] != (None, None)], LANES)


@settings(max_examples=80)
@given(st.integers(0, 2**32), st.integers(1, 40))
def test_items_that_rows_share_and_pass_on(seed: int, steps: int) -> None:
    chance = random.Random(seed)
    changes = History(chance, steps).changes
    require_same(club(), [*changes, *chance.choices(changes, k=5)], LANES)


def is_sendable(row: Row | None) -> bool:
    """Whether a line could hold it: no half of a surrogate pair, no bool, no JSON text that is none."""
    try:
        encode_change(change("d.t", row, None, 1))
    except (TypeError, ValueError):
        return False
    return all(type(value) is not bool for value in (row or {}).values())


@settings(max_examples=80)
@given(keymaps(), st.lists(st.tuples(rows() | st.none(), rows() | st.none()), max_size=3), st.booleans())
def test_any_rule_and_any_value(made: Keymap, pairs: list[tuple[Row | None, Row | None]], twice: bool) -> None:
    """What no item can be made of is refused here too, unless something newer of the batch is there in its place."""
    sendable = [pair for pair in pairs if is_sendable(pair[0]) and is_sendable(pair[1])]
    sendable += [(pair[1], pair[1]) for pair in sendable if twice]
    require_same_or_refused(made, [change("d.t", *pair, at) for at, pair in enumerate(sendable)])


KEYS = (("S", "{a}"), ("N", "{a}"), ("B", "{a}"), ("S", "{a|text|upper}"), ("S", "x{a|hex}"), ("S", "{a|default('n')}"))


@pytest.mark.parametrize(("kind", "template"), KEYS)
def test_every_odd_value_as_key_and_as_attribute(kind: str, template: str) -> None:
    text = f'{{"keyshift": 1, "targets": {{"app": {{"partition_key": {{"pk": {kind}}}}}}}, '
    made = keymap(text + f'"tables": {{"d.t": [{{"target": "app", "key": {{"pk": "{template}"}}}}]}}}}')
    for value in ODD:
        row: Row = {"a": value, "b": value}
        if is_sendable(row):
            require_same_or_refused(made, [change("d.t", None, row, 1), change("d.t", row, {"a": 1, "b": 2}, 2)])


def require_same_or_refused(made: Keymap, changes: Sequence[Change]) -> None:
    refused: list[Change] = []
    try:
        wanted = plain(made, changes, 0, 1)
    except PatchError:
        refused = [one for one in changes if is_refused(made, one)]
        wanted = []
    except ERRORS:
        return
    try:
        found = quick(made, changes, 0, 1)
    except (PatchError, *ERRORS):
        assert refused
        return
    if refused:
        sets = {patch.version for patch in found if patch.attributes is not None}
        assert sets.isdisjoint(one.version for one in refused)
    else:
        assert by_register(found) == by_register(wanted)


def is_refused(made: Keymap, one: Change) -> bool:
    try:
        made.patches(one)
    except PatchError:
        return True
    return False
