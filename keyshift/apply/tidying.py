"""Who tidies (keyshift/apply/tidy.py), and when: a command that asks for a pass, or the local consumer now and then."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

from keymap.errors import KeyshiftError
from keymap.rules import Keymap
from keyshift.apply.tidy import TIDY_SECONDS, Tidied, Tidier
from keyshift.apply.tidy_tally import TidyTally
from keyshift.aws.clients import BotoCoreError, ClientError, clients_of, guard_sends
from keyshift.aws.errors import loggable
from keyshift.aws.leases import held, release, renewed, this_process
from keyshift.control.lease import TIDY, Lease
from keyshift.control.migration import Migration
from keyshift.control.record import Record
from keyshift.control.store import Store
from keyshift.process.clock import boottime, now_ms
from keyshift.process.log import get_logger
from keyshift.process.settings import Settings
from keyshift.process.stop import Stop, Stopped

REMOVALS_IN_FLIGHT: Final = 4  # so that they never take what the application or replay needs
LOOK_SECONDS: Final = 60.0  # between looks whether a pass is due: one small read each
AGAIN_SECONDS: Final = 600.0  # after a pass that failed
_HOUR_MS: Final = 3_600_000
_log = get_logger("tidy")


@contextmanager
def tidier(  # noqa: PLR0913, PLR0917 - what a tidier is made of
    settings: Settings, keymap: Keymap, migration: Migration, store: Store, stop: Stop, tally: TidyTally
) -> Iterator[Tidier]:
    """A tidier with a client of its own, which sends nothing unless the lease is held. The lease is not held yet."""
    clients = clients_of(settings.aws, connections_max=REMOVALS_IN_FLIGHT)
    lease = Lease(store, TIDY, this_process(), TIDY_SECONDS, boottime)
    guard_sends(clients.dynamodb, lease.check)
    try:
        with ThreadPoolExecutor(REMOVALS_IN_FLIGHT, "tidy") as executor:
            yield Tidier(
                clients.dynamodb,
                keymap,
                migration,
                lease=lease,
                executor=executor,
                stop=stop,
                request_life_seconds=settings.apply.request_life_seconds,
                tally=tally,
            )
    finally:
        clients.close()


def one_pass(found: Tidier, stop: Stop) -> Tidied:
    """Wait for the lease, and tidy once. Raises as Tidier.run."""
    with held(found.lease, stop):
        return _told(found.run())


@contextmanager
def tidied(settings: Settings, keymap: Keymap, migration: Migration, store: Store, tally: TidyTally) -> Iterator[None]:
    """Tidy in a thread while the block runs, every `apply.tidy_hours`; what fails is logged, and tried again later."""
    stop = Stop()
    wanted = (settings, keymap, migration, store, stop, tally)
    thread = threading.Thread(target=_keep, args=wanted, name="tidy", daemon=True)
    if settings.apply.tidy_hours:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        if settings.apply.tidy_hours:
            thread.join()


def _keep(  # noqa: PLR0913, PLR0917 - what a tidier is made of
    settings: Settings, keymap: Keymap, migration: Migration, store: Store, stop: Stop, tally: TidyTally
) -> None:
    wait_seconds = LOOK_SECONDS
    while not stop.wait(wait_seconds):
        wait_seconds = LOOK_SECONDS
        try:
            record = store.get(TIDY)
            tally.looked(record)
            if is_due(record, migration, settings.apply.tidy_hours):
                with tidier(settings, keymap, migration, store, stop, tally) as found:
                    _if_free(found)
        except Stopped:
            return
        except (KeyshiftError, ClientError, BotoCoreError) as error:
            wait_seconds = AGAIN_SECONDS
            _log.warning("not_tidied", reason=str(loggable(error)))


def is_due(record: Record | None, migration: Migration, hours: float) -> bool:
    """Whether the last pass, which the lease's item tells, or the migration's beginning, is so long ago.

    A wall clock that is wrong does no harm.
    """
    last_ms = record.number("tidied_at_ms") if record else 0
    return now_ms() >= (last_ms or migration.created_at_ms) + hours * _HOUR_MS


def _if_free(found: Tidier) -> None:
    """A pass, unless another process is about it."""
    if not found.lease.try_acquire():
        return
    try:
        with renewed(found.lease):
            _told(found.run())
    finally:
        release(found.lease)


def _told(done: Tidied) -> Tidied:
    swept: dict[str, Any] = {}
    if done.swept:
        swept = {name: getattr(done.swept, name) for name in ("items", "deleted", "marks", "refused", "tombstones")}
    _log.info("tidied", horizon=done.horizon, stays=done.stays, **swept)
    return done
