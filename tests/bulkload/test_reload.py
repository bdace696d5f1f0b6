"""Tables that are loaded again, beside an open replay: by processes that die at any point, and others after them."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from keymap.errors import KeyshiftError
from keymap.patch import Item, Key
from keymap.version import is_tombstone
from keyshift.aws.clients import make_clients
from keyshift.control.checkpoint import Checkpoint, save_checkpoint
from keyshift.control.chunks import chunks
from keyshift.control.lease import CAPTURE, DUMP, LOAD, Lease
from keyshift.control.phase import Phase
from keyshift.control.progress import progress
from keyshift.control.reloads import Reload, begin_reload, floor_at, read_reloads
from keyshift.cutover.remains import Remover, ready
from keyshift.cutover.sides import DynamoItems
from keyshift.mysql.facts import read_facts, read_position
from keyshift.process.clock import boottime
from keyshift.process.stop import Stop
from tests.bulkload.mortal import Fuse, Killed, Mortal, deaths
from tests.bulkload.test_death import CALM
from tests.bulkload.world import World, opened

pytestmark = pytest.mark.any_pair

Stored = dict[tuple[str, Key], Item]
# No capture runs in these tests: all of this is without a trace.
UNTRACED = (
    "TRUNCATE orders",
    "INSERT INTO orders VALUES (3,2,'paid',7,'new'),(5,8,'paid',5,NULL),(20,9,'new',1,NULL)",
    "DELETE FROM purchase WHERE customerid = 1 AND productid <> 2",
    "INSERT INTO purchase VALUES (2,1,9,9)",
)


@pytest.fixture
def again(world: World) -> World:
    """All is loaded, two tables have changed since, and are to be loaded again from here on."""
    world.dump()
    world.load()
    world.execute(*UNTRACED)
    begin_again(world)
    return world


def begin_again(world: World, *, captured: bool = True) -> None:
    with opened(world.settings.source) as connection:
        facts = read_facts(connection)
        position = read_position(connection, facts)
    for table in ("orders", "purchase"):
        floor = floor_at(1, position)
        begin_reload(world.store, Reload(f"{world.schema}.{table}", floor, "changed without a trace", "a test"))
    if captured:
        lease = Lease(world.store, CAPTURE, "test", 10, boottime)
        world.free(CAPTURE)
        assert lease.try_acquire()
        save_checkpoint(lease, Checkpoint(position, server=facts.identity))
        lease.release()


def remove(world: World, clients: Any = None) -> int:
    chosen = clients or world.clients
    with ThreadPoolExecutor(2) as executor:
        items = DynamoItems(chosen.dynamodb, world.keymap.targets, executor, world.stop)
        remover = Remover(
            chosen.dynamodb,
            world.keymap,
            {},
            world.migration.id,
            items=items,
            executor=executor,
            stop=world.stop,
        )
        return remover.run(world.store, ready(world.store, world.migration.tables)).removed


def live(world: World, items: Stored) -> dict[Any, Item]:
    """What the application sees of them."""
    books = world.keymap.bookkeeping
    return {place: books.data(item) for place, item in items.items() if not all(map(is_tombstone, books.marks(item)))}


def require_equal(world: World) -> None:
    assert live(world, world.stored()) == live(world, world.expected())
    assert progress(world.store, world.migration.tables).complete


def test_rows_are_read_when_capture_has_passed_the_place_and_not_before(world: World) -> None:
    world.dump()
    world.load()
    world.execute(*UNTRACED)
    begin_again(world, captured=False)
    with pytest.raises(KeyshiftError, match=r"has not passed the place from which .*orders"):
        world.dump()
    with pytest.raises(KeyshiftError, match=r"tables \S+, \S+ are not dumped"):
        world.load()


def test_what_is_loaded_again_takes_the_place_of_what_was_and_nothing_else_is_touched(again: World) -> None:
    before = {place: item for place, item in again.stored().items() if place[0] == again.target("tags")}
    assert again.dump().complete
    assert again.load().complete
    assert live(again, again.stored()) != live(again, again.expected()), "what no row took the place of is there"
    assert not progress(again.store, again.migration.tables).complete
    assert remove(again) == 5 + 3  # orders 1, 4, 6, 7, and 5 where it was; parts of two groups
    require_equal(again)
    assert {place: item for place, item in again.stored().items() if place[0] == again.target("tags")} == before
    assert again.load().chunks == again.dump().chunks == 0


def test_a_table_that_must_be_loaded_again_before_replay_was_opened_comes_after_it(world: World) -> None:
    """What the first load puts without a condition, and what a later one writes with guards, never meet."""
    world.dump(chunk_rows=2)
    world.execute(*UNTRACED)
    begin_again(world)
    world.dump()
    tags = len([one for one in world.expected() if one[0] == world.target("tags")])

    stopped = replace(world, stop=Stop())

    def stop_at_first(*_: object) -> None:
        stopped.stop.set()

    assert not stopped.load(progress=stop_at_first).complete
    assert {place[0] for place in world.stored()} <= {world.target("tags")}
    assert world.load().complete
    assert world.phase() is Phase.REPLAY
    assert len([one for one in world.stored() if one[0] == world.target("tags")]) == tags
    assert remove(world) == 0, "nothing was there before"
    require_equal(world)


def test_a_dump_that_dies_at_any_call_is_completed_by_the_next(again: World) -> None:
    generation = read_reloads(again.store)[f"{again.schema}.orders"].generation
    for at in deaths(lambda fuse: again.dump(Mortal(again.clients, fuse), chunk_rows=2, lease_seconds=CALM)):
        again.free(DUMP)
        assert again.dump().complete
        found = [
            one for name in ("orders", "purchase") for one in chunks(again.store, f"{again.schema}.{name}", generation)
        ]
        assert sum(one.rows for one in found) == 3 + 6, at
        for kind in ("chunk#", "ranges#", "table#"):
            mine = [one.item for one in again.store.query(kind, names=("item",)) if generation in one.item]
            again.store.delete(mine)
    assert at > 15
    again.load()
    remove(again)
    require_equal(again)


def test_a_load_that_dies_at_any_call_is_completed_by_the_next(again: World) -> None:
    again.dump(chunk_rows=2)
    before = again.stored()

    def load(fuse: Fuse) -> None:
        writing = make_clients(again.settings.aws.region, again.settings.aws.endpoints.urls)
        again.load(Mortal(again.clients, fuse), Mortal(writing, fuse), lease_seconds=CALM)

    whole = Fuse()
    load(whole)
    loaded = again.stored()
    for at in range(1, whole.calls + 1, 2):
        restore(again, before)
        with pytest.raises(Killed):
            load(Fuse(at))
        again.free(LOAD)
        assert again.load().complete
        assert again.stored() == loaded, at
    remove(again)
    require_equal(again)


def test_a_removal_that_dies_at_any_call_is_completed_by_the_next(again: World) -> None:
    again.dump()
    again.load()
    loaded, whole = again.stored(), Fuse()
    remove(again, Mortal(again.clients, whole))
    removed = again.stored()
    require_equal(again)
    for at in range(1, whole.calls + 1):
        restore(again, loaded)
        with pytest.raises(Killed):
            remove(again, Mortal(again.clients, Fuse(at)))
        assert ready(again.store, again.migration.tables), at
        remove(again)
        assert again.stored() == removed, at
    require_equal(again)


def restore(world: World, items: Stored) -> None:
    """Back to these items, and to where nothing was loaded again, or only loaded."""
    dynamodb = world.clients.dynamodb
    for table, key in world.stored():
        dynamodb.delete_item(TableName=table, Key=world.keymap.targets[table].key_item(key))
    for (table, _), item in items.items():
        dynamodb.put_item(TableName=table, Item=item)
    loaded = any(one.loaded_whole and one.reload for one in progress(world.store, world.migration.tables).tables)
    for one in read_reloads(world.store).values():
        world.store.update(f"reload#{one.table}", {"done": None}, {})
        if not one.done or not loaded:
            for record in list(world.store.query(f"chunk#{one.table}%@")):
                world.store.update(record.item, {"state": "dumped"}, {})
