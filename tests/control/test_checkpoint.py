"""Capture's memory: a checkpoint is a renewal, never goes back, and stays small."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymap.attributes import ITEM_BYTES_MAX, item_size
from keymap.errors import KeyshiftError
from keymap.position import Position
from keymap.version import EPOCH_MAX, FILE_DIGITS, OFFSET_DIGITS, ROW_DIGITS, version
from keyshift.control.checkpoint import (
    CaptureStatus,
    Checkpoint,
    mark_ahead,
    mark_started,
    pack_lanes,
    read_capture,
    read_checkpoint,
    record_start,
    save_checkpoint,
    unpack_lanes,
)
from keyshift.control.lease import Lease, LeaseLost
from keyshift.control.store import Store
from keyshift.control.takeover import DRIFT
from keyshift.process.settings import Settings
from tests.control.conftest import Clock
from tests.control.network import BrokenConnection, Fate, Network

START = Position("binlog.000009", 4, "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5")


def checkpoint(offset: int, file: int = 9, **changes: object) -> Checkpoint:
    where = Position(f"binlog.{file:06d}", offset, f"3e11fa47-71ca-11e1-9e33-c80aa9429562:1-{offset}")
    lanes = {0: version(1, file, offset, 0), 3: version(1, file, offset, 7)}
    return Checkpoint(where, **{"lanes": lanes, "last_version": lanes[3], "changes": offset, "server": "s", **changes})  # type: ignore[arg-type]


@pytest.fixture
def lease(acquired: Callable[[str], Lease]) -> Lease:
    return acquired("capture")


def test_before_capture_ran_there_is_nothing(store: Store):
    assert read_capture(store) == CaptureStatus()
    assert read_checkpoint(store) is None


def test_a_start_is_recorded_once_and_survives_a_new_daemon(store: Store, lease: Lease, clock: Clock):
    record_start(lease, START, "server-1")
    status = read_capture(store)
    assert (status.start, status.server, status.started, status.checkpoint) == (START, "server-1", False, None)
    assert (status.owner, status.fence, status.renewals, status.lease_seconds) == ("host:1", 1, 2, 10.0)
    assert status.updated_at_ms > 0
    lease.release()
    assert read_capture(store).released
    second = Lease(store, "capture", "second:2", 10.0, clock)
    assert second.try_acquire()
    record_start(second, START, "server-1")
    with pytest.raises(KeyshiftError, match=r"already recorded as beginning at binlog.000009:4"):
        record_start(second, Position("binlog.000010", 4), "server-1")
    assert read_capture(store).start == START


def test_capture_has_started_once_it_says_so(store: Store, lease: Lease, network: Network):
    with pytest.raises(ValueError, match="record_start comes first"):
        mark_started(lease)
    record_start(lease, START, "server-1")
    mark_started(lease)
    writes = network.writes
    mark_started(lease)
    assert network.writes == writes
    assert read_capture(store).started


def test_a_checkpoint_comes_back_as_it_was_and_renews(store: Store, lease: Lease, clock: Clock):
    clock.now += 8
    for one in (checkpoint(100), checkpoint(100), checkpoint(50, file=10, changes=101)):
        save_checkpoint(lease, one)
        assert read_checkpoint(store) == one
    clock.now += 8
    assert lease.valid()


def test_without_gtids_a_checkpoint_has_none(store: Store, lease: Lease):
    save_checkpoint(lease, checkpoint(100))
    plain = Checkpoint(Position("binlog.000009", 101), {}, checkpoint(100).last_version, 100)
    save_checkpoint(lease, plain)
    assert read_checkpoint(store) == plain


@pytest.mark.parametrize(
    "earlier",
    [checkpoint(99), checkpoint(900, file=8), checkpoint(100, changes=99), checkpoint(100, last_version="")],
)
def test_a_checkpoint_never_goes_back(store: Store, lease: Lease, earlier: Checkpoint):
    save_checkpoint(lease, checkpoint(100))
    with pytest.raises(ValueError, match="would go back"):
        save_checkpoint(lease, earlier)
    assert read_checkpoint(store) == checkpoint(100)


def test_another_epoch_begins_another_numbering(store: Store, lease: Lease):
    save_checkpoint(lease, checkpoint(100))
    save_checkpoint(lease, checkpoint(4, file=1, epoch=2))
    assert read_checkpoint(store) == checkpoint(4, file=1, epoch=2)


@pytest.mark.parametrize("fate", [Fate.REPEATED, Fate.LOST, Fate.UNSENT, Fate.LATE])
def test_a_checkpoint_without_an_answer_never_comes_back_over_a_later_one(
    store: Store, lease: Lease, network: Network, fate: Fate
):
    network.fates.append(fate)
    if fate is Fate.REPEATED:
        save_checkpoint(lease, checkpoint(100))
    else:
        with pytest.raises(BrokenConnection):
            save_checkpoint(lease, checkpoint(100))
    save_checkpoint(lease, checkpoint(200))
    network.deliver_all()
    assert read_checkpoint(store) == checkpoint(200)


def test_a_daemon_that_slept_cannot_write_over_its_successor(store: Store, lease: Lease, clock: Clock):
    save_checkpoint(lease, checkpoint(100))
    successor = Lease(store, "capture", "second:2", 10.0, clock)
    assert not successor.try_acquire()
    clock.now += 10 * DRIFT + 0.1
    assert successor.try_acquire()
    save_checkpoint(successor, checkpoint(150))
    with pytest.raises(LeaseLost):
        save_checkpoint(lease, checkpoint(200))
    assert read_checkpoint(store) == checkpoint(150)


def test_the_item_of_64_lanes_stays_near_a_kilobyte(store: Store, lease: Lease):
    """DynamoDB bills a write by the kilobyte, and this is the item that is written all the time."""
    lanes = {lane: version(1, 142, 104_857_600 + lane, 12) for lane in range(64)}
    record_start(lease, START, "3e11fa47-71ca-11e1-9e33-c80aa9429562")
    mark_started(lease)
    save_checkpoint(lease, checkpoint(100, file=142, lanes=lanes, last_version=lanes[63], server="3e11fa47"))
    key = {"migration": {"S": store.id}, "item": {"S": "capture"}}
    item = store._client.get_item(TableName=store.table, Key=key)["Item"]
    assert item_size(item) < 2048
    checkpointed = read_checkpoint(store)
    assert checkpointed is not None
    assert checkpointed.lanes == lanes


def test_the_most_lanes_with_the_longest_versions_are_an_item_that_dynamodb_takes() -> None:
    longest = version(EPOCH_MAX, 10**FILE_DIGITS - 1, 10**OFFSET_DIGITS - 1, 10**ROW_DIGITS - 1)
    (lanes,) = (part.le for part in Settings.model_fields["lanes"].metadata if hasattr(part, "le"))
    assert len(pack_lanes(dict.fromkeys(range(lanes), longest))) < ITEM_BYTES_MAX / 2


VERSIONS = st.builds(
    version, st.integers(0, 9999), st.integers(0, 2**31 - 1), st.integers(0, 2**42), st.integers(0, 999_999_999)
)


@given(st.dictionaries(st.integers(0, 80), VERSIONS))
def test_packed_lanes_come_back_as_they_were(lanes: dict[int, str]):
    assert unpack_lanes(pack_lanes(lanes)) == lanes


def test_packed_lanes_can_be_read_by_people():
    assert pack_lanes({0: version(1, 57, 1234567, 0), 2: version(1, 57, 4, 3)}) == "1.57.1234567.0 - 1.57.4.3"


def test_the_lease_of_another_item_is_a_mistake_of_ours(acquired: Callable[[str], Lease]):
    other = acquired("dump")
    for step in (
        lambda: save_checkpoint(other, checkpoint(1)),
        lambda: mark_started(other),
        lambda: record_start(other, START, ""),
    ):
        with pytest.raises(ValueError, match="needed here"):
            step()


def test_what_the_stream_may_hold_beyond_the_checkpoint_is_dated_until_nothing_is(store: Store, lease: Lease):
    """A run that crashed leaves the moment behind; the next one may not move it on before it has passed all of that."""
    record_start(lease, START, "s", epoch=3)
    assert (read_capture(store).ahead_since_ms, read_capture(store).start_epoch) == (0, 3)
    assert mark_ahead(lease, 1000) == 1000
    assert mark_ahead(lease, 2000) == 1000
    save_checkpoint(lease, checkpoint(100, ahead_since_ms=1500))
    assert read_capture(store).ahead_since_ms == 1500
    save_checkpoint(lease, checkpoint(100))
    assert read_capture(store).ahead_since_ms == 0
    assert mark_ahead(lease, 3000) == 3000


def test_a_raised_epoch_may_begin_at_a_lower_file_and_a_file_keeps_its_fingerprint(store: Store, lease: Lease):
    record_start(lease, START, "s")
    save_checkpoint(lease, checkpoint(100))
    save_checkpoint(lease, checkpoint(4, file=1, changes=100, server="t", epoch=2))
    with pytest.raises(ValueError, match="would go back"):
        save_checkpoint(lease, checkpoint(200))
    marked = replace(checkpoint(5, file=1, changes=100, epoch=2), position=replace(START, fingerprint="5-aa"))
    save_checkpoint(lease, marked)
    saved = read_checkpoint(store)
    assert saved is not None
    assert saved.position.fingerprint == "5-aa"
