import time

from keyshift.process.clock import boottime, now_ms


def test_boottime_moves_on_with_real_time_and_never_back() -> None:
    first = boottime()
    time.sleep(0.02)
    assert 0.02 <= boottime() - first < 5


def test_now_is_in_milliseconds_since_1970() -> None:
    assert abs(now_ms() / 1000 - time.time()) < 5
