"""The bulk load's records: written only under the lease, safe to repeat, and never changed once loaded."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from keymap.errors import KeyshiftError
from keyshift.control.chunks import (
    Chunk,
    ChunkState,
    chunks,
    dumped_chunks,
    record_dumped,
    record_loaded,
    record_table_dumped,
)
from keyshift.control.lease import Lease, LeaseLost
from keyshift.control.progress import missing, progress
from keyshift.control.store import Store
from tests.control.conftest import TABLES
from tests.control.network import Fate, Network

TABLE = TABLES[0]
Acquire = Callable[[str], Lease]


def chunk(number: int, table: str = TABLE, **changes: Any) -> Chunk:
    bounds = {"lower": (number - 1,) if number > 1 else None, "upper": (number,)}
    plain = Chunk(table=table, number=number, rows=10, object=f"o/{number}", sha256="aa", bytes=100, uncut=1, **bounds)
    return replace(plain, **changes)


@pytest.fixture
def dump(acquired: Acquire) -> Lease:
    return acquired("dump")


@pytest.fixture
def load(acquired: Acquire) -> Lease:
    return acquired("load")


def test_chunks_come_back_as_they_were_with_exact_bounds(store: Store, dump: Lease):
    bounds = {"lower": ("it's", 2**64 - 1, Decimal("1.50")), "upper": (b"\x00\xff", -3, None)}
    first, second = chunk(1, **bounds), chunk(2, lower=bounds["upper"], upper=None)
    for one in (second, first):
        record_dumped(dump, one)
    assert list(chunks(store, TABLE)) == [first, second]


def test_a_table_whose_name_continues_anothers_is_another_table(store: Store, dump: Lease):
    names = (TABLE, f"{TABLE}#00000001", f"{TABLE}%23", f"{TABLE}2")
    for name in names:
        record_dumped(dump, chunk(1, name))
    for name in names:
        assert [one.table for one in chunks(store, name)] == [name]


def test_recording_the_same_content_again_changes_nothing(store: Store, dump: Lease, load: Lease, network: Network):
    record_dumped(dump, chunk(1))
    record_loaded(load, chunk(1))
    writes = network.writes
    record_dumped(dump, chunk(1))
    record_loaded(load, chunk(1))
    assert network.writes == writes
    assert list(chunks(store, TABLE)) == [chunk(1, state=ChunkState.LOADED)]


def test_a_chunk_that_is_taken_for_new_is_recorded_as_any_other(store: Store, dump: Lease, load: Lease):
    record_dumped(dump, chunk(1), is_new=True)
    record_dumped(dump, chunk(1), is_new=True)
    record_dumped(dump, chunk(1, sha256="bb"), is_new=True)
    assert list(chunks(store, TABLE)) == [chunk(1, sha256="bb")]
    record_loaded(load, chunk(1, sha256="bb"))
    with pytest.raises(KeyshiftError, match="loaded already, with other content"):
        record_dumped(dump, chunk(1), is_new=True)
    record_table_dumped(dump, TABLE, 1, 10)
    with pytest.raises(KeyshiftError, match=r"chunk 2 of shop.orders comes after the end that is recorded"):
        record_dumped(dump, chunk(2), is_new=True)


def test_a_table_with_a_gap_in_its_chunks_is_not_dumped(store: Store, dump: Lease):
    for number in (1, 3):
        record_dumped(dump, chunk(number))
    with pytest.raises(KeyshiftError, match="there is no chunk 2, and there are later ones"):
        record_table_dumped(dump, TABLE, 2, 20)
    assert dumped_chunks(store, TABLE) is None


def test_other_content_replaces_what_is_not_loaded(dump: Lease, load: Lease):
    record_dumped(dump, chunk(1))
    record_table_dumped(dump, TABLE, 1, 10)
    record_dumped(dump, chunk(1, sha256="bb"))
    with pytest.raises(KeyshiftError, match="not recorded as dumped with the content that was loaded"):
        record_loaded(load, chunk(1))
    record_loaded(load, chunk(1, sha256="bb"))
    with pytest.raises(KeyshiftError, match=r"chunk 1 of shop.orders is loaded already, with other content"):
        record_dumped(dump, chunk(1))


def test_nothing_is_dumped_once_replay_is_open(store: Store, dump: Lease):
    record_dumped(dump, chunk(1))
    store.swap("phase", store.get("phase"), {"phase": "replay"})
    for one in (chunk(1, sha256="bb"), chunk(2)):
        with pytest.raises(KeyshiftError, match="replay has been opened"):
            record_dumped(dump, one)
    record_dumped(dump, chunk(1))
    assert list(chunks(store, TABLE)) == [chunk(1)]


def test_a_dumped_table_gets_no_further_chunk(dump: Lease):
    record_dumped(dump, chunk(1))
    record_table_dumped(dump, TABLE, 1, 10)
    with pytest.raises(KeyshiftError, match=r"chunk 2 of shop.orders comes after the end that is recorded"):
        record_dumped(dump, chunk(2))


def test_a_table_is_dumped_only_with_the_chunks_that_are_recorded(store: Store, dump: Lease):
    record_dumped(dump, chunk(1))
    for count, rows in ((2, 20), (1, 11), (0, 0)):
        with pytest.raises(KeyshiftError, match=f"1 chunks with 10 rows are recorded, and the dump says {count} with"):
            record_table_dumped(dump, TABLE, count, rows)
    assert dumped_chunks(store, TABLE) is None
    record_table_dumped(dump, TABLE, 1, 10)
    record_table_dumped(dump, TABLE, 1, 10)
    assert dumped_chunks(store, TABLE) == 1
    with pytest.raises(KeyshiftError, match="the dump says 2 with 20"):
        record_table_dumped(dump, TABLE, 2, 20)


def test_what_was_never_dumped_cannot_be_loaded(load: Lease):
    with pytest.raises(KeyshiftError, match="not recorded as dumped"):
        record_loaded(load, chunk(1))


@pytest.mark.parametrize("fate", [Fate.REPEATED, Fate.LOST, Fate.UNSENT, Fate.LATE])
def test_records_without_an_answer_may_be_repeated_and_late_ones_change_nothing(
    store: Store, dump: Lease, load: Lease, network: Network, fate: Fate
):
    steps = (
        lambda: record_dumped(dump, chunk(1)),
        lambda: record_dumped(dump, chunk(1, sha256="bb")),
        lambda: record_table_dumped(dump, TABLE, 1, 10),
        lambda: record_loaded(load, chunk(1, sha256="bb")),
    )
    for step in steps:
        network.through(fate, step)
    network.deliver_all()
    assert list(chunks(store, TABLE)) == [chunk(1, sha256="bb", state=ChunkState.LOADED)]
    assert missing(store, [TABLE]) == []


def test_without_the_lease_nothing_is_recorded(store: Store, dump: Lease, load: Lease):
    record_dumped(dump, chunk(1))
    for item in ("dump", "load"):
        store.swap(item, store.get(item), {"fence": 9, "token": "other", "owner": "other:2"})
    for step in (
        lambda: record_dumped(dump, chunk(2)),
        lambda: record_table_dumped(dump, TABLE, 1, 10),
        lambda: record_loaded(load, chunk(1)),
    ):
        with pytest.raises(LeaseLost):
            step()
    assert list(chunks(store, TABLE)) == [chunk(1)]
    assert dumped_chunks(store, TABLE) is None


def test_a_renewal_beside_a_record_is_no_reason_to_fail(store: Store, dump: Lease, network: Network):
    def renew() -> None:
        network.before_write = lambda: None
        dump.renew()

    network.before_write = renew
    record_dumped(dump, chunk(1))
    assert list(chunks(store, TABLE)) == [chunk(1)]


def test_progress_counts_chunks_and_rows(store: Store, dump: Lease, load: Lease):
    for number in (1, 2):
        record_dumped(dump, chunk(number))
    record_table_dumped(dump, TABLE, 2, 20)
    record_loaded(load, chunk(2))
    record_dumped(dump, chunk(1, TABLES[1], rows=7))
    found = progress(store, TABLES)
    assert (found.total, found.dumped, found.loaded, found.tables_dumped) == (3, 3, 1, 1)
    assert (found.rows_dumped, found.rows_loaded, found.complete) == (27, 10, False)
    assert [table.chunks for table in found.tables] == [2, None]
    record_loaded(load, chunk(1))
    assert [table.complete for table in progress(store, TABLES).tables] == [True, False]


def test_the_wrong_lease_and_an_impossible_number_are_mistakes_of_ours(dump: Lease, load: Lease):
    for step in (
        lambda: record_dumped(load, chunk(1)),
        lambda: record_table_dumped(load, TABLE, 0, 0),
        lambda: record_loaded(dump, chunk(1)),
        lambda: record_dumped(dump, chunk(0)),
    ):
        with pytest.raises(ValueError, match=r"needed here|numbered from 1"):
            step()
