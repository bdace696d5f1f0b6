"""A process that dies at any point, and one that comes after it: the result is as if nothing had happened."""

import pytest

from keyshift.aws.clients import make_clients
from keyshift.control.chunks import chunks
from keyshift.control.lease import DUMP, LOAD
from keyshift.control.phase import Phase
from tests.bulkload.mortal import Fuse, Killed, Mortal
from tests.bulkload.world import World

CALM = 1000  # seconds of a lease that needs no renewal during a test: every run then makes the same calls


def test_a_dump_that_dies_at_any_call_is_completed_by_the_next(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for interval in ("bulkload.board.WRITE_SECONDS", "bulkload.dump.gentle.LOOK_SECONDS"):
        monkeypatch.setattr(interval, 0)  # at each chunk, so that every run makes the same calls
    whole = Fuse()
    world.dump(Mortal(world.clients, whole), chunk_rows=5, lease_seconds=CALM)
    for at in range(1, whole.calls + 1):
        forget_dump(world)
        with pytest.raises(Killed):
            world.dump(Mortal(world.clients, Fuse(at)), chunk_rows=5, lease_seconds=CALM)
        world.free(DUMP)
        assert world.dump(chunk_rows=4).complete
        assert sum(chunk.rows for table in world.migration.tables for chunk in chunks(world.store, table)) == 22, at
    world.load()
    assert world.stored() == world.expected()


def test_a_load_that_dies_at_any_call_is_completed_by_the_next(world: World) -> None:
    world.dump(chunk_rows=7)
    whole, expected = Fuse(), world.expected()
    load(world, whole)
    for at in range(1, whole.calls + 1):
        forget_load(world)
        with pytest.raises(Killed):
            load(world, Fuse(at))
        world.free(LOAD)
        assert world.load().complete
        assert world.stored() == expected, at
        assert world.phase() is Phase.REPLAY


def load(world: World, fuse: Fuse) -> None:
    """Load with clients that die, those for the writes too."""
    writing = make_clients(world.settings.aws.region, world.settings.aws.endpoints.urls)
    world.load(Mortal(world.clients, fuse), Mortal(writing, fuse), lease_seconds=CALM)


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
