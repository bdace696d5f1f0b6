"""Waiting for a lease, renewing it beside the work, and giving it back: what every process does that holds one.

A control table that is slow or out of reach for a while ends nothing: a renewal that failed is tried again, and whether
the lease still stands is told by `lease.check` and by every fenced write.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Final

from keymap.errors import KeyshiftError
from keyshift.aws.clients import BotoCoreError, ClientError, is_throttle, is_transient
from keyshift.control.lease import Lease
from keyshift.control.lease_watch import WatchedLease
from keyshift.process.beside import beside
from keyshift.process.log import get_logger
from keyshift.process.stop import Stop

RENEWALS_PER_LEASE: Final = 4  # three may fail before the lease is in doubt
LOOKS_PER_LEASE: Final = 10  # a lease that was released is taken within a second
_log = get_logger("lease")


def this_process() -> str:
    """Who holds a lease, for people."""
    return f"{socket.gethostname()}:{os.getpid()}"


def stand_by(lease: Lease, stop: Stop, waiting: Callable[[], None] | None = None) -> None:
    """Return once the lease is ours; call `waiting` once, where that is not at once.

    Raises Stopped, NotInitialised when the migration is gone, and what `waiting` does.
    """
    told = False
    while not _try_acquire(lease):
        if not told:
            _log.info("standing_by", lease=lease.item, reason="another process does this")
            told = True
            if waiting is not None:
                waiting()
        stop.sleep(lease.seconds / LOOKS_PER_LEASE)


def _try_acquire(lease: Lease) -> bool:
    try:
        return lease.try_acquire()
    except (ClientError, BotoCoreError) as error:
        require_passing(error)
        _log.warning("lease_unknown", lease=lease.item, error=type(error).__name__)
        return False


def require_passing(error: ClientError | BotoCoreError) -> None:
    """Raise the error unless it passes by itself: a throttle, a lost connection."""
    if not (is_throttle(error) or is_transient(error)):
        raise error


@contextmanager
def held(lease: Lease, stop: Stop) -> Iterator[None]:
    """Wait for the lease, keep it while the block runs, and release it. Raises Stopped while waiting."""
    stand_by(lease, stop)
    try:
        with renewed(lease):
            yield
    finally:
        release(lease)


def renewed(lease: Lease) -> AbstractContextManager[None]:
    """Renew a lease that is held, in a thread, while the block runs."""
    return beside(partial(_renew, lease), f"lease-{lease.item}")


def _renew(lease: Lease, done: threading.Event) -> None:
    while not done.wait(lease.seconds / RENEWALS_PER_LEASE):
        try:
            lease.renew()
        except KeyshiftError as lost:  # LeaseLost, or the migration is being destroyed
            _log.warning("lease_lost", lease=lease.item, reason=lost.message)
            return  # whoever does the work meets it at the next check
        except (ClientError, BotoCoreError) as error:
            _log.warning("lease_renewal_failed", lease=lease.item, error=type(error).__name__)


def watch(lease: WatchedLease, seconds: float, over: Callable[[], None]) -> None:
    """Look at another process's lease of that duration, in a thread, until it is over; then call `over`."""

    def looking() -> None:
        while True:
            _look(lease)
            if lease.over:
                break
            time.sleep(seconds / LOOKS_PER_LEASE)
        over()

    threading.Thread(target=looking, name="lease-watch", daemon=True).start()


def _look(lease: WatchedLease) -> None:
    try:
        lease.look()
    except KeyshiftError as gone:  # the migration is being destroyed
        _log.warning("lease_lost", reason=gone.message)
        lease.end()
    except (ClientError, BotoCoreError) as error:
        _log.warning("lease_look_failed", error=type(error).__name__)


def release(lease: Lease) -> None:
    """Give the lease back, if that can be done; else it runs out."""
    try:
        lease.release()
    except (ClientError, BotoCoreError) as error:
        _log.warning("lease_release_failed", lease=lease.item, error=type(error).__name__)
