"""A Stop that sets itself when a time is over: what is handed to work that must answer before it is cut off."""

import math
import time
from collections.abc import Callable

from keyshift.process.stop import Stop, Stopped


class Deadline(Stop):
    """Not set until `begin` says how long there is, and not set again after the next `begin`.

    For use by many threads, of which one begins. `clock` gives seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._at = math.inf

    def begin(self, seconds: float) -> None:
        """From now on there are so many seconds; math.inf: no end."""
        self._at = self._clock() + seconds

    def is_set(self) -> bool:
        """Whether the time is over, or somebody asked to stop."""
        return super().is_set() or self._clock() >= self._at

    def wait(self, seconds: float) -> bool:
        """Sleep, but no longer than until the flag is set; says whether it is."""
        return super().wait(min(seconds, self._at - self._clock())) or self.is_set()

    def sleep(self, seconds: float) -> None:
        """Sleep that long. Raises Stopped at once where there is not so much time left: waiting would not help."""
        if self._clock() + seconds >= self._at:
            raise Stopped("no time is left")
        super().sleep(seconds)
