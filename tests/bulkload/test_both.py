"""Dump and load beside each other: what is loaded before the dump ends, and what either of them does to the other."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from bulkload.both import dump_and_load
from bulkload.dump.run import DumpReport
from bulkload.load.run import LoadReport
from bulkload.progress import Progress, silent
from keymap.errors import KeyshiftError, Problems
from keyshift.control.chunks import chunks
from keyshift.control.phase import Phase
from tests.bulkload.world import World, with_bulkload

pytestmark = pytest.mark.any_pair


def both(
    world: World, dumping: Progress = silent, loading: Progress = silent, **changed: Any
) -> tuple[DumpReport, LoadReport]:
    settings = with_bulkload(world.settings, **changed)
    schemas = world.schemas()
    return dump_and_load(settings, world.keymap, world.clients, schemas, world.stop, dumping=dumping, loading=loading)


def when(event: threading.Event, then: Callable[[], None]) -> Progress:
    def progress(*_told: Any) -> None:
        if not event.is_set():
            event.set()
            then()

    return progress


def test_chunks_are_loaded_while_others_are_dumped(world: World) -> None:
    """The dump waits, after its first chunk, until that one is loaded."""
    loaded = threading.Event()
    dumped, done = both(world, when(threading.Event(), lambda: assert_soon(loaded)), when(loaded, lambda: None))
    assert dumped.complete
    assert done == LoadReport(8, 22, 14, complete=True)
    assert world.stored() == world.expected()
    assert world.phase() is Phase.REPLAY


def assert_soon(event: threading.Event) -> None:
    assert event.wait(30)


def test_a_load_that_fails_ends_the_dump_and_both_go_on_later(world: World) -> None:
    world.execute("UPDATE orders SET note = REPEAT('n', 500000) WHERE id = 1")
    with pytest.raises(Problems, match=r"orders \(id=1\)"):
        both(world, rejects_max=0)
    assert world.stop.is_set()
    again = World(**{name: value for name, value in vars(world).items() if name != "stop"})
    _, report = both(again)
    assert (report.complete, report.rejected) == (True, 1)


def test_a_dump_that_fails_ends_the_load_and_its_error_is_told(world: World) -> None:
    told: list[str] = []

    def fail_at_third(table: str, *_told: Any) -> None:
        told.append(table)
        if len(told) == 3:
            raise KeyshiftError("the disk is full")

    with pytest.raises(KeyshiftError, match="the disk is full"):
        both(world, fail_at_third)
    assert world.phase() is Phase.LOAD
    done = [chunk.state for table in world.migration.tables for chunk in chunks(world.store, table)]
    assert set(done) == {"loaded"}  # there was nothing wrong with what was dumped
    again = World(**{name: value for name, value in vars(world).items() if name != "stop"})
    assert both(again)[1].complete
    assert world.stored() == world.expected()


def test_a_stop_ends_both(world: World) -> None:
    dumped, loaded = both(world, loading=when(threading.Event(), world.stop.set))
    assert not loaded.complete
    assert world.phase() is Phase.LOAD
    assert loaded.chunks <= dumped.chunks
