"""`keyshift cdc run`: reads the binlog and puts it on the stream, until it is told to stop.

Three threads: one reads (cdc/reader), one remembers (cdc/keeper), and this one sends (cdc/pump). Here they are made and
ended, under the lease that allows one daemon at a time: a second one stands by, once it has seen that it could start
(cdc/standby), and reads only once it has the lease. Where a connection finds another source than the one that was left,
the run ends, and the next one decides what follows.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from cdc.continuity import SourceChanged
from cdc.inbox import Inbox
from cdc.keeper import Keeper, Origin
from cdc.meter import Meter
from cdc.metrics import METRICS
from cdc.outbox import Outbox
from cdc.parts import Parts
from cdc.pump import Pump
from cdc.reader import Reader
from cdc.sender import Sender
from cdc.soundings import Soundings
from cdc.standby import try_start
from cdc.stops import recording_stops
from keymap.rules import Keymap
from keyshift.aws.clients import BotoCoreError, ClientError, Clients, explain
from keyshift.aws.leases import stand_by, this_process
from keyshift.control import migration as migrations
from keyshift.control.lease import CAPTURE, Lease, LeaseLost
from keyshift.control.store import Store
from keyshift.process.clock import boottime, now_ms
from keyshift.process.garbage import collected_seldom
from keyshift.process.log import get_logger
from keyshift.process.metrics import Board, reported
from keyshift.process.settings import Settings
from keyshift.process.stop import Stop, Stopped

# Before a changed source is looked at again: a name that leads to another server each time raises no epoch in a rush.
CHANGED_PAUSE_SECONDS: Final = 0.5
_log = get_logger("cdc")


def run(settings: Settings, keymap: Keymap, clients: Clients, stop: Stop) -> None:
    """Capture until `stop` is set; then everything taken is sent, the checkpoint saved and the lease released.

    Raises KeyshiftError for what only a person can mend; what precedes it was sent, and the checkpoint saved.
    """
    store = Store(clients.control, settings.control_table, settings.migration)
    migration = migrations.load(store)
    migrations.require_digest(migration, keymap.digest)
    migrations.require_adopted(migration)
    board = Board(METRICS, migration=migration.name, owner=this_process())
    parts = Parts(settings, keymap, clients, migration, stop, board)
    again: Again | None = Again(None)
    try:
        with collected_seldom(), reported(board, settings.metrics):
            waiting: Callable[[], None] | None = partial(try_start, parts, store)
            while again is not None:  # stand by, and begin at the checkpoint
                again = _capture_once(parts, store, again.ended, waiting)
                waiting = None  # it could start
    except Stopped:
        return
    except (ClientError, BotoCoreError) as error:
        raise explain(error, f"capturing migration {migration.name}") from error


@dataclass(frozen=True, slots=True)
class Again:
    """Capture is to begin again; `ended` says what has changed at the source, if that is why."""

    ended: SourceChanged | None


def _capture_once(
    parts: Parts, store: Store, ended: SourceChanged | None, waiting: Callable[[], None] | None
) -> Again | None:
    """Capture as long as the lease is ours, and the source as it was; says whether to go on when it is again.

    `waiting` is called where the lease is another's.
    """
    lease = Lease(store, CAPTURE, this_process(), parts.settings.capture.lease_seconds, boottime)
    parts.board.enter("standing_by", keyshift_capture_active=0)
    stand_by(lease, parts.stop, waiting)
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


def _capture(parts: Parts, lease: Lease, ended: SourceChanged | None) -> None:
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
