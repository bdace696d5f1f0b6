"""The grammar of transactions: events in, whole committed transactions out. Nothing leaves before the end is read.

MariaDB logs rows of transactions that then end in ROLLBACK, `ROLLBACK TO` a savepoint takes logged rows back, and XA
logs rows at PREPARE, long before its outcome; so a transaction's changes wait here until its last event says what
became of it (docs/design, "Version"). The grammar differs between servers:

* MySQL: a GTID (anonymous ones too), then either BEGIN ... Xid or COMMIT or ROLLBACK, or one statement and no end.
* MariaDB: a GTID that says which of the two it is; no BEGIN.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import starmap
from pathlib import Path
from typing import Final

from cdc import grammar, statements
from cdc.committed import Committed, Gathering
from cdc.entries import Entries, Entry, Mark
from cdc.events import Begin, Commit, Event, FileHeader, Idle, NewFile, Passed, Place, Prepare, Query, Rows
from cdc.group import Group
from cdc.lines import Lines
from cdc.reached import Reached
from keymap.errors import KeyshiftError
from keymap.needs import needs
from keymap.position import Position
from keymap.rules import Keymap
from keymap.template import PatchError

_new_entry: Final = tuple.__new__  # past the NamedTuple's own constructor, for half of its cost


@dataclass(frozen=True, slots=True)
class Capture:
    """What is the same for all changes of one run of capture. `server` is the source's identity.

    `memory_bytes_max` of one open transaction are held in memory, the rest in a file in `spill_dir`; a change of more
    than `change_bytes_max` on the stream stops it.
    """

    keymap: Keymap
    lanes: int
    epoch: int
    server: str
    memory_bytes_max: int
    spill_dir: Path | None = None
    change_bytes_max: int = 16 * 1024 * 1024


Meet = Callable[[Query, tuple[str, ...]], None]


class Assembler:
    """Fed with every event in order, beginning at `start`, which is between two transactions.

    `meet` is told of each statement that changes captured tables, with their names, and raises where that cannot be
    followed; without it none can.

    `gtids` says whether the source has MySQL's GTIDs, so that `start.gtid_set` is complete, even if empty. After an
    error it is of no more use: begin anew at `position`.
    """

    def __init__(self, capture: Capture, start: Position, *, gtids: bool, meet: Meet | None = None) -> None:
        self._capture = capture
        self._needed = needs(capture.keymap)
        self._meet = meet or _refuse
        self._tables = statements.Tables(capture.keymap.tables)
        self._lines = Lines(capture.epoch, capture.server)
        self._reached = Reached(start, gtids=gtids)
        self._group: Group | None = None
        entries = partial(Entries, capture.memory_bytes_max, capture.spill_dir)
        self._committed = Gathering(lambda: self._reached.position, entries)

    @property
    def position(self) -> Position:
        """Behind the last complete transaction, whatever tables it was about."""
        return self._reached.position

    def take(self) -> Committed | None:
        """What has been committed, in order, with captured changes; None when all of it was taken."""
        return self._committed.take()

    def feed(self, event: Event) -> bool:
        """Take the next event; says whether so much is committed that it is time to take it.

        Raises KeyshiftError, naming the position and the remedy, where going on would lose something, and SourceChanged
        where what follows is numbered anew; what was committed before can still be taken.
        """
        match event:
            case Rows():
                self._rows(event)
            case Commit():
                self._finish(event.place)
            case Begin():
                self._begin(event)
            case Query():
                self._query(event)
            case Prepare():
                self._prepare(event)
            case Passed() | Idle():
                if self._group is None:
                    self._reached.move(event.place.file, event.place.end)
            case NewFile():
                self._forget()  # the server died while it wrote the group, and rolled it back when it came up again
                self._reached.enter(event.place.file)
            case FileHeader():
                self._reached.read_header(event.fingerprint)
        return self._committed.is_full

    def close(self) -> None:
        """Forget the group that is open, and what was not taken."""
        self._forget()
        self._committed.close()

    def _forget(self) -> None:
        if self._group is not None:
            self._group.entries.close()
            self._group = None

    def _begin(self, event: Begin) -> None:
        if self._group is not None:  # MySQL: one that nothing closed; it had neither BEGIN nor statement
            self._require(not self._group.entries.count, event.place, "a transaction has no end")
            self._finish(event.place, upto=event.place.offset)
        self._group = Group(
            event.gtid,
            self._committed.entries(),
            begun=event.standalone is False,
            committed_us=event.committed_us,
            moot=event.moot,
        )

    def _open(self) -> Group:
        """The open group; sources older than GTIDs have groups without a head."""
        if self._group is None:
            self._group = Group("", self._committed.entries(), begun=False)
        return self._group

    def _rows(self, event: Rows) -> None:
        group = self._open()
        group.begun = True
        group.timestamp_us = group.committed_us or event.place.timestamp * 1_000_000
        if self._reached.is_known(event.place):
            return
        self._lines.begin(event, group.gtid, group.timestamp_us // 1000)
        group.entries.extend(self._entries(event))

    def _entries(self, event: Rows) -> list[Entry]:
        """The changes of its rows, without those that no rule takes."""
        found: list[Entry] = []
        line_of, lanes_of, table = self._lines.line, self._capture.keymap.lanes, event.table
        lanes, needed, bytes_max = self._capture.lanes, self._needed.get(table), self._capture.change_bytes_max
        ordinal = event.first
        try:
            for before, after in event.images if needed is None else starmap(needed.of_images, event.images):
                numbers = lanes_of(table, before, after, lanes)
                if numbers:
                    version, line = line_of(before, after, ordinal)
                    if len(line) > bytes_max:
                        raise _too_large(event, line, bytes_max)
                    found.append(_new_entry(Entry, (numbers, version, line)))
                ordinal += 1
        except PatchError as error:
            message = f"{error.message} (row {ordinal} of the event at {event.place})"
            raise KeyshiftError(message, error.remedy) from error
        return found

    def _query(self, event: Query) -> None:
        control = grammar.control(event.text)
        if control is None:
            self._statement(event)
        elif control == grammar.COMMIT:
            self._finish(event.place)
        elif control == grammar.ROLLBACK:
            self._open().entries.cut(Mark(0, 0, 0))
            self._finish(event.place)
        else:
            self._within(control, event.place)

    def _within(self, control: grammar.Control, place: Place) -> None:
        group = self._open()
        group.begun = True
        if not group.control(control):
            self._require(not group.entries.count, place, f"savepoint {control.name!r} is not known")

    def _statement(self, event: Query) -> None:
        tables = self._tables.changed(event.schema, event.text, event.databases)
        if tables and not self._open().moot and not self._reached.is_known(event.place):
            self._meet(event, tables)
        if not self._open().begun:
            self._finish(event.place)

    def _prepare(self, event: Prepare) -> None:
        group = self._open()
        message = "an XA transaction changed captured tables, and its outcome is logged later"
        if group.entries.count:
            raise KeyshiftError(f"{message} (prepared at {event.place})", REMEDY_XA)
        self._finish(event.place)

    def _finish(self, place: Place, upto: int | None = None) -> None:
        """The open group ends here: a transaction, if anything of it is to be sent."""
        group, self._group = self._open(), None
        self._committed.before(group.entries)
        self._reached.move(place.file, place.end if upto is None else upto, group.gtid)
        self._committed.add(group.entries, group.gtid, group.timestamp_us)

    @staticmethod
    def _require(holds: bool, place: Place, what: str) -> None:  # noqa: FBT001 - what is required
        if not holds:
            message = f"the binlog at {place} cannot be followed: {what}"
            raise KeyshiftError(message, "Report it with the output of mysqlbinlog around this position")


def _refuse(event: Query, tables: tuple[str, ...]) -> None:
    raise KeyshiftError(
        statements.told(event.text, tables, str(event.place)), "Start the migration again (keyshift destroy, then init)"
    )


def _too_large(event: Rows, line: bytes, bytes_max: int) -> KeyshiftError:
    message = f"a change of table {event.table} at {event.place} has {len(line):,} bytes, and memory is set for"
    return KeyshiftError(f"{message} changes of {bytes_max:,}", REMEDY_SIZE)


REMEDY_SIZE = (
    "Raise capture.buffer_bytes_max to more than four times its size, give the daemon three times that as memory, and"
    " start it again: it goes on where it stopped. A column that the keymap excludes is not sent, unless to a hook"
)
REMEDY_XA = "End it, use no XA on captured tables, and start the migration again (keyshift destroy, then init)"
