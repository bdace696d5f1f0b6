"""Progress: a bar for a person at a terminal, a JSON line now and then in a log.

One object serves all long commands: the bulk load tells how far a table is, verify and sweep how much more was done.
"""

import math
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from bulkload.board import Rate
from keyshift.process.clock import boottime
from keyshift.process.log import get_logger

LINE_SECONDS: Final = 5.0  # between two lines of one table: a log that can be read
_log = get_logger("progress")


class Teller(Protocol):
    """Where progress is told."""

    def at(self, table: str, done: int, total: int, unit: str, doing: str = "") -> None:
        """`done` of about `total` are done (0: nobody knows how many); `doing` what, where that is not clear."""

    def more(self, what: str, table: str, count: int) -> None:
        """`count` more are done of what is being done with this table."""


class Bars:
    """A bar per table, on standard error."""

    def __init__(self, progress: Progress, clock: Callable[[], float]) -> None:
        self._progress = progress
        self._clock = clock
        self._tasks: dict[str, TaskID] = {}
        self._rates: defaultdict[TaskID, Rate] = defaultdict(Rate)

    def at(self, table: str, done: int, total: int, unit: str, doing: str = "") -> None:
        """Move the table's bar."""
        task = self._task(f"{doing} {table}".lstrip(), total)
        rate = self._rates[task].seen(self._clock(), done)
        speed = f"{unit}, {rate:,.0f}/s" if rate else unit
        self._progress.update(task, completed=done, total=total or None, unit=speed)

    def more(self, what: str, table: str, count: int) -> None:
        """Move the bar of what is being done with the table."""
        self._progress.advance(self._task(f"{what} {table}", None), count)

    def _task(self, name: str, total: int | None) -> TaskID:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total, unit="")
        return self._tasks[name]


class Lines:
    """A log line per table, at most every five seconds, and one when a table is done."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._told: dict[str, float] = {}
        self._counts: Counter[str] = Counter()
        self._rates: defaultdict[str, Rate] = defaultdict(Rate)

    def at(self, table: str, done: int, total: int, unit: str, doing: str = "") -> None:
        """Log how far the table is, how fast it goes, and when it will be done."""
        name = f"{doing} {table}".lstrip()
        rate = self._rates[name].seen(self._clock(), done)
        if self._is_due(name) or done >= total > 0:
            fields: dict[str, object] = {"doing": doing} if doing else {}
            if rate:
                fields |= {"per_second": round(rate), "eta_seconds": math.ceil(max(0, total - done) / rate)}
            _log.info("progress", table=table, done=done, total=total, unit=unit, **fields)

    def more(self, what: str, table: str, count: int) -> None:
        """Log how much has been done with the table."""
        name = f"{what} {table}"
        self._counts[name] += count
        if self._is_due(name):
            _log.info("progress", doing=what, table=table, done=self._counts[name])

    def _is_due(self, name: str) -> bool:
        now = self._clock()
        due = now - self._told.setdefault(name, now) >= LINE_SECONDS
        if due:
            self._told[name] = now
        return due


@contextmanager
def teller() -> Iterator[Teller]:
    """Bars if standard error is a terminal, else lines."""
    if not sys.stderr.isatty():
        yield Lines(boottime)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield Bars(progress, boottime)
