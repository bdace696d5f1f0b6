"""A pack gives back what was put in, is read with common tools, and anything else is one clear refusal."""

import json
import subprocess
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymap.change import Change, Source
from keymap.values import Json
from keymap.wire import Header, WireError, decode_header, decode_pack, encode_change, encode_pack

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

    later = gzip.compress(gzip.decompress(GOOD).replace(b'"keyshift":1', b'"keyshift":2'))
    with pytest.raises(WireError, match="another format"):
        decode_pack(later)


def test_a_pack_that_lost_a_change_is_refused() -> None:
    with pytest.raises(WireError, match="says 2 changes and holds 0"):
        decode_pack(encode_pack(header(2), []))
