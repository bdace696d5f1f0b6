"""The outbox and a stream that fails in every way: nothing is lost, and every lane arrives in order without a gap."""

from hypothesis import given, settings
from hypothesis import strategies as st

from cdc import outbox as module
from cdc.entries import Entry
from cdc.outbox import Outbox, Progress
from cdc.records import BARRIER, Record
from keymap.position import Position
from keymap.version import version
from keymap.wire import Header, decode_pack
from tests.cdc.outbox_life import HISTORIES, LANES, STAMP, START, STEPS, History, World, change_line


@settings(max_examples=1000)
@given(HISTORIES, STEPS)
def test_every_change_reaches_each_of_its_lanes_in_order_whatever_fails(history: History, steps: list[tuple]) -> None:
    world = World(history)
    world.live(steps)
    for lane in range(LANES):
        assert world.consumers[lane].applied == history.of_lane(lane)
    progress = world.remembered
    if history.transactions:
        assert progress.position == history.position(len(history.transactions) - 1)
    assert progress.lanes == {lane: found[-1] for lane in range(LANES) if (found := history.of_lane(lane))}
    assert progress.changes == sum(map(len, history.transactions))
    assert world.outbox.pending_bytes == 0


@settings(max_examples=300)
@given(HISTORIES, STEPS)
def test_progress_is_never_ahead_of_what_the_stream_has(history: History, steps: list[tuple]) -> None:
    """At every moment, all changes before the position are in the stream, and each lane's last version is exact."""
    world = World(history)
    for step, *arguments in steps:
        getattr(world, step)(*arguments)
        progress = world.outbox.progress
        done = [number for number in world.numbers if history.position(number).offset <= progress.position.offset]
        for lane in range(LANES):
            expected = [found for found in history.of_lane(lane) if done and found < history.version(done[-1] + 1, 0)]
            assert world.consumers[lane].applied[: len(expected)] == expected
            assert progress.lanes.get(lane, "") == (expected[-1] if expected else "")


@settings(max_examples=300)
@given(HISTORIES, STEPS, st.integers(0, 8))
def test_a_barrier_is_done_when_each_lane_has_its_marker_behind_all_before_it(
    history: History, steps: list[tuple], after: int
) -> None:
    world = World(history)
    for _ in range(after):
        world.add()
    added = world.next
    world.outbox.barrier(7)
    for step, *arguments in steps:
        if step not in {"crash", "arrive_late", "remember"}:
            getattr(world, step)(*arguments)
        if found := world.outbox.next_barrier():
            break
    else:
        world.drain()
        found = world.outbox.next_barrier()
    assert found is not None
    assert found.number == 7
    assert found.progress.changes == sum(map(len, history.transactions[:added]))
    for lane in range(LANES):
        before = [text for text in history.of_lane(lane) if text < history.version(added, 0)]
        markers = world.consumers[lane].markers
        assert markers
        assert all(number == 7 and count >= len(before) for number, count in markers)
    assert world.outbox.next_barrier() is None


def headers(records: list[Record]) -> list[Header]:
    return [decode_pack(record.data)[0] for record in records]


def test_what_waits_behind_a_record_in_flight_goes_into_one_record() -> None:
    history = History([[(0,)]] * 5)
    world = World(history)
    world.add()
    world.take(10)
    for _ in range(4):
        world.add()
    assert world.outbox.take(10) == []
    world.answer(0, "accepted")
    (header,) = headers(world.outbox.take(10))
    assert (header.count, header.follows, header.last) == (4, history.version(0, 0), history.version(4, 0))


def test_a_failed_record_is_sent_again_unchanged_though_more_waits() -> None:
    world = World(History([[(0,)]] * 3))
    world.add()
    (first,) = world.outbox.take(10)
    world.add()
    world.outbox.failed(0)
    (again,) = world.outbox.take(10)
    assert again == first


def test_records_stay_within_their_size() -> None:
    outbox = Outbox(STAMP, Progress(START), 10_000_000)
    line = change_line(version(1, 1, 4, 0), padding=200_000)
    for number in range(10):
        outbox.add([Entry((0,), version(1, 1, 4, number), line)], 1)
    outbox.end(Position("binlog.000001", 100))
    counts = []
    while records := outbox.take(10):
        (header,) = headers(records)
        counts.append(header.count)
        outbox.accepted(0)
    assert counts == [4, 4, 2]
    assert outbox.progress.position.offset == 100


def test_it_is_full_by_bytes_and_has_room_again_when_they_are_accepted() -> None:
    outbox = Outbox(STAMP, Progress(START), 1_000)
    outbox.add([Entry((0, 1), version(1, 1, 4, 0), b"{}" * 200)], 1)
    assert not outbox.has_room()
    outbox.end(Position("binlog.000001", 100))
    for record in outbox.take(10):
        assert not outbox.has_room() or record.lane == 1
        outbox.accepted(record.lane)
    assert outbox.has_room()


def test_an_idle_source_moves_the_position_at_once_and_without_a_trace() -> None:
    outbox = Outbox(STAMP, Progress(START), 1_000)
    for offset in range(100, 1_000):
        outbox.end(Position("binlog.000001", offset))
    assert outbox.progress.position.offset == 999
    outbox.add([Entry((0,), version(1, 1, 1_000, 0), b"{}")], 1)
    outbox.end(Position("binlog.000001", 1_100))
    for offset in range(1_200, 2_000):
        outbox.end(Position("binlog.000001", offset))
    assert outbox.progress.position.offset == 999
    assert len(outbox._points) == 2
    outbox.take(1)
    outbox.accepted(0)
    assert outbox.progress.position.offset == 1_999


def test_the_lane_that_waits_longest_is_first() -> None:
    outbox = Outbox(STAMP, Progress(START), 1_000)
    for lane in (2, 0, 1):
        outbox.add([Entry((lane,), version(1, 1, 4, lane), b"{}")], 1)
    assert [record.lane for record in outbox.take(2)] == [2, 0]
    outbox.failed(2)
    assert [record.lane for record in outbox.take(2)] == [1, 2]


def test_the_first_markers_of_a_migration_are_barrier_zero() -> None:
    outbox = Outbox(STAMP, Progress(START), 1_000)
    outbox.barrier(0)
    records = outbox.take(10)
    assert [(header.kind, header.barrier, header.follows, header.count) for header in headers(records)] == [
        (BARRIER, 0, "", 0)
    ] * LANES
    for record in records:
        outbox.accepted(record.lane)
    barrier = outbox.next_barrier()
    assert barrier == module.Barrier(0, Progress(START))
