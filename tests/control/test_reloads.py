"""Tables that are loaded again: what is recorded of them, and the chunks of each of their generations."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from keymap.errors import KeyshiftError
from keymap.position import Position
from keymap.version import floor, version
from keyshift.control.chunks import (
    Chunk,
    chunks,
    dumped_chunks,
    read_gtid_sets,
    record_dumped,
    record_loaded,
    record_table_dumped,
)
from keyshift.control.lease import CAPTURE, Lease, LeaseLost
from keyshift.control.phase import close, open_replay
from keyshift.control.progress import missing, progress
from keyshift.control.reloads import (
    FIRST,
    Reload,
    begin_reload,
    finish_reload,
    floor_at,
    floor_of,
    floor_of_epoch,
    generation_of,
    read_reloads,
)
from keyshift.control.store import Store
from tests.control.conftest import TABLES, Clock
from tests.control.network import BrokenConnection, Fate, Network
from tests.control.test_chunks import chunk

TABLE, OTHER = TABLES
FIRST_PLACE, SECOND_PLACE = (floor_at(1, Position("binlog.000007", offset)) for offset in (500, 900))
Acquire = Callable[[str], Lease]


def reload_of(place: str = FIRST_PLACE, table: str = TABLE, keymaps: tuple[str, ...] = ()) -> Reload:
    return Reload(table, place, "TRUNCATE", "a mistake", keymaps)


def again(number: int, place: str = FIRST_PLACE) -> Chunk:
    return replace(chunk(number, sha256=f"b{number}"), generation=reload_of(place).generation)


def test_a_place_is_newer_than_all_before_it_and_older_than_all_behind_it() -> None:
    assert version(1, 7, 499, 99) < reload_of().gone < FIRST_PLACE < version(1, 7, 501, 0)
    assert version(1, 9, 9, 9) < Reload(TABLE, floor_of_epoch(2), "", "").gone
    assert floor(2) < floor_of_epoch(2) < version(2, 1, 4, 0)
    assert floor_of(reload_of().generation) == FIRST_PLACE


def test_a_reload_comes_back_as_it_was_recorded_and_is_done_once(store: Store) -> None:
    assert (read_reloads(store), generation_of(store, TABLE)) == ({}, FIRST)
    for _ in range(2):
        begin_reload(store, reload_of(keymaps=("d1",)))
    assert read_reloads(store) == {TABLE: reload_of(keymaps=("d1",))}
    assert generation_of(store, TABLE) == "1.7.500"
    for _ in range(2):
        finish_reload(store, reload_of())
    begin_reload(store, reload_of())
    assert read_reloads(store)[TABLE].done, "the same reload does not begin again"


def test_a_later_reload_takes_the_place_of_an_earlier_one(store: Store) -> None:
    begin_reload(store, reload_of(keymaps=("d1",)))
    begin_reload(store, reload_of(SECOND_PLACE, keymaps=("d2",)))
    begin_reload(store, reload_of(FIRST_PLACE, keymaps=("d3",)))
    assert read_reloads(store)[TABLE] == reload_of(SECOND_PLACE, keymaps=("d1", "d2"))
    with pytest.raises(KeyshiftError, match="to be loaded again from another place"):
        finish_reload(store, reload_of(FIRST_PLACE))
    finish_reload(store, reload_of(SECOND_PLACE))
    begin_reload(store, reload_of(floor_of_epoch(2), keymaps=("d4",)))
    assert read_reloads(store)[TABLE].keymaps == ("d4",), "what was removed need not be looked for again"
    assert not read_reloads(store)[TABLE].done


def test_without_the_lease_that_it_is_begun_under_nothing_is_recorded(
    store: Store, acquired: Acquire, clock: Clock
) -> None:
    lease = acquired(CAPTURE)
    begin_reload(store, reload_of(), lease)
    lease.release()
    acquired(CAPTURE)
    with pytest.raises(LeaseLost):
        begin_reload(store, reload_of(SECOND_PLACE), lease)
    assert read_reloads(store)[TABLE].floor == FIRST_PLACE
    assert clock.now


@pytest.mark.parametrize("fate", [Fate.LOST, Fate.UNSENT])
def test_a_lost_answer_is_no_other_outcome(store: Store, network: Network, fate: Fate) -> None:
    for step in (lambda: begin_reload(store, reload_of()), lambda: finish_reload(store, reload_of())):
        network.fates.append(fate)
        try:
            step()
        except BrokenConnection:
            step()
    assert read_reloads(store)[TABLE].done


def test_generations_keep_apart_and_only_the_newest_is_written(store: Store, acquired: Acquire) -> None:
    dump, load = acquired("dump"), acquired("load")
    record_dumped(dump, chunk(1))
    record_table_dumped(dump, TABLE, 1, 10)
    record_loaded(load, chunk(1))
    begin_reload(store, reload_of())
    assert dumped_chunks(store, TABLE, "1.7.500") is None
    record_dumped(dump, again(1), 1)
    record_dumped(dump, again(2), 1)
    record_table_dumped(dump, TABLE, 2, 20, epoch=1, generation="1.7.500")
    record_loaded(load, again(2))
    assert [one.number for one in chunks(store, TABLE)] == [1]
    assert [(one.number, one.state.value) for one in chunks(store, TABLE, "1.7.500")] == [(1, "dumped"), (2, "loaded")]
    begin_reload(store, reload_of(SECOND_PLACE))
    for late in (
        lambda: record_dumped(dump, again(3), 1),
        lambda: record_dumped(dump, replace(again(1), sha256="cc"), 1),
        lambda: record_table_dumped(dump, TABLE, 0, 0, generation="1.7.700"),
    ):
        with pytest.raises(KeyshiftError, match="to be loaded again from another place"):
            late()


def test_what_is_loaded_again_is_dumped_beside_replay_and_not_after_it(store: Store, acquired: Acquire) -> None:
    dump, load = acquired("dump"), acquired("load")
    record_table_dumped(dump, OTHER, 0, 0)
    begin_reload(store, reload_of())
    assert missing(store, TABLES) == [], "replay opens without the table: its rows are written with guards"
    open_replay(load, 0.0)
    record_dumped(dump, again(1), 1)
    with pytest.raises(KeyshiftError, match="replay has been opened"):
        record_dumped(dump, chunk(1, OTHER))
    close(store)
    with pytest.raises(KeyshiftError, match="replay is closed, and the application may have switched"):
        record_dumped(dump, again(2), 1)


def test_progress_tells_of_the_newest_generation_and_ends_with_what_is_left_of_before(
    store: Store, acquired: Acquire
) -> None:
    dump, load = acquired("dump"), acquired("load")
    for table in TABLES:
        record_dumped(dump, chunk(1, table))
        record_table_dumped(dump, table, 1, 10)
        record_loaded(load, chunk(1, table))
    assert progress(store, TABLES).complete
    begin_reload(store, reload_of())
    assert progress(store, TABLES).unfinished == (TABLE,)
    record_dumped(dump, replace(again(1), rows=3), 1)
    record_table_dumped(dump, TABLE, 1, 3, generation="1.7.500")
    record_loaded(load, again(1))
    found = progress(store, TABLES)
    (one,) = (table for table in found.tables if table.table == TABLE)
    assert (one.loaded_whole, one.complete, one.rows_loaded, found.complete) == (True, False, 3, False)
    finish_reload(store, reload_of())
    assert (progress(store, TABLES).complete, progress(store, TABLES).unfinished) == (True, ())


def test_what_rows_of_a_former_generation_showed_is_void(store: Store, acquired: Acquire) -> None:
    dump, uuid = acquired("dump"), "3e11fa47-71ca-11e1-9e33-c80aa9429562"
    record_dumped(dump, chunk(1, gtid_set=f"{uuid}:1-9"))
    record_table_dumped(dump, TABLE, 1, 10, gtid_set=f"{uuid}:1-10")
    record_dumped(dump, chunk(1, OTHER, gtid_set=f"{uuid}:1-2"))
    begin_reload(store, reload_of())
    assert set(filter(None, read_gtid_sets(store))) == {f"{uuid}:1-2"}
    record_dumped(dump, replace(again(1), gtid_set=f"{uuid}:1-3"), 1)
    assert set(filter(None, read_gtid_sets(store))) == {f"{uuid}:1-2", f"{uuid}:1-3"}
