"""What can never be applied is set aside, and neither what follows it nor anybody's sleep is the worse for it."""

import gzip
import json
from collections.abc import Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError

from keymap.change import Change
from keymap.wire import encode_change
from keyshift.apply.refusals import GateClosed
from keyshift.apply.result import BatchResult
from keyshift.apply.setaside import TooManySetAside
from keyshift.aws.retry import RetriesExhausted
from keyshift.control.phase import Phase
from keyshift.control.setasides import Kind, State, read_open, resolve
from tests.apply.aside import Bucket, Kept
from tests.apply.conftest import fake_shop
from tests.apply.history import LANES, marker, pack, records
from tests.apply.keymaps import change, order, purchase
from tests.apply.test_convergence import Killed
from tests.apply.test_stream import CHANGED, FIRST, SKY_HIGH, failed_at, lane_pack
from tests.control.memory import Memory

UNMAPPABLE = change("orders", None, {**order(1, 1), "id": None}, 60)
TOO_LARGE = change("orders", order(1, 1), SKY_HIGH, 61)
THEIRS = {"pk": {"S": "CUSTOMER#1"}, "sk": {"S": "ORDER#0001"}, "whose": {"S": "somebody's"}}


def lane_of_change(kept: Kept, one: Change) -> int:
    (lane,) = kept.shop.keymap.lanes(one.table, one.before, one.after, LANES)
    return lane


def packs_of(kept: Kept, changes: Sequence[Change]) -> list[bytes]:
    return [lane_pack(kept.shop, one) for one in changes]


def foreign(kept: Kept, *, there: bool = True) -> None:
    key = (("S", "CUSTOMER#1"), ("S", "ORDER#0001"))
    kept.shop.dynamodb.tables["app"].pop(key, None)
    if there:
        kept.shop.dynamodb.put_item(TableName="app", Item=THEIRS)


def test_what_cannot_be_mapped_is_kept_with_the_reason_and_its_record_is_done() -> None:
    kept = Kept(fake_shop())
    result = kept.handled(
        lane_pack(kept.shop, FIRST[0]), pack(kept.shop.keymap, 1, [UNMAPPABLE]), marker(kept.shop.keymap, 1, 7)
    )
    assert (result.records, result.error, result.failed_sequence) == (3, None, None)
    assert (result.operations, result.applied, result.set_aside) == ({"c": 1}, 1, 1)
    assert result.newest_version == FIRST[0].version
    assert kept.gate.seen_lanes == {(7, 1)}
    (one,) = kept.every
    assert (one.state, one.kind, one.lane, one.version) == (State.OPEN, Kind.UNMAPPABLE, 1, UNMAPPABLE.version)
    assert (one.source, one.place, one.digest) == ("shop.orders", "binlog.000001:60:0", kept.shop.keymap.digest)
    assert "cannot be mapped" in one.reason
    assert one.remedy
    assert gzip.decompress(kept.bucket[one.claim.object]) == encode_change(UNMAPPABLE)
    assert one.claim.object.startswith(f"keyshift/{kept.migration.id}/setaside/{UNMAPPABLE.version}-1-1-")


def test_an_item_too_large_is_set_aside_and_later_changes_of_it_pass() -> None:
    kept, later = Kept(fake_shop()), change("orders", SKY_HIGH, order(1, 1, 3), 62)
    result = kept.handled(*packs_of(kept, [FIRST[0], TOO_LARGE, FIRST[1]]))
    assert (result.records, result.error, result.set_aside) == (3, None, 2)  # folding left the older one unwritten
    assert [one.kind for one in kept.every] == [Kind.UNWRITABLE] * 2
    assert all("xxx" not in one.reason and one.target == "app" and len(one.key) == 12 for one in kept.every)
    assert len(kept.shop.visible("app")) == 1
    assert kept.handled(lane_pack(kept.shop, later)).set == 1
    assert {"N": "3"} in [item.get("total") for item in kept.shop.visible("app")]


def test_what_was_superseded_is_stale_and_not_set_aside() -> None:
    kept, later = Kept(fake_shop()), change("orders", SKY_HIGH, order(1, 1, 3), 62)
    kept.handled(lane_pack(kept.shop, later))
    result = kept.handled(lane_pack(kept.shop, TOO_LARGE))
    assert (result.set_aside, result.stale, result.operations, kept.every) == (0, 1, {"u": 1}, [])


def test_a_foreign_item_stays_and_every_change_of_it_is_set_aside() -> None:
    kept = Kept(fake_shop())
    foreign(kept)
    result = kept.handled(*packs_of(kept, [FIRST[1], FIRST[0], FIRST[2], CHANGED[0]]))
    assert (result.records, result.applied, result.set_aside, result.error) == (4, 2, 2, None)
    assert [(one.version, one.kind) for one in kept.every] == [
        (FIRST[0].version, Kind.FOREIGN),
        (CHANGED[0].version, Kind.FOREIGN),
    ]
    assert THEIRS in kept.shop.items("app")


def test_one_slot_that_cannot_be_written_takes_no_other_of_its_item_along() -> None:
    kept = Kept(fake_shop())
    long = "9" * 450_000
    rows = [purchase(1, 1, product) for product in (1, 2, 3)]
    rows[1]["quantity"] = long  # type: ignore[index]
    changes = [change("purchase", None, row, at) for at, row in enumerate(rows, 1)]
    lane = lane_of_change(kept, changes[0])
    result = kept.handled(pack(kept.shop.keymap, lane, changes))
    assert (result.applied, result.set_aside) == (2, 1)
    assert [one.version for one in kept.every] == [changes[1].version]
    assert kept.shop.visible("purchases")[0].keys() == {"customerid", "orderid", "productid1", "productid3"}


def test_delivered_again_it_is_set_aside_once() -> None:
    kept = Kept(fake_shop())
    batch = packs_of(kept, [FIRST[0], TOO_LARGE])
    for _ in range(3):
        assert kept.handled(*batch).set_aside >= 1
    assert [one.attempt for one in kept.every] == [1] * len(kept.every)
    assert len(kept.bucket) == len(kept.every)


@pytest.mark.parametrize(
    ("state", "open_again"),
    [(State.REDRIVEN, True), (State.STALE, True), (State.VOID, False), (State.DISCARDED, False)],
)
def test_what_is_over_and_met_again_is_open_only_where_it_had_been_written(state: State, open_again: bool) -> None:
    """Somebody took away what had been redriven, or the foreign item is back."""
    kept = Kept(fake_shop())
    foreign(kept)
    batch = packs_of(kept, [FIRST[0]])
    kept.handled(*batch)
    (one,) = kept.every
    resolve(kept.store, one, state)
    kept.bucket.clear()
    assert kept.handled(*batch).set_aside == 1
    (found,) = kept.every
    assert (found.is_open, found.attempt) == ((True, 2) if open_again else (False, 1))
    assert len(kept.bucket) == open_again


def test_what_is_over_and_was_written_passes() -> None:
    kept = Kept(fake_shop())
    foreign(kept)
    batch = packs_of(kept, [FIRST[0]])
    kept.handled(*batch)
    foreign(kept, there=False)
    assert kept.redrive() == ["redriven"]
    result = kept.handled(*batch)
    assert (result.set_aside, result.stale, kept.states, kept.bucket) == (0, 1, ["redriven"], {})


def test_killed_before_any_call_and_delivered_again_it_ends_the_same() -> None:
    def batch(kept: Kept) -> list[bytes]:
        foreign(kept)
        lane = lane_of_change(kept, TOO_LARGE)
        return [pack(kept.shop.keymap, lane, [FIRST[0], TOO_LARGE, UNMAPPABLE]), marker(kept.shop.keymap, lane, 1)]

    calm = Kept(fake_shop())
    calm.handled(*batch(calm))
    at, died = 0, True
    while died:
        at += 1
        kept = Kept(fake_shop())
        packs = batch(kept)
        fuse = Fuse(kept, at)
        try:
            kept.handled(*packs)
        except Killed:
            assert not kept.gate.seen_lanes
        else:
            died = False
        fuse.at = None
        assert kept.handled(*packs).error is None
        assert (kept.every, kept.bucket, kept.gate) == (calm.every, calm.bucket, calm.gate)
        assert kept.shop.items("app") == calm.shop.items("app")
    assert at > 10


class Fuse:
    """The process dies before the call `at`, to the control table, the bucket or the targets."""

    def __init__(self, kept: Kept, at: int | None) -> None:
        self.at, self.calls = at, 0
        for holder, names in (
            (kept.client, ("get_item", "query", "update_item", "transact_write_items")),
            (kept.bucket, ("keep", "get", "delete")),
            (kept.shop.dynamodb, ("put_item", "update_item", "batch_get_item")),
        ):
            for name in names:
                setattr(holder, name, self.before(getattr(holder, name)))

    def before(self, call: Any) -> Any:
        def mortal(*arguments: Any, **named: Any) -> Any:
            self.calls += 1
            if self.at is not None and self.calls >= self.at:
                raise Killed
            return call(*arguments, **named)

        return mortal


def test_as_long_as_it_cannot_be_kept_its_record_is_not_done() -> None:
    class Full(Bucket):
        def keep(self, name: str, data: bytes) -> None:
            raise RetriesExhausted(f"{name}: {len(data)} bytes are not taken")

    kept = Kept(fake_shop(), bucket=Full())
    batch = [lane_pack(kept.shop, FIRST[1]), pack(kept.shop.keymap, 1, [UNMAPPABLE]), marker(kept.shop.keymap, 1, 1)]
    result = kept.handled(*batch)
    assert result.error
    assert (failed_at(result, records(batch)), result.records, result.set_aside) == (1, 1, 0)
    assert (kept.every, kept.gate.seen_lanes) == ([], set())


def test_with_too_many_the_next_one_stops_its_lane_as_an_error_does_until_one_is_over() -> None:
    kept = Kept(fake_shop(), most=2)
    bad = [change("orders", None, {**order(1, 1), "id": None}, at) for at in range(1, 5)]
    batch = [pack(kept.shop.keymap, 1, [one]) for one in bad]
    result = kept.handled(*batch)
    assert isinstance(result.error, TooManySetAside)
    assert "apply.set_aside_max" in str(result.error)
    assert (failed_at(result, records(batch)), result.set_aside) == (2, 2)
    resolve(kept.store, kept.every[0], State.DISCARDED, note="a test row")
    assert kept.handled(*batch[2:]).set_aside == 1
    assert isinstance(Kept(fake_shop(), most=0).handled(*batch).error, TooManySetAside)


def test_a_record_that_may_be_applied_later_waits_whatever_else_is_in_it() -> None:
    kept = Kept(fake_shop())

    def refuse() -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "not now"}}, "PutItem")

    kept.shop.dynamodb.before_call = refuse
    lane = lane_of_change(kept, FIRST[1])
    result = kept.handled(pack(kept.shop.keymap, lane, [UNMAPPABLE, FIRST[1]]))
    assert (result.records, kept.every) == (0, [])
    assert "AccessDenied" in str(result.error)


def test_a_partition_that_is_full_refuses_its_item_for_good() -> None:
    """With local indexes it holds 10 GB. The endpoints of the tests have no such limit: AWS's documents tell of it."""
    kept, calls = Kept(fake_shop()), iter(range(9))

    def refuse_the_first() -> None:
        if next(calls) == 0:
            error = {"Code": "ItemCollectionSizeLimitExceededException", "Message": "Collection size exceeded."}
            raise ClientError({"Error": error}, "PutItem")

    kept.shop.dynamodb.before_call = refuse_the_first
    result = kept.handled(*packs_of(kept, FIRST[:2]))
    assert (result.error, result.applied, result.set_aside) == (None, 1, 1)
    (one,) = kept.every
    assert (one.kind, "10 GB" in one.reason) == (Kind.UNWRITABLE, True)


def closed(kept: Kept, *packs: bytes) -> BatchResult:
    kept.gate.open = Phase.CLOSED
    kept.shop.dynamodb.before_call = lambda: pytest.fail("a write past the gate")
    return kept.handled(*packs)


def test_past_the_gate_what_is_known_passes_and_what_is_new_stays_on_the_stream() -> None:
    kept, lane = Kept(fake_shop()), 1
    foreign(kept)
    batch = [*packs_of(kept, FIRST), pack(kept.shop.keymap, lane, [UNMAPPABLE])]
    kept.handled(*batch)
    resolve(kept.store, kept.every[0], State.DISCARDED, note="it is theirs")
    before = kept.every
    result = closed(kept, *batch, marker(kept.shop.keymap, lane, 2))
    assert (result.error, result.set_aside, result.stale) == (None, 2, 7)
    assert (2, lane) in kept.gate.seen_lanes
    new = change("orders", None, {**order(1, 1), "id": None}, 90)
    result = closed(kept, pack(kept.shop.keymap, lane, [new]), marker(kept.shop.keymap, lane, 3))
    assert isinstance(result.error, GateClosed)
    assert (3, lane) not in kept.gate.seen_lanes
    result = closed(kept, lane_pack(kept.shop, CHANGED[0]))
    assert isinstance(result.error, GateClosed)
    assert kept.every == before


def test_a_lost_answer_of_the_control_table_sets_nothing_aside_twice() -> None:
    class Losing(Memory):
        lost = 0

        def update_item(self, **request: Any) -> dict[str, Any]:
            super().update_item(**request)
            if "setaside#" in request["Key"]["item"]["S"] and not self.lost:
                self.lost += 1  # the SDK sends it again, and is told that the condition failed
                return super().update_item(**request)
            return {}

    kept = Kept(fake_shop(), client=Losing())
    result = kept.handled(pack(kept.shop.keymap, 1, [UNMAPPABLE]))
    assert (result.error, kept.client.lost, len(read_open(kept.store))) == (None, 1, 1)


def test_the_line_that_is_kept_reads_with_common_tools() -> None:
    kept = Kept(fake_shop())
    kept.handled(pack(kept.shop.keymap, 1, [UNMAPPABLE]))
    (data,) = kept.bucket.values()
    record = json.loads(gzip.decompress(data))
    assert (record["op"], record["source"]["table"], record["after"]["id"]) == ("c", "orders", None)
