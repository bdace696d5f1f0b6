"""What happens in a binlog, in our own few words; how it is written there stays behind keyshift/binlog.

Every event has its place. An event that says nothing to us (`Passed`) still moves the position: an idle source, or one
that writes only to other tables, must be seen to advance. Events are made once per binlog event, so they are plain
slotted objects: freezing them would double what they cost. Nobody changes one.
"""

from dataclasses import dataclass
from typing import NamedTuple

from keymap.values import Row


class Place(NamedTuple):
    """Where an event lies: from `offset` to `end` (bytes, beyond 32 bits) of `file`.

    `timestamp` is in seconds since 1970, when its statement began at the source; 0 where the event has none. What a
    compressed transaction holds lies where the event lies that holds it all.
    """

    file: str
    offset: int
    end: int
    timestamp: int

    def __str__(self) -> str:
        return f"{self.file}:{self.offset}"


@dataclass(slots=True)
class Begin:
    """The head of a group of events that commits or not as one.

    `gtid` is "" where the source gives none. `standalone` says whether the group is one statement and nothing closes
    it; None where only what follows will tell (MySQL). `committed_us` is when it was committed at the source, in
    microseconds since 1970; None where the source does not say (MariaDB, MySQL 5.7). `moot`: its statement has changed
    nothing, for it is told again when it is done, or was rolled back.
    """

    place: Place
    gtid: str
    standalone: bool | None = None
    committed_us: int | None = None
    moot: bool = False


@dataclass(slots=True)
class Query:
    """A statement logged as text: the grammar of transactions, DDL, or a change logged as a statement.

    `databases` are those that it has changed, as far as the source says (keyshift.binlog.query_variables).
    """

    place: Place
    schema: str
    text: str
    databases: tuple[str, ...] = ()


Image = tuple[Row | None, Row | None]  # before and after; one of them is None for an insert or a delete


@dataclass(slots=True)
class Rows:
    """Changed rows of one captured table ('db.table'), in order.

    `first` is the ordinal of the first of them among the captured rows that lie at this place: above 0 only within a
    compressed transaction, all of whose events lie at one place. `has_sets`: the table has a column of type SET.
    """

    place: Place
    table: str
    images: list[Image]
    first: int = 0
    has_sets: bool = True


@dataclass(slots=True)
class Commit:
    """The open transaction is committed."""

    place: Place


@dataclass(slots=True)
class Prepare:
    """The open XA transaction is prepared; whether it commits is logged later, in a group of its own."""

    place: Place


@dataclass(slots=True)
class Passed:
    """Nothing for us, up to `place.end`."""

    place: Place


@dataclass(slots=True)
class NewFile:
    """Reading goes on in another file. A group still open was never finished: the server died while it wrote it."""

    place: Place


@dataclass(slots=True)
class FileHeader:
    """The file's own first events, which say which file of its name it is; all that follows is told after them."""

    place: Place
    fingerprint: str


@dataclass(slots=True)
class Idle:
    """The source has nothing behind this place, for the moment."""

    place: Place


@dataclass(slots=True)
class Waiting:
    """All that has come was read, and more is waited for: no event of the source's, and it moves nothing."""

    place: Place


Event = Begin | Query | Rows | Commit | Prepare | Passed | NewFile | FileHeader | Idle | Waiting
