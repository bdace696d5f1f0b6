"""What a running dump or load tells those who look from elsewhere: how far it is, how fast, and what it waits for.

It is written into the control table every few seconds (keyshift/control/pace.py), for `keyshift bulkload status`.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from bulkload.progress import Progress
from keyshift.aws.hold import steadily
from keyshift.control.pace import Pace, read_pace, record_pace
from keyshift.control.store import Store
from keyshift.process.log import get_logger
from keyshift.process.stop import Stop

WRITE_SECONDS: Final = 2.0  # between two records of one table: soon seen, and no more than the chunks' own records
WINDOW_SECONDS: Final = 60.0  # that a rate is measured over: steady enough for an ETA, soon true after a change
_log = get_logger(__name__)


class Rate:
    """How fast a count has grown lately."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, now: float, count: int) -> None:
        """The count at this moment (seconds, on a clock that only goes forward)."""
        while len(self._seen) > 1 and now - self._seen[1][0] >= WINDOW_SECONDS:
            self._seen.popleft()
        self._seen.append((now, count))

    def seen(self, now: float, count: int) -> float:
        """The rate, with the count of now."""
        self.add(now, count)
        return self.per_second(now)

    def per_second(self, now: float) -> float:
        """Growth per second since the beginning of the window; 0 where nothing is known."""
        if not self._seen or now <= self._seen[0][0]:
            return 0.0
        return (self._seen[-1][1] - self._seen[0][1]) / (now - self._seen[0][0])


class _Line:
    """One table that is being done."""

    def __init__(self, rows: int, total: int, now: float) -> None:
        self.rows, self.total = rows, total
        self.rate = Rate()
        self.rate.add(now, rows)
        self.written = float("-inf")

    @property
    def is_done(self) -> bool:
        return self.rows >= self.total


class Board:
    """A Progress that passes on to another one, and tells the control table too. Threads may share it, and do several
    tables at once.

    `job` is the name of the job's lease.
    """

    def __init__(self, store: Store, job: str, inner: Progress, stop: Stop, clock: Callable[[], float]) -> None:
        self._store, self._job, self._inner, self._stop, self._clock = store, job, inner, stop, clock
        self._lines: dict[str, _Line] = {}  # of tables that are begun
        self._waits: dict[object, str] = {}
        self._lock = threading.RLock()

    def expects(self, table: str, total: int) -> None:
        """A table will be done of which nothing was told yet: about so many rows."""
        if not steadily(lambda: read_pace(self._store, self._job, table), self._stop).at_ms:
            steadily(lambda: record_pace(self._store, self._job, table, Pace(rows_total=total)), self._stop)

    def begins(self, table: str, rows: int, total: int) -> None:
        """A table is begun or gone on with: `rows` of about `total` were done before."""
        with self._lock:
            self._lines[table] = _Line(rows, max(rows, total), self._clock())
            self._write(table)

    def __call__(self, table: str, done: int, total: int, unit: str) -> None:
        """As Progress."""
        with self._lock:
            self._inner(table, done, total, unit)
            if table not in self._lines:
                self.begins(table, done, total)
            line = self._lines[table]
            line.rows, line.total = done, total
            line.rate.add(self._clock(), done)
            if line.is_done:
                self._write(table)
            self._tell()

    def waits(self, why: str, who: object = None) -> None:
        """The job, or one of its readers, waits. Call it again and again while it does."""
        with self._lock:
            if why not in self._waits.values():
                _log.info("waits", tables=self._open(), why=why)
            self._waits[who] = why
            self._tell()

    def goes_on(self, who: object = None) -> None:
        """It does not wait any longer."""
        with self._lock:
            if self._waits.pop(who, ""):
                self._tell()

    def _open(self) -> list[str]:
        return [table for table, line in self._lines.items() if not line.is_done]

    def _tell(self) -> None:
        for table in self._open():
            if self._clock() - self._lines[table].written >= WRITE_SECONDS:
                self._write(table)

    def _write(self, table: str) -> None:
        line = self._lines[table]
        line.written = self._clock()
        rate = round(line.rate.per_second(line.written))
        pace = Pace(line.rows, line.total, rate, next(iter(self._waits.values()), ""))
        steadily(lambda: record_pace(self._store, self._job, table, pace), self._stop)
