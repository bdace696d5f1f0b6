"""What the daemon remembers in the control table, in a thread of its own: lease, checkpoint, barriers.

A slow or failing control table must not hold up the stream, nor a slow stream the lease. So the sending thread only
leaves here what is to be written, and looks whether the lease still stands. A checkpoint is a renewal of the lease and
impossible without it; what cannot be written now is written later, newer, as long as the lease lasts.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Self

from cdc.outbox import Barrier, Progress
from keymap.position import file_number
from keyshift.aws.clients import BotoCoreError, ClientError, error_code
from keyshift.aws.leases import RENEWALS_PER_LEASE, release, require_passing
from keyshift.control import barrier
from keyshift.control.checkpoint import Checkpoint, mark_started, save_checkpoint
from keyshift.control.lease import Lease
from keyshift.process.log import get_logger

CHECKPOINT_SECONDS: Final = 1.0  # what a crash may send again; DynamoDB bills each write
BARRIER_POLL_SECONDS: Final = 0.3  # a write stop waits for three of them; one small query each
_log = get_logger("cdc")


@dataclass(frozen=True, slots=True)
class Origin:
    """What is the same in all checkpoints of one run: the source's identity and the epoch."""

    server: str
    epoch: int

    def checkpoint(self, progress: Progress) -> Checkpoint:
        """How far we are, as it is remembered."""
        return Checkpoint(
            position=progress.position,
            lanes=progress.lanes,
            last_version=progress.last_version,
            changes=progress.changes,
            server=self.server,
            epoch=self.epoch,
            ahead_since_ms=progress.ahead_since_ms,
        )


class Keeper:
    """Keeps a lease that is held, and remembers what it is told.

    Everything may be called from the sending thread at any time, and all but close() returns at once. A context
    manager; `wake` is called when there is something to look at (`requested`, or check()).
    """

    def __init__(self, lease: Lease, *, clock: Callable[[], float], wake: Callable[[], None]) -> None:
        self._lease = lease
        self._clock = clock
        self._wake = wake
        self._origin: Origin | None = None
        self._offered: Progress | None = None
        self._saved: Progress | None = None
        self._done: deque[Barrier] = deque()
        self._failure: BaseException | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
        self._saved_at = self._renewed_at = self._polled_at = clock()
        self._answered = barrier.START  # the newest barrier that was sent
        self._renumbered = False  # whether no former daemon can have sent markers of what is pending
        self.requested: barrier.Request | None = None
        self.moved: Callable[[], None] = lambda: None  # called once a round

    def checkpoint_age_seconds(self) -> float:
        """Since the newest checkpoint was recorded, or keeping began."""
        return self._clock() - self._saved_at

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def begin(self, origin: Origin, saved: Progress | None) -> None:
        """From here on there is something to remember; `saved` is recorded already."""
        self._saved = saved
        self._origin = origin

    def offer(self, progress: Progress) -> None:
        """How far everything is accepted by now; it is recorded within about a second."""
        self._offered = progress

    def sent(self, done: Barrier) -> None:
        """Every marker of this barrier is accepted."""
        self._done.append(done)

    def check(self) -> None:
        """Raise LeaseLost unless the lease stands, or whatever else ended the keeping."""
        if self._failure is not None:
            raise self._failure
        self._lease.check()

    def close(self) -> None:
        """Record the last offer, and release the lease. Safe to repeat."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()
        release(self._lease)

    def _run(self) -> None:
        try:
            while not self._closing.wait(_TICK_SECONDS):
                self.moved()
                self._tick()
            with self._passing():
                self._answer_and_save()
        except BaseException as error:  # noqa: BLE001 - it is raised by the thread that asks
            self._failure = error
            self._wake()

    def _tick(self) -> None:
        now = self._clock()
        with self._passing():
            if self._done or now - self._saved_at >= CHECKPOINT_SECONDS:
                self._answer_and_save()
            if self._clock() - self._renewed_at >= self._lease.seconds / RENEWALS_PER_LEASE:
                self._renewed_at = now
                self._lease.renew()
            if now - self._polled_at >= BARRIER_POLL_SECONDS:
                self._polled_at = now
                self._poll()

    @staticmethod
    @contextmanager
    def _passing() -> Iterator[None]:
        """What passes by itself is tried again at the next tick; the lease says for how long."""
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            require_passing(error)
            _log.warning("control_table_unreachable", error=error_code(error) or type(error).__name__)

    def _answer_and_save(self) -> None:
        """Record how far we are, and then that a barrier was sent, which it proves."""
        if self._offered is not None:
            self._save(self._offered)
        while self._done:
            done = self._done[0]
            self._save(done.progress)
            if done.number == barrier.START:
                mark_started(self._lease)
            else:
                barrier.mark_sent(self._lease, done.number, done.progress.last_version, done.progress.changes)
                self._answered = done.number
            _log.info("barrier_sent", number=done.number, changes=done.progress.changes)
            self._done.popleft()

    def _save(self, progress: Progress) -> None:
        if self._origin is None or not _is_newer(progress, self._saved):
            return
        started = self._clock()
        save_checkpoint(self._lease, self._origin.checkpoint(progress))
        self._saved, self._saved_at, self._renewed_at = progress, started, started

    def _poll(self) -> None:
        if not self._renumbered:
            barrier.renumber(self._lease)
            self._renumbered = True
        found = barrier.pending(self._lease.store)
        self._lease.check()  # else it may be the number of a daemon that took over
        self.requested = found if found and found.number > self._answered else None
        if self.requested:
            self._wake()


def _is_newer(progress: Progress, saved: Progress | None) -> bool:
    """Whether there is something to record. MySQL's set may grow while the offset, told beside it, does not yet."""
    if saved is None:
        return True
    if _order(progress) == _order(saved):
        settled = saved.ahead_since_ms and not progress.ahead_since_ms
        return bool(settled) or progress.position != saved.position
    return _order(progress) > _order(saved)


def _order(progress: Progress) -> tuple[int, int, int]:
    return file_number(progress.position.file), progress.position.offset, progress.changes


_TICK_SECONDS: Final = 0.1
