"""`keyshift cdc run`: reads the binlog and puts it on the stream, until it is told to stop.

Three threads: one reads (cdc/reader), one remembers (cdc/keeper), and this one sends (cdc/pump). Here they are made and
ended, under the lease that allows one daemon at a time: a second one stands by, and connects only once it has it. Where
a connection finds another source than the one that was left, the run ends, and the next one decides what follows.
"""

import gc
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
from cdc.metrics import METRICS
from cdc.outbox import Outbox
from cdc.pump import Pump
from cdc.reader import DENIALS_MAX, Reader
from cdc.records import Stamp
from cdc.sender import Sender
from cdc.shapes import Answered, Shapes
from cdc.soundings import Soundings
from cdc.stops import recording_stops
from cdc.torn import behind_torn
from keymap.claims import claims_folder
from keymap.position import Position
from keymap.rules import Keymap
from keymap.wire import PACK_BYTES_MAX
from keyshift.aws.claims import ClaimStore
from keyshift.aws.clients import BotoCoreError, ClientError, Clients, explain
from keyshift.aws.leases import stand_by, this_process
from keyshift.aws.retry import retried
from keyshift.aws.stream import put_records
from keyshift.control import migration as migrations
from keyshift.control.halts import read_accepted
from keyshift.control.lease import CAPTURE, Lease, LeaseLost
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
from keyshift.process.clock import boottime, now_ms
from keyshift.process.log import get_logger
from keyshift.process.metrics import Board, reported
from keyshift.process.settings import Settings
from keyshift.process.stop import Stop, Stopped

# A change is in memory several times over, where it is read, sent and compressed: measured in docs/decisions/0018.
CHANGE_SHARE: Final = 4
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
    migrations.require_adopted(migration)
    board = Board(METRICS, migration=migration.name, owner=this_process())
    parts = Parts(settings, keymap, clients, migration, stop, board)
    again: Again | None = Again(None)
    try:
        with _rested_collector(), reported(board, settings.metrics):
            while again is not None:  # stand by, and begin at the checkpoint
                again = _capture_once(parts, store, again.ended)
    except Stopped:
        return
    except (ClientError, BotoCoreError) as error:
        raise explain(error, f"capturing migration {migration.name}") from error


@contextmanager
def _rested_collector() -> Iterator[None]:
    """Rows are many short-lived containers, which their counts free: looking for cycles among them costs a tenth.

    Cycles come of errors and of AWS' client, a few in a second: they are found a little later.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(COLLECT_CONTAINERS, 20, 20)
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


COLLECT_CONTAINERS: Final = 50_000  # more made than freed, before the youngest are looked at


@dataclass(frozen=True, slots=True)
class Again:
    """Capture is to begin again; `ended` says what has changed at the source, if that is why."""

    ended: SourceChanged | None


def _capture_once(parts: "Parts", store: Store, ended: SourceChanged | None) -> Again | None:
    """Capture as long as the lease is ours, and the source as it was; says whether to go on when it is again."""
    lease = Lease(store, CAPTURE, this_process(), parts.settings.capture.lease_seconds, boottime)
    parts.board.enter("standing_by", keyshift_capture_active=0)
    stand_by(lease, parts.stop)
    parts.board.enter("capturing", keyshift_capture_active=1)
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
    stops = recording_stops(lease.store, parts.migration.tables, parts.steadily)
    with stops, Keeper(lease, clock=boottime, wake=wake.set) as keeper:
        beginning = parts.begin(lease, ended)
        keeper.begin(Origin(beginning.server, beginning.epoch), beginning.saved)
        inbox, sender = parts.inbox(wake.set), parts.sender(wake.set)
        outbox = parts.outbox(beginning)
        meter = Meter(parts.settings.capture.log_interval_seconds, time.monotonic, now_ms)
        keeper.moved = partial(parts.board.moved, "remembering")
        soundings = Soundings(beginning.ahead, beginning.progress.changes)
        try:
            with parts.reading(beginning, inbox, parts.shapes(beginning, lease.store)) as reader:
                show = partial(_show, parts.board, meter, inbox, outbox, sender, keeper, reader)
                pump = Pump(
                    inbox, outbox, sender, keeper, meter, soundings=soundings, stop=parts.stop, wake=wake, show=show
                )
                pump.run(announce=not beginning.started)
        finally:
            sender.close()


def _show(  # noqa: PLR0913, PLR0917 - all that has a figure
    board: Board, meter: Meter, inbox: Inbox, outbox: Outbox, sender: Sender, keeper: Keeper, reader: Reader
) -> None:
    # A full outbox holds the reading up: then it is not the source that is silent.
    silent = time.monotonic() - reader.heard_at if outbox.has_room() else 0.0
    board.moved("sending")
    board.show(meter.figures(outbox, sender.sent))
    board.show(
        {
            "keyshift_capture_source_silent_seconds": round(silent, 1),
            "keyshift_capture_inbox_bytes": inbox.pending_bytes,
            "keyshift_capture_reconnects_total": reader.reconnects,
            "keyshift_capture_checkpoint_age_seconds": round(keeper.checkpoint_age_seconds(), 1),
        }
    )


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


READER_SECONDS_MAX: Final = 3.0  # a heartbeat ends its wait; one that hangs in a dead network is left to itself
