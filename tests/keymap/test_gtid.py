"""GTID sets contain what was added, however it was written, and positions contain by set before they do by offset."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymap.gtid import GtidSet
from keymap.position import Position, file_number

A, B = "3e11fa47-71ca-11e1-9e33-c80aa9429562", "4e11fa47-71ca-11e1-9e33-c80aa9429562"
GTIDS = st.lists(st.tuples(st.sampled_from([A, B, f"{A}:tag"]), st.integers(1, 30)), max_size=40)


def build(pairs: list[tuple[str, int]]) -> GtidSet:
    found = GtidSet()
    for source, number in pairs:
        found.add(f"{source}:{number}")
    return found


@given(GTIDS, GTIDS)
def test_containment_is_that_of_sets(one: list[tuple[str, int]], other: list[tuple[str, int]]) -> None:
    assert build(one).contains(build(other)) == (set(one) >= set(other))


@given(GTIDS, GTIDS)
def test_union_and_difference_are_those_of_sets(one: list[tuple[str, int]], other: list[tuple[str, int]]) -> None:
    assert build(one).union(build(other)) == build(one + other)
    assert build(one).minus(build(other)) == build(sorted(set(one) - set(other)))
    assert bool(build(one).minus(build(other))) == (not build(other).contains(build(one)))


@given(GTIDS)
def test_text_round_trips_and_does_not_depend_on_order(pairs: list[tuple[str, int]]) -> None:
    assert GtidSet(str(build(pairs))) == build(pairs) == build(pairs[::-1])
    assert str(build(pairs)) == str(build(sorted(set(pairs))))


def test_mysqls_own_text_is_read() -> None:
    text = f"{A}:1-5:7:10-12,\n{B}:1:tag:1-3"
    assert str(GtidSet(text)) == f"{A}:1-5:7:10-12,{B}:1,{B}:tag:1-3"


@pytest.mark.parametrize(
    "text",
    [
        *("hello", A, f"{A}:x-", f"{A}:1-b", "0-1-2", "a-b-c-d-e:1", f"{A}0:1", f"{A}:0", f"{A}:0-5", f"{A}:7-5"),
        *(f"{A}:{1 << 63}", f"{A}:Tag!:1", f"{A}:{'a' * 33}:1", f"{A}:tag:-1"),
    ],
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a GTID set"):
        GtidSet(text)


def test_only_what_is_no_gtid_is_refused_when_it_is_added() -> None:
    found = GtidSet(f"{A}:1-5")
    for text in (f"{A}:", f"{A}:six", "6", f"{A[:-1]}:6", f"{A}:-6"):
        with pytest.raises(ValueError, match="not a GTID set"):
            found.add(text)
    for text in (f"{A}:6", f"{A.upper()}:7", f"{A}:Tag:1", f"{A}:tag:2"):
        found.add(text)
    assert str(found) == f"{A}:1-7,{A}:tag:1-2"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "0000000000000000"),
        (f"{A}:1-5:7", f"0100000000000000 {A} 0200000000000000 {1:x}-{6:x} {7:x}-{8:x}"),
        (f"{B}:9,{A}:1", f"0200000000000000 {A} 0100000000000000 1-2 {B} 0100000000000000 9-a"),
        (f"{A}:1:tag:3-4", f"0102000000000001 {A} 00 0100000000000000 1-2 {A} 06746167 0100000000000000 3-5"),
        (f"{B}:2,{A}:b:1", f"0102000000000001 {A} 0262 0100000000000000 1-2 {B} 00 0100000000000000 2-3"),
    ],
)
def test_the_binary_form_is_mysqls(text: str, expected: str) -> None:
    """Ends are not contained; as soon as one source has a tag, each has one (Gtid_set::encode)."""
    assert GtidSet(text).encoded() == b"".join(_bytes(part) for part in expected.split())


def _bytes(part: str) -> bytes:
    if part.count("-") == 1:
        return struct.pack("<QQ", *(int(number, 16) for number in part.split("-")))
    return bytes.fromhex(part.replace("-", ""))


def test_a_position_with_gtids_contains_by_set_and_not_by_offset() -> None:
    ahead = Position("binlog.000002", 4, f"{A}:1-5")
    behind = Position("binlog.000001", 900, f"{A}:1-6")
    assert not ahead.contains(behind)
    assert behind.contains(ahead)


def test_a_position_without_gtids_contains_by_file_number_then_offset() -> None:
    assert Position("binlog.1000000", 4).contains(Position("binlog.999999", 900))
    assert Position("binlog.000002", 4).contains(Position("binlog.000002", 4))
    assert not Position("binlog.000002", 4).contains(Position("binlog.000002", 5))
    assert file_number("mysql-bin.log.000042") == 42


def test_a_files_fingerprint_says_nothing_of_where() -> None:
    assert Position("binlog.000001", 4, fingerprint="5-aa") == Position("binlog.000001", 4)
