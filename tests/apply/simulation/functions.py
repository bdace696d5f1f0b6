"""Lambda: containers that stay warm, and the handler's invocations in them, which overlap, time out and die."""

import base64
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Final

import pytest

import apply_stream
from keyshift.apply.stream import StreamApplier
from tests.apply.simulation.endpoint import MENDED
from tests.apply.simulation.schedule import Schedule, Task
from tests.apply.simulation.source import Answer, Batch, Mapping, Poller, Shuffled
from tests.control.conftest import Clock

OVERLAPPING_MAX: Final = 6  # invocations at one time
ASLEEP_MAX: Final = 3  # of these


class Invocation:
    """One batch in the hands of a function. `poller` waits for the answer; None: nobody does, or not any more.

    `closing` is which closing of the gate it began behind, 0 for none.
    """

    def __init__(self, batch: Batch, poller: Poller | Shuffled | None, container: StreamApplier, closing: int) -> None:
        self.batch, self.poller, self.container, self.closing = batch, poller, container, closing
        self.answer: Answer = None

    def __call__(self) -> None:
        self.answer = apply_stream.handle(event(self.batch), None)


def event(batch: Batch) -> dict[str, Any]:
    """As Lambda hands over records of a shard."""
    records = [
        {
            "partitionKey": one.partition_key,
            "sequenceNumber": one.sequence_number,
            "data": base64.b64encode(one.data).decode(),
            "approximateArrivalTimestamp": 1_700_000_000.123,
        }
        for one in batch
    ]
    return {"Records": [{"kinesis": one, "eventSource": "aws:kinesis"} for one in records]}


class Functions:
    """Invocations are tasks of the schedule; `make` gives a cold container, all that the function makes once."""

    def __init__(
        self, schedule: Schedule, clock: Clock, chance: random.Random, make: Callable[[], StreamApplier]
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.closing = 0
        self._schedule, self._clock, self._chance, self._make = schedule, clock, chance, make
        self._warm: list[StreamApplier] = []
        self._tasks: list[Task] = []
        self._done: list[Batch] = []

    @property
    def busy(self) -> bool:
        """Whether as many are at work as may be."""
        return len(self._tasks) >= OVERLAPPING_MAX

    def deliver(self, source: Mapping | Shuffled) -> None:
        """Invoke a function with what one of the source's pollers has, now and then two of them."""
        if self.busy or not (ready := source.ready()):
            return
        poller = self._chance.choice(ready)
        batch = poller.take()
        self._invoke(batch, poller)
        if self._chance.random() < 0.1:
            self._invoke(batch, None)
            self.counts["twice at once"] += 1

    def repeat(self) -> None:
        """Deliver some of a batch that is done once more, to nobody's interest."""
        if self._done and not self.busy:
            batch = self._chance.choice(self._done)
            first = self._chance.randrange(len(batch))
            self._invoke(batch[first : first + self._chance.randrange(1, 10)], None)
            self.counts["once more"] += 1

    def advance(self) -> None:
        """Let one of them go on, by some calls."""
        awake = [task for task in self._tasks if task.wakes <= self._clock()]
        if not awake:
            return
        task = self._chance.choice(awake)
        self._schedule.step(task, self._chance.choice((1, 1, 2, 4, 30)))
        if task.ended:
            self._tasks.remove(task)
            self._ended(task.about, task.error)

    def time_out(self) -> None:
        """Lambda waits for one of them no longer. It dies, or goes on beside its successor, now or when it wakes up."""
        waited = [task for task in self._tasks if task.about.poller]
        if not waited:
            return
        task = self._chance.choice(waited)
        invocation: Invocation = task.about
        invocation.poller, poller = None, invocation.poller
        if self._chance.random() < 0.6:
            self._schedule.kill(task)
            self._tasks.remove(task)
            self.counts["killed"] += 1
        else:
            asleep = sum(one.wakes > self._clock() for one in self._tasks)
            task.wakes = self._clock() + (self._chance.choice((0, 60, 300, 7200)) if asleep < ASLEEP_MAX else 0)
            self.counts["overtaken"] += 1
        assert poller
        poller.answered(invocation.batch, None)

    def finish(self) -> None:
        """Let all go on to their ends."""
        for task in self._tasks:
            task.wakes = 0.0
        while self._tasks:
            self.advance()

    def _invoke(self, batch: Batch, poller: Poller | Shuffled | None) -> None:
        warm = self._warm.pop() if self._warm and self._chance.random() < 0.9 else self._make()
        invocation = Invocation(batch, poller, warm, self.closing)
        self._tasks.append(self._schedule.begin(invocation, invocation))

    def _ended(self, invocation: Invocation, error: BaseException | None) -> None:
        if error and not isinstance(error, MENDED):
            raise error
        self._warm.append(invocation.container)
        answer = invocation.answer
        if answer and not answer["batchItemFailures"]:
            self._done.append(invocation.batch)
        self.counts["raised" if answer is None else "named" if answer["batchItemFailures"] else "done"] += 1
        if answer and invocation.poller and self._chance.random() < 0.05:
            self.counts["unheard"] += 1
            answer = None
        if invocation.poller:
            invocation.poller.answered(invocation.batch, answer)

    @contextmanager
    def installed(self) -> Iterator[pytest.MonkeyPatch]:
        """Within, the handler finds the applier of the container that it runs in, and throttles last not for long."""

        def applier() -> StreamApplier:
            task = self._schedule.running
            assert task
            return task.about.container  # type: ignore[no-any-return]

        def refused() -> None:
            raise AssertionError("the handler took the migration for another one")

        applier.cache_clear = refused  # type: ignore[attr-defined]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(apply_stream, "applier", applier)
            patch.setattr(apply_stream, "_log", SimpleNamespace(info=lambda _event, **_fields: None))
            patch.setattr("keyshift.aws.retry.ATTEMPTS_MAX", 3)
            yield patch
