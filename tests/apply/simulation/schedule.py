"""Threads that go on one at a time, call by call, as a simulation says: what overlaps is drawn, and can be drawn again.

Work says before each of its calls that it is about to make one (`pause`); there it stands until it is let on, or dies.
"""

import threading
from collections.abc import Callable
from typing import Any, Self

from tests.bulkload.mortal import Killed


class Task:
    """Some work. `ended` once it has returned, raised or died; `error` is what it raised; `about` is its owner's.

    Until the world's clock shows `wakes`, its process sleeps, and its owner lets it not go on.
    """

    def __init__(self, work: Callable[[], object], about: Any) -> None:
        self.work, self.about = work, about
        self.ended = self.doomed = False
        self.error: BaseException | None = None
        self.credit = 0  # calls that it may make before it stands again
        self.wakes = 0.0
        self.worker: Worker | None = None


class Worker:
    """A thread that does one task after another, and between two calls of it waits to be let on."""

    def __init__(self, back: threading.Lock) -> None:
        self.go, self.back = threading.Lock(), back
        self.task: Task | None = None
        self.go.acquire()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            self.go.acquire()
            if self.task is None:
                return
            try:
                self.task.work()
            except BaseException as error:  # noqa: BLE001 - whoever owns the task looks at it
                self.task.error = error
            self.task.ended = True
            self.back.release()


class Schedule:
    """A context manager: when it is left, whatever still stands dies."""

    def __init__(self) -> None:
        self.running: Task | None = None
        self._tasks: list[Task] = []
        self._idle: list[Worker] = []
        self._back = threading.Lock()
        self._back.acquire()

    def begin(self, work: Callable[[], object], about: Any = None) -> Task:
        """Work that stands before its first step."""
        task = Task(work, about)
        self._tasks.append(task)
        return task

    def step(self, task: Task, calls: int = 1) -> None:
        """Let a task go on until it has made so many calls, or ended."""
        if task.worker is None:
            task.worker = self._idle.pop() if self._idle else Worker(self._back)
            task.worker.task = task
        task.credit, self.running = calls, task
        task.worker.go.release()
        self._back.acquire()
        self.running = None
        if task.ended:
            self._tasks.remove(task)
            self._idle.append(task.worker)

    def kill(self, task: Task) -> None:
        """Let it die where it stands."""
        task.doomed = True
        if task.worker is None:
            task.ended = True
            self._tasks.remove(task)
        while not task.ended:
            self.step(task)

    def pause(self) -> None:
        """For tasks, before each call. Raises Killed where the task dies; does nothing outside of tasks."""
        task = self.running
        if task is None:
            return
        if not task.doomed:
            if task.credit:
                task.credit -= 1
                return
            assert task.worker
            self._back.release()
            task.worker.go.acquire()
            task.credit -= 1
        if task.doomed:
            raise Killed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for task in list(self._tasks):
            self.kill(task)
        for worker in self._idle:
            worker.task = None
            worker.go.release()
