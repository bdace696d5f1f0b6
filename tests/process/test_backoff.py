from random import Random

from hypothesis import given
from hypothesis import strategies as st

from keyshift.process.backoff import Backoff


@given(base=st.floats(0.001, 10), most=st.floats(0.001, 100), seed=st.integers(0, 2**32), count=st.integers(1, 2000))
def test_no_delay_is_negative_or_longer_than_the_maximum(base: float, most: float, seed: int, count: int) -> None:
    backoff = Backoff(base, most, Random(seed))
    assert all(0 <= backoff.next() <= most for _ in range(count))
    assert backoff.attempts == count


def test_the_cap_doubles_until_the_maximum() -> None:
    backoff = Backoff(1, 10, Random(1))
    caps = []
    for _ in range(6):
        caps.append(backoff.cap_seconds)
        backoff.next()
    assert caps == [1, 2, 4, 8, 10, 10]


def test_a_reset_starts_a_new_series() -> None:
    backoff = Backoff(1, 100, Random(1))
    for _ in range(5):
        backoff.next()
    backoff.reset()
    assert (backoff.attempts, backoff.cap_seconds) == (0, 1)


def test_delays_are_spread_over_the_whole_range_so_that_clients_do_not_march_in_step() -> None:
    random = Random(7)
    delays = [Backoff(8, 8, random).next() for _ in range(1000)]
    assert min(delays) < 0.5
    assert max(delays) > 7.5
    assert 3.5 < sum(delays) / len(delays) < 4.5
