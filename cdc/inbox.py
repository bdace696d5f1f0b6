"""Between the thread that reads the binlog and the one that sends: a queue bounded by bytes.

A full queue makes the reader wait, the connection's buffers fill, and the source waits with us.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from cdc.committed import Committed
from keymap.position import Position

WAIT_SECONDS = 0.2  # how soon a waiting reader notices that it is to stop


@dataclass(frozen=True, slots=True)
class Point:
    """Everything before `position` was read and holds no more captured changes.

    `timestamp` (seconds since 1970, 0: unknown) is when the source wrote what is there; `idle`: nothing follows yet.
    """

    position: Position
    timestamp: int
    idle: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """Reading ended for a reason that only a person can mend; everything before it was handed over."""

    error: BaseException


Item = Committed | Point | Failure


class Inbox:
    """For one thread that puts and one that takes. `wake` is called after each put.

    Each thread has a count of its own, and a lock is taken only to wait.
    """

    def __init__(self, bytes_max: int, wake: Callable[[], None]) -> None:
        self._bytes_max = bytes_max
        self._wake = wake
        self._items: deque[tuple[Item, int]] = deque()
        self._put_bytes = self._taken_bytes = 0
        self._room = threading.Condition()
        self._waiting = self._closed = False

    @property
    def pending_bytes(self) -> int:
        """What waits here."""
        return self._put_bytes - self._taken_bytes

    def put(self, item: Item, size_bytes: int = 0) -> bool:
        """Hand it over, waiting for room; a large item enters when nothing else is there. False when closed."""
        if not self._has_room(size_bytes):
            self._wait_for_room(size_bytes)
        if self._closed:
            return False
        self._items.append((item, size_bytes))
        self._put_bytes += size_bytes
        self._wake()
        return True

    def take(self) -> Item | None:
        """The next item, None when there is none at the moment."""
        if not self._items:
            return None
        item, size_bytes = self._items.popleft()
        self._taken_bytes += size_bytes
        if self._waiting:
            with self._room:
                self._room.notify()
        return item

    def close(self) -> None:
        """Forget what is there, and take nothing more."""
        self._closed = True
        with self._room:
            self._room.notify()
        while (item := self.take()) is not None:
            if isinstance(item, Committed):
                item.entries.close()

    def _has_room(self, size_bytes: int) -> bool:
        held = self._put_bytes - self._taken_bytes
        return not held or held + size_bytes <= self._bytes_max

    def _wait_for_room(self, size_bytes: int) -> None:
        """Say that we wait before looking again: so either we see what was taken, or who takes sees us."""
        with self._room:
            self._waiting = True
            while not self._has_room(size_bytes) and not self._closed:
                self._room.wait(WAIT_SECONDS)
            self._waiting = False
