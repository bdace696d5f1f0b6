"""Changes that lie in S3 are applied like any other, or stay on the stream with what to do about it."""

from collections.abc import Callable

import pytest

from keymap.change import Change
from keymap.claims import Claim, ClaimError, claim_of, packed, pointer
from keymap.wire import CLAIM_FORMAT, encode_change, encode_pack
from keyshift.apply import packs
from keyshift.apply.refusals import GateClosed
from keyshift.apply.result import BatchResult
from keyshift.apply.stream import StreamApplier
from keyshift.control.phase import Phase
from tests.apply.conftest import Shop, fake_shop
from tests.apply.history import LANES, header_for, marker, migration_for, pack, records
from tests.apply.keymaps import change, order
from tests.apply.test_convergence import Gate

CHANGES = [change("orders", None, order(n, n % 3), n) for n in range(1, 9)]


class Bucket(dict[str, bytes]):
    """Objects by name, and how many bytes of lines were fetched."""

    fetched = 0
    before_fetch: Callable[[], None] = staticmethod(lambda: None)

    def fetch(self, claim: Claim) -> bytes:
        self.before_fetch()
        self.fetched += claim.bytes
        if claim.object not in self:
            raise ClaimError(f"{claim.object} is not there", "Put it back")
        return self[claim.object]

    def pack(self, shop: Shop, one: Change) -> bytes:
        """The record of a change that lies here."""
        (lane,) = shop.keymap.lanes(one.table, one.before, one.after, LANES)
        line = encode_change(one)
        claim = claim_of(line, one.version, "keyshift/shop.1/claims")
        self[claim.object] = packed(line)
        header = header_for(shop.keymap, lane, last=one.version, count=1)
        return encode_pack(header, [pointer(line, claim)], CLAIM_FORMAT)


def handled(shop: Shop, bucket: Bucket, *packs: bytes, gate: Gate | None = None) -> BatchResult:
    fetch, migration = bucket.fetch, migration_for(shop.keymap)
    return StreamApplier(shop.writer(), shop.keymap, migration, gate or Gate(), fetch).handle(records(packs))


def plain(shop: Shop, one: Change) -> bytes:
    (lane,) = shop.keymap.lanes(one.table, one.before, one.after, LANES)
    return pack(shop.keymap, lane, [one])


def test_they_are_applied_among_the_others_and_again_they_are_stale() -> None:
    shop, bucket = fake_shop(), Bucket()
    batch = [bucket.pack(shop, one) if n % 2 else plain(shop, one) for n, one in enumerate(CHANGES)]
    first, again = handled(shop, bucket, *batch), handled(shop, bucket, *batch)
    assert (first.operations, first.set, first.error) == ({"c": 8}, 8, None)
    assert (again.operations, again.set, again.stale) == ({"c": 8}, 0, 8)
    assert (first.newest_version, first.newest_ms) == (CHANGES[-1].version, CHANGES[-1].source.ts_ms)
    other = fake_shop()
    handled(other, bucket, *(plain(other, one) for one in CHANGES))
    assert shop.items("app") == other.items("app")


def test_a_missing_or_damaged_object_stops_the_batch_there_and_no_marker_behind_it_is_recorded() -> None:
    for damage in (Bucket.clear, lambda bucket: bucket.update(dict.fromkeys(bucket, b"something else"))):
        shop, bucket, gate = fake_shop(), Bucket(), Gate()
        batch = [plain(shop, CHANGES[0]), bucket.pack(shop, CHANGES[1]), *(marker(shop.keymap, n, 1) for n in range(4))]
        damage(bucket)
        result = handled(shop, bucket, *batch, gate=gate)
        assert isinstance(result.error, ClaimError)
        assert result.error.remedy
        assert (result.records, result.failed_sequence) == (1, records(batch)[1].sequence_number)
        assert len(shop.items("app")) == 1
        assert not gate.seen_lanes


def test_a_process_that_has_no_bucket_refuses_them() -> None:
    shop, bucket = fake_shop(), Bucket()
    batch = records([bucket.pack(shop, CHANGES[0])])
    result = StreamApplier(shop.writer(), shop.keymap, migration_for(shop.keymap), Gate()).handle(batch)
    assert isinstance(result.error, ClaimError)


def test_a_batch_of_large_changes_is_applied_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no more of them is in memory than one part may hold, and a few bytes for each that is done."""
    monkeypatch.setattr(packs, "FETCHED_BYTES_MAX", 500)
    shop, bucket, gate = fake_shop(), Bucket(), Gate()
    at_write: list[int] = []
    shop.dynamodb.before_call = lambda: at_write.append(bucket.fetched)
    batch = [bucket.pack(shop, one) for one in CHANGES] + [marker(shop.keymap, lane, 1) for lane in range(LANES)]
    result = handled(shop, bucket, *batch, gate=gate)
    assert (result.records, result.operations, result.set, result.markers) == (len(batch), {"c": 8}, 8, LANES)
    assert gate.seen_lanes == {(1, lane) for lane in range(LANES)}
    assert len(set(at_write)) > 3  # parts
    assert at_write[0] < 1000


def test_a_failure_in_a_later_part_names_the_first_record_that_is_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "FETCHED_BYTES_MAX", 1)
    shop, bucket = fake_shop(), Bucket()
    shop.dynamodb.put_item(TableName="app", Item={"pk": {"S": "CUSTOMER#0"}, "sk": {"S": "ORDER#0003"}})
    batch = [bucket.pack(shop, one) for one in CHANGES]
    result = handled(shop, bucket, *batch)
    assert result.error
    assert (result.records, result.applied, result.set) == (2, 2, 2)
    assert result.failed_sequence == records(batch)[2].sequence_number


def test_a_gate_that_closes_while_s3_takes_its_time_is_heeded() -> None:
    shop, bucket, gate = fake_shop(), Bucket(), Gate()
    bucket.before_fetch = lambda: setattr(gate, "open", Phase.CLOSED)
    result = handled(shop, bucket, bucket.pack(shop, CHANGES[0]), gate=gate)
    assert isinstance(result.error, GateClosed)
    assert shop.items("app") == []
