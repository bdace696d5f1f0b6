"""Items that rows share, put together outside DynamoDB, are those that guarded writes leave there, in any order."""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bulkload.imports.spool as spooling
from bulkload.imports.merge import Collision, item_of
from bulkload.imports.spool import Spool
from bulkload.load.writes import ChunkRows, ChunkWrites, plan_writes
from keymap.patch import Item, Patch
from keymap.schema import TableSchema
from keymap.values import Row
from keymap.version import floor
from keyshift.aws.slots import write_slots
from tests.apply.club import KEYS, TABLES, club
from tests.apply.fake_dynamodb import FakeDynamoDB
from tests.keymap.keymaps import column

MIGRATION = "club.0000000a"
KEYMAP = club()
SCHEMAS = {
    table: TableSchema("club", table, tuple(map(column, (*key, *slot, *content))), key)
    for table, (key, slot, content) in TABLES.items()
}
OPTIONS = {
    "pos": st.integers(1, 3),
    "number": st.integers(1, 3),
    "line": st.integers(1, 3),
    "name": st.sampled_from("ab"),
    "text": st.sampled_from([None, "x", "y"]),
    "state": st.sampled_from(["paid", "draft"]),
}
Rows = dict[str, list[Row]]


@st.composite
def tables(draw: Any) -> Rows:
    """Rows of each table, each with its own primary key; places may be taken twice where rows can pass them on."""
    found: Rows = {}
    for table, (key, slot, content) in TABLES.items():
        names = [name for name in (*key, *slot, *content) if name != "id"]
        rows = draw(st.lists(st.fixed_dictionaries({name: OPTIONS[name] for name in names}), max_size=5))
        if key == ("id",):
            rows = [row | {"id": number} for number, row in enumerate(rows, start=1)]
        else:
            rows = list({tuple(row[name] for name in key): row for row in rows}.values())
        found[table] = rows
    return found


def planned(rows: Rows, chance: random.Random) -> list[ChunkWrites]:
    """The writes of all chunks, each with a few rows, of the epochs in which they were read."""
    found = []
    for table, of_table in rows.items():
        while of_table:
            count = chance.randint(1, len(of_table))
            chunk, of_table = of_table[:count], of_table[count:]  # noqa: PLW2901 - what is left
            version = floor(chance.randint(1, 2))
            found.append(plan_writes(KEYMAP, MIGRATION, ChunkRows(SCHEMAS[table], chunk, 0, version)))
    chance.shuffle(found)
    return found


def by_guards(chunks: Sequence[ChunkWrites]) -> dict[str, list[Item]]:
    """What engine local leaves."""
    fake = FakeDynamoDB(KEYS)
    for writes in chunks:
        for table, item in writes.puts:
            fake.put_item(TableName=table, Item=item)
        for patches in writes.guarded:
            write_slots(fake, KEYMAP, MIGRATION, patches, guess={})  # type: ignore[arg-type]
    return {table: fake.items(table) for table in KEYS}


def by_merging(chunks: Sequence[ChunkWrites]) -> dict[str, list[Item]]:
    """What an import brings."""
    found: dict[str, list[Item]] = {table: [] for table in KEYS}
    with Spool() as spool:
        for writes in chunks:
            for table, item in writes.puts:
                found[table].append(item)
            for patches in writes.guarded:
                spool.add(patches)
        for shared in spool.items():
            found[shared.table].append(item_of(KEYMAP, MIGRATION, shared.patches)[0])
    return found


def comparable(items: Sequence[Item]) -> list[Item]:
    """In one order, and without how often an item was written: guarded writes count themselves."""
    revision = KEYMAP.bookkeeping.revision
    assert all(int(item[revision]["N"]) > 0 for item in items if revision in item)
    return sorted(({**item, revision: revision in item} for item in items), key=repr)  # type: ignore[dict-item]


@settings(max_examples=150)
@given(tables(), st.randoms(use_true_random=False))
def test_merged_items_are_those_of_guarded_writes(rows: Rows, chance: random.Random) -> None:
    chunks = planned(rows, chance)
    expected, found = by_guards(chunks), by_merging(chunks)
    for table in KEYS:
        assert comparable(found[table]) == comparable(expected[table])


def patch(number: int, slot: str = "x_a", text: str = "x") -> Patch:
    return Patch("bookings", (number,), slot, {slot: {"S": text}}, floor(1))


def test_two_rows_on_one_slot_are_a_collision() -> None:
    with pytest.raises(Collision, match="two rows fall on attribute x_a of it"):
        item_of(KEYMAP, MIGRATION, [patch(1), patch(1)])
    whole = Patch("bookings", (1,), "", {}, floor(1))
    with pytest.raises(Collision, match="a row has all of it, and another row a part of it"):
        item_of(KEYMAP, MIGRATION, [patch(1), whole])


def test_what_does_not_fit_memory_is_split_until_it_does_and_one_item_that_never_does_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every patch comes out once, with those of its item, however many levels of files it went through."""
    monkeypatch.setattr(spooling, "FILE_BYTES_MAX", 2_000)
    monkeypatch.setattr(spooling, "ITEM_BYTES_MAX", 4_000)
    numbers = [number for number in range(900) for _ in range(3)]
    random.Random(1).shuffle(numbers)
    with Spool() as spool:
        for place, number in enumerate(numbers):
            spool.add([patch(number, f"x_{place}")])
        for place in range(100):
            spool.add([patch(1000, f"x_{place}", "long")])
        found = {shared.key: shared for shared in spool.items()}
        assert spool.patches == len(numbers) + 100
    large = found.pop((1000,))
    assert large.too_large
    assert not large.patches
    assert sorted(found) == [(number,) for number in range(900)]
    for key, shared in found.items():
        assert {one.slot for one in shared.patches} == {
            f"x_{at}" for at, number in enumerate(numbers) if (number,) == key
        }


def test_keymaps_of_the_spool_are_of_all_kinds_of_keys() -> None:
    """Equal keys come together, whichever objects they are."""
    with Spool() as spool:
        for key in ((1,), ("a", b"\x00"), (1,), ("".join("a"), bytes(1))):
            spool.add([Patch("bookings", key, f"x_{id(key)}", {}, floor(1))])
        assert sorted(len(shared.patches) for shared in spool.items()) == [2, 2]
