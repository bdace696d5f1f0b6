"""The moment that a checkpoint carries is never later than the sending of anything beyond it."""

from hypothesis import given
from hypothesis import strategies as st

from cdc.outbox import Progress
from cdc.soundings import SAMPLES_MAX, Ahead, Soundings
from keymap.position import Position

UUID = "3e11fa47-71ca-11e1-9e33-c80aa9429562"


def progress(changes: int, gtid_set: str = "") -> Progress:
    return Progress(Position("binlog.000001", 4, gtid_set), changes=changes)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=60), st.integers(0, 5))
def test_everything_sent_before_it_is_covered(steps: list[tuple[int, int]], begun: int) -> None:
    """Each step takes some changes, a moment after the step before, notes, and then some more are accepted."""
    soundings = Soundings(Ahead(1000), begun)
    taken = covered = begun
    taken_at = dict.fromkeys(range(begun), 0)
    now = 1000
    for more, accepted in steps:
        for number in range(taken, taken + more):
            taken_at[number] = now
        taken += more
        now += 1
        soundings.note(taken, now)
        covered = min(taken, covered + accepted)
        since = soundings.since_ms(progress(covered))
        assert all(at >= since for number, at in taken_at.items() if number >= covered)


def test_it_follows_what_is_accepted() -> None:
    soundings = Soundings(Ahead(1), 0)
    for now in range(2, 5000):
        soundings.note(now, now)
        assert soundings.since_ms(progress(now)) == now


def test_a_lane_that_is_stuck_costs_bounded_memory_and_an_earlier_moment() -> None:
    soundings = Soundings(Ahead(1), 0)
    for now in range(2, 3 * SAMPLES_MAX):
        soundings.note(now, now)
    assert soundings.since_ms(progress(1)) == 1
    assert soundings.since_ms(progress(3 * SAMPLES_MAX)) == SAMPLES_MAX


def test_what_former_runs_sent_counts_until_all_of_it_was_passed() -> None:
    soundings = Soundings(Ahead(7, until=f"{UUID}:1-9"), 0)
    for now, last in ((100, 3), (200, 8)):
        soundings.note(last, now)
        assert soundings.since_ms(progress(last, f"{UUID}:1-{last}")) == 7
        assert not soundings.is_settled(progress(last, f"{UUID}:1-{last}"))
    assert soundings.is_settled(progress(8, f"{UUID}:1-9"))
    assert soundings.since_ms(progress(8, f"{UUID}:1-9")) == 200
