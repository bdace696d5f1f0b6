"""Who loads the chunks: this process alone, or several of it, each with a core of its own. (On Spark: bulkload/spark.)

All do the same with each chunk (bulkload/load/chunk.py). Recording what is done is left to the process that holds the
lease. When a call comes back, whichever way, no request of it is being sent any more.
"""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Final, Protocol

from bulkload.load import worker
from bulkload.load.chunk import ChunkLoader, Loaded
from bulkload.load.reading import Task
from bulkload.load.work import WAIT_SECONDS, Work
from keymap.errors import KeyshiftError
from keyshift.aws.hold import SendGuard
from keyshift.control.lease import Deadline
from keyshift.process.clock import boottime
from keyshift.process.stop import Stop, Stopped

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

AHEAD: Final = 2  # tasks given to a worker: one that it works on, and one whose file it fetches meanwhile
END_SECONDS: Final = 90.0  # the longest that requests in flight may take: three attempts with their time-outs
Done = Callable[[Task, Loaded], None]


def processors() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1  # macOS has none


class Workers(Protocol):
    """Whoever loads."""

    def run(self, work: Work, done: Done) -> None:
        """Load all of it; `done` is called for each chunk, in this thread. Raises what a chunk raises, and Stopped."""


class Alone:
    """This process."""

    def __init__(self, loader: ChunkLoader, stop: Stop) -> None:
        self._loader = loader
        self._stop = stop

    def run(self, work: Work, done: Done) -> None:
        """As Workers."""
        while not work.ended:
            self._stop.sleep(0)
            if (task := work.take()) is None:
                self._stop.sleep(WAIT_SECONDS)
            else:
                done(task, self._loader.load(task))


class Crew:
    """Several processes, begun for this, which end with it. They work under the lease whose `deadline` they see."""

    def __init__(self, order: worker.Order, deadline: Deadline, count: int, guard: SendGuard, stop: Stop) -> None:
        self._order, self._deadline, self._count = order, deadline, count
        self._guard = guard
        self._stop = stop

    def run(self, work: Work, done: Done) -> None:
        """As Workers."""
        members: list[_Member] = []
        try:
            while len(members) < self._count:
                members.append(_Member(self._order, self._deadline))
            self._run(members, work, done)
        finally:
            self._end(members)

    def _end(self, members: list["_Member"]) -> None:
        try:
            for member in members:
                member.ask_to_stop()
            for member in members:
                member.end(self._guard)
        except KeyboardInterrupt:  # a second Ctrl-C
            for member in members:
                member.kill(self._guard)
            raise

    def _run(self, members: list["_Member"], work: Work, done: Done) -> None:
        while True:
            _give(members, work)
            busy = [member for member in members if member.tasks]
            if not busy and work.ended:
                return
            waits = len(busy) < len(members) and not work.ended
            ready = wait([self._stop.fileno(), *(member.pipe for member in members)], WAIT_SECONDS if waits else None)
            if self._stop.fileno() in ready:
                raise Stopped("asked to stop")
            for member in members:
                if member.pipe in ready:
                    loaded = member.hear(self._guard)
                    task = member.tasks.popleft()
                    _give([member], work)  # before its last one is recorded, so that it need not wait for that
                    done(task, loaded)


def _give(members: list["_Member"], work: Work) -> None:
    """Tasks to those who have fewest, so that the last ones are spread."""
    for ahead in range(AHEAD):
        for member in members:
            if len(member.tasks) <= ahead and (task := work.take()) is not None:
                member.give(task)


class _Member:
    """One worker process, as its leader sees it: its pipe, and the tasks that it was given and has not reported."""

    def __init__(self, order: worker.Order, deadline: Deadline) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would inherit locks that other threads hold
        self.pipe: Connection
        self.pipe, other = context.Pipe()
        self.tasks: deque[Task] = deque()
        self._process: BaseProcess = context.Process(target=worker.main, args=(order, deadline, other))
        with _signals_held_back():
            self._process.start()
        other.close()

    def give(self, task: Task) -> None:
        """One more task. That the process is gone is told by hear()."""
        self.tasks.append(task)
        self._send(task)

    def hear(self, guard: SendGuard) -> Loaded:
        """What became of the first task. Raises what it raised, or KeyshiftError where the process is gone."""
        try:
            report: worker.Report = self.pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            guard.lost(boottime())  # what it had sent may still arrive
            message = f"a process of the load ended by itself (exit code {self._process.exitcode})"
            raise KeyshiftError(message, "Look at the system's log (out of memory?), then run the load again") from None
        guard.lost(report.lost_at)
        if report.loaded is None:
            raise linked(report.errors)
        return report.loaded

    def ask_to_stop(self) -> None:
        """Let it end between two requests."""
        self._send(worker.STOP)

    def end(self, guard: SendGuard) -> None:
        """Return when it has ended, and none of its requests is being sent."""
        while self.pipe.poll(END_SECONDS):
            try:
                guard.lost(self.pipe.recv().lost_at)
            except (EOFError, OSError):
                break
        else:
            self.kill(guard)
        self._process.join()
        if self._process.exitcode:
            guard.lost(boottime())
        self.pipe.close()

    def kill(self, guard: SendGuard) -> None:
        """End it at once; what it had sent may still arrive."""
        self._process.kill()
        guard.lost(boottime())

    def _send(self, what: object) -> None:
        try:
            self.pipe.send(what)
        except OSError:
            return


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """A process begun within never hears of SIGINT and SIGTERM.

    A terminal and systemd signal a whole group of processes. Its leader hears of it, and tells the others.
    """
    resource_tracker.ensure_running()  # else it is begun within, and lets signals through when that is done
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def linked(errors: tuple[BaseException, ...]) -> BaseException:
    """The first of them, with the others as its causes again."""
    for error, cause in pairwise(errors):
        error.__cause__ = cause
    return errors[0]
