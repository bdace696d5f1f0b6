"""The replay without Lambda: any number of processes, on one host or several, share the shards of the stream.

Each takes a place among the workers (keyshift/control/workers) and reads its share (keyshift/apply/worker), until it is
stopped, or has lost its lease: then it begins again, with a place, threads and connections of its own. A request that
writes looks at the lease as it leaves, on a clock that counts suspend: what a worker still has in hand when it wakes
after its shards were taken by others is never sent. It might bring back an item that the application, after the switch,
has removed.
"""

from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

from keymap.rules import Keymap
from keyshift.apply.gate import ControlGate
from keyshift.apply.lifetime import Lifetime
from keyshift.apply.pools import WritePools
from keyshift.apply.reading import Parts, passes
from keyshift.apply.setaside import SettingAside
from keyshift.apply.sharing import Sharing
from keyshift.apply.stream import StreamApplier
from keyshift.apply.tally import METRICS, Tally
from keyshift.apply.tidy_tally import METRICS as TIDYING
from keyshift.apply.tidy_tally import TidyTally
from keyshift.apply.tidying import tidied
from keyshift.apply.worker import BATCHES_MAX, StreamWorker
from keyshift.apply.writer import GuardedWriter
from keyshift.aws.claims import ClaimStore
from keyshift.aws.clients import BotoCoreError, ClientError, Clients, clients_of, explain, guard_sends
from keyshift.aws.errors import loggable
from keyshift.aws.leases import LOOKS_PER_LEASE, held, this_process
from keyshift.aws.retry import RetriesExhausted, retried
from keyshift.control import migration as migrations
from keyshift.control.lease import Lease, LeaseLost
from keyshift.control.migration import Migration
from keyshift.control.store import Store
from keyshift.control.workers import WORKERS_MAX, Roster
from keyshift.process.backoff import Backoff
from keyshift.process.clock import boottime, now_ms
from keyshift.process.log import get_logger
from keyshift.process.metrics import Board, reported
from keyshift.process.settings import Settings
from keyshift.process.stop import Stop, Stopped

LEASE_SECONDS: Final = 10.0  # without renewal until the others take a worker's shards
_log = get_logger("apply")


def run(settings: Settings, keymap: Keymap, clients: Clients, stop: Stop) -> None:
    """Apply the stream until `stop` is set. Raises KeyshiftError for what only a person can mend."""
    store = Store(clients.control, settings.control_table, settings.migration)
    try:
        doing = f"reading migration {settings.migration}"
        migration = retried(lambda: migrations.load(store), Backoff(), stop, doing)
        migrations.require_digest(migration, keymap.digest)
        tidying = TidyTally(now_ms)
        board = Board((*METRICS, *TIDYING), migration=migration.name, owner=this_process(), also=tidying.figures)
        with reported(board, settings.metrics), tidied(settings, keymap, migration, store, tidying):
            _Process(settings, keymap, clients, stop, store, migration, board).run()
    except Stopped:
        pass
    except (ClientError, BotoCoreError) as error:
        raise explain(error, f"applying the stream of migration {settings.migration}") from error


@dataclass(frozen=True, slots=True)
class _Process:
    """The wiring: a worker, and after an outage the next one."""

    settings: Settings
    keymap: Keymap
    clients: Clients
    stop: Stop
    store: Store
    migration: Migration
    board: Board
    tally: Tally = field(default_factory=lambda: Tally(now_ms))

    def run(self) -> None:
        """Work until asked to stop. Raises Stopped, and what ends the process."""
        backoff = Backoff()
        while True:
            self.board.enter("standing_by", keyshift_apply_active=0)
            roster = Roster(self.store, this_process(), LEASE_SECONDS, boottime)
            try:
                lease = self._enter(roster)
                with held(lease, self.stop):
                    self._work(roster, lease)
            except (LeaseLost, RetriesExhausted, ClientError, BotoCoreError) as error:
                if not (isinstance(error, LeaseLost) or passes(error)):
                    raise
                _log.warning("interrupted", reason=str(loggable(error)))
            self.stop.sleep(backoff.next())

    def _enter(self, roster: Roster) -> Lease:
        told = False
        while not (lease := retried(roster.enter, Backoff(), self.stop, "taking a place among the workers")):
            if not told:
                _log.info("standing_by", reason=f"{WORKERS_MAX} workers are there")
                told = True
            self.stop.sleep(LEASE_SECONDS / LOOKS_PER_LEASE)
        return lease

    def _work(self, roster: Roster, lease: Lease) -> None:
        settings, stop = self.settings.apply, self.stop
        # Clients of its own: its guard stays on them, and asks for this acquisition of the lease.
        connections = BATCHES_MAX * settings.write_concurrency
        writing = clients_of(self.settings.aws, connections_max=connections)
        with closing(writing), WritePools(BATCHES_MAX, settings.write_concurrency) as pools:
            guard_sends(writing.dynamodb, lease.check)
            parts = Parts(
                applier=self._applier(writing, pools),
                pools=pools,
                client=self.clients.kinesis,
                stream=self.migration.stream,
                settings=settings,
                stop=stop,
                tally=self.tally,
                board=self.board,
                clock=boottime,
            )
            StreamWorker(lease, Sharing(self.store, self.migration.stream, roster, this_process()), parts).run()

    def _applier(self, writing: Clients, pools: WritePools) -> StreamApplier:
        store, migration, keymap, stop = self.store, self.migration, self.keymap, self.stop
        lifetime = Lifetime()
        guard_sends(writing.dynamodb, lifetime.check)
        writer = GuardedWriter(
            writing.dynamodb,
            keymap,
            migration.id,
            pools,
            stop,
            lifetime=lifetime,
            writes_at_once=self.settings.apply.write_concurrency,
        )
        objects = ClaimStore(self.clients, migration.bucket, stop)
        fetch = pools.alone(objects.get)
        aside = SettingAside(store, migration, objects, fetch, self.settings.apply.set_aside_max)
        return StreamApplier(writer, keymap, migration, ControlGate(store, keymap.digest), fetch, aside)
