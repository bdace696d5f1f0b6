"""One measurement: something timed, per second or per second and core, beside what one would pick instead."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Result:
    """`ratio` is how many times faster `name` is than `against`, both measured in this run on this machine.

    Where `unit` is neither "per second" nor PER_CORE, `per_second` is a figure of that unit, and `ratio` what is said
    beside it.
    """

    group: str
    name: str
    per_second: float
    against: str
    ratio: float
    unit: str = "per second"


def per_second(count: int, work: Callable[[], None]) -> float:
    """How many of `count` things `work` does in a second of wall time."""
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)


def per_core(count: int, work: Callable[[], None]) -> float:
    """How many of `count` things `work` does in a second of one core's time: all threads of this process, no other."""
    began = time.process_time()
    work()
    return count / (time.process_time() - began)


def both_per_second(count: int, work: Callable[[], None]) -> tuple[float, float]:
    """The same in a second of wall time, and of processor time of this process and of the ones that it waits for.

    The second tells how much a way can do where the machine has other work, which takes wall time from all of them.
    """
    began, spent = time.perf_counter(), _processor_seconds()
    work()
    return count / (time.perf_counter() - began), count / (_processor_seconds() - spent)


def _processor_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


PER_CORE: Final = "per core's second"  # the unit of per_core()


def compared(group: str, ours: tuple[str, float], naive: tuple[str, float], unit: str = "per second") -> list[Result]:
    """Two rows of the table: the naive way as the measure, and ours against it."""
    return [
        Result(group, naive[0], naive[1], naive[0], 1.0, unit),
        Result(group, ours[0], ours[1], naive[0], ours[1] / naive[1], unit),
    ]
