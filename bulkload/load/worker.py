"""A process that loads the chunks that it is told of, under the lease of the process that started it.

It writes nothing without that lease: until when it is believed in stands in memory that both see, by the clock that
counts suspend, which is one for the whole machine. It ends when the other side of its pipe closes, so a load that is
killed leaves no process behind, and what such a process could still send is stopped by the lease that nobody renews.
"""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Final

from bulkload.folder import open_storage
from bulkload.load.chunk import ChunkLoader, Loaded, chunk_loader, writing_clients
from bulkload.load.reading import Task
from bulkload.storage import Storage
from keymap.errors import KeyshiftError
from keymap.rules import load_keymap
from keyshift.aws.hold import SendGuard
from keyshift.control.lease import LOAD, Deadline, LeaseLost
from keyshift.control.migration import Migration, require_digest
from keyshift.process import log
from keyshift.process.clock import boottime
from keyshift.process.crash import tell_textless
from keyshift.process.settings import Settings
from keyshift.process.stop import Stop, Stopped

_log = log.get_logger(__name__)
STOP: Final = "stop"  # what is sent in the place of a task: end soon, between two requests


@dataclass(frozen=True, slots=True)
class Order:
    """All that a worker is made of, as it goes to another process: no password. `owner` holds the lease;
    `share` (0 to 1) of all budgets is this worker's.
    """

    settings: Settings
    migration: Migration
    owner: str
    share: float


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a task: `loaded`, or `errors`, one and its causes. `lost_at`: when an answer was lost last."""

    lost_at: float
    loaded: Loaded | None = None
    errors: tuple[BaseException, ...] = ()


class SharedFence:
    """The lease of another process of this machine, by the deadline that it keeps up to date."""

    def __init__(self, deadline: Deadline, owner: str) -> None:
        self._deadline = deadline
        self._owner = owner

    def check(self) -> None:
        """Raise LeaseLost unless the lease is held."""
        if boottime() >= self._deadline.value:
            raise LeaseLost(LOAD, self._owner, "it ran out before it was renewed, and this process works under it")


def main(order: Order, deadline: Deadline, pipe: Connection) -> None:
    """Load what comes through the pipe, one task after the other, and answer each with a Report."""
    settings, stop = order.settings, Stop()
    log.configure(migration=settings.migration)
    tell_textless()
    inbox = _Inbox(pipe, stop)
    guard = SendGuard(SharedFence(deadline, order.owner), settings.apply.request_life_seconds, boottime)
    try:
        keymap = load_keymap(settings.keymap)
        require_digest(order.migration, keymap.digest)
        clients, concurrency = writing_clients(settings), settings.bulkload.load_concurrency
        with closing(clients), ThreadPoolExecutor(concurrency, thread_name_prefix="load") as executor:
            guard.watch(clients.dynamodb)
            storage = open_storage(settings.bulkload.folder, clients, order.migration, stop)
            loader = chunk_loader(
                settings,
                keymap,
                order.migration,
                storage,
                client=clients.dynamodb,
                executor=executor,
                stop=stop,
                capacities=clients.dynamodb,
                share=order.share,
            )
            with ThreadPoolExecutor(1, thread_name_prefix="fetch") as fetching:
                inbox.open(storage, fetching)
                while (taken := inbox.take()) is not None:
                    pipe.send(Report(guard.lost_at, _done(loader, *taken)))
    except BaseException as error:  # noqa: BLE001 - whatever it is, the process that leads this one must hear of it
        _tell(pipe, Report(guard.lost_at, errors=tuple(portable(error))))


def _done(loader: ChunkLoader, task: Task, fetched: "Future[bytes]") -> Loaded:
    return loader.load(task, fetched.result)


def _tell(pipe: Connection, report: Report) -> None:
    try:
        pipe.send(report)
    except OSError:
        _log.warning("worker_ends", reason="the process that led it is gone")


def portable(error: BaseException) -> list[BaseException]:
    """The error and its causes, outermost first, as they can be told by another process."""
    told: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None:
        if not isinstance(cause, KeyshiftError | Stopped) and not told:
            _log.error("worker_failed", error=type(cause).__name__, exc_info=cause)
        told.append(cause)
        cause = cause.__cause__
    return told


class _Inbox:
    """What comes through the pipe. The file of the next task is fetched while the one before is worked on."""

    def __init__(self, pipe: Connection, stop: Stop) -> None:
        self._pipe = pipe
        self._stop = stop
        self._tasks: SimpleQueue[tuple[Task, Future[bytes]] | None] = SimpleQueue()

    def open(self, storage: Storage, fetching: ThreadPoolExecutor) -> None:
        """Begin to take in tasks."""
        threading.Thread(target=self._listen, args=(storage, fetching), name="inbox", daemon=True).start()

    def take(self) -> tuple[Task, "Future[bytes]"] | None:
        """The next task and its file; None at the end. Raises Stopped."""
        taken = self._tasks.get()
        self._stop.sleep(0)
        return taken

    def _listen(self, storage: Storage, fetching: ThreadPoolExecutor) -> None:
        while True:
            try:
                task = self._pipe.recv()
            except (EOFError, OSError):
                task = STOP
            if task == STOP:
                break
            self._tasks.put((task, fetching.submit(storage.get, task.chunk.object)))
        self._stop.set()
        self._tasks.put(None)
