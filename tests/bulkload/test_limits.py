"""When the next chunk may be read: limits, strains and rates, without servers."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.board import WINDOW_SECONDS, Rate
from bulkload.dump.limits import BURST_SECONDS, REST_SECONDS_MAX, Bucket, Limits, Strain, judged, rest_seconds
from keyshift.control.throttle import Throttle
from keyshift.mysql.strain import Lag
from keyshift.process.tasks import ThrottleSettings
from tests.control.conftest import Clock

NONE = Limits(
    paused=False, rows_per_second_max=0, bytes_per_second_max=0, threads_running_max=0, replica_lag_seconds_max=0
)
BUSY = Strain(10_000, (Lag("r:3306", 10_000), Lag("s:3306", None, "why")))


def test_what_an_operator_asks_for_stands_over_the_settings_and_0_takes_a_limit_away() -> None:
    settings = ThrottleSettings(rows_per_second_max=5, threads_running_max=7)
    assert Limits.of(settings, Throttle()) == Limits(False, 5, 0, 7, 10)
    asked = Throttle(paused=True, rows_per_second_max=0, bytes_per_second_max=9)
    assert Limits.of(settings, asked) == Limits(True, 0, 9, 7, 10)


def test_without_limits_nothing_keeps_the_dump_from_its_full_speed() -> None:
    assert judged(NONE, BUSY).share == 1
    assert judged(NONE, BUSY).why == ""


def test_a_pause_is_the_reason_that_is_told() -> None:
    found = judged(replace(NONE, paused=True, threads_running_max=1), BUSY)
    assert (found.share, "paused" in found.why) == (0, True)


@given(st.integers(1, 1000), st.integers(0, 3000), st.integers(0, 3000))
def test_more_strain_never_means_more_speed_and_beyond_the_limit_nothing_is_read(
    most: int, one: int, more: int
) -> None:
    limits = replace(NONE, threads_running_max=most)
    shares = [judged(limits, Strain(threads)).share for threads in (one, one + more)]
    assert shares[0] >= shares[1]
    assert (shares[0] == 0) == (one > most)
    assert (shares[0] == 1) == (2 * one <= most)


def test_a_lag_that_nobody_knows_stops_the_dump_with_its_reason() -> None:
    limits = replace(NONE, replica_lag_seconds_max=10)
    lags = (Lag("a:3306", 3), Lag("b:3306", None, "it does not replicate (receiver: No, applier: No)"))
    found = judged(limits, Strain(0, lags))
    assert found.share == 0
    assert found.why == "how far b:3306 is behind is not known: it does not replicate (receiver: No, applier: No)"
    found = judged(limits, Strain(0, (*lags[:1], Lag("c:3306", 11))))
    assert (found.share, found.why) == (0, "c:3306 is 11 s behind (replica_lag_seconds_max: 10)")


@given(st.floats(0.1, 1), st.floats(0.001, 10))
def test_a_rest_makes_reading_the_share_of_the_time_that_it_may_be(share: float, chunk: float) -> None:
    rest = rest_seconds(share, chunk)
    assert rest == REST_SECONDS_MAX or chunk / (chunk + rest) == pytest.approx(share)


@given(st.integers(1, 10**6), st.lists(st.tuples(st.integers(1, 10**6), st.floats(0, 5)), min_size=1, max_size=30))
def test_no_rate_is_passed_but_by_one_chunk_and_what_a_second_saves_up(
    rate: int, chunks: list[tuple[int, float]]
) -> None:
    clock = Clock(0)
    bucket, taken = Bucket(clock), 0
    for rows, idle in chunks:
        clock.now += bucket.wait_seconds(rate) + 1e-6
        assert bucket.wait_seconds(rate) == 0
        assert taken <= rate * (clock.now + BURST_SECONDS) + 1
        bucket.take(rows)
        taken += rows
        clock.now += idle


def test_a_rate_that_is_raised_or_taken_away_is_felt_at_once() -> None:
    clock = Clock(0)
    bucket = Bucket(clock)
    bucket.take(1000)
    assert bucket.wait_seconds(1) == 1000
    assert bucket.wait_seconds(100) == 10
    assert bucket.wait_seconds(0) == 0
    assert bucket.wait_seconds(1) == 0  # what was read without a limit is not to be made good for


@given(st.integers(0, 10**6), st.integers(0, 10**9), st.integers(1, 10**6), st.integers(0, 10**9))
def test_a_chunk_is_no_larger_than_what_a_second_allows(rows_max: int, bytes_max: int, rows: int, raw: int) -> None:
    found = replace(NONE, rows_per_second_max=rows_max, bytes_per_second_max=bytes_max).rows_fitting(rows, raw)
    assert (found is None) == (not rows_max and not bytes_max * rows)
    if found is not None:
        assert found >= 1
        assert not rows_max or found <= max(1, rows_max)
        assert not bytes_max or found == 1 or found * raw <= bytes_max * rows


def test_a_rate_is_that_of_the_last_minute() -> None:
    rate = Rate()
    assert rate.per_second(5) == 0
    rows = 0
    for second in range(300):
        rows += 100 if second < 200 else 7
        rate.add(float(second), rows)
    assert rate.per_second(299) == 7
    assert rate.per_second(299 + WINDOW_SECONDS) == pytest.approx(3.5, rel=0.05)
