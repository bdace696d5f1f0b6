"""`keyshift cdc run`: reads the binlog and puts it on the stream, until it is told to stop.

Three threads: one reads (cdc/reader), one remembers (cdc/keeper), and this one sends (cdc/pump). Here they are made and
ended, under the lease that allows one daemon at a time: a second one stands by, and connects only once it has it. Where
a connection finds another source than the one that was left, the run ends, and the next one decides what follows.
"""

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
from cdc.keeper import Keeper, Origin
from cdc.look import look
from cdc.meter import Meter
from cdc.outbox import Outbox, Stamp
from cdc.pump import Pump
from cdc.reader import Reader
from cdc.sender import Sender
from cdc.soundings import Soundings
from keymap.position import Position
from keymap.rules import Keymap
from keyshift.aws.clients import BotoCoreError, ClientError, Clients, explain
from keyshift.aws.leases import stand_by, this_process
from keyshift.aws.stream import put_records
from keyshift.control import migration as migrations
from keyshift.control.lease import CAPTURE, Lease, LeaseLost
from keyshift.control.migration import Migration
from keyshift.control.store import Store
from keyshift.mysql.connection import Connection, MySQLError, Unreachable, connect, error_number, is_lost
from keyshift.mysql.facts import read_facts
from keyshift.process.backoff import Backoff
from keyshift.process.clock import boottime, now_ms
from keyshift.process.log import get_logger
from keyshift.process.settings import Settings
from keyshift.process.stop import Stop, Stopped

# Before a changed source is looked at again: a name that leads to another server each time raises no epoch in a rush.
CHANGED_PAUSE_SECONDS: Final = 0.5
INBOX_SHARE: Final = 4  # of the bytes read ahead, a quarter waits as transactions, the rest in lanes
_log = get_logger("cdc")


def run(settings: Settings, keymap: Keymap, clients: Clients, stop: Stop) -> None:
    """Capture until `stop` is set; then everything taken is sent, the checkpoint saved and the lease released.

    Raises KeyshiftError for what only a person can mend; what precedes it was sent, and the checkpoint saved.
    """
    store = Store(clients.dynamodb, settings.control_table, settings.migration)
    migration = migrations.load(store)
    migrations.require_digest(migration, keymap.digest)
    parts = Parts(settings, keymap, clients, migration, stop)
    again: Again | None = Again(None)
    try:
        while again is not None:  # stand by, and begin at the checkpoint
            again = _capture_once(parts, store, again.ended)
    except Stopped:
        return
    except (ClientError, BotoCoreError) as error:
        raise explain(error, f"capturing migration {migration.name}") from error


@dataclass(frozen=True, slots=True)
class Again:
    """Capture is to begin again; `ended` says what has changed at the source, if that is why."""

    ended: SourceChanged | None


def _capture_once(parts: "Parts", store: Store, ended: SourceChanged | None) -> Again | None:
    """Capture as long as the lease is ours, and the source as it was; says whether to go on when it is again."""
    lease = Lease(store, CAPTURE, this_process(), parts.settings.capture.lease_seconds, boottime)
    stand_by(lease, parts.stop)
    _log.info("capturing", owner=lease.owner, fence=lease.fence, taken_over=lease.taken_over)
    try:
        _capture(parts, lease, ended)
    except LeaseLost as lost:
        # Another daemon goes on, or the control table was out of reach for long.
        _log.warning("lease_lost", reason=lost.message)
        return None if parts.stop.is_set() else Again(None)
    except SourceChanged as found:
        # All that was read from it is sent. The lease is free: whoever has it next decides by what it finds.
        _log.warning("source_changed", what=found.change.value)
        return None if parts.stop.wait(CHANGED_PAUSE_SECONDS) else Again(found)
    return None


def _capture(parts: "Parts", lease: Lease, ended: SourceChanged | None) -> None:
    wake = threading.Event()
    with Keeper(lease, clock=boottime, wake=wake.set) as keeper:
        beginning = parts.begin(lease, ended)
        keeper.begin(Origin(beginning.server, beginning.epoch), beginning.saved)
        inbox, sender = parts.inbox(wake.set), parts.sender(wake.set)
        outbox = parts.outbox(beginning)
        meter = Meter(parts.settings.capture.log_interval_seconds, time.monotonic, now_ms)
        soundings = Soundings(beginning.ahead, beginning.progress.changes)
        pump = Pump(inbox, outbox, sender, keeper, meter, soundings=soundings, stop=parts.stop, wake=wake)
        try:
            with parts.reading(beginning, inbox):
                pump.run(announce=not beginning.started)
        finally:
            sender.close()


@dataclass(frozen=True, slots=True)
class Parts:
    """What capture is made of."""

    settings: Settings
    keymap: Keymap
    clients: Clients
    migration: Migration
    stop: Stop

    def begin(self, lease: Lease, ended: SourceChanged | None) -> Beginning:
        """Where to begin. After a change at the source its new server is waited for, as a lost connection is."""
        backoff = self._backoff()
        while True:
            try:
                return self._begin(lease, ended)
            except (MySQLError, Unreachable) as error:
                if ended is None or not (isinstance(error, Unreachable) or is_lost(error)):
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
        stamp = Stamp(self.migration.id, self.migration.digest, beginning.epoch, self.migration.lanes)
        bytes_max = self.settings.capture.buffer_bytes_max
        return Outbox(stamp, beginning.progress, bytes_max - bytes_max // INBOX_SHARE)

    def sender(self, wake: Callable[[], None]) -> Sender:
        """The calls to the stream."""
        put = partial(put_records, self.clients.kinesis, self.migration.stream)
        return Sender(put, self.migration.lanes, clock=time.monotonic, wake=wake, new_backoff=self._backoff)

    @contextmanager
    def reading(self, beginning: Beginning, inbox: Inbox) -> Iterator[None]:
        """Read into the inbox, in a thread, as long as the block lasts."""
        stop = Stop()
        reader = Reader(
            partial(self._open, beginning),
            partial(self._assembler, beginning),
            beginning.progress.position,
            inbox=inbox,
            stop=stop,
            backoff=self._backoff(),
        )
        thread = threading.Thread(target=reader.run, name="reader", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            inbox.close()
            thread.join(READER_SECONDS_MAX)

    def _backoff(self) -> Backoff:
        return Backoff(max_seconds=self.settings.capture.retry_seconds_max)

    def _open(self, beginning: Beginning, position: Position) -> Binlog:
        """A new connection to the binlog. Raises SourceChanged unless server and file are those of the position."""
        number = server_id(self.settings, self.migration)
        found = look(self.settings.source, position.file, number)
        if change := changed(Left(beginning.server, position), found):
            raise SourceChanged(change)
        return Binlog(
            self.settings.source,
            position,
            beginning.schemas,
            gtids=beginning.gtids,
            described=beginning.described,
            server_id=number,
            heartbeat_seconds=self.settings.capture.heartbeat_seconds,
            greet=partial(_require_server, beginning.server),
        )

    def _assembler(self, beginning: Beginning, position: Position) -> Assembler:
        capture = self.settings.capture
        of_all = Capture(
            keymap=self.keymap,
            lanes=self.migration.lanes,
            epoch=beginning.epoch,
            server=beginning.server,
            memory_bytes_max=capture.transaction_memory_bytes_max,
            spill_dir=capture.spill_dir,
        )
        return Assembler(of_all, position, gtids=beginning.gtids)


def _require_server(expected: str, connection: Connection) -> None:
    """Raise SourceChanged where a name has come to mean another server since we looked."""
    if read_facts(connection).identity != expected:
        raise SourceChanged(Change.SERVER)


READER_SECONDS_MAX: Final = 3.0  # a heartbeat ends its wait; one that hangs in a dead network is left to itself
