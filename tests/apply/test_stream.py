"""What a batch may hold, what is refused, and what is acknowledged."""

import gzip
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from keymap.change import Change
from keymap.lanes import lane_of
from keymap.wire import PACK_BYTES_MAX, WireError, encode_change, encode_pack
from keyshift.apply.refusals import Foreign, GateClosed, OtherStream, Poison, ReplayClosed
from keyshift.apply.result import BatchResult
from keyshift.apply.stream import StreamApplier
from keyshift.aws.stream import StreamRecord
from keyshift.control.migration import FormerDigest
from keyshift.control.phase import Phase
from tests.apply.conftest import Shop, fake_shop
from tests.apply.history import LANES, header_for, marker, migration_for, pack, packed, records
from tests.apply.keymaps import change, order, purchase
from tests.apply.test_convergence import Gate

FIRST = [change("orders", None, order(n, n % 3), n) for n in range(1, 9)]
CHANGED = [change("orders", order(n, n % 3), order(n, n % 3, 2), 100 + n) for n in range(1, 9)]
SKY_HIGH = order(1, 1, status="x" * 450_000)


def applier(shop: Shop, gate: Gate | None = None) -> StreamApplier:
    return StreamApplier(shop.writer(), shop.keymap, migration_for(shop.keymap), gate or Gate())


def lane_pack(shop: Shop, one: Change) -> bytes:
    """A pack of its own for a change that stays in one lane."""
    (lane,) = shop.keymap.lanes(one.table, one.before, one.after, LANES)
    return pack(shop.keymap, lane, [one])


def handled(shop: Shop, *packs: bytes, gate: Gate | None = None) -> BatchResult:
    return applier(shop, gate).handle(records(packs))


def failed_at(result: BatchResult, batch: Sequence[StreamRecord]) -> int:
    return [record.sequence_number for record in batch].index(result.failed_sequence or "")


def test_an_empty_batch_is_done() -> None:
    assert handled(fake_shop()) == BatchResult()


def test_a_batch_is_applied_and_counted_by_operation() -> None:
    shop = fake_shop()
    changes = [*FIRST, *CHANGED[:3], change("orders", order(8, 2), None, 200)]
    result = handled(shop, *packed(shop.keymap, changes, random.Random(1)))
    assert result.operations == {"c": 8, "u": 3, "d": 1}
    assert (result.applied, result.set, result.removed, result.stale) == (12, 7, 1, 0)
    assert (result.failed_sequence, result.error) == (None, None)
    assert (result.newest_version, result.newest_ms) == (changes[-1].version, changes[-1].source.ts_ms)
    assert len(shop.visible("app")) == 7


def test_before_replay_is_open_nothing_is_written_and_no_marker_recorded() -> None:
    shop, gate = fake_shop(), Gate(Phase.LOAD)
    with pytest.raises(ReplayClosed, match="bulkload load"):
        handled(shop, lane_pack(shop, FIRST[0]), marker(shop.keymap, 0, 1), gate=gate)
    assert shop.items("app") == []
    assert not gate.seen_lanes


def test_a_marker_is_recorded_after_what_precedes_it_is_written() -> None:
    shop = fake_shop()

    class Looking(Gate):
        def seen(self, number: int, lane: int) -> None:
            super().seen(number, lane)
            assert len(shop.items("app")) == 1

    gate = Looking()
    assert handled(shop, lane_pack(shop, FIRST[0]), marker(shop.keymap, 2, 7), gate=gate).markers == 1
    assert gate.seen_lanes == {(7, 2)}


def test_past_the_gate_only_markers_are_written() -> None:
    """What was applied before and is delivered again passes, so that the second marker behind it is answered."""
    shop, gate = fake_shop(), Gate()
    batch = [*packed(shop.keymap, FIRST, random.Random(1)), *(marker(shop.keymap, lane, 2) for lane in range(LANES))]
    handled(shop, *batch, gate=gate)
    before = shop.items("app")
    gate.open, gate.seen_lanes = Phase.CLOSED, set()
    shop.dynamodb.before_call = lambda: pytest.fail("a write past the gate")
    result = handled(shop, *batch, gate=gate)
    assert result.failed_sequence is None
    assert (result.set, result.removed, result.stale) == (0, 0, 8)
    assert {(2, lane) for lane in range(LANES)} <= gate.seen_lanes
    assert shop.items("app") == before


def test_past_the_gate_a_change_that_is_not_applied_stays_on_the_stream() -> None:
    """So no marker behind it says that all is applied, and an aborted cutover has lost nothing."""
    shop, gate = fake_shop(), Gate(Phase.CLOSED)
    batch = [marker(shop.keymap, 0, 1), lane_pack(shop, FIRST[0]), marker(shop.keymap, 0, 2)]
    result = handled(shop, *batch, gate=gate)
    assert isinstance(result.error, GateClosed)
    assert failed_at(result, records(batch)) == 1
    assert gate.seen_lanes == {(1, 0)}
    assert shop.items("app") == []
    gate.open = Phase.REPLAY
    assert handled(shop, *batch, gate=gate).set == 1


def test_of_a_change_that_moves_between_lanes_each_lane_applies_its_half() -> None:
    shop = fake_shop()
    moved = change("orders", order(1, 1), order(1, 2), 50)
    old, new = (lane_of(patch.table, patch.key, LANES) for patch in shop.keymap.patches(moved))
    assert old != new
    handled(shop, pack(shop.keymap, new, [moved]))
    assert [item["pk"] for item in shop.items("app")] == [{"S": "CUSTOMER#2"}]
    result = handled(shop, pack(shop.keymap, old, [moved]))
    assert (result.set, result.removed) == (0, 1)
    assert len(shop.visible("app")) == 1


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"migration": "shop.ffffffff"}, "of migration shop.ffffffff, and this is shop.0000000a"),
        ({"digest": "feed"}, "made with keymap feed"),
        ({"lane": LANES}, f"of lane {LANES}, and the migration has {LANES} lanes"),
    ],
)
def test_another_migrations_or_keymaps_records_are_refused(other: dict[str, Any], told: str) -> None:
    shop = fake_shop()
    header = replace(header_for(shop.keymap, 0, count=1), **other)
    bad = encode_pack(header, [encode_change(FIRST[1])])
    batch = [lane_pack(shop, FIRST[0]), bad, lane_pack(shop, FIRST[2])]
    result = handled(shop, *batch)
    assert isinstance(result.error, OtherStream)
    assert told in str(result.error)
    assert result.error.remedy
    assert failed_at(result, records(batch)) == 1
    assert len(shop.items("app")) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a pack",
        gzip.compress(b'{"keyshift": 2}\n{}'),
        gzip.compress(b'{"something": "else"}'),
        gzip.compress(b'{"keyshift": 1}'),
    ],
    ids=["empty", "no gzip", "another format", "another's record", "a header without fields"],
)
def test_what_is_no_record_of_this_format_is_refused_with_the_remedy(data: bytes) -> None:
    shop = fake_shop()
    result = handled(shop, lane_pack(shop, FIRST[0]), data)
    assert isinstance(result.error, WireError)
    assert result.error.remedy
    assert result.failed_sequence == "49001"
    assert result.records == 1


def test_a_damaged_record_is_refused_wherever_it_is_damaged() -> None:
    shop = fake_shop()
    good = pack(shop.keymap, 0, FIRST)
    chance = random.Random(5)
    for _ in range(200):
        at = chance.randrange(len(good))
        bad = good[:at] + bytes([good[at] ^ (1 << chance.randrange(8))]) + good[at + 1 :]
        result = handled(shop, bad)
        if result.error is None:  # a byte of gzip's own header that says nothing, such as its time
            assert result.applied == len(FIRST)
        else:
            assert isinstance(result.error, WireError)


def test_without_a_place_for_it_a_row_that_cannot_be_mapped_stops_the_batch_there_and_names_the_place() -> None:
    shop = fake_shop()
    bad = change("orders", None, {**order(5, 1), "id": None}, 77)
    batch = [lane_pack(shop, FIRST[0]), pack(shop.keymap, 1, [FIRST[1], bad]), marker(shop.keymap, 1, 1)]
    gate = Gate()
    result = handled(shop, *batch, gate=gate)
    assert isinstance(result.error, Poison)
    assert "binlog.000001:77, row 0" in str(result.error)
    assert "shop.orders" in str(result.error)
    assert failed_at(result, records(batch)) == 1
    assert result.records == 1
    assert not gate.seen_lanes


def test_without_a_place_for_it_an_item_too_large_stops_its_lane_and_what_came_before_stays_done() -> None:
    shop, gate = fake_shop(), Gate()
    big = change("orders", None, SKY_HIGH, 60)
    (lane,) = shop.keymap.lanes(big.table, big.before, big.after, LANES)
    others = [one for one in range(LANES) if one != lane]
    batch = [
        marker(shop.keymap, others[0], 1),
        marker(shop.keymap, lane, 1),
        pack(shop.keymap, lane, [big]),
        marker(shop.keymap, lane, 2),
    ]
    result = handled(shop, *batch, gate=gate)
    assert isinstance(result.error, Poison)
    assert "Exclude or shorten" in result.error.remedy
    assert "xxx" not in str(result.error)
    assert failed_at(result, records(batch)) == 2
    assert gate.seen_lanes == {(1, others[0]), (1, lane)}


def test_without_a_place_for_it_a_foreign_item_fails_the_first_record_that_wants_it() -> None:
    """Both changes of the item are folded into one write; the older one's record is the first that is not done."""
    shop = fake_shop()
    shop.dynamodb.put_item(TableName="app", Item={"pk": {"S": "CUSTOMER#1"}, "sk": {"S": "ORDER#0001"}})
    batch = [
        lane_pack(shop, FIRST[1]),
        lane_pack(shop, FIRST[0]),
        lane_pack(shop, FIRST[2]),
        lane_pack(shop, CHANGED[0]),
    ]
    result = handled(shop, *batch)
    assert isinstance(result.error, Foreign)
    assert failed_at(result, records(batch)) == 1
    assert result.records == result.applied == 1


def test_a_full_pack_of_one_item_is_one_write() -> None:
    shop, calls = fake_shop(), []
    shop.dynamodb.before_call = lambda: calls.append(1)
    changes = [change("purchase", purchase(1, 1, 1, n), purchase(1, 1, 1, n + 1), n + 1) for n in range(2000)]
    lane = lane_of("purchases", (1, 1), LANES)
    data = pack(shop.keymap, lane, changes)
    assert len(data) < PACK_BYTES_MAX
    result = handled(shop, data)
    assert result.applied == 2000
    assert len(calls) == 1
    assert shop.visible("purchases")[0]["productid1"] == {"N": "2000"}


def test_of_a_former_keymap_what_it_made_of_tables_that_changed_is_dropped_and_the_rest_applied() -> None:
    shop = fake_shop()
    changes = [FIRST[0], change("purchase", None, purchase(1, 1, 1), 50)]
    lanes = {shop.keymap.lanes(one.table, one.before, one.after, LANES)[0]: one for one in changes}
    packs = [pack(shop.keymap, lane, [one], digest="before") for lane, one in lanes.items()]
    migration = replace(migration_for(shop.keymap), former=(FormerDigest("before", ("shop.orders",)),))
    gate = Gate()
    found = StreamApplier(shop.writer(), shop.keymap, migration, gate)
    result = found.handle(records([*packs, marker(shop.keymap, 0, 7)]))
    assert (result.records, result.error, result.operations) == (3, None, {"c": 1})
    assert (shop.visible("app"), len(shop.visible("purchases"))) == ([], 1)
    assert gate.seen_lanes == {(7, 0)}
    unknown = found.handle(records([pack(shop.keymap, 0, FIRST[:1], digest="unknown")]))
    assert isinstance(unknown.error, OtherStream)
