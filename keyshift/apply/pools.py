"""Threads that write: a few pools of them, one for each batch at hand.

A throttled write waits in its thread. In one pool for all, the writes of a batch whose table is throttled would soon
be in every thread, and those of all other shards behind them. Rows that were too large for the stream take much of the
memory: one batch at a time has some in hand.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from keymap.claims import Claim, Fetch

P = ParamSpec("P")
T = TypeVar("T")


class WritePools(Executor):
    """An executor for several threads, each of which must have taken a pool for what it submits."""

    def __init__(self, pools: int, threads: int) -> None:
        self._pools = [ThreadPoolExecutor(threads, f"write-{number}") for number in range(pools)]
        self._free: queue.SimpleQueue[ThreadPoolExecutor] = queue.SimpleQueue()
        for pool in self._pools:
            self._free.put(pool)
        self._mine = threading.local()
        self._large = threading.Lock()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """A pool for this thread while the block runs; waits while all are taken."""
        pool = self._mine.pool = self._free.get()
        self._mine.has_large = False
        try:
            yield
        finally:
            if self._mine.has_large:
                self._large.release()
            del self._mine.pool, self._mine.has_large
            self._free.put(pool)

    def alone(self, fetch: Fetch) -> Fetch:
        """The same, for threads that have a pool: the first that fetches is alone with it until it gives that back."""

        def fetched(claim: Claim) -> bytes:
            if not self._mine.has_large:
                self._large.acquire()
                self._mine.has_large = True
            return fetch(claim)

        return fetched

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Let this thread's pool do it."""
        pool: ThreadPoolExecutor = self._mine.pool
        return pool.submit(fn, *args, **kwargs)

    def __exit__(self, *error: object) -> None:
        """End all pools; what they were given is done first."""
        for pool in self._pools:
            pool.shutdown()
