"""A process that dies at any point, and one that comes after it: the result is as if nothing had happened."""

import pytest

from bulkload.dump import table as dumping
from keyshift.aws.clients import make_clients
from keyshift.control.lease import DUMP, LOAD
from keyshift.control.phase import Phase
from keyshift.control.ranges import read_bounds
from tests.bulkload.mortal import Fuse, Mortal, deaths
from tests.bulkload.test_ranges import dumped
from tests.bulkload.world import World

pytestmark = pytest.mark.any_pair

WRITES = ("batch_write_item", "put_item", "put_object", "transact_write_items", "update_item")
CALM = 1000  # seconds of a lease that needs no renewal during a test: every run then makes the same calls


def test_a_dump_that_dies_at_any_call_is_completed_by_the_next(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By one with other chunks and another number of readers. Each table is cut, and several chunks are in hand."""
    monkeypatch.setattr(dumping, "RANGE_CHUNKS_MIN", 1)
    world.execute("ANALYZE TABLE purchase, orders, tag")

    def die(fuse: Fuse) -> None:
        world.dump(Mortal(world.clients, fuse), chunk_rows=3, lease_seconds=CALM, dump_concurrency=2)

    for at in deaths(die, WRITES):
        world.free(DUMP)
        assert world.dump(chunk_rows=4, dump_concurrency=1 + at % 3).complete
        assert rows_once(world) == {"purchase": 8, "orders": 7, "tag": 7}, at
        forget_dump(world)
    assert at > 20
    assert all(read_bounds(world.store, name) for name in world.migration.tables)
    assert rows_once(world) == {"purchase": 8, "orders": 7, "tag": 7}
    world.load()
    assert world.stored() == world.expected()


def rows_once(world: World) -> dict[str, int]:
    """By table how many rows were dumped, each once."""
    found = {name.partition(".")[2]: dumped(world, name.partition(".")[2]) for name in world.migration.tables}
    assert all(count == 1 for keys in found.values() for count in keys.values())
    return {name: len(keys) for name, keys in found.items()}


def test_a_load_that_dies_at_any_call_is_completed_by_the_next(world: World) -> None:
    world.dump(chunk_rows=7)
    expected = world.expected()

    def die(fuse: Fuse) -> None:
        writing = make_clients(world.settings.aws.region, world.settings.aws.endpoints.urls)
        world.load(Mortal(world.clients, fuse), Mortal(writing, fuse), lease_seconds=CALM)

    for at in deaths(die, WRITES):
        world.free(LOAD)
        assert world.load().complete
        assert world.stored() == expected, at
        assert world.phase() is Phase.REPLAY
        forget_load(world)
    assert at > 10
    assert world.stored() == expected


def forget_dump(world: World) -> None:
    """Back to where nothing was dumped."""
    for kind in ("chunk#", "table#", "pace#", "ranges#"):
        world.store.delete([record.item for record in world.store.query(kind, names=("item",))])


def forget_load(world: World) -> None:
    """Back to where nothing was loaded."""
    world.store.update("phase", {"phase": Phase.LOAD.value}, {})
    for record in list(world.store.query("chunk#")):
        world.store.update(record.item, {"state": "dumped"}, {})
    for table, key in world.stored():
        world.clients.dynamodb.delete_item(TableName=table, Key=world.keymap.targets[table].key_item(key))
    assert not world.stored()
