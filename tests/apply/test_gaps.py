"""A lane is never stepped over: what does not follow stops it, and nothing legitimate looks like that."""

import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

import apply_stream
from keymap.change import Change
from keymap.lanes import lane_of
from keymap.wire import decode_header
from keyshift.apply.gaps import Gap
from keyshift.apply.gate import ControlGate
from keyshift.apply.result import BatchResult
from keyshift.apply.stream import StreamApplier
from keyshift.cli.demo.endpoints import CREDENTIALS, Endpoints
from keyshift.control.gaps import read_gaps
from keyshift.control.lanes import LANES_PREFIX, applied_of
from keyshift.control.migration import load
from keyshift.control.phase import Phase
from keyshift.control.reloads import Reload, begin_reload, floor_of_epoch
from tests.apply.conftest import Shop, fake_shop
from tests.apply.event_source import EventSource, read_stream
from tests.apply.history import LANES, lanes_by_change, marker, migration_for, operations, pack, records
from tests.apply.keymaps import change, purchase
from tests.apply.stage import Running, Stage, in_its_environment, staged
from tests.apply.test_convergence import EXAMPLES, Gate, Replay, seeds
from tests.servers.runtime_api import FunctionError

LANE = lane_of("purchases", (1, 1), LANES)  # of the fake shop, whose tables have no prefix
CHANGES = [change("purchase", purchase(1, 1, 1, n), purchase(1, 1, 1, n + 1), n) for n in range(1, 9)]


def packs(shop: Shop, changes: list[Change], follows: str = "") -> list[bytes]:
    """One record for each change of the lane."""
    found, lane = [], lane_of(f"{shop.prefix}purchases", (1, 1), LANES)
    for one in changes:
        found.append(pack(shop.keymap, lane, [one], follows))
        follows = one.version
    return found


def handled(shop: Shop, gate: Gate, *batch: bytes) -> BatchResult:
    return StreamApplier(shop.writer(), shop.keymap, migration_for(shop.keymap), gate).handle(records(batch))


def quantity(shop: Shop) -> str:
    (item,) = shop.visible("purchases")
    return str(item["productid1"]["N"])


def test_a_record_that_does_not_follow_stops_its_batch_there_and_says_what_is_missing() -> None:
    shop, gate = fake_shop(), Gate()
    first, second, third, fourth = packs(shop, CHANGES[:4])
    behind = marker(shop.keymap, LANE, 7, CHANGES[3].version)
    result = handled(shop, gate, first, third, fourth, behind)
    assert isinstance(result.error, Gap)
    assert (result.records, result.failed_sequence, quantity(shop)) == (1, "49001", "2")
    assert (result.error.applied, result.error.follows) == (CHANGES[0].version, CHANGES[1].version)
    assert gate.gaps == {LANE: CHANGES[1].version}
    assert f"lane {LANE} has a gap" in result.error.message
    assert "offset 2, row 0 (epoch 1), and it is applied up to binlog file number 1, offset 1" in result.error.message
    assert "keyshift tables reload" in result.error.remedy
    again = handled(shop, gate, third, behind)
    assert (type(again.error), again.records, gate.seen_lanes, quantity(shop)) == (Gap, 0, set(), "2")
    found = handled(shop, gate, second, third, fourth, behind)  # they are delivered after all
    assert (found.error, gate.seen_lanes, quantity(shop)) == (None, {(7, LANE)}, "5")


def test_a_lane_whose_beginning_was_never_seen_has_a_gap_and_a_marker_tells_it_too() -> None:
    """The stream's retention had passed before replay was opened."""
    shop, gate = fake_shop(), Gate()
    result = handled(shop, gate, marker(shop.keymap, LANE, 1, CHANGES[0].version))
    assert isinstance(result.error, Gap)
    assert "applied up to nothing yet" in result.error.message
    assert not gate.seen_lanes
    assert handled(shop, gate, marker(shop.keymap, LANE, 0)).error is None, "the marker that begins a lane"


def test_other_lanes_of_the_batch_are_applied_up_to_there() -> None:
    shop, gate = fake_shop(), Gate()
    other = (LANE + 1) % LANES
    batch = [
        marker(shop.keymap, other, 1),
        *packs(shop, CHANGES[6:7], CHANGES[5].version),
        marker(shop.keymap, other, 2),
    ]
    assert handled(shop, gate, *batch).records == 1
    assert gate.seen_lanes == {(1, other)}


def test_past_the_gate_lanes_are_raised_too_and_a_gap_is_one() -> None:
    """A batch that was written, and whose lane was not raised: it is found done, and the marker behind it follows."""
    shop, gate = fake_shop(), Gate()
    first, second = packs(shop, CHANGES[:2])
    handled(shop, Gate(), first)
    gate.open = Phase.CLOSED
    assert isinstance(handled(shop, gate, second).error, Gap)
    result = handled(shop, gate, first, marker(shop.keymap, LANE, 2, CHANGES[0].version))
    assert (result.error, gate.seen_lanes, gate.applied) == (None, {(2, LANE)}, {LANE: CHANGES[0].version})


@settings(max_examples=EXAMPLES // 3)
@given(steps=operations, seed=seeds)
def test_no_daemon_that_begins_again_looks_like_a_gap_and_no_missing_record_is_passed(steps: Any, seed: int) -> None:
    """A daemon that dies sends again from its checkpoint, in other packs; batches are cut and delivered again anyhow.

    Then one record is taken away: either all that it held is in the others, or its lane stops.
    """
    chance = random.Random(seed)
    replay = Replay(fake_shop(), steps, chance)
    changes = [one for one in replay.history.changes if one]
    stream = records(data for lane in range(LANES) for data in lived(replay.shop, lane, changes, chance))
    at = 0
    while at < len(stream):
        count = chance.randrange(1, 6)
        assert replay.deliver(stream[at : at + count]).error is None
        at += chance.choice([0, count, count])
    assert replay.has_converged()
    missing = chance.randrange(len(stream)) if stream else 0
    second = Replay(fake_shop(), steps, random.Random(seed))
    result = second.deliver(stream[:missing] + stream[missing + 1 :])
    if result.error is None and stream and decode_header(stream[missing].data).kind == "changes":
        assert second.has_converged() or is_last(stream, missing)


def lived(shop: Shop, lane: int, changes: list[Change], chance: random.Random) -> Iterator[bytes]:
    """What a lane's records are, of a daemon that begins again from what it remembered, now and then."""
    mine = lanes_by_change(shop.keymap, changes)[lane]
    at = remembered = 0
    while at < len(mine):
        some = mine[at : at + chance.randrange(1, 4)]
        yield pack(shop.keymap, lane, some, mine[at - 1].version if at else "")
        at += len(some)
        remembered = chance.randint(remembered, at)
        if chance.random() < 0.3:
            at = remembered


def is_last(stream: Any, missing: int) -> bool:
    """Nothing of its lane is behind it that could tell."""
    lane = decode_header(stream[missing].data).lane
    return all(decode_header(record.data).lane != lane for record in stream[missing + 1 :])


@pytest.fixture
def stage(endpoints: Endpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with staged(endpoints, tmp_path, shard_count=1) as found:
        yield found


def test_a_consumer_ends_at_a_gap_and_goes_on_once_every_table_is_loaded_again(stage: Stage) -> None:
    """On servers, with the control table's gate: what is missing is void only where no table needs it."""
    shop, store = stage.shop, stage.store
    lane = lane_of(f"{shop.prefix}purchases", (1, 1), LANES)
    first, _, third = packs(shop, CHANGES[:3])
    stage.put([marker(shop.keymap, lane, 0), first, third, marker(shop.keymap, lane, 1, CHANGES[2].version)])
    for tables in ([], ["shop.orders"]):
        for table in tables:
            begin_reload(store, Reload(table, floor_of_epoch(2), "asked for", "a gap"))
        running = Running(stage)
        with pytest.raises(Gap), running:
            running.until(running.ended)
        assert (quantity(shop), stage.seen(1)) == ("2", set())
        assert [(one.lane, one.applied, one.follows) for one in read_gaps(store)] == [
            (lane, CHANGES[0].version, CHANGES[1].version)
        ]
    begin_reload(store, Reload("shop.purchase", floor_of_epoch(2), "asked for", "a gap"))
    with Running(stage) as running:
        running.until(lambda: stage.seen(1) == {lane})
    assert applied_of(store.query(LANES_PREFIX)) == {lane: CHANGES[2].version}
    assert read_gaps(store) == []
    gate = ControlGate(store, shop.keymap.digest)
    applier = StreamApplier(shop.writer(), shop.keymap, load(store), gate)
    late = change("purchase", None, purchase(1, 1, 1, 9), 99)
    (newer,) = packs(shop, [late], floor_of_epoch(2))
    assert isinstance(applier.handle(records([newer])).error, Gap), "what is missing behind that place is needed"
    assert [(one.lane, one.follows) for one in read_gaps(store)] == [(lane, floor_of_epoch(2))]


def test_the_function_stands_before_a_gap_whatever_the_event_source_tries_and_goes_on_as_the_consumer(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that the event source never delivers: it retries and bisects, and nothing behind is done."""
    in_its_environment(stage, monkeypatch)
    shop, lane = stage.shop, lane_of(f"{stage.shop.prefix}purchases", (1, 1), LANES)
    first, _, third, fourth = packs(shop, CHANGES[:4])
    stage.put([first, third, fourth, marker(shop.keymap, lane, 1, CHANGES[3].version)])
    ((shard, held),) = read_stream(stage.kinesis, stage.stream).items()

    def invoke(event: Mapping[str, Any]) -> Any:
        try:
            return apply_stream.handle(dict(event), None)
        except Gap as gap:
            raise FunctionError("Gap", str(gap)) from gap

    def mend(_outcome: str) -> None:
        if source.outcomes.count("Gap") == 6:
            assert (quantity(shop), stage.seen(1)) == ("2", set())
            assert [one.follows for one in read_gaps(stage.store)] == [CHANGES[1].version]
            for table in ("shop.orders", "shop.purchase"):
                begin_reload(stage.store, Reload(table, floor_of_epoch(2), "asked for", "a gap"))

    source = EventSource(invoke, stage.stream, 10, mend)
    try:
        source.deliver(shard, held)
    finally:
        apply_stream.applier.cache_clear()
    assert source.outcomes[:2] == ["part", "Gap"], source.outcomes
    assert set(source.outcomes[7:]) == {"done"}
    assert (quantity(shop), stage.seen(1), read_gaps(stage.store)) == ("5", {lane}, [])
