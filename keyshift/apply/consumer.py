"""The local consumer: reads the whole stream and applies it, without Lambda.

One loop goes round the shards: read a page, apply it, then remember the place. A consumer that dies between the last
two applies some records twice, which the next one finds STALE. Shards begin at TRIM_HORIZON: what was captured during
the load is on the stream, and replay begins with it.

What can be waited for is waited for: replay that is not open yet, a closed gate, throttles, lost answers, a lease that
somebody else holds. Everything else (a poison change, a FOREIGN item, another keymap) ends the consumer with its
reason, after the place before it was remembered.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final

from keymap.rules import Keymap
from keyshift.apply import shards as planning
from keyshift.apply.refusals import GateClosed, ReplayClosed
from keyshift.apply.stream import ControlGate, StreamApplier
from keyshift.apply.tally import METRICS, Tally
from keyshift.apply.writer import GuardedWriter
from keyshift.aws import stream as kinesis
from keyshift.aws.claims import ClaimStore
from keyshift.aws.clients import (
    BotoCoreError,
    ClientError,
    Clients,
    KinesisClient,
    error_code,
    explain,
    is_throttle,
    is_transient,
)
from keyshift.aws.leases import held, this_process
from keyshift.aws.retry import RetriesExhausted, retried
from keyshift.control import migration as migrations
from keyshift.control import shards as checkpoints
from keyshift.control.lease import CONSUMER, Lease, LeaseLost
from keyshift.control.migration import Migration
from keyshift.control.phase import Phase, read_phase
from keyshift.control.shards import ShardCheckpoint
from keyshift.control.store import Store
from keyshift.process.backoff import Backoff
from keyshift.process.clock import boottime, now_ms
from keyshift.process.log import get_logger
from keyshift.process.metrics import Board, reported
from keyshift.process.settings import ApplySettings, Settings
from keyshift.process.stop import Stop, Stopped

LEASE_SECONDS: Final = 10.0  # without renewal until a standby takes over; two consumers at once only do all work twice
LIST_SECONDS: Final = 5.0  # between looks for new shards; one that ends is followed at once
LOG_SECONDS: Final = 10.0  # between status lines
PHASE_POLL_SECONDS: Final = 1.0  # while replay is closed: the load that it waits for takes minutes
_log = get_logger("apply")


def run(settings: Settings, keymap: Keymap, clients: Clients, stop: Stop) -> None:
    """Apply the stream until `stop` is set. Raises KeyshiftError for what only a person can mend."""
    store = Store(clients.control, settings.control_table, settings.migration)
    try:
        doing = f"reading migration {settings.migration}"
        migration = retried(lambda: migrations.load(store), Backoff(), stop, doing)
        migrations.require_digest(migration, keymap.digest)
        board = Board(METRICS, migration=migration.name, owner=this_process())
        with reported(board, settings.metrics):
            _apply(settings.apply, keymap, clients, stop, store, migration, board)
    except Stopped:
        pass
    except (ClientError, BotoCoreError) as error:
        raise explain(error, f"applying the stream of migration {settings.migration}") from error


def _apply(  # noqa: PLR0913, PLR0917 - wiring, once
    settings: ApplySettings,
    keymap: Keymap,
    clients: Clients,
    stop: Stop,
    store: Store,
    migration: Migration,
    board: Board,
) -> None:
    with ThreadPoolExecutor(settings.write_concurrency, "write") as pool:
        writer = GuardedWriter(clients.dynamodb, keymap, migration.id, pool, stop, settings.write_concurrency)
        fetch = ClaimStore(clients, migration.bucket, stop).get
        applier = StreamApplier(writer, keymap, migration, ControlGate(store, keymap.digest), fetch)
        lease = Lease(store, CONSUMER, this_process(), LEASE_SECONDS, boottime)
        consumer = Consumer(
            applier, clients.kinesis, migration.stream, lease=lease, settings=settings, stop=stop, board=board
        )
        backoff = Backoff()
        while True:
            board.enter("standing_by", keyshift_apply_active=0)
            with held(lease, stop):
                _consume(consumer)
            stop.sleep(backoff.next())


def _consume(consumer: "Consumer") -> None:
    """Return when somebody else should go on, or we should begin again: after an outage, or without the lease."""
    try:
        consumer.run()
    except (LeaseLost, RetriesExhausted, ClientError, BotoCoreError) as error:
        if not (isinstance(error, LeaseLost) or _passes(error)):
            raise
        _log.warning("interrupted", reason=str(error))


@dataclass(slots=True)
class Reader:
    """One shard that is being read: the place that is remembered, the iterator at it, and when it may be read again."""

    checkpoint: ShardCheckpoint
    iterator: str | None = None
    due: float = 0.0
    backoff: Backoff = field(default_factory=Backoff)


class Consumer:
    """Reads the shards of one stream in turn. `clock` gives seconds that only grow."""

    def __init__(  # noqa: PLR0913 - collaborators, handed in once
        self,
        applier: StreamApplier,
        client: KinesisClient,
        stream: str,
        *,
        lease: Lease,
        settings: ApplySettings,
        stop: Stop,
        clock: Callable[[], float] = boottime,
        log_seconds: float = LOG_SECONDS,
        board: Board | None = None,
    ) -> None:
        self._applier = applier
        self._client = client
        self._stream = stream
        self._lease = lease
        self._settings = settings
        self._stop = stop
        self._clock = clock
        self._log_seconds = log_seconds
        self._tally = Tally(now_ms)
        self._board = board or Board(METRICS, migration="", owner="")
        self._readers: dict[str, Reader] = {}
        self._checkpoints: dict[str, ShardCheckpoint] = {}
        self._list_due = 0.0
        self._log_due = 0.0

    def run(self) -> None:
        """Apply until asked to stop. Raises Stopped, LeaseLost, and what ends the consumer."""
        self._board.enter("waiting_for_replay", keyshift_apply_active=1)
        self._await_replay()
        self._board.enter("applying", keyshift_apply_active=1)
        self._readers.clear()
        self._checkpoints = checkpoints.read(self._lease.store, self._stream)
        self._list_due, self._log_due = 0.0, self._clock() + self._log_seconds
        _log.info("applying", stream=self._stream, shards_known=len(self._checkpoints))
        try:
            while True:
                self._round()
                self._stop.sleep(self._idle_seconds())
        finally:
            _log.info("applied", **self._tally.line())

    def _await_replay(self) -> None:
        told = False
        while read_phase(self._lease.store) is Phase.LOAD:
            if not told:
                _log.info("waiting_for_replay", reason="the bulk load is not complete")
                told = True
            self._stop.sleep(PHASE_POLL_SECONDS)

    def _round(self) -> None:
        """Every shard that is due, once."""
        if self._clock() >= self._list_due:
            self._list_due = self._clock() + LIST_SECONDS
            self._list()
        for reader in self._due():
            self._board.moved("applying")
            self._turn(reader)
            self._board.show(self._tally.figures())
        if self._clock() >= self._log_due:
            self._log_due = self._clock() + self._log_seconds
            _log.info("applied", **self._tally.line())

    def _due(self) -> Iterator[Reader]:
        """The readers to turn to now; the process may be asked to stop, or lose its lease, between any two."""
        for reader in list(self._readers.values()):
            if self._clock() >= reader.due:
                self._stop.sleep(0)
                self._lease.check()
                yield reader

    def _idle_seconds(self) -> float:
        due = min([self._list_due, self._log_due, *(reader.due for reader in self._readers.values())])
        return max(0.0, due - self._clock())

    def _list(self) -> None:
        """Begin with shards that may be read now, and leave those that exist no more."""
        try:
            listed = kinesis.shards(self._client, self._stream)
        except (ClientError, BotoCoreError) as error:
            if not _passes(error):
                raise
            _log.warning("list_shards_failed", error=str(error))
            return
        wanted = planning.readable(listed, self._checkpoints)
        for shard in wanted:
            if shard not in self._readers:
                checkpoint = self._checkpoints.get(shard, ShardCheckpoint(self._stream, shard))
                self._readers[shard] = Reader(checkpoint)
                _log.info("shard_begun", shard=shard, after=checkpoint.sequence or "TRIM_HORIZON")
        for shard in self._readers.keys() - set(wanted):
            self._leave_expired(self._readers[shard])

    def _leave(self, reader: Reader) -> None:
        del self._readers[reader.checkpoint.shard]
        self._tally.finished(reader.checkpoint.shard)
        self._list_due = 0.0  # its children come next

    def _leave_expired(self, reader: Reader) -> None:
        """All its records are older than the stream's retention; what was not read of them cannot be had any more."""
        _log.warning("shard_expired", shard=reader.checkpoint.shard, after=reader.checkpoint.sequence)
        self._leave(reader)

    def _turn(self, reader: Reader) -> None:
        """Read one shard and apply what was read; after a failure that passes, try again later from the same place."""
        reader.due = self._clock() + self._settings.poll_seconds
        try:
            self._read_and_apply(reader)
        except kinesis.IteratorExpired:
            reader.iterator = None
        except (ReplayClosed, GateClosed, RetriesExhausted, ClientError, BotoCoreError) as error:
            reader.iterator = None
            if not _passes(error):
                self._require_gone(reader, error)
                return
            reader.due = self._clock() + max(reader.backoff.next(), self._settings.poll_seconds)
            _log.warning(
                "apply_failed", shard=reader.checkpoint.shard, error=str(error), attempt=reader.backoff.attempts
            )
        else:
            reader.backoff.reset()

    def _read_and_apply(self, reader: Reader) -> None:
        shard = reader.checkpoint.shard
        if reader.iterator is None:
            after = reader.checkpoint.sequence or None
            reader.iterator = kinesis.iterator_for(self._client, self._stream, shard, after)
        page = kinesis.get_records(self._client, reader.iterator, self._settings.batch_records)
        self._tally.behind(shard, page.behind_ms)
        for batch in planning.batches(page.records):
            result = self._applier.handle(batch)
            self._tally.batch(result, sum(len(record.data) for record in batch))
            self._remember(reader, planning.advanced(reader.checkpoint, batch, result))
            if result.error:
                raise result.error
        reader.iterator = page.next_iterator
        if page.next_iterator is None:
            self._finish(reader)

    def _remember(self, reader: Reader, checkpoint: ShardCheckpoint) -> None:
        if checkpoint != reader.checkpoint:
            checkpoints.save(self._lease, checkpoint)
            reader.checkpoint = self._checkpoints[checkpoint.shard] = checkpoint

    def _finish(self, reader: Reader) -> None:
        """The shard has ended, and all of it is applied."""
        self._remember(reader, replace(reader.checkpoint, closed=True))
        self._leave(reader)
        _log.info("shard_finished", shard=reader.checkpoint.shard)

    def _require_gone(self, reader: Reader, error: Exception) -> None:
        """A shard that is not found and not listed has expired; anything else is an error."""
        shard = reader.checkpoint.shard
        if error_code(error) != "ResourceNotFoundException":
            raise error
        if any(one.id == shard for one in kinesis.shards(self._client, self._stream)):
            raise error
        self._leave_expired(reader)


def _passes(error: Exception) -> bool:
    """Whether it will do to wait: nothing is wrong with what was asked."""
    return isinstance(error, ReplayClosed | GateClosed | RetriesExhausted) or is_throttle(error) or is_transient(error)
