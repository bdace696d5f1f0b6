"""What there is to load: the chunks that are recorded as dumped and not as loaded, and those that a dump still brings.

They are taken in the order of their digests, which is as good as a random one: rows that are neighbours in the source
often are neighbours in the target, and one of its partitions takes 1,000 writes a second.
"""

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from bulkload.load.reading import Table, Task, recorded_chunks
from keymap.schema import TableSchema
from keyshift.control.store import Store
from keyshift.process.stop import Stop, Stopped

WAIT_SECONDS: Final = 0.2  # before looking again whether the dump has brought a chunk: nothing beside reading one


class Feed:
    """Chunks that a dump records while the load runs. The dump's thread puts and ends, the load's takes."""

    def __init__(self) -> None:
        self._tasks: deque[Task] = deque()
        self._ended = threading.Event()
        self.complete = False

    def put(self, task: Task) -> None:
        """A chunk was recorded as dumped."""
        self._tasks.append(task)

    def end(self, *, complete: bool) -> None:
        """No chunk will come any more: everything is dumped, or the dump has ended early."""
        self.complete = complete
        self._ended.set()

    @property
    def ended(self) -> bool:
        """Whether all that was put is taken, and nothing more will come."""
        return self._ended.is_set() and not self._tasks  # in this order: nothing is put after the end

    def take(self) -> Task | None:
        """The next chunk, None if there is none now."""
        return self._tasks.popleft() if self._tasks else None


@dataclass(frozen=True, slots=True)
class Following:
    """What a load needs that does not wait for the dump: the tables' schemas, as they are dumped, and the feed."""

    schemas: Mapping[str, TableSchema]
    feed: Feed = field(default_factory=Feed)

    def tables(self, store: Store, names: Iterable[str], stop: Stop) -> list[Table]:
        """The tables with the chunks that are recorded now. What is recorded later comes through the feed."""
        return [Table(self.schemas[name], recorded_chunks(store, name, stop)) for name in names]

    def require_end(self) -> None:
        """Raise Stopped unless the dump has come to its end."""
        if not self.feed.complete:
            raise Stopped("the dump has ended early")


class Work:
    """Chunks to be loaded, each once: those that are known now, then those of the feed. For one thread."""

    def __init__(self, tasks: Iterable[Task], feed: Feed | None = None) -> None:
        self._known = deque(sorted(tasks, key=lambda task: task.chunk.sha256))
        self._seen = {_place(task) for task in self._known}
        self._feed = feed

    def __len__(self) -> int:
        """How many are known and not taken."""
        return len(self._known)

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to take, now and later."""
        return not self._known and (self._feed is None or self._feed.ended)

    def take(self) -> Task | None:
        """The next chunk; None if there is none now."""
        if self._known:
            return self._known.popleft()
        while self._feed and (task := self._feed.take()):
            if _place(task) not in self._seen:
                self._seen.add(_place(task))
                return task
        return None


def _place(task: Task) -> tuple[str, str, int]:
    return task.chunk.table, task.chunk.generation, task.chunk.number
