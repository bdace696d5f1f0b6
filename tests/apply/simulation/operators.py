"""What people run beside replay: `keyshift apply redrive`, a pass of tidying, and a cutover that closes the gate.

Each run is a task of the schedule, in a process of its own, and may die at any of its calls. Between two moments of the
world its leases are renewed, unless it sleeps.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any, Final

import pytest

from keyshift.apply import redrive
from keyshift.apply.redrive import chosen, held_off, redriving
from keyshift.apply.tidy import TIDY_SECONDS, Tidier
from keyshift.apply.tidying import one_pass
from keyshift.aws.clients import guard_sends
from keyshift.aws.leases import held
from keyshift.control import phase
from keyshift.control.lease import TIDY, Lease
from keyshift.control.setasides import read_all
from tests.apply.history import migration_for
from tests.apply.simulation.endpoint import LIFE_SECONDS, MENDED, Client, Jumbled
from tests.apply.simulation.passing import Patient
from tests.apply.simulation.schedule import Schedule, Task
from tests.apply.simulation.services import store_of
from tests.apply.simulation.timeline import KEYMAP
from tests.control.conftest import Clock

ABOUT: Final = migration_for(KEYMAP)
VALIDITY_SECONDS: Final = 60.0  # of a signature
RUNNING_MAX: Final = 3
REDRIVE, TIDYING, CLOSING, SWITCHING = "redrive", "tidy", "close", "switch"


class Operators:
    """`clients` gives a process its clients of DynamoDB, the control table and S3, by what it does."""

    def __init__(
        self,
        schedule: Schedule,
        clock: Clock,
        chance: random.Random,
        clients: Callable[[str], tuple[Client, Client, Client]],
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._schedule, self._clock, self._chance, self._clients = schedule, clock, chance, clients
        self._stop = Patient(schedule, clock)
        self._tasks: list[Task] = []
        self._leases: list[tuple[Lease, Task]] = []  # of processes that are at work
        self._runs = {REDRIVE: self._redrive, TIDYING: self._tidy, CLOSING: self._close, SWITCHING: self._switch}

    @property
    def idle(self) -> bool:
        """Whether nobody runs anything, but who sleeps."""
        return not self._awake()

    @property
    def redrives(self) -> bool:
        """Whether somebody redrives: the moment at which a cutover is most awkward."""
        return any(task.about == REDRIVE for task in self._tasks)

    def begin(self, what: str) -> None:
        """Somebody starts such a process."""
        if len(self._tasks) < RUNNING_MAX:
            self._tasks.append(self._schedule.begin(self._runs[what], what))

    def advance(self) -> None:
        """Let one of them go on, by some calls."""
        awake = self._awake()
        if not awake:
            return
        task = self._chance.choice(awake)
        self._schedule.step(task, self._chance.choice((1, 1, 2, 4, 30)))
        if task.ended:
            self._tasks.remove(task)
            if task.error and not isinstance(task.error, MENDED):
                raise task.error
            self.counts[f"{task.about} {'failed' if task.error else 'done'}"] += 1

    def sleep(self) -> None:
        """One of them sleeps, as a closed laptop does: rather one that redrives."""
        if self._tasks and self._awake() == self._tasks:
            at_work = [task for _, task in self._leases if task.about == REDRIVE]
            task = self._chance.choice(at_work or self._tasks)
            task.wakes = self._clock() + self._chance.choice((20, 200, 500, 7200))
            self.counts["slept"] += 1

    def wake(self) -> None:
        """Who sleeps goes on."""
        for task in self._tasks:
            task.wakes = 0.0

    def kill(self) -> None:
        """One of them dies."""
        if self._tasks:
            task = self._tasks.pop(self._chance.randrange(len(self._tasks)))
            self._schedule.kill(task)
            self.counts[f"{task.about} killed"] += 1

    def succeed(self, what: str, pass_time: Callable[[], None]) -> None:
        """Somebody runs it until it succeeds, and does nothing else meanwhile."""
        done = self.counts[f"{what} done"]
        while self.counts[f"{what} done"] == done:
            self.begin(what)
            self.finish(pass_time)

    def finish(self, pass_time: Callable[[], None]) -> None:
        """Let all that are awake go on to their ends."""
        while not self.idle:
            self.advance()
            pass_time()

    def renew(self) -> None:
        """Time has passed, in which those that are awake have renewed their leases."""
        for lease, task in list(self._leases):
            if task.wakes <= self._clock() and lease._lock.acquire(blocking=False):  # else it is writing it itself
                try:
                    lease.renew()
                except MENDED:
                    self.counts["not renewed"] += 1
                finally:
                    lease._lock.release()

    def _awake(self) -> list[Task]:
        return [task for task in self._tasks if task.wakes <= self._clock()]

    def _redrive(self) -> None:
        """As the command does."""
        dynamodb, control, s3 = self._clients(REDRIVE)
        mine, writing = SimpleNamespace(control=control, s3=s3), SimpleNamespace(dynamodb=dynamodb, close=lambda: None)
        apply = SimpleNamespace(write_concurrency=1, request_life_seconds=LIFE_SECONDS)
        settings: Any = SimpleNamespace(control_table="control", migration="shop", apply=apply)
        wanted = chosen(read_all(store_of(control)), [])
        with redriving(settings, KEYMAP, mine, self._stop, writing) as redriver:  # type: ignore[arg-type]
            for one in redriver.run(wanted):
                self.counts[f"{one.state}"] += 1

    def _tidy(self) -> None:
        dynamodb, control, _ = self._clients(TIDYING)
        lease = Lease(store_of(control), TIDY, "tidy", TIDY_SECONDS, self._clock)
        guard_sends(dynamodb, lease.check)  # type: ignore[arg-type]
        tidier = Tidier(
            dynamodb,  # type: ignore[arg-type]
            KEYMAP,
            ABOUT,
            lease=lease,
            executor=Jumbled(self._chance),
            stop=self._stop,
            request_life_seconds=LIFE_SECONDS,
            clock=self._clock,
        )
        done = one_pass(tidier, self._stop)
        self.counts["horizon stayed" if done.stays else "horizon rose"] += 1
        if done.swept:
            self.counts["tombstones"] += done.swept.deleted + done.swept.marks

    def _close(self) -> None:
        """As the cutover does."""
        _, control, _ = self._clients(CLOSING)
        store = store_of(control)
        with held_off(store, self._stop, VALIDITY_SECONDS) as lease:
            phase.close(store, lease)

    def _switch(self) -> None:
        """As the cutover ends: when this is over, nothing of anybody who tidied can arrive."""
        _, control, _ = self._clients(SWITCHING)
        with held(Lease(store_of(control), TIDY, "switch", TIDY_SECONDS, self._clock), self._stop):
            pass
        self._stop.sleep(LIFE_SECONDS)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Within, leases are renewed as the world says, and by its clock."""

        @contextmanager
        def renewed(lease: Lease) -> Iterator[None]:
            assert self._schedule.running
            mine = lease, self._schedule.running
            self._leases.append(mine)
            try:
                yield
            finally:
                self._leases.remove(mine)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("keyshift.aws.hold.renewed", renewed)
            patch.setattr("keyshift.aws.leases.renewed", renewed)
            patch.setattr(redrive, "boottime", self._clock)
            patch.setattr(redrive, "ThreadPoolExecutor", partial(_alone, self._chance))
            yield


def _alone(chance: random.Random, _threads: int) -> Jumbled:
    return Jumbled(chance)
