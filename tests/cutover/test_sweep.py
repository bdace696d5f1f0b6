"""Sweep removes tombstones, all of them, and nothing else."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymap.patch import WHOLE, Item, Patch
from keymap.removals import removals
from keymap.rules import Keymap, parse_keymap
from keymap.version import floor, is_tombstone, version
from keyshift.apply.sweep import Sweeper, Swept
from keyshift.apply.writer import GuardedWriter
from keyshift.cli.demo.endpoints import Endpoints
from keyshift.cutover.sides import DynamoItems
from keyshift.process.stop import Stop
from tests.apply.keymaps import create_tables, in_order
from tests.keymap.keymaps import TEXT, keymap
from tests.servers.aws import client, unique
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import forgetful

pytestmark = pytest.mark.any_pair

ME = "shop.0000abcd"
MAP = keymap()
SLOTS = ["productid0", "productid1", "productid2"]


def sides(states: list[tuple[str, str]]) -> Item:
    """A purchase whose slots are "live", "removed", "removed with data", or not there."""
    books = MAP.bookkeeping
    item = MAP.targets["purchases"].key_item((1, 2)) | {books.migration: {"S": ME}, books.revision: {"N": "3"}}
    for slot, state in states:
        if state != "unmarked":
            item[books.mark(slot)] = {"S": floor(1) + ("" if state == "live" else "x")}
        if state != "removed":
            item[slot] = {"N": "1"}
    return item


STATES = st.lists(
    st.tuples(st.sampled_from(SLOTS), st.sampled_from(["live", "removed", "removed with data", "unmarked"])),
    unique_by=lambda pair: pair[0],
)


@given(STATES)
def test_an_item_is_deleted_only_when_it_has_neither_data_nor_a_live_slot(states: list[tuple[str, str]]) -> None:
    item = sides(states)
    wanted = removals(MAP, ME, MAP.targets["purchases"], item)
    deleted = any(not one.update for one in wanted)
    assert deleted == (bool(states) and all(state == "removed" for _, state in states))
    removed = {name for one in wanted if one.update for name in one.request["ExpressionAttributeNames"].values()}
    for slot, state in states:
        assert (MAP.bookkeeping.mark(slot) in removed) == (state == "removed" and not deleted)
        assert slot not in removed  # data is never touched


def test_items_of_others_are_left_alone() -> None:
    item = sides([("productid0", "removed")])
    assert removals(MAP, "shop.ffffffff", MAP.targets["purchases"], item) == []
    del item[MAP.bookkeeping.migration]
    assert removals(MAP, ME, MAP.targets["purchases"], item) == []


def test_a_removed_item_that_holds_data_again_is_left_alone() -> None:
    """Somebody, perhaps the application after the switch, has written into it."""
    item = {"pk": {"S": "a"}, "sk": {"S": "b"}, "_ks_m": {"S": ME}, "_ks_v": {"S": floor(1) + "x"}, "new": {"S": "x"}}
    assert removals(MAP, ME, MAP.targets["app"], item) == []


class Tables:
    """Tables on the endpoints, written by the replay's own writer."""

    def __init__(self, endpoints: Endpoints, executor: ThreadPoolExecutor) -> None:
        prefix = unique("sweep")
        names = {"purchases:": f"{prefix}-p:", "app:": f"{prefix}-a:"}
        text = TEXT
        for old, new in names.items():
            text = text.replace(f"  {old}", f"  {new}").replace(f"target: {old[:-1]}\n", f"target: {new[:-1]}\n")
        self.keymap: Keymap = parse_keymap(text, "keymap.yaml")
        self.groups, self.app = f"{prefix}-p", f"{prefix}-a"
        self.client: Any = client("dynamodb", endpoints, attempts=3)
        create_tables(self.client, self.keymap)
        self.writer = GuardedWriter(self.client, self.keymap, ME, executor)
        self.items = DynamoItems(self.client, self.keymap.targets, executor, Stop())
        self.executor = executor

    def slot(self, order: int, product: int, value: int | None, at: int = 1) -> None:
        slot = f"productid{product}"
        attributes = None if value is None else {slot: {"N": str(value)}}
        self.writer.apply([Patch(self.groups, (1, order), slot, attributes, version(1, 1, at, 0))])

    def order(self, number: int, value: int | None, at: int = 1) -> None:
        attributes = None if value is None else {"total": {"N": str(value)}}
        self.writer.apply([Patch(self.app, ("C", str(number)), WHOLE, attributes, version(1, 1, at, 0))])

    def sweep(self) -> Swept:
        return Sweeper(self.client, self.keymap, ME, items=self.items, executor=self.executor, stop=Stop()).run()

    def held(self) -> list[Item]:
        return [item for table in self.keymap.targets for item in self.items.scan(table)]


@pytest.fixture
def tables(endpoints: Endpoints) -> Iterator[Tables]:
    with ThreadPoolExecutor(4) as executor:
        found = Tables(endpoints, executor)
        yield found
        for name in found.keymap.targets:
            found.client.delete_table(TableName=name)


def test_after_sweep_there_is_no_tombstone_and_all_data_is_there(tables: Tables) -> None:
    tables.slot(1, 0, 5)
    tables.slot(1, 1, None)
    for product in range(50):  # more marks than one expression takes
        tables.slot(2, product, None)
        tables.slot(3, product, None if product else 7)
    tables.order(1, 10)
    tables.order(2, None)
    before = [tables.keymap.bookkeeping.data(item) for item in tables.held()]
    swept = tables.sweep()
    assert (swept.deleted, swept.refused) == (2, 0)
    books = tables.keymap.bookkeeping
    after = tables.held()
    assert not any(is_tombstone(mark) for item in after for mark in books.slots(item).values())
    with_data = [item for item in before if len(item) > 2]
    assert in_order(map(books.data, after)) == in_order(with_data)
    assert tables.sweep() == Swept(items=len(after))


def test_an_item_written_between_the_look_and_the_removal_is_kept(tables: Tables) -> None:
    tables.slot(1, 0, None)
    tables.slot(2, 0, None)
    tables.slot(2, 1, 3)
    tables.order(1, None)
    seen = {name: list(tables.items.scan(name)) for name in tables.keymap.targets}
    tables.slot(1, 1, 4, at=2)
    tables.slot(2, 0, 9, at=2)
    tables.order(1, 11, at=2)
    before = sorted(map(str, tables.held()))

    class Earlier:
        """What a sweep sees that is slower than the writes."""

        def scan(self, table: str) -> Iterator[Item]:
            return iter(seen[table])

        get = tables.items.get

    sweeper = Sweeper(tables.client, tables.keymap, ME, items=Earlier(), executor=tables.executor, stop=Stop())
    assert sweeper.run() == Swept(items=3, deleted=0, marks=0, refused=3)
    assert sorted(map(str, tables.held())) == before


def test_a_deletion_that_was_refused_is_not_taken_for_done_where_the_endpoint_does_not_say_why(tables: Tables) -> None:
    tables.order(1, None)
    seen = list(tables.items.scan(tables.app))
    tables.order(1, 11, at=2)

    class Earlier:
        def scan(self, table: str) -> Iterator[Item]:
            return iter(seen if table == tables.app else [])

        get = tables.items.get

    with FaultProxy(tables.client.meta.endpoint_url, Rule(forgetful)) as proxy:
        basic = client("dynamodb", proxy.url)
        sweeper = Sweeper(basic, tables.keymap, ME, items=Earlier(), executor=tables.executor, stop=Stop())
        assert sweeper.run() == Swept(items=1, refused=1)


def test_a_deletion_whose_answer_was_lost_counts_as_done(tables: Tables) -> None:
    tables.order(1, None)
    seen = list(tables.items.scan(tables.app))
    tables.sweep()

    class Earlier:
        def scan(self, table: str) -> Iterator[Item]:
            return iter(seen if table == tables.app else [])

        get = tables.items.get

    sweeper = Sweeper(tables.client, tables.keymap, ME, items=Earlier(), executor=tables.executor, stop=Stop())
    assert sweeper.run() == Swept(items=1, deleted=1, tombstones=1)
