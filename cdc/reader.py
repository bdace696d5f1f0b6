"""The reading side of the daemon: binlog to transactions, and a new connection whenever one is lost.

After a loss the reader goes on from the position behind the last transaction that it handed over; a transaction that
was half read is read again. What the server refuses for good (a purged file, another process under our id) and what
must not be passed over ends it, with the reason, after everything before it was handed over; so does a source that has
become another one.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, closing
from typing import Final

from cdc.assemble import Assembler
from cdc.connection import ConnectionEnded
from cdc.continuity import LOAD_AGAIN, Lost, SourceChanged
from cdc.events import Event, Idle, Waiting
from cdc.inbox import Failure, Inbox, Point
from cdc.torn import is_torn
from keymap.errors import KeyshiftError
from keymap.position import Position
from keyshift.mysql.connection import Denied, MySQLError, Unreachable, error_number
from keyshift.process.backoff import Backoff
from keyshift.process.log import get_logger
from keyshift.process.stop import Stop

POINT_SECONDS: Final = 0.1  # how often the position is told while only other tables are written to
# A password that is rotated is another at the server for seconds before it is where we read it. A login that worked is
# therefore tried again, with the pauses of an outage: for a minute or two.
DENIALS_MAX: Final = 10
_FORESEEN: Final = (KeyshiftError, SourceChanged, MySQLError, OSError, ConnectionEnded)
OpenBinlog = Callable[[Position], AbstractContextManager[Iterable[Event]]]
_log = get_logger("cdc")


class Reader:
    """Reads from `start` on until stopped or ended; made to run in a thread of its own.

    `open_binlog` gives the events from a position on; `assemble` what makes transactions of them; `behind_torn` where
    the binlog goes on behind the file of a position, which ends in half an event (cdc.torn).
    """

    def __init__(  # noqa: PLR0913 - collaborators, handed in once
        self,
        open_binlog: OpenBinlog,
        assemble: Callable[[Position], Assembler],
        start: Position,
        *,
        inbox: Inbox,
        stop: Stop,
        backoff: Backoff,
        behind_torn: Callable[[Position], Position | None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_binlog = open_binlog
        self._assemble = assemble
        self._behind_torn = behind_torn
        self._position = start
        self._inbox = inbox
        self._stop = stop
        self._backoff = backoff
        self._clock = clock
        self._denials = 0  # in a row
        self._doubted: Position | None = None
        self._told_at = 0.0
        self.reconnects = 0
        self.heard_at = clock()  # when the source last said anything

    def run(self) -> None:
        """Read; whatever ends it other than being stopped is put into the inbox as a Failure."""
        try:
            while not self._stop.is_set():
                self._read_until_lost()
        except BaseException as error:  # noqa: BLE001 - it is raised by the thread that takes it
            self._inbox.put(Failure(error))

    def _read_until_lost(self) -> None:
        try:
            self._read_file()
        except (MySQLError, OSError, ConnectionEnded, Unreachable, Denied) as error:
            self._denials = self._denials + 1 if isinstance(error, Denied) else 0
            if self._denials > DENIALS_MAX:
                raise
            refusal = refusal_of(error, self._position)
            if refusal and not self._may_be_another(error):
                raise refusal from error
            self.reconnects += 1
            pause = self._backoff.next()
            _log.warning(
                "source_lost",
                error=type(error).__name__,
                number=error_number(error),
                position=f"{self._position.file}:{self._position.offset}",
                again_in_seconds=round(pause, 2),
            )
            self._stop.wait(pause)

    def _may_be_another(self, error: BaseException) -> bool:
        """Whether to look again: a binlog that is reset while it is sent ends in many words of one error number.

        Once for each position: if the next connection finds all as it was, the refusal is meant.
        """
        if error_number(error) != _REFUSED or _SAME in str(error).casefold() or self._doubted == self._position:
            return False
        self._doubted = self._position
        return True

    def _read_file(self) -> None:
        """One connection's worth; or all of a file that ends in half an event."""
        try:
            self._read()
        except MySQLError as error:
            behind = self._behind_torn(self._position) if is_torn(error) else None
            if behind is None:
                raise
            _log.warning("torn_file_passed", file=self._position.file, next_file=behind.file)
            self._reached(behind)

    def _read(self) -> None:
        """One connection's worth."""
        with closing(self._assemble(self._position)) as assembler, self._open_binlog(self._position) as events:
            self._told_at = 0.0
            try:
                self._follow(assembler, events)
            except _FORESEEN:  # they come between two transactions or within one, and none has been half counted
                self._hand_over(assembler)
                self._tell(assembler.position)
                raise

    def _follow(self, assembler: Assembler, events: Iterable[Event]) -> None:
        """Feed the assembler; hand over what it has as soon as nothing more has come, or it has much."""
        last: Event | None = None  # since the last pause
        for event in events:
            if isinstance(event, Waiting):
                self._pause(assembler, last)
                last = None
            else:
                is_full, last = assembler.feed(event), event
                if isinstance(event, Idle):
                    self._pause(assembler, event)
                elif is_full:
                    self._hand_over(assembler)
                else:
                    continue
            if self._stop.is_set():
                return

    def _pause(self, assembler: Assembler, last: Event | None) -> None:
        """Everything that has come was read. Of other tables' changes the position is told now and then."""
        self._hand_over(assembler)
        now = self.heard_at = self._clock()
        if isinstance(last, Idle) or (last is not None and now - self._told_at >= POINT_SECONDS):
            self._told_at = now
            self._tell(assembler.position, last.place.timestamp, idle=isinstance(last, Idle))

    def _hand_over(self, assembler: Assembler) -> None:
        while (found := assembler.take()) is not None:
            self._inbox.put(found, found.entries.memory_bytes)
            self._reached(found.end)

    def _tell(self, position: Position, timestamp: int = 0, *, idle: bool = False) -> None:
        if idle or position != self._position:
            self._inbox.put(Point(position, timestamp, idle))
            self._reached(position)

    def _reached(self, position: Position) -> None:
        self._position = position
        self.heard_at = self._clock()
        self._backoff.reset()


_REFUSED, _SAME_ID = 1236, 4052
_SAME: Final = "same server"
_NO_PRIVILEGE: Final = frozenset({1044, 1045, 1142, 1227, 1698})
_AGAIN: Final = f"load every captured table again: {LOAD_AGAIN}"
_PURGED: Final = (
    "could not find first log",
    "purged required",
    "could not find gtid state",
    "not in the master's binlog",
    "not in the source's binlog",
)


def refusal_of(error: BaseException, position: Position) -> KeyshiftError | None:
    """Why the source will not serve us however often we ask; None where a later try may succeed."""
    number, text = error_number(error), str(error).casefold()
    if number in _NO_PRIVILEGE:
        return KeyshiftError(f"the source refuses to send its binlog (error {number})", _REMEDY_PRIVILEGE)
    if number == _SAME_ID or (number == _REFUSED and _SAME in text):
        message = f"another process reads the source's binlog under our server id (error {number})"
        return KeyshiftError(message, "End it, or set capture.server_id to a number that is unique at the source")
    if number != _REFUSED:
        return None
    where = f"{position.file}:{position.offset}"
    if any(words in text for words in _PURGED):
        message = f"the source has purged the binlog behind our position {where}, so changes are lost to capture"
        return Lost(message, f"Keep binlogs for longer, and {_AGAIN}")
    message = f"the source cannot serve its binlog from our position {where} (error {number}: {_reason(error)})"
    return Lost(message, f"If the source was restored or its binlog was reset, {_AGAIN}")


def _reason(error: BaseException) -> str:
    return str(error.args[1])[:200] if len(error.args) > 1 else type(error).__name__


_REMEDY_PRIVILEGE = "Run: GRANT REPLICATION SLAVE ON *.* TO the user (`keyshift cdc check` lists all that is needed)"
