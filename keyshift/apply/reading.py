"""One shard: read a page, apply it, remember the place, and again, in a thread of its own.

A reader that dies between the last two applies some records twice, which the next one finds STALE. Shards begin at
TRIM_HORIZON: what was captured during the load is on the stream, and replay begins with it.

What can be waited for is waited for, from the same place: replay that is not open yet, a closed gate, throttles, lost
answers. A poison change, or one that meets a FOREIGN item, is set aside. Everything else (another keymap, a record that
cannot be read) ends the reader with its reason, after the place before it was remembered.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from keymap.errors import KeyshiftError
from keyshift.apply import shards as planning
from keyshift.apply.lifetime import Overdue
from keyshift.apply.pools import WritePools
from keyshift.apply.refusals import GateClosed, ReplayClosed
from keyshift.apply.stream import StreamApplier
from keyshift.apply.tally import Tally
from keyshift.aws import stream as kinesis
from keyshift.aws.clients import BotoCoreError, ClientError, KinesisClient, error_code, is_throttle, is_transient
from keyshift.aws.errors import loggable
from keyshift.aws.retry import RetriesExhausted
from keyshift.control.shards import ShardCheckpoint, ShardHold
from keyshift.process.backoff import Backoff
from keyshift.process.log import get_logger
from keyshift.process.metrics import Board
from keyshift.process.stop import Stop, Stopped
from keyshift.process.tasks import ApplySettings

LEAVE_SECONDS = 0.1  # until one that waits notices that it is to leave
_log = get_logger("apply")


@dataclass(frozen=True, slots=True)
class Parts:
    """What all readers of a worker share. `clock` gives seconds that only grow."""

    applier: StreamApplier
    pools: WritePools
    client: KinesisClient
    stream: str
    settings: ApplySettings
    stop: Stop
    tally: Tally
    board: Board
    clock: Callable[[], float]


class ShardReader:
    """Reads a shard that is held, until it ends, is to be left, or something is wrong; then it gives the shard up."""

    def __init__(self, hold: ShardHold, parts: Parts) -> None:
        self.shard = hold.checkpoint.shard
        self.error: BaseException | None = None  # what ended it; looked at once it has ended
        self.leaving = threading.Event()  # set: it ends after the batch at hand
        self._hold = hold
        self._parts = parts
        self._iterator: str | None = None
        self._backoff = Backoff()
        self._thread = threading.Thread(target=self._run, name=f"read-{self.shard}", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        _log.info("shard_begun", shard=self.shard, after=self._hold.checkpoint.sequence or "TRIM_HORIZON")
        self._thread.start()

    def leave(self) -> None:
        """Ask it to end. What it has in hand is finished first, or fails."""
        self.leaving.set()

    @property
    def ended(self) -> bool:
        """Whether it does nothing any more for the shard."""
        return not self._thread.is_alive()

    def join(self) -> None:
        """Wait until it has ended."""
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self.leaving.is_set():
                self._pause(self._turn())
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again by the worker
            _log.warning("shard_stopped", shard=self.shard, reason=str(loggable(error)))
            self.error = error
        finally:
            self._parts.board.over(self.shard)
            self._give_up()

    def _give_up(self) -> None:
        try:
            self._hold.give_up()
        except KeyshiftError:
            return  # LeaseLost: somebody has it already; or the migration is gone
        except (ClientError, BotoCoreError) as error:  # it is free once this worker's lease is over
            _log.warning("shard_not_given_up", shard=self.shard, error=type(error).__name__)

    def _pause(self, seconds: float) -> None:
        until = self._parts.clock() + seconds
        while not self.leaving.is_set() and (left := until - self._parts.clock()) > 0:
            self._parts.stop.sleep(min(left, LEAVE_SECONDS))

    def _turn(self) -> float:
        """Read and apply; after a failure that passes, from the same place once more. Seconds until the next turn."""
        poll_seconds, began = self._parts.settings.poll_seconds, self._parts.clock()
        try:
            with self._parts.pools.taken():
                self._parts.board.moved(self.shard)
                self._read_and_apply()
        except kinesis.IteratorExpired:
            self._iterator = None
        except (ReplayClosed, GateClosed, Overdue, RetriesExhausted, ClientError, BotoCoreError) as error:
            self._iterator = None
            if not passes(error):
                self._require_gone(error)
                return 0
            seconds = max(self._backoff.next(), poll_seconds)
            _log.warning("apply_failed", shard=self.shard, error=str(loggable(error)), attempt=self._backoff.attempts)
            return seconds
        else:
            self._backoff.reset()
        return began + poll_seconds - self._parts.clock()

    def _read_and_apply(self) -> None:
        parts = self._parts
        if self._iterator is None:
            after = self._hold.checkpoint.sequence or None
            self._iterator = kinesis.iterator_for(parts.client, parts.stream, self.shard, after)
        page = kinesis.get_records(parts.client, self._iterator, parts.settings.batch_records)
        parts.tally.behind(self.shard, page.behind_ms)
        for batch in planning.batches(page.records):
            if self.leaving.is_set():
                return
            result = parts.applier.handle(batch)
            parts.tally.batch(result, sum(len(record.data) for record in batch))
            self._remember(planning.advanced(self._hold.checkpoint, batch, result, page.behind_ms))
            if result.error:
                raise result.error
        self._iterator = page.next_iterator
        if page.next_iterator is None:
            self._finish()

    def _remember(self, checkpoint: ShardCheckpoint) -> None:
        if checkpoint != self._hold.checkpoint:
            self._hold.save(checkpoint)

    def _finish(self) -> None:
        """The shard has ended, and all of it is applied."""
        self._remember(replace(self._hold.checkpoint, closed=True))
        self.leave()
        _log.info("shard_finished", shard=self.shard)

    def _require_gone(self, error: Exception) -> None:
        """A shard that is not found and not listed has expired; anything else is an error."""
        if error_code(error) != "ResourceNotFoundException":
            raise error
        if any(one.id == self.shard for one in kinesis.shards(self._parts.client, self._parts.stream)):
            raise error
        self.leave_expired()

    def leave_expired(self) -> None:
        """All its records are older than the stream's retention; what was not read of them cannot be had any more."""
        _log.warning("shard_expired", shard=self.shard, after=self._hold.checkpoint.sequence)
        self.leave()


def passes(error: Exception) -> bool:
    """Whether it will do to wait: nothing is wrong with what was asked."""
    waits = isinstance(error, ReplayClosed | GateClosed | Overdue | RetriesExhausted)
    return waits or is_throttle(error) or is_transient(error)
