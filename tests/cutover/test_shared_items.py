"""Items that rows share and slots that they pass on: what verify says of them, and what sweep leaves."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from keymap.patch import Item
from keymap.slots import live_slots
from keymap.values import Row
from keymap.version import floor, is_tombstone, version
from keyshift.apply.sweep import Sweeper, Swept
from keyshift.cli.demo.endpoints import Endpoints
from keyshift.cutover.compare import judge
from keyshift.cutover.sides import DynamoItems
from keyshift.process.stop import Stop
from tests.apply.club import club
from tests.apply.club_history import Club, History, fake_club
from tests.apply.keymaps import MIGRATION, create_tables, in_order
from tests.servers.aws import client, unique


def seat(id: int, pos: int, text: str | None = "a") -> Row:  # noqa: A002 - the column's name
    return {"id": id, "pos": pos, "text": text}


def booking(id: int, number: int) -> Row:  # noqa: A002
    return {"id": id, "number": number, "text": "a", "state": "held"}


def guest(id: int, number: int, line: int) -> Row:  # noqa: A002
    return {"id": id, "number": number, "line": line, "text": None}


def put(found: Club, table: str, row: Row, at: int) -> None:
    found.writer.apply(found.keymap.row_patches(f"club.{table}", row, version(1, 1, at, 0)))


def remove(found: Club, table: str, row: Row, at: int) -> None:
    patches = found.keymap.row_patches(f"club.{table}", row, version(1, 1, at, 0))
    found.writer.apply([replace(one, attributes=None) for one in patches])


def verdict(found: Club, table: str, row: Row) -> str:
    (patch,) = found.keymap.row_patches(f"club.{table}", row, floor(1))
    target = found.keymap.targets[patch.table]
    item = next((one for one in found.dynamodb.items(patch.table) if target.key_of(one) == patch.key), None)
    difference = judge(found.keymap, MIGRATION, patch, item)
    return f"{difference.kind}: {difference.note}" if difference else "equal"


def live(found: Club, table: str) -> list[tuple[str, ...]]:
    books, target = found.keymap.bookkeeping, found.keymap.targets[table]
    return sorted(
        (*map(str, target.key_of(item)), slot)
        for item in found.dynamodb.items(table)
        for slot, _ in live_slots(books, target, item)
    )


def test_two_rows_that_rest_on_one_slot_are_a_collision_for_the_one_that_is_not_shown() -> None:
    found = fake_club()
    put(found, "seat", seat(1, 5), at=1)
    put(found, "seat", seat(2, 5, "b"), at=2)
    assert verdict(found, "seat", seat(1, 5)) == "collision: two rows live in this slot, and the other is shown"
    assert verdict(found, "seat", seat(2, 5, "b")) == "equal"


def test_a_row_whose_place_another_one_has_is_missing() -> None:
    found = fake_club()
    put(found, "seat", seat(2, 5, "b"), at=2)
    assert verdict(found, "seat", seat(1, 5)) == "missing: another row is in its place"
    remove(found, "seat", seat(2, 5, "b"), at=3)
    assert verdict(found, "seat", seat(1, 5)) == "missing: "


def test_each_row_of_a_shared_item_is_judged_by_its_own_part() -> None:
    found = fake_club()
    put(found, "booking", booking(1, 0), at=1)
    put(found, "guest", guest(1, 0, 1), at=2)
    assert verdict(found, "booking", booking(1, 0)) == verdict(found, "guest", guest(1, 0, 1)) == "equal"
    assert verdict(found, "guest", guest(2, 0, 2)) == "missing: "
    remove(found, "booking", booking(1, 0), at=3)
    assert verdict(found, "booking", booking(1, 0)) == "missing: "
    assert verdict(found, "guest", guest(1, 0, 1)) == "equal"


def test_live_slots_are_the_rows_that_must_exist() -> None:
    found = fake_club()
    put(found, "booking", booking(1, 0), at=1)
    put(found, "guest", guest(1, 0, 1), at=2)
    put(found, "guest", guest(2, 0, 2), at=3)
    assert live(found, "bookings") == [("0", ""), ("0", ".guests.1"), ("0", ".guests.2")]
    remove(found, "booking", booking(1, 0), at=4)
    remove(found, "guest", guest(1, 0, 1), at=5)
    assert live(found, "bookings") == [("0", ".guests.2")]
    remove(found, "guest", guest(2, 0, 2), at=6)
    assert live(found, "bookings") == []


@pytest.mark.parametrize(
    ("planted", "slot"),
    [({"odd": {"S": "x"}}, "odd"), ({"guests": {"M": {"9": {"S": "x"}}}}, ".guests.9"), ({"x_0": {"S": "x"}}, "x_0")],
)
def test_data_that_no_row_accounts_for_is_a_slot_of_its_own(planted: Item, slot: str) -> None:
    found = fake_club()
    put(found, "guest", guest(1, 0, 1), at=2)
    remove(found, "guest", guest(1, 0, 1), at=3)
    (item,) = found.dynamodb.items("bookings")
    found.dynamodb.put_item(TableName="bookings", Item=item | planted)
    assert live(found, "bookings") == [("0", slot)]


@pytest.fixture
def real_club(endpoints: Endpoints) -> Iterator[Club]:
    prefix = unique("club") + "-"
    with ThreadPoolExecutor(4) as executor:
        found = Club(club(prefix), client("dynamodb", endpoints, attempts=3), prefix, executor)
        create_tables(found.dynamodb, found.keymap)
        yield found
        for name in found.keymap.targets:
            found.dynamodb.delete_table(TableName=name)


def sweep(found: Club) -> Swept:
    with ThreadPoolExecutor(4) as executor:
        items = DynamoItems(found.dynamodb, found.keymap.targets, executor, Stop())
        return Sweeper(found.dynamodb, found.keymap, MIGRATION, items=items, executor=executor, stop=Stop()).run()


@pytest.mark.parametrize("seed", range(3))
def test_a_sweep_leaves_exactly_what_the_rows_stand_for(real_club: Club, seed: int) -> None:
    history = History(random.Random(seed), 60)
    real_club.apply(history.changes)
    assert sweep(real_club).refused == 0
    books, expected = real_club.keymap.bookkeeping, history.expected()
    for table, items in expected.items():
        held = real_club.dynamodb.scan(TableName=real_club.prefix + table)["Items"]
        assert in_order(map(books.data, held)) == items
        assert not any(is_tombstone(mark) for item in held for mark in books.marks(item))
    again = sweep(real_club)
    assert (again.deleted, again.marks, again.refused) == (0, 0, 0)


def test_a_sweep_leaves_two_rows_on_one_slot_as_they_are(real_club: Club) -> None:
    put(real_club, "seat", seat(1, 5), at=1)
    put(real_club, "seat", seat(2, 5), at=2)
    before = real_club.dynamodb.scan(TableName=f"{real_club.prefix}seats")["Items"]
    assert sweep(real_club) == Swept(items=1)
    assert real_club.dynamodb.scan(TableName=f"{real_club.prefix}seats")["Items"] == before
