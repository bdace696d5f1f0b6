"""When the next chunk may be read: decided from limits, what the servers say of themselves, and what was read. Pure.

Each strain of a server (statements that run, lag) has a limit. Beyond it nothing is read. From half of it on the dump
rests between chunks, the longer the nearer the limit is: most servers then never reach it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Self

from keyshift.control.throttle import LIMITS, Throttle
from keyshift.mysql.strain import Lag
from keyshift.process.tasks import ThrottleSettings

BURST_SECONDS: Final = 1.0  # of a rate may be read at once: a chunk is not larger, and a pause saves no more up
REST_SECONDS_MAX: Final = 5.0  # between two chunks, below the limits
_EASY: Final = 0.5  # of a limit: up to there the dump goes at its full speed
_SLOWEST: Final = 0.1  # of its time the dump reads, right below a limit


@dataclass(frozen=True, slots=True)
class Limits:
    """What is in force: the settings', and over them what an operator asked for. 0: no limit."""

    paused: bool
    rows_per_second_max: int
    bytes_per_second_max: int
    threads_running_max: int
    replica_lag_seconds_max: int

    @classmethod
    def of(cls, settings: ThrottleSettings, throttle: Throttle) -> Self:
        """The limits in force."""
        limits = {name: getattr(settings, name) for name in LIMITS} | throttle.limits
        return cls(paused=throttle.paused, **limits)

    def rows_fitting(self, rows: int, raw_bytes: int) -> int | None:
        """How many rows a chunk may have by the rates, after one whose `rows` came to `raw_bytes`; None: any."""
        by_rows = self.rows_per_second_max * BURST_SECONDS
        by_bytes = self.bytes_per_second_max * BURST_SECONDS * rows / max(1, raw_bytes)
        return min((max(1, int(most)) for most in (by_rows, by_bytes) if most), default=None)


@dataclass(frozen=True, slots=True)
class Strain:
    """What the servers say of themselves at one moment; `server` is the one that is read, whose statements count."""

    threads_running: int = 0
    lags: tuple[Lag, ...] = ()
    server: str = "the source"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The part of its time that the dump may read (1: all, 0: none), and what keeps it from more ("": nothing)."""

    share: float
    why: str = ""


def judged(limits: Limits, strain: Strain) -> Verdict:
    """The strictest of all verdicts."""
    return min(_verdicts(limits, strain), key=lambda verdict: verdict.share)


def _verdicts(limits: Limits, strain: Strain) -> Iterator[Verdict]:
    yield Verdict(1.0)
    if limits.paused:
        yield Verdict(0.0, "it was paused (`keyshift bulkload throttle --resume` ends that)")
    if limits.threads_running_max:
        running, most = strain.threads_running, limits.threads_running_max
        why = f"{running} statements run at {strain.server} (threads_running_max: {most})"
        yield Verdict(_share(running / most), why)
    if limits.replica_lag_seconds_max:
        yield from (_of_lag(lag, limits.replica_lag_seconds_max) for lag in strain.lags)


def _of_lag(lag: Lag, most: int) -> Verdict:
    if lag.seconds is None:
        return Verdict(0.0, f"how far {lag.server} is behind is not known: {lag.reason}")
    why = f"{lag.server} is {lag.seconds} s behind (replica_lag_seconds_max: {most})"
    return Verdict(_share(lag.seconds / most), why)


def _share(load: float) -> float:
    """1 up to half of the limit, then falling to a tenth at the limit, and 0 beyond it."""
    if load > 1:
        return 0.0
    return 1.0 if load <= _EASY else 1 - (1 - _SLOWEST) * (load - _EASY) / (1 - _EASY)


def rest_seconds(share: float, chunk_seconds: float) -> float:
    """How long to rest after a chunk that took `chunk_seconds`, so that reading takes `share` (above 0) of the time."""
    return min(REST_SECONDS_MAX, chunk_seconds * (1 / share - 1))


class Bucket:
    """A rate, kept on average: it fills by the rate, up to a second's worth, and a chunk may overdraw it.

    The rate is given with each call, and may be another each time.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._level = 0.0
        self._at = clock()

    def wait_seconds(self, rate: float) -> float:
        """In how many seconds more may be taken; 0: now, or there is no limit (`rate` 0)."""
        now = self._clock()
        if not rate:
            self._level = 0.0
        self._level = min(rate * BURST_SECONDS, self._level + rate * (now - self._at))
        self._at = now
        return -self._level / rate if self._level < 0 else 0.0

    def take(self, amount: float) -> None:
        """So much was taken."""
        self._level -= amount


def strictest(waits: Iterable[tuple[float, str]]) -> tuple[float, str]:
    """The longest of these waits in seconds, with its reason; (0, "") where there is none."""
    return max(waits, key=lambda wait: wait[0], default=(0.0, ""))
