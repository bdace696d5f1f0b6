"""Time in the simulation: it passes when the world says so, for all at once, and who waits stands until then."""

from keyshift.process.stop import Stop
from tests.apply.simulation.schedule import Schedule
from tests.control.conftest import Clock

# Pauses between two tries are shorter than this, and drawn by nobody's seed: they end with the next step. What is
# waited for on purpose takes longer.
PAUSE_SECONDS_MAX = 5.0


class Hurried(Stop):
    """Sleeps end at once."""

    def wait(self, seconds: float) -> bool:
        del seconds
        return False


class Patient(Stop):
    """A task that sleeps stands until the time has passed, while others go on."""

    def __init__(self, schedule: Schedule, clock: Clock) -> None:
        super().__init__()
        self._schedule, self._clock = schedule, clock

    def wait(self, seconds: float) -> bool:
        assert self._schedule.running, "nobody else could let time pass"
        until = self._clock() + seconds
        self._schedule.pause()
        while seconds > PAUSE_SECONDS_MAX and self._clock() < until:
            self._schedule.pause()
        return False
