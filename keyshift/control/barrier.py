"""Barriers: the proof that everything up to a position of the source has been applied.

Somebody asks for one (`request`); the daemon, once everything up to the position is acknowledged, writes one marker to
every lane and says so (`mark_sent`); consumers record each marker after what precedes it in its lane is written
(`seen`). All lanes seen = drained.

One request is outstanding at a time. A second one joins it where its position lies within; otherwise it replaces it
under the next number. Markers are sent in the order of their numbers, so whoever waits for a number is answered by any
later one too. Numbers are never used twice. Everything else here may be repeated, and arrive late.

The item "barrier" holds the newest request; "barrier#NUMBER" what became of each. The latter are removed when a newer
one is complete, and one that a marker's redelivery brings back is removed again by the next.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from keymap.errors import KeyshiftError
from keymap.position import Position
from keyshift.control.lease import CAPTURE, Lease
from keyshift.control.record import Changes, Record
from keyshift.control.revise import revise
from keyshift.control.store import Conflict, Store

START: Final = 0  # the marker that begins every lane; it answers no request
POLL_SECONDS: Final = 0.2  # a drain takes seconds; each look is one small query
_ITEM: Final = "barrier"
_PREFIX: Final = "barrier#"
_ATTEMPTS_MAX: Final = 20


class Waiter(Protocol):
    """The wish to stop: keyshift.process.stop.Stop."""

    def wait(self, seconds: float) -> bool:
        """Sleep that long, or until somebody asks to stop; says whether they did."""


@dataclass(frozen=True, slots=True)
class Request:
    """A barrier that is asked for: the daemon sends it once its checkpoint's position contains this one."""

    number: int
    position: Position


@dataclass(frozen=True, slots=True)
class BarrierState:
    """What became of a barrier, or of a later one that answers for it.

    `sent`: its markers are acknowledged, and the daemon had then captured `changes` changes, the newest `last_version`.
    """

    number: int
    position: Position
    sent: bool
    missing_lanes: tuple[int, ...]
    last_version: str
    changes: int

    @property
    def complete(self) -> bool:
        """Whether everything up to the position is applied."""
        return self.sent and not self.missing_lanes


@dataclass(frozen=True, slots=True)
class _Barriers:
    """All barrier items, as one query returns them."""

    newest: Record | None
    numbered: dict[int, Record]

    @property
    def number(self) -> int:
        return self.newest.number("number") if self.newest else START

    @property
    def request(self) -> Request | None:
        """The newest request, sent or not."""
        if self.newest is None:
            return None
        position = Position(self.newest.text("file"), self.newest.number("offset"), self.newest.text("gtid_set"))
        return Request(self.number, position)

    def sent(self, number: int) -> bool:
        return number in self.numbered and self.numbered[number].flag("sent")

    @property
    def pending(self) -> Request | None:
        return None if self.sent(self.number) else self.request

    def state(self, number: int, lanes: int) -> BarrierState:
        record = self.numbered.get(number) or Record("", {})
        request = self.request
        position = Position(record.text("file"), record.number("offset"), record.text("gtid_set"))
        return BarrierState(
            number=number,
            position=request.position if request and request.number == number else position,
            sent=record.flag("sent"),
            missing_lanes=tuple(sorted(set(range(lanes)) - record.numbers("seen"))),
            last_version=record.text("last_version"),
            changes=record.number("changes"),
        )


def request(store: Store, position: Position, *, anew: bool = False) -> int:
    """Ask for a barrier at a position of the source, and return its number, to be waited for.

    With `anew`, no marker of it was sent before this call: what each lane answers, it has answered since. Raises
    KeyshiftError when another one is pending whose position cannot be compared (another server's).
    """
    for _ in range(_ATTEMPTS_MAX):
        barriers = _read(store)
        pending = barriers.pending
        if pending and not anew and pending.position.contains(position):
            return pending.number
        if pending and not (position.contains(pending.position) or pending.position.contains(position)):
            message = f"barrier {pending.number} is pending for a position that neither contains this one nor is in it"
            raise KeyshiftError(message, "Wait for it, or see whether the source's server was replaced")
        number = barriers.number + 1
        farther = pending.position if pending and pending.position.contains(position) else position
        try:
            store.swap(_ITEM, barriers.newest, {"number": number, **_where(farther)})
        except Conflict:
            continue
        return number
    raise Conflict(_ITEM)


def move(store: Store, position: Position) -> None:
    """Let a request that is pending ask for `position`, unless its own is in that one.

    For a server that took over: what was committed at the former one only will never be captured, and whoever waits
    for it gets the proof for all that there is.
    """
    for _ in range(_ATTEMPTS_MAX):
        barriers = _read(store)
        asked = barriers.pending
        if asked is None or position.contains(asked.position):
            return
        try:
            store.swap(_ITEM, barriers.newest, {"number": asked.number, **_where(position)})
        except Conflict:
            continue
        return
    raise Conflict(_ITEM)


def renumber(lease: Lease) -> None:
    """Give a request that is pending the next number: for a daemon that begins, before it answers any.

    One that died may have sent markers of the number as it is. What lanes answer to these proves no more than that one
    had read, and this one will tell what it has captured by then. `lease` is the one on "capture". Raises LeaseLost.
    """
    store = lease.store
    for _ in range(_ATTEMPTS_MAX):
        barriers = _read(store)
        asked = barriers.pending
        if asked is None:
            return
        changes = {"number": asked.number + 1, **_where(asked.position)}
        try:
            store.swap(_ITEM, barriers.newest, changes, checks=[lease.held_check()])
        except Conflict:
            lease.renew()  # raises LeaseLost if that is why
            continue
        return
    raise Conflict(_ITEM)


def pending(store: Store) -> Request | None:
    """The request that the daemon has to answer; None when there is none. One query."""
    return _read(store).pending


def mark_sent(lease: Lease, number: int, last_version: str, changes: int) -> None:
    """Record that the markers are acknowledged in every lane; `lease` is the one on "capture". Safe to repeat.

    `last_version` and `changes` say what was captured until then. Raises LeaseLost.
    """
    if lease.item != CAPTURE:
        raise ValueError(f"the lease `{CAPTURE}` is needed here, not `{lease.item}`")

    def sent(before: Record | None) -> Changes | None:
        if before and before.flag("sent"):
            return None
        request = _read(lease.store).request
        where = _where(request.position) if request and request.number == number else {}
        return {**where, "sent": True, "last_version": last_version, "changes": changes}

    revise(lease.store, _numbered(number), sent, lease=lease, attempts_max=_ATTEMPTS_MAX)


def seen(store: Store, number: int, lane: int) -> None:
    """Record that everything before the marker in this lane is applied. Safe to repeat, and late."""
    if number != START:
        store.add(_numbered(number), "seen", lane)


def state(store: Store, number: int, lanes: int) -> BarrierState:
    """The state of this barrier, or of the earliest later one that is complete; `lanes` is the number of lanes."""
    return _answer(_read(store), number, lanes)


def wait(  # noqa: PLR0913 - the clock is handed in
    store: Store,
    number: int,
    lanes: int,
    timeout_seconds: float,
    stop: Waiter,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> BarrierState:
    """Look until the barrier is complete, the time is over, or `stop` is set; returns the last state seen."""
    deadline = clock() + timeout_seconds
    while True:
        barriers = _read(store)
        found = _answer(barriers, number, lanes)
        if found.complete:
            store.delete([_numbered(older) for older in barriers.numbered if older < found.number])
            return found
        if clock() >= deadline or stop.wait(min(POLL_SECONDS, max(0.0, deadline - clock()))):
            return found


def _answer(barriers: _Barriers, number: int, lanes: int) -> BarrierState:
    """A complete one from `number` on, else the newest: an unsent one that was replaced will never be sent."""
    later: Iterable[int] = sorted(one for one in {*barriers.numbered, number} if one >= number)
    complete = (state for state in (barriers.state(one, lanes) for one in later) if state.complete)
    return next(complete, None) or barriers.state(max(number, barriers.number), lanes)


def _read(store: Store) -> _Barriers:
    newest, numbered = None, {}
    for record in store.query(_ITEM):
        if record.item == _ITEM:
            newest = record
        elif record.item.startswith(_PREFIX):
            numbered[int(record.item.removeprefix(_PREFIX))] = record
    return _Barriers(newest, numbered)


def _where(position: Position) -> Changes:
    return {"file": position.file, "offset": position.offset, "gtid_set": position.gtid_set or None}


def _numbered(number: int) -> str:
    return f"{_PREFIX}{number:08d}"
