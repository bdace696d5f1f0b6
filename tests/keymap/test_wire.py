"""A pack gives back what was put in, is read with common tools, and anything else is one clear refusal."""

import json
import subprocess
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymap.change import Change, Source
from keymap.claims import Claim, ClaimError, claim_of, packed, pointer
from keymap.values import Json
from keymap.wire import (
    CLAIM_FORMAT,
    Header,
    WireError,
    decode_gtids,
    decode_header,
    decode_pack,
    encode_change,
    encode_pack,
)

VALUES = st.one_of(
    st.none(),
    st.text(),
    st.integers(-(10**40), 10**40),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.binary(max_size=20),
    st.just(Json('{"a":1.5}')),
    st.lists(st.text(), max_size=3).map(tuple),
)
ROWS = st.dictionaries(st.text(), VALUES, max_size=4)
SOURCES = st.builds(
    Source, st.text(), st.integers(0, 2**40), st.integers(0, 9), st.text(), st.text(), st.integers(0, 2**41)
)
CHANGES = st.builds(
    Change, st.sampled_from("cudr"), st.just("shop.orders"), st.none() | ROWS, st.none() | ROWS, st.text(), SOURCES
)


def header(count: int, **other: object) -> Header:
    fields = {
        "migration": "shop.1",
        "digest": "d",
        "epoch": 1,
        "lane": 3,
        "kind": "changes",
        "follows": "",
        "last": "v",
        "barrier": 0,
    }
    return Header(**{**fields, **other}, count=count)  # type: ignore[arg-type]


@given(st.lists(CHANGES, max_size=4))
def test_a_pack_gives_back_what_was_put_in(changes: list[Change]) -> None:
    data = encode_pack(header(len(changes)), list(map(encode_change, changes)))
    assert decode_pack(data) == (header(len(changes)), changes)
    assert decode_gtids(data) == {change.source.gtid for change in changes}
    assert decode_header(data) == header(len(changes))


def test_common_tools_read_a_pack() -> None:
    change = Change(
        "c", "shop.orders", None, {"id": 1, "total": Decimal("1.50")}, "v", Source("b.1", 4, 0, "g", "u", 9)
    )
    data = encode_pack(header(1), [encode_change(change)])
    first, second = subprocess.run(["gunzip"], input=data, capture_output=True, check=True).stdout.splitlines()
    assert json.loads(first)["lane"] == 3
    record = json.loads(second)
    assert (record["op"], record["source"]["table"], record["after"]) == (
        "c",
        "orders",
        {"id": 1, "total": {"N": "1.50"}},
    )


GOOD = encode_pack(header(0), [])


@given(st.binary(max_size=50) | st.integers(0, len(GOOD) - 1).map(lambda end: GOOD[:end]))
def test_foreign_or_damaged_data_is_refused_and_never_half_read(data: bytes) -> None:
    with pytest.raises(WireError):
        decode_pack(data)


def test_another_format_is_refused_with_the_remedy() -> None:
    import gzip

    later = gzip.compress(gzip.decompress(GOOD).replace(b'"keyshift":1', b'"keyshift":3'))
    with pytest.raises(WireError, match="another format"):
        decode_pack(later)


def test_a_pack_that_lost_a_change_is_refused() -> None:
    with pytest.raises(WireError, match="says 2 changes and holds 0"):
        decode_pack(encode_pack(header(2), []))


def claimed(change: Change) -> tuple[bytes, Claim, bytes]:
    """The record, the pointer in it, and the object that it points to."""
    line = encode_change(change)
    claim = claim_of(line, change.version, "keyshift/shop.1/claims")
    return encode_pack(header(1), [pointer(line, claim)], CLAIM_FORMAT), claim, packed(line)


@given(CHANGES)
def test_a_change_that_lies_in_s3_is_the_change_that_was_put_there(change: Change) -> None:
    data, claim, stored = claimed(change)
    assert decode_pack(data, {claim: stored}.__getitem__) == (header(1), [change])
    assert decode_header(data) == header(1)
    assert decode_gtids(data) == {change.source.gtid}, "without the bucket"


@given(CHANGES)
def test_the_pointer_keeps_all_but_the_images(change: Change) -> None:
    """And stays readable with jq, whatever the row holds."""
    line = encode_change(change)
    claim = claim_of(line, change.version, "keyshift/shop.1/claims")
    shown, whole = json.loads(pointer(line, claim)), json.loads(line)
    assert shown.pop("claim") == {"object": claim.object, "sha256": claim.sha256, "bytes": len(line)}
    assert shown == {name: value for name, value in whole.items() if name not in {"before", "after"}}


BIG = Change(
    "u", "shop.orders", {"source": '"source":{'}, {"before": ',"before":'}, "v", Source("b.1", 4, 0, "g", "u", 9)
)


def test_common_tools_read_the_object() -> None:
    _, claim, stored = claimed(BIG)
    line = subprocess.run(["gunzip"], input=stored, capture_output=True, check=True).stdout
    assert json.loads(line)["after"] == BIG.after
    told = subprocess.run(["sha256sum"], input=line, capture_output=True, check=True).stdout.split()[0].decode()
    assert told == claim.sha256


STORED = claimed(BIG)[2]


@given(
    st.binary(max_size=50)
    | st.integers(0, len(STORED) - 9).map(lambda end: STORED[:end])
    | st.tuples(st.integers(10, len(STORED) - 9), st.integers(0, 7)).map(
        lambda at: STORED[: at[0]] + bytes([STORED[at[0]] ^ (1 << at[1])]) + STORED[at[0] + 1 :]
    )
)
def test_a_damaged_object_is_refused_unless_the_whole_change_can_still_be_read(stored: bytes) -> None:
    """It can where the object is cut within its last bytes, which hold nothing of the change."""
    data, claim, _ = claimed(BIG)
    found: object = None
    try:
        found = decode_pack(data, lambda _: stored)[1]
    except ClaimError as error:
        found = error
    if isinstance(found, ClaimError):
        assert claim.object in found.message
        assert "Put the object back" in found.remedy
    else:
        assert found == [BIG]


def test_an_object_that_unpacks_to_more_than_was_said_is_not_unpacked() -> None:
    data, _, _ = claimed(BIG)
    with pytest.raises(ClaimError):
        decode_pack(data, lambda _: packed(b"x" * 100_000_000))


def test_the_same_change_has_the_same_object_whoever_puts_it() -> None:
    assert claimed(BIG) == claimed(BIG)


def test_a_reader_without_the_bucket_is_told_where_the_change_lies() -> None:
    with pytest.raises(ClaimError, match=r"a change lies in the object keyshift/shop\.1/claims/v-"):
        decode_pack(claimed(BIG)[0])


def test_a_consumer_from_before_refuses_a_pointer_by_its_format() -> None:
    import gzip

    assert json.loads(gzip.decompress(claimed(BIG)[0]).split(b"\n")[0])["keyshift"] == CLAIM_FORMAT
    assert json.loads(gzip.decompress(GOOD).split(b"\n")[0])["keyshift"] == 1
