"""The one idea on the real code: any order, duplication and crash point of the same changes leaves the same items.

Histories of a few rows (insert, update, delete, moves between keys), a bulk load that reads each row at its own moment
after capture started, then the changes in any order with any of them repeated. One rule has a hook, which makes none,
one or two items of a row.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from keymap.check import check
from keymap.items import newer_than
from keymap.lanes import lane_of
from keymap.patch import Patch, fold
from keymap.version import floor, is_tombstone, mark
from tests.keymap.keymaps import SCHEMAS, TEXT, change, keymap

HOOKED = """
    - target: app
      key: {pk: "PRODUCT#{productid}", sk: "{part}#{customerid}#{orderid}"}
      hook: {call: "tests.keymap.hooks:parts", columns: [part]}
      where: {part: {is_null: false}}
  shop.orders:"""
KEYMAP = keymap(TEXT.replace("\n  shop.orders:", HOOKED))
LANES = 4
TABLES = {
    "shop.purchase": ("customerid", "orderid", "productid"),
    "shop.orders": ("id",),
}
ROWS = {
    "shop.purchase": st.fixed_dictionaries(
        {name: st.integers(0, 1) for name in ("customerid", "orderid", "productid")} | {"quantity": st.integers(0, 99)}
    ),
    "shop.orders": st.fixed_dictionaries(
        {
            "id": st.integers(0, 2),
            "customer_id": st.integers(0, 1),
            "status": st.sampled_from(["paid", "draft"]),
            "total": st.none() | st.integers(0, 9),
            "note": st.none(),
        }
    ),
}


class Items:
    """Registers with the condition that DynamoDB evaluates: a write lands if what is there is older."""

    def __init__(self) -> None:
        self.held: dict[tuple, tuple[str, object]] = {}

    def write(self, patch: Patch) -> None:
        marks = {
            slot: {"S": held}
            for (table, key, s, _owner), (held, _) in self.held.items()
            if (table, key) == (patch.table, patch.key)
            for slot in [KEYMAP.bookkeeping.mark(s)]
        }
        for newer in newer_than(KEYMAP.bookkeeping, marks, [patch]):
            self.held[newer.register] = (mark(newer.version, tombstone=newer.attributes is None), newer.attributes)

    def alive(self) -> dict[tuple, object]:
        return {register: attributes for register, (held, attributes) in self.held.items() if not is_tombstone(held)}


@st.composite
def histories(draw: st.DrawFn):
    """(changes, states after each): states[n] maps (table, primary key) to the row."""
    changes, states, state = [], [{}], {}
    for at in range(1, draw(st.integers(1, 14)) + 1):
        table = draw(st.sampled_from(sorted(TABLES)))
        row = draw(ROWS[table])
        wanted = (table, tuple(row[name] for name in TABLES[table]))
        mine = [key for key in state if key[0] == table]
        old = draw(st.sampled_from(mine)) if mine and draw(st.booleans()) else None
        delete = old is not None and draw(st.integers(0, 2)) == 0
        if not delete and wanted in state and wanted != old:
            old = wanted  # that key is taken: it is an update of its row
        before = state.pop(old) if old else None
        if not delete:
            state[wanted] = row
        changes.append(change(table, before, None if delete else row, at))
        states.append(dict(state))
    return changes, states


def test_the_keymap_has_the_proofs_that_this_rests_on() -> None:
    assert check(KEYMAP, SCHEMAS) == []


@settings(max_examples=600)
@given(histories(), st.data())
def test_any_order_and_duplication_ends_in_the_sources_rows(history, data) -> None:
    changes, states = history
    start = data.draw(st.integers(0, len(changes)))
    items = Items()
    for at in [data.draw(st.integers(start, len(changes))) for _ in range(2)]:  # chunks read at their own moments
        for (table, _), row in states[at].items():
            for patch in KEYMAP.row_patches(table, row, floor(1)):
                items.write(patch)
    captured = changes[start:]
    delivered = data.draw(
        st.permutations(
            captured + data.draw(st.lists(st.sampled_from(captured), max_size=5) if captured else st.just([]))
        )
    )
    while delivered:  # in batches, folded as the consumer folds them
        size = data.draw(st.integers(1, 4))
        batch, delivered = delivered[:size], delivered[size:]
        for patch in fold(patch for one in batch for patch in KEYMAP.patches(one)):
            items.write(patch)
    expected = {
        p.register: p.attributes for (table, _), row in states[-1].items() for p in KEYMAP.row_patches(table, row, "v")
    }
    assert items.alive() == expected


@settings(max_examples=300)
@given(histories())
def test_a_change_travels_the_lanes_of_its_patches_and_no_others(history) -> None:
    """The lanes are told by the keys alone; a patch in another lane would be applied by nobody."""
    for one in history[0]:
        lanes = KEYMAP.lanes(one.table, one.before, one.after, LANES)
        assert lanes == tuple(sorted({lane_of(patch.table, patch.key, LANES) for patch in KEYMAP.patches(one)}))
