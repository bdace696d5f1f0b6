"""The dump's manners: before each chunk it looks at the servers and at what is asked of it, and waits where it must.

It holds nothing while it waits: every chunk is one SELECT in autocommit, read to its end, so no transaction is open
between two of them, for however long the dump is paused. What is allowed is allowed to all readers together: who is let
through has the rows that it may read counted already, and the statements of the others are not held against it.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from bulkload.board import Board
from bulkload.chunkfile import EncodedChunk
from bulkload.dump.limits import Bucket, Limits, Strain, judged, rest_seconds, strictest
from bulkload.dump.source import Source
from bulkload.estimate import next_limit
from keyshift.aws.hold import steadily
from keyshift.control.store import Store
from keyshift.control.throttle import Throttle, read_throttle
from keyshift.mysql.connection import Connection, MySQLError, is_lost
from keyshift.mysql.strain import Lag, Replicas, read_own_lag, read_threads_running
from keyshift.process.log import get_logger
from keyshift.process.stop import Stop
from keyshift.process.tasks import BulkloadSettings

LOOK_SECONDS: Final = 2.0  # between two looks at the control table and the servers: soon felt, and cheap
_log = get_logger(__name__)


class Reader:
    """One of the dump's connections, and how long it took to read its last chunk."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.took, self.ended = 0.0, float("-inf")
        self.counted_rows = self.counted_bytes = 0  # of the chunk that it was let through for


class Gentle:
    """Stands before each chunk of the dump. `clock` counts seconds and only goes forward."""

    def __init__(  # noqa: PLR0913 - collaborators are handed in
        self,
        settings: BulkloadSettings,
        *,
        replicas: Replicas,
        store: Store,
        board: Board,
        stop: Stop,
        clock: Callable[[], float],
    ) -> None:
        self._settings, self._replicas = settings, replicas
        self._store, self._board, self._stop, self._clock = store, board, stop, clock
        self._rows, self._bytes = Bucket(clock), Bucket(clock)
        self._row_bytes = 0.0  # of the last chunk's, on average
        self._reading = 0
        self._looked = float("-inf")
        self._can_ask_lag = True
        self._limits, self._strain = Limits.of(settings.throttle, Throttle()), Strain()
        self._lock, self._look_lock = threading.Lock(), threading.Lock()

    def wait(self, reader: Reader, limit: int) -> None:
        """Return when the reader may read a chunk of `limit` rows. Raises Stopped, and as Source.ask does."""
        while True:
            self._stop.sleep(0)
            self._look(reader.source)
            with self._lock:
                seconds, why = strictest(self._waits(reader))
                if seconds <= 0:
                    self._count(reader, limit)
                    break
            self._board.waits(why, reader)
            self._stop.sleep(min(seconds, LOOK_SECONDS))
        self._board.goes_on(reader)

    @contextmanager
    def reading(self, reader: Reader) -> Iterator[None]:
        """Around the reading of one chunk: how long it takes decides how large the next one is."""
        began = self._clock()
        with self._lock:
            self._reading += 1
        try:
            yield
        finally:
            with self._lock:
                self._reading -= 1
        reader.ended = self._clock()
        reader.took = reader.ended - began

    def next_limit(self, reader: Reader, limit: int, chunk: EncodedChunk, *, is_full: bool = True) -> int:
        """How many rows the next chunk may have, after this one, which was to have `limit`.

        One that is not full tells nothing of how many are too many.
        """
        with self._lock:
            self._rows.take(chunk.rows - reader.counted_rows)
            self._bytes.take(chunk.raw_bytes - reader.counted_bytes)
            if not is_full:
                return limit
            self._row_bytes = chunk.raw_bytes / max(1, chunk.rows)
            fitting = self._limits.rows_fitting(chunk.rows, chunk.raw_bytes)
        in_time = int(chunk.rows * self._settings.chunk_seconds / max(reader.took, 1e-6))
        most = min(self._settings.chunk_rows, max(1, in_time))
        found = next_limit(limit, chunk.rows, chunk.raw_bytes, most)
        return min(found, fitting or found)

    def _count(self, reader: Reader, limit: int) -> None:
        """Take a chunk from what is left for all readers, as it will be; what it was is known when it is read."""
        reader.counted_rows, reader.counted_bytes = limit, int(limit * self._row_bytes)
        self._rows.take(reader.counted_rows)
        self._bytes.take(reader.counted_bytes)

    def _waits(self, reader: Reader) -> Iterator[tuple[float, str]]:
        """Each reason to wait, and for how long."""
        verdict, limits = judged(self._limits, self._strain), self._limits
        if not verdict.share:
            yield LOOK_SECONDS, verdict.why
        elif verdict.why:
            yield reader.ended + rest_seconds(verdict.share, reader.took) - self._clock(), verdict.why
        for name in ("rows_per_second_max", "bytes_per_second_max"):
            bucket = self._rows if name == "rows_per_second_max" else self._bytes
            rate = getattr(limits, name)
            yield bucket.wait_seconds(rate), f"{name} is {rate:,}"

    def _look(self, source: Source) -> None:
        with self._look_lock:
            if self._clock() - self._looked < LOOK_SECONDS:
                return
            throttle = steadily(lambda: read_throttle(self._store), self._stop)
            limits = Limits.of(self._settings.throttle, throttle)
            strain = Strain() if limits.paused else self._asked(source, limits)
            self._looked = self._clock()
            with self._lock:
                self._limits, self._strain = limits, strain

    def _asked(self, source: Source, limits: Limits) -> Strain:
        """What the servers say; those are asked that have a limit."""
        running, lags = 0, []
        if limits.threads_running_max:
            others = self._reading  # of our readers: who asks is none of them, and counts for the question
            running = max(1, source.ask(read_threads_running, "asking for Threads_running") - others)
        if limits.replica_lag_seconds_max:
            own = source.ask(partial(self._own_lag, source.name), f"asking how far {source.name} is behind")
            lags = [*self._replicas.lags(), *([own] if own else [])]
        return Strain(running, tuple(lags), source.name)

    def _own_lag(self, server: str, connection: Connection) -> Lag | None:
        """Without the grant to ask, the server is taken for no replica, as preflight does, and the log says so once."""
        try:
            return read_own_lag(connection, server) if self._can_ask_lag else None
        except MySQLError as error:
            if is_lost(error):
                raise
            self._can_ask_lag = False
            _log.warning("lag_of_the_source_is_not_watched", reason="the user may not ask for it (docs/permissions.md)")
            return None
