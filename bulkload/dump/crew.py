"""Which chunk is read next, and by whom: readers (connections), and a few more threads than those.

A thread with a chunk has a reader only while it reads; then another thread reads on with it, while the chunk is stored
and recorded. So reading overlaps with storing, and no more chunks are in memory than there are threads.

Tables come in their order: one is begun when those before it give nothing to do to a free reader.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Protocol

from bulkload.dump.gentle import Reader
from bulkload.parallel import Job

# One step of a table's dump. It calls the function when it does not need the reader any longer.
Step = Callable[[Reader, Callable[[], None]], None]


class Work(Protocol):
    """A table."""

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do, also for those at it."""

    def next_step(self) -> Step | None:
        """What may be done now, beside all that is being done; None: nothing for now. One thread at a time asks."""


class Crew:
    """Gives jobs, for run_all, until all work is done or one of them fails."""

    def __init__(self, works: Iterable[Work], readers: Iterable[Reader]) -> None:
        self._works: Sequence[Work] = list(works)
        self._free = list(readers)
        self._working = 0
        self._failed = False
        self._changed = threading.Condition()

    def jobs(self) -> Iterator[Job]:
        """The jobs. Each is given when it can be begun: waits for that."""
        while job := self._next():
            yield job

    def _next(self) -> Job | None:
        with self._changed:
            while not self._failed:
                if self._free and (step := self._step()):
                    self._working += 1
                    return partial(self._do, step, self._free.pop())
                if not self._working:
                    return None
                self._changed.wait()
        return None

    def _step(self) -> Step | None:
        self._works = [work for work in self._works if not work.is_done]
        return next((step for work in self._works if (step := work.next_step())), None)

    def _do(self, step: Step, reader: Reader) -> None:
        is_held, is_well = True, False

        def free() -> None:
            nonlocal is_held
            if is_held:
                is_held = False
                with self._changed:
                    self._free.append(reader)
                    self._changed.notify_all()

        try:
            step(reader, free)
            is_well = True
        finally:
            free()
            with self._changed:
                self._working -= 1
                self._failed = self._failed or not is_well
                self._changed.notify_all()
