"""The source as the dump sees it: questions asked on one connection, which is opened again when it is lost.

Every connection, the first and each later one, may lead to another server (a reader endpoint, a replica behind a name).
So each is asked who it is, and waits until its server contains the point at which capture started, before a row is
read from it (docs/design, "Capture starts").
"""

from collections.abc import Callable, Iterable
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from keymap.errors import KeyshiftError
from keymap.position import Position
from keyshift.mysql.connection import Connection, MySQLError, Unreachable, connect, error_number, is_lost
from keyshift.mysql.facts import ServerFacts, read_facts
from keyshift.mysql.start import wait_for_place, wait_for_start
from keyshift.process.backoff import Backoff
from keyshift.process.log import get_logger
from keyshift.process.source import SourceSettings
from keyshift.process.stop import Stop

T = TypeVar("T")
Vet = Callable[[Connection, ServerFacts], None]
_log = get_logger(__name__)

RECONNECT_SECONDS_MAX = 30.0  # between two tries: soon back after an outage, and no storm on a server that starts
RECONNECTS_MAX = 40  # about ten minutes with these pauses: longer than a fail-over or a restart takes


def anybody(_connection: Connection, _facts: ServerFacts) -> None:
    """Nothing is asked of a server beyond where it is."""


class Source:
    """Asks questions of the source; a context manager. `open_connection` gives a connection that rows may be read from.

    It connects when it is entered, or else with the first question. For one thread at a time. `name` is for people.
    """

    def __init__(
        self, open_connection: Callable[[], Connection], backoff: Backoff, stop: Stop, name: str = "the source"
    ) -> None:
        self.name = name
        self._open = open_connection
        self._backoff = backoff
        self._stop = stop
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        """Connect. A source that cannot be reached now is a mistake to be told at once, not an outage to wait out."""
        try:
            self._connection = self._open()
        except MySQLError as error:
            raise _refusal(error, f"asking {self.name} who it is") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, if there is one; the next question would open another."""
        if self._connection is not None and self._connection.open:
            self._connection.close()
        self._connection = None

    def ask(self, question: Callable[[Connection], T], doing: str) -> T:
        """The answer to a question that may safely be asked again, as it is when the connection is lost.

        Raises KeyshiftError where the server refuses or stays away (`doing` says what we were about), Stopped.
        """
        while True:
            try:
                self._connection = self._connection or self._open()
                answer = question(self._connection)
            except (MySQLError, Unreachable) as error:
                self.close()
                self._wait(error, doing)
            else:
                self._backoff.reset()
                return answer

    def _wait(self, error: MySQLError | Unreachable, doing: str) -> None:
        if isinstance(error, MySQLError) and not is_lost(error):
            raise _refusal(error, doing) from error
        if self._backoff.attempts >= RECONNECTS_MAX:
            message = f"{doing} failed: {self.name} was lost and did not come back"
            raise KeyshiftError(message, "Start again when it is there: what was done is kept") from error
        _log.warning("source_lost", doing=doing, error=type(error).__name__, attempt=self._backoff.attempts + 1)
        self._stop.sleep(self._backoff.next())


def _refusal(error: MySQLError, doing: str) -> KeyshiftError:
    message = f"{doing} failed: {error.args[-1] if error.args else error} (error {error_number(error)})"
    return KeyshiftError(message, "Check that the user may SELECT from the captured tables, and the source's log")


def open_at_start(settings: SourceSettings, start: Position, server: str, vet: Vet = anybody) -> Connection:
    """A connection whose server contains everything before `start`, which `server` gave when capture started.

    `vet` raises where its rows may not be read for another reason; nobody waits for such a server.
    """
    connection = connect(settings)
    try:
        facts = read_facts(connection)
        vet(connection, facts)
        wait_for_start(connection, facts, start, server)
    except BaseException:
        connection.close()
        raise
    return connection


def open_behind(
    settings: SourceSettings, place: Position, server: str, tables: Iterable[str], vet: Vet = anybody
) -> Connection:
    """A connection of which every SELECT sees all before `place`, up to which the binlog of `server` was captured."""
    connection = open_at_start(settings, place, server, vet)
    try:
        facts = read_facts(connection)
        if not (facts.gtid and place.gtid_set):
            wait_for_place(partial(connect, settings), facts, place, tables)
    except BaseException:
        connection.close()
        raise
    return connection
