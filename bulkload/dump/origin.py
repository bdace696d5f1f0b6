"""Where rows are read from: the source itself, or a replica of it that the settings name (`bulkload.source`).

A replica may show what the source never had, or had and lost: somebody wrote to it, it follows another server too, or
the source failed over. No change would ever correct such a row. So no chunk counts before the source has said that it
has every transaction that the replica shows; a connection is asked the same before it waits for the capture's start.
"""

import threading
from collections.abc import Callable, Iterable
from functools import partial
from types import TracebackType
from typing import Self

from bulkload.dump.source import RECONNECT_SECONDS_MAX, Source, Vet, anybody, open_at_start, open_behind
from keymap.gtid import GtidSet
from keymap.position import Position
from keyshift.mysql.connection import Connection, connect
from keyshift.mysql.facts import ServerFacts, read_gtid_seen
from keyshift.mysql.replica import place_of, require_descent, require_fit
from keyshift.process.backoff import Backoff
from keyshift.process.settings import Settings
from keyshift.process.stop import Stop


class Origin:
    """The server of the rows, with the source beside it where that is another one; a context manager.

    For any number of threads.
    """

    def __init__(self, settings: Settings, stop: Stop) -> None:
        self._rows = settings.rows
        self._is_source = not settings.rows_elsewhere
        self._stop = stop
        self._source = self._asking(partial(connect, settings.source), "the source")
        self._known = GtidSet()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        """Connect to the source where it is to be asked: one that cannot be reached now is told of at once."""
        if not self._is_source:
            self._source.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._source.close()

    @property
    def name(self) -> str:
        """For people."""
        return "the source" if self._is_source else place_of(self._rows)

    def reader(self, open_connection: Callable[[], Connection]) -> Source:
        """Asks the server of the rows, on a connection that this gives."""
        return self._asking(open_connection, self.name)

    def at_start(self, start: Position, server: str) -> Connection:
        """As open_at_start. Raises UnfitReplica too."""
        return open_at_start(self._rows, start, server, self._vet)

    def behind(self, place: Position, server: str, tables: Iterable[str]) -> Connection:
        """As open_behind. Raises UnfitReplica too."""
        return open_behind(self._rows, place, server, tables, self._vet)

    def vouch(self, shown: str) -> None:
        """Return when the source has all of this GTID set, which rows that were read may show.

        Raises UnfitReplica where it has not, and as Source.ask does.
        """
        if self._is_source:
            return
        with self._lock:
            if not self._known.contains(GtidSet(shown)):
                known = self._source.ask(read_gtid_seen, "asking the source for what it has executed")
                require_descent(shown, known, self.name)
                self._known = GtidSet(known)

    @property
    def _vet(self) -> Vet:
        return anybody if self._is_source else self._look

    def _look(self, connection: Connection, facts: ServerFacts) -> None:
        require_fit(connection, facts, self.name)
        self.vouch(read_gtid_seen(connection))

    def _asking(self, open_connection: Callable[[], Connection], name: str) -> Source:
        return Source(open_connection, Backoff(max_seconds=RECONNECT_SECONDS_MAX), self._stop, name)
