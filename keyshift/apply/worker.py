"""One worker: reads its share of the stream's shards while its lease stands.

It looks at the control table as often as a lease is looked at (keyshift/apply/sharing), begins the shards that it
takes, each in a thread of its own, and leaves those that it gives up. What ends a reader ends the worker: its other
readers finish what they have in hand, and all its shards are free.
"""

from collections.abc import Callable, Sequence
from typing import Final

from keyshift.apply.reading import Parts, ShardReader, passes
from keyshift.apply.sharing import Look, Sharing
from keyshift.aws import stream as kinesis
from keyshift.aws.clients import BotoCoreError, ClientError
from keyshift.aws.errors import loggable
from keyshift.aws.leases import LOOKS_PER_LEASE
from keyshift.control.lease import Lease
from keyshift.control.phase import Phase, read_phase
from keyshift.process.clock import boottime
from keyshift.process.log import get_logger

BATCHES_MAX: Final = 4  # at hand at once, of different shards: together they stay within 384 MB (deploy/)
LIST_SECONDS: Final = 5.0  # between looks for new shards; one that ends is followed at once
LOG_SECONDS: Final = 10.0  # between status lines
PHASE_POLL_SECONDS: Final = 1.0  # while replay is closed: the load that it waits for takes minutes
TICK_SECONDS: Final = 0.05  # until a reader that has ended is noticed
_log = get_logger("apply")


class StreamWorker:
    """Applies its share of a stream under `lease`, that of the place which `sharing` is for.

    `parts` is what its readers share; every write through them must look at the lease as it leaves.
    """

    def __init__(
        self,
        lease: Lease,
        sharing: Sharing,
        parts: Parts,
        *,
        clock: Callable[[], float] = boottime,
        log_seconds: float = LOG_SECONDS,
    ) -> None:
        self._lease = lease
        self._sharing = sharing
        self._parts = parts
        self._clock = clock
        self._log_seconds = log_seconds
        self._readers: dict[str, ShardReader] = {}
        self._listed: Sequence[kinesis.Shard] = ()
        self._finished = 0
        self._look_due = self._list_due = 0.0

    def run(self) -> None:
        """Apply until asked to stop. Raises Stopped, LeaseLost, and what ends the worker."""
        self._parts.board.enter("waiting_for_replay", keyshift_apply_active=1)
        self._await_replay()
        self._parts.board.enter("applying", keyshift_apply_active=1)
        _log.info("applying", stream=self._parts.stream)
        log_due = self._clock() + self._log_seconds
        try:
            while True:
                self._round()
                if self._clock() >= log_due:
                    log_due = self._clock() + self._log_seconds
                    _log.info("applied", **self._parts.tally.line())
                self._parts.stop.sleep(TICK_SECONDS)
        finally:
            self._end()
            _log.info("applied", **self._parts.tally.line())
            for reader in list(self._readers.values()):
                self._forget(reader)

    def _await_replay(self) -> None:
        told = False
        while read_phase(self._lease.store) is Phase.LOAD:
            if not told:
                _log.info("waiting_for_replay", reason="the bulk load is not complete")
                told = True
            self._parts.stop.sleep(PHASE_POLL_SECONDS)

    def _round(self) -> None:
        self._lease.check()
        self._collect()
        self._parts.board.moved("sharing")
        self._parts.board.show(self._parts.tally.figures())
        if self._clock() >= self._look_due:
            self._look_due = self._clock() + self._lease.seconds / LOOKS_PER_LEASE
            try:
                self._look()
            except (ClientError, BotoCoreError) as error:
                if not passes(error):
                    raise
                _log.warning("look_failed", error=str(loggable(error)))

    def _collect(self) -> None:
        """Let go of the readers that have ended; raise what ended them, if it was not that they should leave."""
        for reader in [reader for reader in self._readers.values() if reader.ended]:
            if reader.error:
                raise reader.error
            self._forget(reader)
            self._look_due = self._list_due = 0.0  # its children come next

    def _forget(self, reader: ShardReader) -> None:
        del self._readers[reader.shard]
        self._parts.tally.finished(reader.shard)

    def _look(self) -> None:
        if self._clock() >= self._list_due:
            self._listed = kinesis.shards(self._parts.client, self._parts.stream)
            self._list_due = self._clock() + LIST_SECONDS
        leaving = [reader.shard for reader in self._readers.values() if reader.leaving.is_set()]
        look = self._sharing.look(self._listed, self._readers.keys() - set(leaving), leaving)
        if look.finished != self._finished:  # by whomever: their children come next
            self._finished, self._list_due = look.finished, 0.0
        self._leave(look)
        self._begin(look)

    def _leave(self, look: Look) -> None:
        for shard in look.give:
            _log.info("shard_given_up", shard=shard, reason="it is another worker's share")
            self._readers[shard].leave()
        for shard in look.expired:
            self._readers[shard].leave_expired()

    def _begin(self, look: Look) -> None:
        for hold in self._sharing.take(look):
            reader = ShardReader(hold, self._parts)
            self._readers[reader.shard] = reader
            reader.start()

    def _end(self) -> None:
        for reader in self._readers.values():
            reader.leave()
        for reader in self._readers.values():
            reader.join()
