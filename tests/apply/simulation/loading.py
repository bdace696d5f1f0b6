"""The bulk load, beside everything else: rows that nobody else may have written yet, then what may come at any time."""

import random

from tests.apply.club_history import Club
from tests.apply.conftest import Inline
from tests.apply.simulation.endpoint import MENDED, Endpoint
from tests.apply.simulation.passing import Hurried
from tests.apply.simulation.schedule import Schedule, Task
from tests.apply.simulation.timeline import KEYMAP, Load


class Loading:
    """`puts` are left to be put without a condition, before replay opens."""

    def __init__(self, load: Load, schedule: Schedule, chance: random.Random, targets: Endpoint) -> None:
        self.puts, self._guarded = list(load.puts), list(load.guarded)
        self._schedule, self._chance, self._targets = schedule, chance, targets
        self._club = Club(KEYMAP, targets.client(), "", Inline(), Hurried())
        self._task: Task | None = None

    @property
    def done(self) -> bool:
        """Whether everything is loaded."""
        return not (self.puts or self._guarded or self._task)

    def step(self) -> None:
        """Do something of it, if something is left."""
        if self._task:
            self._advance(self._task)
        elif self.puts and self._chance.random() < 0.7:
            place = self._chance.randrange(len(self.puts))
            table, item = self.puts[place]
            self._targets.service.put_item(TableName=table, Item=item)
            if self._chance.random() < 0.8:  # else its answer was lost
                del self.puts[place]
        elif self._guarded:
            self._task = self._schedule.begin(lambda chunk=self._guarded[0]: self._club.write_guarded(chunk))

    def _advance(self, task: Task) -> None:
        self._schedule.step(task, self._chance.choice((1, 2, 5)))
        if task.ended:
            self._task = None
            if not task.error:
                del self._guarded[0]
            elif not isinstance(task.error, MENDED):
                raise task.error
