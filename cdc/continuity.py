"""Whether the source is still the one that capture left, and what follows where it is not. Pure: facts in, verdict out.

Versions order changes by the numbering of one server's binlog: file and offset. So each connection is asked whether
server and file are those of the position that we go on from. Where they are not, GTIDs may still say that nothing is
missing; then capture goes on in a raised epoch, in which every change is newer than all before. Where they do not,
nobody can know, and capture stops (docs/decisions/0017, and docs/design, "Fail-over").
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from keymap.errors import KeyshiftError
from keymap.gtid import GtidSet
from keymap.position import Position

CHECKPOINT: Final = "the checkpoint"
STREAM: Final = "the stream"
CHUNKS: Final = "the dumped rows"
LOAD_AGAIN: Final = (
    "`keyshift cdc resume --decision reload --reason ...`, then `keyshift cdc run` and `keyshift bulkload run`"
    " (docs/reload.md)"
)
_SHOWN_MAX: Final = 600  # characters of a GTID set in a message


class Change(StrEnum):
    """What is not as it was left. The words are logged."""

    SERVER = "server"  # another server answers
    NAME = "name"  # its binlog files have another base name, and the one that was left is not among them
    GONE = "gone"  # the file that was left is not there, though others of its base name are
    FILE = "file"  # a file of that name is there, and is another one
    LOST = "lost"  # the same file, on a server that has lost transactions
    NUMBERING = "numbering"  # the file that was left is there, and what follows it is numbered anew


class SourceChanged(Exception):
    """The source is not as capture left it: end here, and begin anew with what it is now.

    `position` is the one up to which it was as it was left, where that is known.
    """

    def __init__(self, change: Change, position: Position | None = None) -> None:
        super().__init__(change.value)
        self.change = change
        self.position = position

    def holds_at(self, position: Position) -> bool:
        """Whether, from this position on, there is nothing of the old numbering any more."""
        met = self.position if self.change is Change.NUMBERING else None
        return met is not None and position.contains(met)


class Lost(KeyshiftError):
    """Changes are lost to capture, or nobody can know that none is: all tables must be loaded again."""


@dataclass(frozen=True, slots=True)
class Left:
    """Where capture was left: a position on a server (its identity)."""

    server: str
    position: Position

    @property
    def base(self) -> str:
        """The base name of its binlog files."""
        return self.position.file.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Found:
    """The source as a connection found it.

    `fingerprint` is that of the file that was left, None where there is no such file. `base` is the base name of its
    binlog files, "" where it does not say. `executed` are the transactions that it has, or is about to have, and
    `purged` those of them that are in none of its binlog files; `gtids` says whether these mean anything. `retention`
    is its setting of how long binlogs stay, for people.
    """

    server: str
    gtids: bool
    base: str
    fingerprint: str | None
    executed: str = ""
    purged: str = ""
    retention: str = ""
    flavour: str = "mysql"

    def with_fingerprint(self, fingerprint: str | None) -> "Found":
        """The same, with what the file was found to be."""
        return replace(self, fingerprint=fingerprint)


@dataclass(frozen=True, slots=True)
class GoOn:
    """Nothing has changed."""


@dataclass(frozen=True, slots=True)
class Raise:
    """Go on by GTID, in a raised epoch."""

    change: Change


@dataclass(frozen=True, slots=True)
class Refuse:
    """Stop. `lacking` are transactions that the source may still come to have, if it is catching up; "" for none."""

    message: str
    remedy: str
    lacking: str = ""


Verdict = GoOn | Raise | Refuse


def changed(left: Left, found: Found) -> Change | None:
    """What is not as it was left; None where going on at the position is right."""
    if found.server != left.server:
        return Change.SERVER
    if found.fingerprint is None:
        return Change.NAME if found.base and found.base != left.base else Change.GONE
    if left.position.fingerprint not in {"", found.fingerprint}:  # "": left by a version that kept none
        return Change.FILE
    if _lacking(found, [left.position.gtid_set]):
        return Change.LOST
    return None


def decide(
    left: Left, found: Found, held: Mapping[str, str], tables: Iterable[str], *, renumbered: bool = False
) -> Verdict:
    """What follows. `held` are the GTID sets of what was sent or read beyond the position, by where it is.

    `tables` are the captured ones, for people. `renumbered`: a connection has met, right behind the position, files
    that are numbered anew.
    """
    change = changed(left, found) or (Change.NUMBERING if renumbered else None)
    if change is None:
        return GoOn()
    again = _again(tables)
    if not (found.gtids and left.position.gtid_set):
        return _without_gtids(change, left, found, again)
    sets = {CHECKPOINT: left.position.gtid_set, **held}
    if lacking := _lacking(found, sets.values()):
        return _lost(left, found, sets, lacking, again)
    if change in {Change.NAME, Change.GONE, Change.FILE} and not _is_unnumbered(found, sets):
        return _reset(left, again)
    if _missing([found.purged], [left.position.gtid_set]):
        return _purged(left, found, again)
    return Raise(change)


def _is_unnumbered(found: Found, sets: Mapping[str, str]) -> bool:
    """Whether no transaction that we know of by name can be another one by now.

    A reset lets a server number its transactions from 1 again, under the same uuid: the names that we have sent are
    given to others. Those that are purged, whether with their files or by SET GLOBAL gtid_purged, are not given again.
    """
    known = [text for where, text in sets.items() if where != CHUNKS]
    return not _missing(known, [found.purged])


def _lacking(found: Found, sets: Iterable[str]) -> str:
    """The transactions of these sets that the source has not."""
    return _missing(sets, [found.executed]) if found.gtids else ""


def _missing(wanted: Iterable[str], there: Iterable[str]) -> str:
    return str(GtidSet(",".join(filter(None, wanted))).minus(GtidSet(",".join(filter(None, there)))))


def _without_gtids(change: Change, left: Left, found: Found, again: str) -> Refuse:
    if change is Change.SERVER:
        message = f"the source is server {found.server} now, and capture began on {left.server}: their binlogs differ"
        why = "MariaDB's GTIDs are not followed" if found.flavour == "mariadb" else "it has no GTIDs (gtid_mode=ON)"
        return Refuse(f"{message}, and {why}", f"Connect to the former server, or {_lower(again)}")
    if change in {Change.NAME, Change.NUMBERING}:
        message = f"the source's binlog goes on as {found.base or 'another name'}.*, and capture is at {_where(left)}"
        remedy = "Its numbering began anew (another --log-bin name), so old and new changes cannot be ordered: give it"
        return Refuse(message, f"{remedy} the former name back, or {_lower(again)}")
    if change is Change.GONE:
        return _purged(left, found, again)
    return _reset(left, again)


def _lost(left: Left, found: Found, sets: Mapping[str, str], lacking: str, again: str) -> Refuse:
    holders = " and ".join(where for where, text in sets.items() if _lacking(found, [text]))
    who = f"the source, server {found.server}" + (", which took over," if found.server != left.server else "")
    message = f"{who} does not have transactions that {holders} hold{'s' if ' and ' not in holders else ''}:"
    remedy = "Items may show these changes, and the source never will: connect to the server that has them, wait until"
    remedy += f" this one has them (if it is a replica that is catching up), or {_lower(again)}"
    return Refuse(f"{message} {_shown(lacking)}", remedy, lacking)


def _reset(left: Left, again: str) -> Refuse:
    message = f"the source has begun its binlog anew (it was reset or restored) since capture was at {_where(left)}"
    message += ", so transactions are lost to capture"
    if left.position.gtid_set:
        message += f", and new ones may bear the names of those that it has sent: {_shown(left.position.gtid_set)}"
    return Refuse(message, again)


def _purged(left: Left, found: Found, again: str) -> Refuse:
    message = f"the source has purged the binlog behind our position {_where(left)}, so changes are lost to capture"
    if missed := found.gtids and _missing([found.purged], [left.position.gtid_set]):
        message += f": {_shown(missed)}"
    keep = f" (it has {found.retention})" if found.retention else ""
    remedy = f"Keep binlogs for longer than capture may be stopped{keep}; on RDS and Aurora: CALL"
    return Refuse(message, f"{remedy} mysql.rds_set_configuration('binlog retention hours', 168). {again}")


def _again(tables: Iterable[str]) -> str:
    return f"Load every captured table again ({', '.join(sorted(tables))}): {LOAD_AGAIN}"


def _lower(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def _where(left: Left) -> str:
    return f"{left.position.file}:{left.position.offset}"


def _shown(gtid_set: str) -> str:
    return gtid_set if len(gtid_set) <= _SHOWN_MAX else f"{gtid_set[:_SHOWN_MAX]}…"
