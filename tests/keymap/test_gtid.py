"""GTID sets contain what was added, however it was written, and positions contain by set before they do by offset."""

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


@given(GTIDS)
def test_text_round_trips_and_does_not_depend_on_order(pairs: list[tuple[str, int]]) -> None:
    assert GtidSet(str(build(pairs))) == build(pairs) == build(pairs[::-1])
    assert str(build(pairs)) == str(build(sorted(set(pairs))))


def test_mysqls_own_text_is_read() -> None:
    text = f"{A}:1-5:7:10-12,\n{B}:1:tag:1-3"
    assert str(GtidSet(text)) == f"{A}:1-5:7:10-12,{B}:1,{B}:tag:1-3"


@pytest.mark.parametrize("text", ["hello", A, f"{A}:x-", f"{A}:1-b", "0-1-2"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a GTID set"):
        GtidSet(text)


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
