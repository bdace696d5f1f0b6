"""What a running dump or load tells those who look from elsewhere: how far it is, how fast, and what it waits for.

It is written into the control table every few seconds (keyshift/control/pace.py), for `keyshift bulkload status`.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from bulkload.hold import steadily
from bulkload.progress import Progress
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


class Board:
    """A Progress that passes on to another one, and tells the control table too. For one thread.

    `job` is the name of the job's lease.
    """

    def __init__(self, store: Store, job: str, inner: Progress, stop: Stop, clock: Callable[[], float]) -> None:
        self._store, self._job, self._inner, self._stop, self._clock = store, job, inner, stop, clock
        self._table, self._rows, self._total = "", 0, 0
        self._rate = Rate()
        self._waits = self._told_waits = ""
        self._written = float("-inf")

    def expects(self, table: str, total: int) -> None:
        """A table will be done of which nothing was told yet: about so many rows."""
        if not steadily(lambda: read_pace(self._store, self._job, table), self._stop).at_ms:
            steadily(lambda: record_pace(self._store, self._job, table, Pace(rows_total=total)), self._stop)

    def begins(self, table: str, rows: int, total: int) -> None:
        """A table is begun or gone on with: `rows` of about `total` were done before."""
        self._table, self._rows, self._total = table, rows, max(rows, total)
        self._rate, self._waits = Rate(), ""
        self._rate.add(self._clock(), rows)
        self._write()

    def __call__(self, table: str, done: int, total: int, unit: str) -> None:
        """As Progress."""
        self._inner(table, done, total, unit)
        if table != self._table:
            self.begins(table, done, total)
        self._rows, self._total = done, total
        self._rate.add(self._clock(), done)
        self._tell(now=done >= total)

    def waits(self, why: str) -> None:
        """The job waits. Call it again and again while it does."""
        if why != self._waits:
            _log.info("waits", table=self._table, why=why)
        self._waits = why
        self._tell(now=False)

    def goes_on(self) -> None:
        """The job does not wait any longer."""
        if self._waits:
            self._waits = ""
            self._tell(now=False)

    def _tell(self, *, now: bool) -> None:
        if now or self._clock() - self._written >= WRITE_SECONDS:
            self._write()

    def _write(self) -> None:
        self._written = self._clock()
        rate = round(self._rate.per_second(self._written))
        pace = Pace(self._rows, self._total, rate, self._waits)
        steadily(lambda: record_pace(self._store, self._job, self._table, pace), self._stop)
