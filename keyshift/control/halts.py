"""Where capture stopped at a statement that it cannot follow, and what an operator decided about it.

The daemon records the statement that it stopped at (`stop`). Who answers for it accepts it, for a reason, or has its
tables loaded again from there on: then the next run passes that statement, at exactly that place, and nothing else.
Decisions stay, for the cutover's checklist.
"""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from keymap.errors import KeyshiftError
from keymap.position import file_number
from keyshift.control.record import Changes, Record
from keyshift.control.store import Conflict, Store

STOP: Final = "stop"
ACCEPTED_PREFIX: Final = "accepted#"


@dataclass(frozen=True, slots=True)
class Halt:
    """A statement at which capture stopped: its place, the captured tables that it changes, and `what` it does.

    Or (`lost`) where capture cannot go on at all, since what comes next is lost to it: all tables must be loaded again.
    """

    epoch: int
    file: str
    offset: int
    tables: tuple[str, ...]
    what: str
    lost: bool = False

    @property
    def name(self) -> str:
        """The place in short: one server has it once, and an epoch is of one server."""
        return f"{self.epoch}.{file_number(self.file)}.{self.offset}"

    @property
    def place(self) -> str:
        """The place, as messages have it."""
        return f"{self.file}:{self.offset}"

    @property
    def remedy(self) -> str:
        """What to do, while nobody has decided about it: the daemon, started again, only stops here again."""
        if self.lost:
            return (
                "capture cannot go on, as `keyshift cdc status` tells: bring back what it lacks, or have all tables "
                "loaded again by `keyshift cdc resume`, and then start `keyshift cdc run` again"
            )
        return (
            "capture stopped at a statement that it cannot follow: `keyshift cdc resume` decides about it, and then "
            "start `keyshift cdc run` again"
        )


@dataclass(frozen=True, slots=True)
class Accepted:
    """A statement that somebody decided about: answers for it, or (`reload`) has its tables loaded again behind it."""

    halt: Halt
    reason: str
    reload: bool = False


def record_stop(store: Store, halt: Halt) -> None:
    """Record where capture stopped. Where it stops there again, nothing changes."""
    record = store.get(STOP)
    if record is None or _halt(record) != halt or record.flag("over"):
        store.swap(STOP, record, _attributes(halt))


def read_stop(store: Store) -> Halt | None:
    """Where capture stopped last, decided or not."""
    record = store.get(STOP)
    return None if record is None or record.flag("over") else _halt(record)


def forget_lost(store: Store) -> None:
    """Capture has gone on from where it could not: somebody has brought back what it lacked, or it began anew."""
    record = store.get(STOP)
    if record is not None and record.flag("lost") and not record.flag("over"):
        with contextlib.suppress(Conflict):  # another daemon, which knows better
            store.swap(STOP, record, {"over": True})


def read_accepted(store: Store) -> tuple[Accepted, ...]:
    """All decisions, in no order that means anything."""
    return tuple(map(_accepted, store.query(ACCEPTED_PREFIX)))


def undecided(halt: Halt | None, accepted: Iterable[Accepted]) -> Halt | None:
    """The stop, where nobody has decided about it."""
    return None if halt is None or halt.name in {one.halt.name for one in accepted} else halt


def read_undecided(store: Store) -> Halt | None:
    """The stop that somebody has to decide about now; None where there is none."""
    halt = read_stop(store)
    return halt and undecided(halt, read_accepted(store))


def accept(store: Store, reason: str, *, reload: bool = False) -> Accepted:
    """Decide about the statement that capture stopped at: accept it, or have its tables loaded again.

    Safe to repeat: the first reason stays. Raises KeyshiftError where capture has not stopped at one, or where the
    decision was another.
    """
    halt = read_stop(store)
    if halt is None:
        raise KeyshiftError("capture has not stopped at a statement", "See `keyshift cdc status`, and the daemon's log")
    if halt.lost and not reload:
        message = f"nobody can answer for changes that are lost to capture: {halt.what}"
        raise KeyshiftError(message, "Mend that, or load all tables again: --decision reload")
    item = ACCEPTED_PREFIX + halt.name
    try:
        store.swap(item, None, {**_attributes(halt), "reason": reason, "reload": reload or None})
    except Conflict:
        record = store.get(item)
        assert record is not None  # decisions are never removed
        return _same(_accepted(record), reload=reload)
    return Accepted(halt, reason, reload)


def _same(found: Accepted, *, reload: bool) -> Accepted:
    if found.reload != reload:
        decided = "to load its tables again" if found.reload else "to accept it"
        message = f"it was decided {decided} at {found.halt.place}, for this reason: {found.reason}"
        remedy = "Start `keyshift cdc run`; `keyshift tables reload` loads a table again at any time"
        raise KeyshiftError(message, remedy)
    return found


def _attributes(halt: Halt) -> Changes:
    place: Changes = {"epoch": halt.epoch, "file": halt.file, "offset": halt.offset}
    return {**place, "tables": halt.tables, "what": halt.what, "lost": halt.lost or None, "over": None}


def _halt(record: Record) -> Halt:
    file, offset = record.text("file"), record.number("offset")
    tables, what, lost = record.texts("tables"), record.text("what"), record.flag("lost")
    return Halt(record.number("epoch"), file, offset, tables, what, lost)


def _accepted(record: Record) -> Accepted:
    return Accepted(_halt(record), record.text("reason"), record.flag("reload"))
