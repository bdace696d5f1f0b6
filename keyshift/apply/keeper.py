"""The consumer's lease: one consumer reads the stream at a time, a second one stands by.

Two at once would do no harm, since every write is guarded and checkpoints are fenced; they would only do all work
twice.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from keyshift.aws.clients import BotoCoreError, ClientError, is_throttle, is_transient
from keyshift.control.lease import Lease, LeaseLost
from keyshift.process.log import get_logger
from keyshift.process.stop import Stop

LEASE_SECONDS: Final = 10.0  # without renewal until a standby takes over; replay can wait that long
RENEWALS_PER_LEASE: Final = 4  # three may fail before the lease is in doubt
LOOKS_PER_LEASE: Final = 10  # a lease that was released is taken within a second
_log = get_logger("apply")


def this_process() -> str:
    """Who holds a lease, for people."""
    return f"{socket.gethostname()}:{os.getpid()}"


@contextmanager
def held(lease: Lease, stop: Stop) -> Iterator[None]:
    """Wait for the lease, keep it while the block runs, and release it. Raises Stopped while waiting.

    That it was lost within the block is told by lease.check() and by what is fenced.
    """
    _acquire(lease, stop)
    done = threading.Event()
    thread = threading.Thread(target=_renew, args=(lease, done), name=f"lease-{lease.item}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        _release(lease)


def _acquire(lease: Lease, stop: Stop) -> None:
    told = False
    while not _try_acquire(lease):
        if not told:
            _log.info("standing_by", lease=lease.item)
            told = True
        stop.sleep(lease.seconds / LOOKS_PER_LEASE)


def _try_acquire(lease: Lease) -> bool:
    try:
        return lease.try_acquire()
    except (ClientError, BotoCoreError) as error:
        if not (is_throttle(error) or is_transient(error)):
            raise
        _log.warning("lease_unknown", lease=lease.item, error=type(error).__name__)
        return False


def _renew(lease: Lease, done: threading.Event) -> None:
    while not done.wait(lease.seconds / RENEWALS_PER_LEASE):
        try:
            lease.renew()
        except LeaseLost as lost:
            _log.warning("lease_lost", lease=lease.item, reason=lost.message)
            return  # the loop meets it at its next check
        except (ClientError, BotoCoreError) as error:
            _log.warning("lease_renewal_failed", lease=lease.item, error=type(error).__name__)


def _release(lease: Lease) -> None:
    try:
        lease.release()
    except (ClientError, BotoCoreError) as error:
        _log.warning("lease_release_failed", lease=lease.item, error=type(error).__name__)
