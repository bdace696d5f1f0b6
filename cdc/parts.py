"""What capture is made of, and how the parts are put together: settings in, collaborators out."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from cdc.assemble import Assembler, Capture
from cdc.begin import Beginning, begin, server_id
from cdc.binlog import Binlog
from cdc.continuity import Change, Left, SourceChanged, changed
from cdc.inbox import Inbox
from cdc.look import look
from cdc.outbox import Outbox
from cdc.reader import DENIALS_MAX, Reader
from cdc.records import Stamp
from cdc.sender import Sender
from cdc.shapes import Answered, Shapes
from cdc.torn import behind_torn
from keymap.claims import claims_folder
from keymap.position import Position
from keymap.rules import Keymap
from keymap.wire import PACK_BYTES_MAX
from keyshift.aws.claims import ClaimStore
from keyshift.aws.clients import Clients
from keyshift.aws.retry import retried
from keyshift.aws.stream import put_records
from keyshift.control.halts import read_accepted
from keyshift.control.lease import Lease
from keyshift.control.migration import Migration
from keyshift.control.reloads import Reload, begin_reload
from keyshift.control.shapes import Since, record_shape
from keyshift.control.store import Store
from keyshift.mysql.connection import (
    Connection,
    Denied,
    MySQLError,
    StillReader,
    Unreachable,
    connect,
    error_number,
    is_lost,
)
from keyshift.mysql.facts import read_facts
from keyshift.process.backoff import Backoff
from keyshift.process.log import get_logger
from keyshift.process.metrics import Board
from keyshift.process.settings import Settings
from keyshift.process.stop import Stop

# A change is in memory several times over, where it is read, sent and compressed: measured in docs/decisions/0018.
CHANGE_SHARE: Final = 4
INBOX_SHARE: Final = 4  # of the bytes read ahead, a quarter waits as transactions, the rest in lanes
READER_SECONDS_MAX: Final = 3.0  # a heartbeat ends its wait; one that hangs in a dead network is left to itself
_log = get_logger("cdc")


@dataclass(frozen=True, slots=True)
class Parts:
    """What capture is made of."""

    settings: Settings
    keymap: Keymap
    clients: Clients
    migration: Migration
    stop: Stop
    board: Board

    def begin(self, lease: Lease, ended: SourceChanged | None) -> Beginning:
        """Where to begin. After a change at the source its new server is waited for, as a lost connection is.

        So is, for as long as a password that rotates, a name of Aurora's that leads to a reader.
        """
        backoff, denials = self._backoff(), 0
        while True:
            try:
                return self._begin(lease, ended)
            except (MySQLError, Unreachable, Denied) as error:
                denials = denials + 1 if isinstance(error, Denied) else 0
                passing = is_lost(error) if isinstance(error, MySQLError) else denials <= DENIALS_MAX
                if not passing or (ended is None and not isinstance(error, StillReader)):
                    raise
                _log.warning("source_lost", error=type(error).__name__, number=error_number(error))
            lease.check()
            self.stop.sleep(backoff.next())

    def _begin(self, lease: Lease, ended: SourceChanged | None) -> Beginning:
        return begin(
            partial(connect, self.settings.source),
            self.clients.kinesis,
            self.settings,
            self.keymap,
            migration=self.migration,
            lease=lease,
            stop=self.stop,
            ended=ended,
        )

    def inbox(self, wake: Callable[[], None]) -> Inbox:
        """Where what was read waits."""
        return Inbox(self.settings.capture.buffer_bytes_max // INBOX_SHARE, wake)

    def outbox(self, beginning: Beginning) -> Outbox:
        """The lanes."""
        migration = self.migration
        folder = claims_folder(migration.prefix, migration.id)
        stamp = Stamp(migration.id, migration.digest, beginning.epoch, migration.lanes, folder)
        bytes_max = self.settings.capture.buffer_bytes_max
        return Outbox(stamp, beginning.progress, bytes_max - bytes_max // INBOX_SHARE)

    def sender(self, wake: Callable[[], None]) -> Sender:
        """The calls to the stream, and to S3 for what fits no record."""
        return Sender(
            partial(put_records, self.clients.kinesis, self.migration.stream),
            self.migration.lanes,
            clock=time.monotonic,
            wake=wake,
            new_backoff=self._backoff,
            store=ClaimStore(self.clients, self.migration.bucket, self.stop).put,
        )

    def shapes(self, beginning: Beginning, store: Store) -> Shapes:
        """The captured tables at the place that is being read."""
        decisions = read_accepted(store)
        answered = Answered(
            beginning.epoch,
            frozenset(one.halt.name for one in decisions),
            beginning.described,
            beginning.mariadb,
            {one.halt.name: one.reason for one in decisions if one.reload},
        )

        def remember(table: str, since: Since) -> None:
            self.steadily(partial(record_shape, store, table, since), f"recording what table {table} looks like")

        def again(reload: Reload) -> None:
            self.steadily(partial(begin_reload, store, reload), f"recording that table {reload.table} is loaded again")

        return Shapes(self.keymap, beginning.history, beginning.shapes, answered, remember, again)

    def steadily(self, work: Callable[[], None], doing: str) -> None:
        """Do what is safe to repeat until the control table has taken it."""
        retried(work, self._backoff(), self.stop, doing)

    @contextmanager
    def reading(self, beginning: Beginning, inbox: Inbox, shapes: Shapes) -> Iterator[Reader]:
        """Read into the inbox, in a thread, as long as the block lasts."""
        stop = Stop()
        reader = Reader(
            partial(self._open, beginning, shapes),
            partial(self._assembler, beginning, shapes),
            beginning.progress.position,
            inbox=inbox,
            stop=stop,
            backoff=self._backoff(),
            behind_torn=self._behind_torn,
        )
        thread = threading.Thread(target=reader.run, name="reader", daemon=True)
        thread.start()
        try:
            yield reader
        finally:
            stop.set()
            inbox.close()
            thread.join(READER_SECONDS_MAX)

    def _backoff(self) -> Backoff:
        return Backoff(max_seconds=self.settings.capture.retry_seconds_max)

    def _open(self, beginning: Beginning, shapes: Shapes, position: Position) -> Binlog:
        """A new connection to the binlog. Raises SourceChanged unless server and file are those of the position."""
        number = server_id(self.settings, self.migration)
        found = look(self.settings.source, position.file, number)
        if change := changed(Left(beginning.server, position), found):
            raise SourceChanged(change)
        return Binlog(
            self.settings.source,
            position,
            shapes.schemas,
            gtids=beginning.gtids,
            described=beginning.described,
            server_id=number,
            heartbeat_seconds=self.settings.capture.heartbeat_seconds,
            ignores=shapes.ignores,
            greet=partial(_require_server, beginning.server),
        )

    def _behind_torn(self, position: Position) -> Position | None:
        return behind_torn(self.settings.source, position, server_id(self.settings, self.migration))

    def _assembler(self, beginning: Beginning, shapes: Shapes, position: Position) -> Assembler:
        shapes.begin(position)  # before the connection is made, which takes the tables from there
        capture = self.settings.capture
        of_all = Capture(
            keymap=self.keymap,
            lanes=self.migration.lanes,
            epoch=beginning.epoch,
            server=beginning.server,
            memory_bytes_max=capture.transaction_memory_bytes_max,
            spill_dir=capture.spill_dir,
            change_bytes_max=max(PACK_BYTES_MAX, capture.buffer_bytes_max // CHANGE_SHARE),
        )
        return Assembler(of_all, position, gtids=beginning.gtids, meet=shapes.meet)


def _require_server(expected: str, connection: Connection) -> None:
    """Raise SourceChanged where a name has come to mean another server since we looked."""
    if read_facts(connection).identity != expected:
        raise SourceChanged(Change.SERVER)
