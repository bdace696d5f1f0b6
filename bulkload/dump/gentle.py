"""The dump's manners: between two chunks it looks at the servers and at what is asked of it, and waits where it must.

It holds nothing while it waits: every chunk is one SELECT in autocommit, read to its end, so no transaction is open
between two of them, for however long the dump is paused.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from bulkload.board import Board
from bulkload.chunkfile import EncodedChunk
from bulkload.dump.limits import Bucket, Limits, Strain, judged, rest_seconds, strictest
from bulkload.dump.source import Source
from bulkload.estimate import next_limit
from bulkload.hold import steadily
from keyshift.control.store import Store
from keyshift.control.throttle import Throttle, read_throttle
from keyshift.mysql.connection import Connection, MySQLError, is_lost
from keyshift.mysql.strain import Lag, Replicas, read_own_lag, read_threads_running
from keyshift.process.log import get_logger
from keyshift.process.settings import BulkloadSettings
from keyshift.process.stop import Stop

LOOK_SECONDS: Final = 2.0  # between two looks at the control table and the servers: soon felt, and cheap
_log = get_logger(__name__)


class Gentle:
    """Stands before each chunk of the dump. For one thread; `clock` counts seconds and only goes forward."""

    def __init__(  # noqa: PLR0913 - collaborators are handed in
        self,
        settings: BulkloadSettings,
        *,
        source: Source,
        replicas: Replicas,
        store: Store,
        board: Board,
        stop: Stop,
        clock: Callable[[], float],
    ) -> None:
        self._settings, self._source, self._replicas = settings, source, replicas
        self._store, self._board, self._stop, self._clock = store, board, stop, clock
        self._rows, self._bytes = Bucket(clock), Bucket(clock)
        self._took, self._ended = 0.0, float("-inf")
        self._looked = float("-inf")
        self._can_ask_lag = True
        self._limits, self._strain = Limits.of(settings.throttle, Throttle()), Strain()

    def wait(self) -> None:
        """Return when the next chunk may be read. Raises Stopped, and KeyshiftError as Source.ask does."""
        while True:
            self._stop.sleep(0)
            self._look()
            seconds, why = strictest(self._waits())
            if seconds <= 0:
                self._board.goes_on()
                return
            self._board.waits(why)
            self._stop.sleep(min(seconds, LOOK_SECONDS))

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Around the reading of one chunk: how long it takes decides how large the next one is."""
        began = self._clock()
        yield
        self._ended = self._clock()
        self._took = self._ended - began

    def next_limit(self, limit: int, chunk: EncodedChunk) -> int:
        """How many rows the next chunk may have, after this one, which was to have `limit`."""
        self._rows.take(chunk.rows)
        self._bytes.take(chunk.raw_bytes)
        in_time = int(chunk.rows * self._settings.chunk_seconds / max(self._took, 1e-6))
        most = min(self._settings.chunk_rows, max(1, in_time))
        found = next_limit(limit, chunk.rows, chunk.raw_bytes, most)
        return min(found, self._limits.rows_fitting(chunk.rows, chunk.raw_bytes) or found)

    def _waits(self) -> Iterator[tuple[float, str]]:
        """Each reason to wait, and for how long."""
        verdict, limits = judged(self._limits, self._strain), self._limits
        if not verdict.share:
            yield LOOK_SECONDS, verdict.why
        elif verdict.why:
            yield self._ended + rest_seconds(verdict.share, self._took) - self._clock(), verdict.why
        for name in ("rows_per_second_max", "bytes_per_second_max"):
            bucket = self._rows if name == "rows_per_second_max" else self._bytes
            rate = getattr(limits, name)
            yield bucket.wait_seconds(rate), f"{name} is {rate:,}"

    def _look(self) -> None:
        if self._clock() - self._looked < LOOK_SECONDS:
            return
        throttle = steadily(lambda: read_throttle(self._store), self._stop)
        self._limits = Limits.of(self._settings.throttle, throttle)
        self._strain = Strain() if self._limits.paused else self._asked()
        self._looked = self._clock()

    def _asked(self) -> Strain:
        """What the servers say; those are asked that have a limit."""
        running, lags = 0, []
        if self._limits.threads_running_max:
            running = self._source.ask(read_threads_running, "asking for Threads_running")
        if self._limits.replica_lag_seconds_max:
            own = self._source.ask(self._own_lag, "asking how far the source is behind")
            lags = [*self._replicas.lags(), *([own] if own else [])]
        return Strain(running, tuple(lags))

    def _own_lag(self, connection: Connection) -> Lag | None:
        """Without the grant to ask, the source is taken for no replica, as preflight does, and the log says so once."""
        try:
            return read_own_lag(connection) if self._can_ask_lag else None
        except MySQLError as error:
            if is_lost(error):
                raise
            self._can_ask_lag = False
            _log.warning("lag_of_the_source_is_not_watched", reason="the user may not ask for it (docs/permissions.md)")
            return None
