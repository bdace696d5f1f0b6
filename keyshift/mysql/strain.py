"""How hard a server works, as far as a reader should care: statements that run at once, and lag of replicas.

Replication's own figure is coarse (whole seconds, and 0 while a replica waits for the network), but every server has
it, and asking for it needs no more than the grants of capture.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from keymap.errors import KeyshiftError, Problem, Problems
from keyshift.mysql.connection import Connection, MySQLError, connect, error_number, is_lost, query
from keyshift.mysql.facts import version_of
from keyshift.process.source import SourceSettings

DENIED: Final = frozenset({1044, 1142, 1143, 1227})
Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Lag:
    """How many seconds `server` ("the source", or host:port) is behind; None where nobody knows, for `reason`."""

    server: str
    seconds: int | None
    reason: str = ""


def read_threads_running(connection: Connection) -> int:
    """Statements that the server runs now, this one among them. Needs no privilege."""
    ((_, value),) = query(connection, "SHOW GLOBAL STATUS LIKE 'Threads_running'")
    return int(value)


def read_changes_per_second(connection: Connection) -> float:
    """Rows that the server inserted, updated and deleted, in all its tables, on average since it started."""
    found = {str(name): float(value) for name, value in query(connection, _CHANGES)}
    return sum(value for name, value in found.items() if name != "Uptime") / max(1.0, found.get("Uptime", 0.0))


_CHANGES: Final = """SHOW GLOBAL STATUS WHERE variable_name IN
    ('Innodb_rows_inserted', 'Innodb_rows_updated', 'Innodb_rows_deleted', 'Uptime')"""


def replicates(connection: Connection) -> bool | None:
    """Whether the server is set up as a replica, running or not; None where the user may not ask."""
    try:
        return bool(channels(connection))
    except MySQLError as error:
        if error_number(error) in DENIED:
            return None
        raise


def read_lag(connection: Connection, server: str) -> Lag | None:
    """How far the server is behind, by its slowest channel; None where it does not replicate. Raises MySQLError."""
    return _slowest([_lag(server, channel) for channel in channels(connection)])


def read_own_lag(connection: Connection, server: str) -> Lag | None:
    """The same of the server that is read, which counts while it replicates: a promoted one may be set up still."""
    running = [row for row in channels(connection) if "Yes" in (_either(row, "IO"), _either(row, "SQL"))]
    return _slowest([_lag(server, channel) for channel in running])


def _slowest(lags: list[Lag]) -> Lag | None:
    unknown = next((lag for lag in lags if lag.seconds is None), None)
    return unknown or max(lags, key=lambda lag: lag.seconds or 0, default=None)


def _lag(server: str, channel: Row) -> Lag:
    seconds = next((channel[name] for name in ("Seconds_Behind_Source", "Seconds_Behind_Master") if name in channel), 0)
    if seconds is not None:
        return Lag(server, int(str(seconds)))
    receives, applies = (_either(channel, thread) for thread in ("IO", "SQL"))
    return Lag(server, None, f"it does not replicate (receiver: {receives}, applier: {applies})")


def _either(channel: Row, thread: str) -> str:
    """Whether a thread of the channel runs, by the newer name or the older."""
    names = (f"Replica_{thread}_Running", f"Slave_{thread}_Running")
    return next((str(channel[name]) for name in names if name in channel), "")


def channels(connection: Connection) -> list[Row]:
    """What a server says of each channel on which it is set up as a replica. Raises MySQLError."""
    with connection.cursor() as cursor:
        cursor.execute(_statement(str(query(connection, "SELECT VERSION()")[0][0])))
        names = [str(column[0]) for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _statement(version: str) -> str:
    """MariaDB shows one channel only unless it is asked for all, MySQL always shows all."""
    if "mariadb" in version.lower():
        return "SHOW ALL SLAVES STATUS"
    return "SHOW SLAVE STATUS" if version_of(version) < (8, 0, 22) else "SHOW REPLICA STATUS"


class Replicas:
    """The replicas that the settings name, each on a connection that is kept; a context manager.

    Raises Problems on entry with every one of them that cannot be asked, or that is no replica.
    """

    def __init__(self, source: SourceSettings, places: Iterable[tuple[str, int]]) -> None:
        self._sources = {
            f"{host}:{port}": source.model_copy(update={"host": host, "port": port}) for host, port in places
        }
        self._open: dict[str, Connection] = {}

    def __enter__(self) -> Self:
        Problems.raise_if_any(
            Problem(f"bulkload.throttle.replicas: {name}", *reason)
            for name in self._sources
            if (reason := self._reason_against(name))
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in list(self._open):
            self._drop(name)

    def lags(self) -> list[Lag]:
        """How far each is behind. Who does not answer has no figure, and is asked anew the next time."""
        return [self._ask(name) for name in self._sources]

    def _ask(self, name: str) -> Lag:
        try:
            found = read_lag(self._connection(name), name)
        except (MySQLError, KeyshiftError) as error:
            self._drop(name)
            return Lag(name, None, error.message if isinstance(error, KeyshiftError) else _told(error))
        return found or Lag(name, None, "it does not replicate")

    def _reason_against(self, name: str) -> tuple[str, str] | None:
        try:
            found = replicates(self._connection(name))
        except KeyshiftError as error:
            return error.message, error.remedy
        except MySQLError as error:
            self._drop(name)
            return _told(error), "Look at the server's log, or take it out of the setting"
        if found is None:
            what = "the user may not ask how far it is behind"
            return what, "Run there: GRANT REPLICATION CLIENT (MariaDB: SLAVE MONITOR) ON *.* TO the user"
        return None if found else ("it is no replica of any server", "Name replicas only")

    def _connection(self, name: str) -> Connection:
        if name not in self._open:
            self._open[name] = connect(self._sources[name])
        return self._open[name]

    def _drop(self, name: str) -> None:
        connection = self._open.pop(name, None)
        if connection is not None and connection.open:
            connection.close()


def _told(error: MySQLError) -> str:
    number = error_number(error)
    return "its connection was lost" if is_lost(error) else f"it refuses to say how far it is behind (error {number})"
