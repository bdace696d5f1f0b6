"""What an executor does for the driver of a load: one chunk, under the lease that the driver holds.

A Python process of an executor serves many tasks. The first of a load makes clients and compiles the keymap, and begins
to look at the lease's item in the control table (keyshift/control/lease_watch): nothing leaves this process unless that
shows that the driver renews it, and still wants these workers. What goes wrong is told in the answer. A task does not
raise, since Spark would try it again, and print a traceback that tells nobody anything.
"""

import math
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import Final

from bulkload.folder import open_storage
from bulkload.load.chunk import Loaded, chunk_loader, writing_clients
from bulkload.load.reading import Task
from bulkload.load.worker import portable
from bulkload.spark.environment import keymap_file
from keymap.rules import load_keymap
from keyshift.aws.clients import clients_of, explaining
from keyshift.aws.hold import PATIENCE_LEASES, SendGuard, steadily
from keyshift.aws.leases import this_process, watch
from keyshift.control.lease import LeaseLost
from keyshift.control.lease_watch import WatchedLease
from keyshift.control.migration import Migration, require_digest
from keyshift.control.record import Check
from keyshift.control.store import Store
from keyshift.process import log
from keyshift.process.clock import boottime
from keyshift.process.settings import Settings
from keyshift.process.stop import Stop, Stopped

_log = log.get_logger(__name__)
_LOOK_SECONDS: Final = 0.05  # between two looks whether the lease is believed in: nothing beside a chunk
_ATTEMPTS: Final = 3  # of a chunk, where the lease was in doubt for a while, and stood in the end


@dataclass(frozen=True, slots=True)
class Order:
    """All that a worker is made of. `held`: what the lease's item says while it may write; `share`: of all budgets."""

    settings: Settings
    migration: Migration
    held: Check
    share: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a chunk: `loaded`, or `errors`, one and its causes.

    `lost_seconds`: how long ago this process lost an answer last, infinite where it never did. Clocks of two machines
    show different times, and agree on how long something takes.
    """

    lost_seconds: float
    loaded: Loaded | None = None
    errors: tuple[BaseException, ...] = ()


def load_chunk(what: tuple[Order, Task]) -> Answer:
    """Load one chunk. Called by Spark."""
    order, task = what
    member: Member | None = None
    loaded: Loaded | None = None
    errors: tuple[BaseException, ...] = ()
    try:
        member = _member(order)
        loaded = member.load(task)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the driver must hear of it
        errors = tuple(portable(error))
    return Answer(boottime() - member.guard.lost_at if member else math.inf, loaded, errors)


class Member:
    """This process, as one of those who load."""

    def __init__(self, order: Order) -> None:
        self.order = order
        settings, bulkload = order.settings, order.settings.bulkload
        log.configure(json=True, migration=settings.migration)
        keymap = load_keymap(keymap_file(settings.keymap))
        require_digest(order.migration, keymap.digest)
        concurrency = bulkload.load_concurrency
        self._clients = writing_clients(settings)
        self._looking = clients_of(settings.aws, connections_max=1)
        store = Store(self._looking.control, settings.control_table, settings.migration)
        self._lease = WatchedLease(store, order.held, this_process(), boottime)
        self._stop = Stop()
        self.guard = SendGuard(self._lease, settings.apply.request_life_seconds, boottime)
        self.guard.watch(self._clients.dynamodb)
        self._executor = ThreadPoolExecutor(concurrency, thread_name_prefix="load")
        storage = open_storage(bulkload.folder, self._clients, order.migration, self._stop)
        self._loader = chunk_loader(
            settings,
            keymap,
            order.migration,
            storage,
            client=self._clients.dynamodb,
            executor=self._executor,
            stop=self._stop,
            capacities=self._looking.dynamodb,
            share=order.share,
        )
        with explaining("looking at the load's lease"):
            steadily(self._lease.look, self._stop)
        watch(self._lease, bulkload.lease_seconds, self._stop.set)
        _log.info("spark_worker", worker=this_process(), python=sys.prefix)

    def load(self, task: Task) -> Loaded:
        """As ChunkLoader. Waits until the lease is known to stand. Raises LeaseLost where it does not."""
        try:
            return self._load(task)
        except Stopped:  # nothing but the end of the lease stops this process
            self._lease.check()
            raise

    def _load(self, task: Task) -> Loaded:
        for attempt in count(1):
            self._await_lease()
            try:
                return self._loader.load(task)
            except LeaseLost:
                if self._lease.over or attempt == _ATTEMPTS:
                    raise
        raise AssertionError("not reached: the last attempt returns or raises")

    def close(self) -> None:
        """Do nothing any more."""
        self._lease.end()
        self._executor.shutdown()
        self._clients.close()
        self._looking.close()

    def _await_lease(self) -> None:
        """Return when it is known to stand: usually at once, in the beginning after the next renewal."""
        end = boottime() + PATIENCE_LEASES * self.order.settings.bulkload.lease_seconds
        while not self._lease.valid():
            if self._lease.over or boottime() >= end:
                self._lease.check()
            self._stop.sleep(_LOOK_SECONDS)


_members: list[Member] = []  # of this process: none, or the one of the latest order


def _member(order: Order) -> Member:
    if not _members or _members[0].order.held != order.held:
        for former in _members:
            former.close()
        _members[:] = []
        _members.append(Member(order))
    return _members[0]
