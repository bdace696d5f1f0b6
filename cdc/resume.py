"""Where capture goes on: as it was left, or on what the source is now, in a raised epoch. Under the lease.

The order of writes makes every crash harmless. The epoch is raised before the dumped chunks are compared with the
new server a last time, because a chunk is recorded only in the epoch in which it was read; what the tables look like
where the epoch begins is recorded next; and a checkpoint in the new epoch is saved before anything is sent in it. So a
checkpoint of an earlier epoch says that nothing was sent in this one, and whoever is killed in between has raised it
for nothing.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Final

from cdc.connection import ConnectionEnded
from cdc.continuity import CHUNKS, STREAM, Change, Found, Left, Lost, Raise, Refuse, SourceChanged, Verdict, decide
from cdc.keeper import Origin
from cdc.look import look
from cdc.outbox import Progress
from cdc.reader import refusal_of
from cdc.records import CHANGES
from cdc.soundings import Ahead
from cdc.streamed import records
from keymap.errors import KeyshiftError
from keymap.gtid import GtidSet
from keymap.position import Position
from keymap.wire import decode_gtids, decode_header
from keyshift.aws import stream as kinesis
from keyshift.aws.clients import KinesisClient, explaining
from keyshift.binlog.dump_command import FIRST_POSITION
from keyshift.control import barrier
from keyshift.control.checkpoint import CaptureStatus, mark_ahead, save_checkpoint
from keyshift.control.chunks import read_gtid_sets
from keyshift.control.epoch import raise_epoch, read_epoch
from keyshift.control.lease import Lease
from keyshift.control.migration import Migration
from keyshift.control.shapes import carry_over, place
from keyshift.mysql.connection import Connection, MySQLError, Unreachable
from keyshift.mysql.facts import first_binlog
from keyshift.process.clock import boottime, now_ms
from keyshift.process.log import get_logger
from keyshift.process.source import SourceSettings
from keyshift.process.stop import Stop

CATCH_UP_SECONDS_MAX: Final = 20.0  # a replica that was just promoted may still be applying what it had received
_LOOK_SECONDS: Final = 0.5
# AWS refuses requests from clocks that are off by more than five minutes, so no daemon's was.
CLOCK_SKEW_MS_MAX: Final = 6 * 60 * 1000
_log = get_logger("cdc")


@dataclass(frozen=True, slots=True)
class Resumed:
    """Where capture goes on. `saved`: `progress` is recorded as it is; `gtids`: its GTID set decides where to read."""

    progress: Progress
    server: str
    gtids: bool
    epoch: int
    ahead: Ahead
    saved: bool


@dataclass(frozen=True, slots=True)
class Resumption:
    """What it takes to go on. `server_id` is our replica's."""

    source: SourceSettings
    connect: Callable[[], Connection]
    client: KinesisClient
    migration: Migration
    lease: Lease
    stop: Stop
    server_id: int

    def look(self, file: str) -> Found:
        """The source now. Raises Unreachable, and KeyshiftError where no repetition helps."""
        try:
            return look(self.source, file, self.server_id)
        except (MySQLError, OSError, ConnectionEnded) as error:
            if refusal := refusal_of(error, Position(file, FIRST_POSITION)):
                raise refusal from error
            message = f"the source's binlog cannot be looked at ({error})"
            raise Unreachable(message, "See whether the source runs, and start again") from error

    def go_on(self, status: CaptureStatus, ended: SourceChanged | None) -> Resumed:
        """Where capture goes on that was left in `status`; `ended` is what ended it in this process.

        Raises KeyshiftError where nobody can know that nothing is missing, LeaseLost, Stopped, Unreachable.
        """
        left, progress = left_in(status)
        renumbered = ended is not None and ended.holds_at(left.position)
        found, verdict = self._settled(left, status, renumbered=renumbered)
        if isinstance(verdict, Refuse):
            raise Lost(verdict.message, verdict.remedy)
        if isinstance(verdict, Raise):
            return self._raised(left, progress, found, status, verdict)
        return self._as_it_was(left, progress, found, status)

    def _settled(self, left: Left, status: CaptureStatus, *, renumbered: bool) -> tuple[Found, Verdict]:
        """The source, and what follows, once another server has had time to catch up."""
        deadline = boottime() + CATCH_UP_SECONDS_MAX
        held: dict[str, str] = {}
        while True:
            found = self.look(left.position.file)
            verdict = decide(left, found, held, self.migration.tables, renumbered=renumbered)
            if isinstance(verdict, Raise) and not held:
                held = {STREAM: self._sent(status), CHUNKS: self._dumped()}
                verdict = decide(left, found, held, self.migration.tables, renumbered=renumbered)
            catching_up = isinstance(verdict, Refuse) and verdict.lacking and found.server != left.server
            if not catching_up or boottime() >= deadline:
                return found, verdict
            self.lease.check()
            self.stop.sleep(_LOOK_SECONDS)

    def _as_it_was(self, left: Left, progress: Progress, found: Found, status: CaptureStatus) -> Resumed:
        position = left.position
        gtids = found.gtids and (bool(position.gtid_set) or status.checkpoint is None)
        if not gtids:  # without a set, file and offset are what we know
            position = replace(position, gtid_set="")
        epoch, before = read_epoch(self.lease.store), status.epoch
        if epoch < before:
            message = f"the checkpoint is of epoch {before}, and the migration is in epoch {epoch}"
            raise KeyshiftError(message, "The control table was written to by hand, or restored in part: begin anew")
        ahead = self._ahead(status, found.executed if gtids else "")
        progress = replace(progress, position=position, ahead_since_ms=ahead.since_ms)
        if epoch > before:  # raised by a process that was killed before it began
            self._save(status, progress, found.server, epoch)
        _log.info("capture_goes_on", position=_shown(position), gtid_set=position.gtid_set, epoch=epoch)
        saved = status.checkpoint is not None or epoch > before
        return Resumed(progress, found.server, gtids, epoch, ahead, saved)

    def _raised(self, left: Left, progress: Progress, found: Found, status: CaptureStatus, why: Raise) -> Resumed:
        file, fingerprint = self._first_file(found)
        epoch = raise_epoch(self.lease)
        again = why.change is Change.NUMBERING
        dumped = self._dumped()
        now = self.look(left.position.file)  # after the chunks: a dump that goes on reads what is committed meanwhile
        if now.server != found.server:
            raise SourceChanged(Change.SERVER)
        lately = decide(left, now, {CHUNKS: dumped}, self.migration.tables, renumbered=again)
        if isinstance(lately, Refuse):
            raise Lost(lately.message, lately.remedy)
        ahead = self._ahead(status, found.executed)
        position = Position(file, FIRST_POSITION, left.position.gtid_set, fingerprint)
        progress = replace(progress, position=position, ahead_since_ms=ahead.since_ms)
        self._save(status, progress, found.server, epoch)
        barrier.move(self.lease.store, Position(file, FIRST_POSITION, found.executed))
        _log.warning(
            "epoch_raised",
            epoch=epoch,
            why=why.change.value,
            server=found.server,
            left_server=left.server,
            left_position=_shown(left.position),
            gtid_set=position.gtid_set,
        )
        return Resumed(progress, found.server, gtids=True, epoch=epoch, ahead=ahead, saved=True)

    def _first_file(self, found: Found) -> tuple[str, str]:
        """The first file that the server has, and its fingerprint. Raises SourceChanged where it is another by now."""
        with closing(self.connect()) as connection:
            file = first_binlog(connection, found.base)
        first = self.look(file)
        if first.server != found.server or first.fingerprint is None:
            raise SourceChanged(Change.SERVER)
        return file, first.fingerprint

    def _save(self, status: CaptureStatus, progress: Progress, server: str, epoch: int) -> None:
        """Begin the epoch. What the tables look like there comes first: after the checkpoint nobody could tell."""
        assert status.position is not None, "capture has begun"
        left, begins = place(status.epoch, status.position), place(epoch, progress.position)
        carry_over(self.lease, self.migration.tables, left, begins)
        save_checkpoint(self.lease, Origin(server, epoch).checkpoint(progress))

    def _ahead(self, status: CaptureStatus, executed: str) -> Ahead:
        """Recorded before anything is sent."""
        return Ahead(mark_ahead(self.lease, now_ms()), executed if status.ahead_since_ms else "")

    def _dumped(self) -> str:
        found = GtidSet()
        for text in set(read_gtid_sets(self.lease.store)):
            found = found.union(GtidSet(text))
        return str(found)

    def _sent(self, status: CaptureStatus) -> str:
        """The GTIDs of what the stream holds beyond the checkpoint, as far as that may be anything."""
        if not status.ahead_since_ms:
            return ""
        since_ms = status.ahead_since_ms - CLOCK_SKEW_MS_MAX
        lanes = status.checkpoint.lanes if status.checkpoint else {}
        found: set[str] = set()
        name = self.migration.stream
        with explaining(f"reading stream {name}"):
            for shard in kinesis.shards(self.client, name):
                for data in records(self.client, name, shard.id, self.stop, since_ms):
                    header = decode_header(data)
                    if header.kind == CHANGES and header.last > lanes.get(header.lane, ""):
                        found.update(decode_gtids(data))
                    self.lease.check()
        return str(GtidSet(",".join(sorted(filter(None, found)))))


def left_in(status: CaptureStatus) -> tuple[Left, Progress]:
    """Where capture was left, on which server, and how far everything was accepted."""
    checkpoint = status.checkpoint
    if checkpoint is not None:
        progress = Progress(
            checkpoint.position, checkpoint.lanes, checkpoint.last_version, checkpoint.changes, status.ahead_since_ms
        )
        return Left(checkpoint.server, checkpoint.position), progress
    assert status.start is not None, "capture has begun"
    return Left(status.server, status.start), Progress(status.start)


def _shown(position: Position) -> str:
    return f"{position.file}:{position.offset}"
