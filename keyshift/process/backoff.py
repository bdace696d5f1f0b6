"""How long to wait before the next try: exponential, capped, with full jitter.

Full jitter (a uniform draw between zero and the cap) empties a queue of contending clients fastest and never lets them
march in step; see "Exponential Backoff And Jitter" in the AWS architecture blog.
"""

from random import Random, SystemRandom

BASE_SECONDS = 0.05  # about one round trip to a service: the first retry should hardly be noticed
DELAY_SECONDS_MAX = 5.0  # long enough for a throttled table to breathe, short enough for SIGTERM and a person watching


class Backoff:
    """The delays of one series of tries. Not for sharing between threads: a series belongs to one caller."""

    def __init__(
        self,
        base_seconds: float = BASE_SECONDS,
        max_seconds: float = DELAY_SECONDS_MAX,
        random: Random | None = None,
    ) -> None:
        self._base_seconds = base_seconds
        self._max_seconds = max_seconds
        self._random = random or SystemRandom()
        self.attempts = 0

    @property
    def cap_seconds(self) -> float:
        """The longest that the next delay can be."""
        # 2.0 ** 1024 overflows; long before that every cap has been reached.
        return float(min(self._max_seconds, self._base_seconds * 2.0 ** min(self.attempts, 64)))

    def next(self) -> float:
        """The seconds to wait now; each call without a reset() between doubles what it may be, up to the maximum."""
        cap = self.cap_seconds
        self.attempts += 1
        return self._random.uniform(0.0, cap)

    def reset(self) -> None:
        """Something succeeded: the next failure starts a new series."""
        self.attempts = 0
