"""Many small jobs on a few threads, with one promise: when it is over, whichever way, none of them is running."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, wait

from keyshift.process.stop import Stop

Job = Callable[[], None]


def run_all(jobs: Iterable[Job], executor: Executor, concurrency: int, stop: Stop) -> None:
    """Run every job, `concurrency` at a time. The first that raises ends the rest, and its exception is raised.

    Raises Stopped, before the next job, when asked to stop. Jobs are taken from the iterable as threads become free.
    """
    queue = _Queue(jobs, stop)
    workers = [executor.submit(queue.work) for _ in range(concurrency)]
    try:
        wait(workers)
    finally:
        queue.end()  # where wait() itself was interrupted, by a second Ctrl-C
        wait(workers)
    for worker in workers:
        worker.result()


class _Queue:
    def __init__(self, jobs: Iterable[Job], stop: Stop) -> None:
        self._jobs = iter(jobs)
        self._stop = stop
        self._ended = False
        self._lock = threading.Lock()

    def end(self) -> None:
        self._ended = True

    def work(self) -> None:
        try:
            while job := self._next():
                job()
        except BaseException:
            self.end()
            raise

    def _next(self) -> Job | None:
        with self._lock:
            if self._ended:
                return None
            self._stop.sleep(0)
            return next(self._jobs, None)
