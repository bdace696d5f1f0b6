"""May rows be read from another server than the captured one: from a replica of it, or from a copy that stands still?

Rows are right where their server shows all that was before the capture's start, and nothing that the captured server
has not: what came later is replayed over them. Only MySQL's GTIDs tell both. They tell nothing of what a replica was
told to leave out, so such a one is refused too.
"""

from collections.abc import Iterator
from typing import Final

from keymap.errors import KeyshiftError, Problem
from keymap.gtid import GtidSet
from keyshift.mysql.connection import Connection, MySQLError, error_number
from keyshift.mysql.facts import ServerFacts
from keyshift.mysql.strain import DENIED, Row, channels
from keyshift.process.source import SourceSettings

_FILTERS: Final = ("Do_DB", "Ignore_DB", "Do_Table", "Ignore_Table", "Wild_Do_Table", "Wild_Ignore_Table", "Rewrite_DB")
_SKIPS: Final = ("replica_skip_errors", "slave_skip_errors")
_FROM_THE_SOURCE: Final = "Read from another replica, or from the source (take bulkload.source out)"


class UnfitReplica(KeyshiftError):
    """Rows of this server are not, or cannot be known to be, those of the source."""


def place_of(settings: SourceSettings) -> str:
    """How a server that rows are read from is named to people."""
    return f"bulkload.source ({settings.host}:{settings.port})"


def require_fit(connection: Connection, facts: ServerFacts, place: str) -> None:
    """Raise UnfitReplica with the first reason why no row may be read from this server. Raises MySQLError."""
    _require_none(unfit(connection, facts, place))


def unfit(connection: Connection, facts: ServerFacts, place: str) -> Iterator[Problem]:
    """Each reason why no row may be read from this server, whatever it has executed. Raises MySQLError."""
    if facts.aurora_reader:
        what = "it is a reader of an Aurora cluster, of which nobody can tell what it shows already"
        yield Problem(place, what, "Read from the writer (take bulkload.source out), or from a binlog replica")
        return
    if not facts.gtid:
        why = "MariaDB's are not used for that" if facts.flavour == "mariadb" else "its gtid_mode is not ON"
        what = f"nobody can tell without MySQL's GTIDs whether it shows what was before the capture's start ({why})"
        yield Problem(place, what, "Read from the source: take bulkload.source.host and port out")
        return
    skipped = next((name for name in _SKIPS if facts.variables.get(name, "OFF").upper() not in {"OFF", ""}), None)
    if skipped:
        yield Problem(place, f"it may lack rows: it skips errors ({skipped})", _FROM_THE_SOURCE)
    try:
        found = channels(connection)
    except MySQLError as error:
        if error_number(error) not in DENIED:
            raise
        what = "the user may not ask whether it leaves out tables of its source"
        yield Problem(place, what, "Run there: GRANT REPLICATION CLIENT ON *.* TO the user")
        return
    if filters := sorted({name for channel in found for name in _filters(channel)}):
        yield Problem(place, f"it leaves out what its filters name ({', '.join(filters)})", _FROM_THE_SOURCE)


def require_descent(shown: str, known: str, place: str) -> None:
    """Raise UnfitReplica unless all that a server shows is in what the source had a moment later (GTID sets)."""
    _require_none(strays(shown, known, place))


def strays(shown: str, known: str, place: str) -> Iterator[Problem]:
    """That a server shows what the source had not a moment later, if it does (GTID sets)."""
    if more := str(GtidSet(shown).minus(GtidSet(known))):
        what = f"it has transactions that the source has not: {_short(more)}"
        yield Problem(
            place, what, "Name a replica of the source to which nobody else writes, or take bulkload.source out"
        )


def _require_none(problems: Iterator[Problem]) -> None:
    if (problem := next(problems, None)) is not None:
        raise UnfitReplica(f"{problem.where}: {problem.what}", problem.remedy)


def _filters(channel: Row) -> Iterator[str]:
    """Those that are set, by their name as a setting."""
    for name in _FILTERS:
        if channel.get(f"Replicate_{name}"):
            yield f"replicate-{name.lower().replace('_', '-')}"


def _short(gtids: str) -> str:
    first, *others = gtids.split(",")
    return f"{first}, and of {len(others)} servers more" if others else first
