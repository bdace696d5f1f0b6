"""The workers of a load on a Spark cluster, as the driver sees them, which holds the lease and records what is done.

The driver cannot end a process on another machine, and one that Spark has lost may live on, behind a broken network,
and write under a lease that stands. So what says that these workers may write is in the lease's item itself, and is
taken away when all is done, or when they should stop: they look at it. Where each task was answered at its first
attempt, nothing of them can be under way then. Where one was not, they are taken to have been sending until they must
have stopped: replay opens, and the lease is handed on, only when what they sent last can no longer arrive.
"""

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Final, Protocol

from bulkload.load.reading import Task
from bulkload.load.run import Tools
from bulkload.load.work import WAIT_SECONDS, Work
from bulkload.load.workers import END_SECONDS, Done, linked
from bulkload.spark.task import Answer, Order, load_chunk
from keymap.errors import KeyshiftError
from keyshift.aws.hold import steadily
from keyshift.control.lease import LeaseLost
from keyshift.control.takeover import DRIFT
from keyshift.process.clock import boottime
from keyshift.process.log import get_logger
from keyshift.process.stop import NEVER

_log = get_logger(__name__)
AHEAD: Final = 2  # tasks given for each that runs: an executor need not wait for the driver, and Spark adds executors
JOBS_MAX: Final = 32  # under way at once, of as many chunks as that takes: a job costs the driver more than a task does


class TaskFailed(KeyshiftError):
    """The cluster has given a task up, or has ended itself. Whether the task did anything is unknown."""


class Cluster(Protocol):
    """What runs tasks. Many threads may ask it at once."""

    @property
    def slots(self) -> int:
        """How many tasks run at once, with the executors that are there now. Raises TaskFailed."""

    def run(self, call: Callable[[Any], Any], arguments: Sequence[object], name: str) -> list[tuple[Any, int]]:
        """What a module's function gives in an executor for each argument, and how often that failed before.

        Raises TaskFailed.
        """

    def cancel(self) -> None:
        """End all that runs soon."""


Flight = Future[list[tuple[Answer, int]]]


class SparkWorkers:
    """The executors of a cluster, working for a load with these tools."""

    def __init__(self, cluster: Cluster, tools: Tools) -> None:
        self._cluster = cluster
        self._tools = tools
        self._finished: SimpleQueue[tuple[list[Task], Flight]] = SimpleQueue()
        self._flying = 0  # chunks
        self._sure = True  # that no task is under way but those that fly

    def run(self, work: Work, done: Done) -> None:
        """As Workers."""
        tools = self._tools
        mark = {"workers": secrets.token_hex(8)}
        steadily(lambda: tools.lease.renew(**mark), tools.stop)
        check = tools.lease.held_check()
        held = replace(check, expected={**check.expected, **mark})
        share = 1 / max(1, tools.settings.bulkload.load_processes or self._cluster.slots)
        order = Order(tools.settings.without_password(), tools.migration, held, share)
        with ThreadPoolExecutor(JOBS_MAX, thread_name_prefix="spark") as threads:
            try:
                self._run(partial(self._send, threads, order), work, done)
            finally:
                self._end()

    def _run(self, send: Callable[[list[Task]], None], work: Work, done: Done) -> None:
        stop = self._tools.stop
        while True:
            stop.sleep(0)
            self._give(send, work)
            if not self._flying and work.ended:
                return
            with suppress(Empty):
                tasks, flight = self._finished.get(timeout=WAIT_SECONDS)
                self._flying -= len(tasks)
                answers = self._hear(flight)
                self._give(send, work)  # before these are recorded, so that executors need not wait for that
                _record(tasks, answers, done)

    def _give(self, send: Callable[[list[Task]], None], work: Work) -> None:
        """Let so many be under way that no executor waits, or that Spark adds executors."""
        most = self._tools.settings.bulkload.load_processes or AHEAD * self._cluster.slots
        size = -(-most // JOBS_MAX)
        while self._flying + size <= most:
            tasks = [task for _ in range(size) if (task := work.take())]
            if not tasks:
                return
            send(tasks)

    def _send(self, threads: ThreadPoolExecutor, order: Order, tasks: list[Task]) -> None:
        name = ", ".join(f"chunk {task.chunk.number} of {task.chunk.table}" for task in tasks)
        self._flying += len(tasks)
        flight: Flight = threads.submit(self._cluster.run, load_chunk, [(order, task) for task in tasks], name)
        flight.add_done_callback(lambda flight: self._finished.put((tasks, flight)))

    def _hear(self, flight: Flight) -> list[Answer]:
        """What became of a job. Raises TaskFailed."""
        try:
            answered = flight.result()
        except TaskFailed:
            self._sure = False
            raise
        if again := sum(failed_before for _, failed_before in answered):
            _log.warning("tasks_were_tried_again", attempts=again)
            self._sure = False
        for answer, _ in answered:
            self._tools.guard.lost(boottime() - answer.lost_seconds)
        return [answer for answer, _ in answered]

    def _end(self) -> None:
        """Return when no request of a worker is being sent, or the guard knows until when one may have been."""
        tools, lease = self._tools, self._tools.lease
        try:
            with suppress(LeaseLost):  # then they have nothing to work under
                steadily(lambda: lease.renew(workers=None), NEVER)
            self._await()
        except BaseException:
            self._sure = False
            self._cluster.cancel()
            raise
        finally:
            if not self._sure:
                # They believe in the lease no longer than this. One may have slept with a signed request in hand.
                life = tools.settings.apply.request_life_seconds
                asleep = max(0.0, tools.settings.bulkload.signature_validity_seconds - life)
                tools.guard.lost(boottime() + lease.seconds * DRIFT + asleep)

    def _await(self) -> None:
        """Hear what is under way to its end, for as long as that takes at most. What it did is not recorded."""
        end = boottime() + END_SECONDS
        while self._flying:
            with suppress(Empty):
                tasks, flight = self._finished.get(timeout=WAIT_SECONDS)
                self._flying -= len(tasks)
                with suppress(BaseException):  # what ended it all is what is told
                    self._hear(flight)
            if boottime() > end:
                self._sure = False
                self._cluster.cancel()


def _record(tasks: Sequence[Task], answers: Sequence[Answer], done: Done) -> None:
    """Record what is done, also where another chunk of the same job failed. Raises what the first of these raised."""
    failed = [answer.errors for answer in answers if answer.loaded is None]
    for task, answer in zip(tasks, answers, strict=True):
        if answer.loaded:
            done(task, answer.loaded)
    if failed:
        raise linked(failed[0])
