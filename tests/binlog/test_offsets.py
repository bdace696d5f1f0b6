"""Positions beyond 32 bits."""

from hypothesis import given
from hypothesis import strategies as st

from keyshift.binlog.offsets import Offsets
from keyshift.binlog.packets import Header

GIB = 1 << 30


@given(st.lists(st.integers(30, GIB), min_size=1, max_size=30), st.integers(4, 1 << 34))
def test_offsets_are_kept_beyond_32_bits(sizes: list[int], start: int) -> None:
    offsets, at = Offsets("binlog.000001", start), start
    for size in sizes:
        begin, at = at, at + size
        assert offsets.passed(Header(0, 2, 1, size, at % (1 << 32), 0)) == begin
        assert offsets.end == at


def test_an_event_that_lies_in_no_file_moves_nothing() -> None:
    offsets = Offsets("binlog.000001", 400)
    assert offsets.passed(Header(0, 15, 1, 100, 0, 0)) == 400
    assert offsets.end == 400


def test_what_a_gtid_set_contains_is_skipped_over() -> None:
    offsets = Offsets("binlog.000001", 4)
    assert offsets.passed(Header(0, 33, 1, 79, 100_079, 0)) == 100_000
    offsets.reached("binlog.000001", 200_000)
    assert offsets.end == 200_000
    offsets.reached("binlog.000001", 150_000)
    offsets.reached("binlog.000002", 300_000)
    assert offsets.end == 200_000, "a heartbeat about an earlier place, or another file, moves nothing"


def test_a_heartbeat_beyond_32_bits_says_the_same_as_its_lower_32() -> None:
    for position in (5 * GIB + 9, GIB + 9):
        offsets = Offsets("binlog.000001", 5 * GIB)
        offsets.reached("binlog.000001", position)
        assert offsets.end == 5 * GIB + 9


def test_a_resumed_position_beyond_four_gib_is_taken_up_again() -> None:
    """The source begins at the start of the file and skips 5 GiB; their upper bits are in no event."""
    offsets = Offsets("binlog.000007", 5 * GIB, resumed=("binlog.000007", 5 * GIB))
    offsets.rotated("binlog.000007", 4)
    assert offsets.passed(Header(0, 33, 1, 79, (5 * GIB + 79) % (1 << 32), 0)) == 5 * GIB
    offsets.rotated("binlog.000008", 4)
    assert offsets.end == 4
