"""A Stop that sets itself when a time is over."""

import math
import time

import pytest

from keyshift.process.deadline import Deadline
from keyshift.process.stop import Stopped


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_it_is_set_once_its_time_is_over_and_not_after_the_next_begin() -> None:
    clock = Clock()
    deadline = Deadline(clock)
    assert not deadline.is_set()
    deadline.begin(5)
    clock.now += 4.9
    assert not deadline.is_set()
    clock.now += 0.1
    assert deadline.is_set()
    with pytest.raises(Stopped):
        deadline.sleep(0)
    deadline.begin(math.inf)
    assert not deadline.is_set()
    deadline.sleep(0)


def test_nobody_sleeps_where_too_little_time_is_left() -> None:
    deadline = Deadline()
    deadline.begin(5)
    began = time.monotonic()
    with pytest.raises(Stopped, match="no time is left"):
        deadline.sleep(6)
    assert time.monotonic() - began < 1
    deadline.sleep(0.02)
    deadline.begin(0.05)
    assert deadline.wait(60)
    assert 0.05 < time.monotonic() - began < 5


def test_it_can_be_set_like_any_other_stop() -> None:
    deadline = Deadline()
    deadline.set()
    assert deadline.is_set()
    with pytest.raises(Stopped):
        deadline.sleep(0)
