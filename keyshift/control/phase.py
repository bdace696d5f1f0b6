"""The phase: what may be written forward at this moment. Every consumer reads it first, consistently.

`load` -> `replay` opens only when every chunk of every captured table is recorded as loaded, never because a lease ran
out: in the phase `load` rows are put without a condition, and such a put after a replayed change would bring back old
values. `replay` -> `closed` ends writing forward; `closed` -> `replay` is the way back of an aborted cutover.

The item also carries the epoch and the digest of a keymap that was adopted. What else a consumer must obey stands in
items whose names begin with this one's, so that one read tells all of it (keyshift/control/standing.py).
"""

from enum import StrEnum
from typing import Final

from keymap.errors import KeyshiftError
from keyshift.control.lease import LOAD, Lease
from keyshift.control.progress import missing
from keyshift.control.record import Changes, Check, Record
from keyshift.control.store import PHASE, Conflict, NotInitialised, Store

MISSING_SHOWN_MAX: Final = 20  # of what is not loaded, in one error; the count is always given
_ATTEMPTS_MAX: Final = 10


class Phase(StrEnum):
    """What may be written. The values are stored."""

    LOAD = "load"  # the bulk load's rows, also without conditions; no captured change
    REPLAY = "replay"  # captured changes, each under its condition
    CLOSED = "closed"  # markers of barriers only: the application may be writing


class NotLoaded(KeyshiftError):
    """Replay cannot open: something is not dumped or not loaded. `missing` lists all of it."""

    def __init__(self, missing: list[str]) -> None:
        self.missing = tuple(missing)
        shown = "; ".join(missing[:MISSING_SHOWN_MAX])
        more = f"; and {len(missing) - MISSING_SHOWN_MAX} more" if len(missing) > MISSING_SHOWN_MAX else ""
        super().__init__(
            f"replay cannot open, {len(missing)} steps of the bulk load are missing: {shown}{more}",
            "Finish `keyshift bulkload dump` and `keyshift bulkload load`",
        )


class TooEarly(KeyshiftError):
    """Replay cannot open for another `seconds`: a request of a loader that was replaced might still be accepted."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(
            f"replay opens in {seconds:.0f} s: a loader was replaced without having released its lease, and requests "
            "that it signed may be accepted until then",
            "Wait",
        )


def initial_phase(epoch: int) -> Changes:
    """The phase item of a new run."""
    return {"phase": Phase.LOAD.value, "epoch": epoch}


class KeymapChanged(KeyshiftError):
    """The migration has got another keymap since this process began."""

    def __init__(self, digest: str) -> None:
        super().__init__(
            f"the migration has adopted keymap {digest[:12]} since this process began, which has another",
            "Start it again with that keymap (deploy the Lambda function)",
        )


def read_phase(store: Store, digest: str = "") -> Phase:
    """The phase at this moment. Raises NotInitialised, and KeyshiftError for one that this version does not know.

    Where a `digest` is given, that of the reader's keymap, raises KeymapChanged where another one was adopted.
    """
    return told_by(_read(store), digest)


def told_by(record: Record, digest: str = "") -> Phase:
    """The phase that the item tells. Raises as read_phase."""
    if digest and record.text("digest") not in {"", digest}:
        raise KeymapChanged(record.text("digest"))
    return _phase(record)


def open_replay(lease: Lease, signature_validity_seconds: float) -> None:
    """Let captured changes be applied from now on; nothing to do when that is so already.

    The caller holds the lease "load", and does nothing of the load any more. Looked at in the table itself: every table
    that the run captures is dumped, and each of its chunks is loaded. Raises NotLoaded, TooEarly, LeaseLost, and
    KeyshiftError when replay was closed again. Source: design, "Slots and patches".
    """
    if lease.item != LOAD:
        raise ValueError(f"the lease {LOAD} is needed to open replay, not {lease.item}")
    store = lease.store
    for _ in range(_ATTEMPTS_MAX):
        before = _read(store)
        if _phase(before) is Phase.REPLAY:
            return
        _require(before, Phase.LOAD, "opened")
        lease.check()
        lacking = missing(store, store.require_head().texts("tables"))
        if lacking:
            raise NotLoaded(lacking)
        age = lease.seconds_since_takeover()
        if age is not None and age < signature_validity_seconds:
            raise TooEarly(signature_validity_seconds - age)
        if _move(store, before, Phase.REPLAY, [lease.held_check()]):
            return
        lease.renew()  # raises LeaseLost if that is why
    raise Conflict(PHASE)


def close(store: Store, lease: Lease | None = None) -> None:
    """End writing forward: replay -> closed; nothing to do when it is closed. Raises KeyshiftError from load.

    With a lease, whoever else writes under that lease has ended: it is closed only while it is held. Raises LeaseLost.
    """
    _change(store, Phase.REPLAY, Phase.CLOSED, "closed", lease)


def reopen(store: Store) -> None:
    """Go back to applying captured changes: closed -> replay; nothing to do when it is open. Raises KeyshiftError."""
    _change(store, Phase.CLOSED, Phase.REPLAY, "opened again")


def _change(store: Store, source: Phase, target: Phase, verb: str, lease: Lease | None = None) -> None:
    for _ in range(_ATTEMPTS_MAX):
        before = _read(store)
        if _phase(before) is target:
            return
        _require(before, source, verb)
        if _move(store, before, target, [lease.held_check()] if lease else []):
            return
        if lease:
            lease.renew()  # raises LeaseLost if that is why
    raise Conflict(PHASE)


def _move(store: Store, before: Record, target: Phase, checks: list[Check]) -> bool:
    try:
        store.swap(PHASE, before, {"phase": target.value}, checks=checks)
    except Conflict:
        return False
    return True


def _read(store: Store) -> Record:
    record = store.get(PHASE)
    if record is None:
        raise being_destroyed(store)
    return record


def being_destroyed(store: Store) -> NotInitialised:
    """What is said where the run has no phase."""
    return NotInitialised(
        f"migration {store.name} is being destroyed, or was",
        "Finish `keyshift destroy`, then run `keyshift init`",
    )


def _phase(record: Record) -> Phase:
    try:
        return Phase(record.text("phase"))
    except ValueError:
        message = f"the migration is in phase {record.text('phase')!r}, which this version does not know"
        raise KeyshiftError(message, "Deploy one version of Keyshift everywhere") from None


def _require(record: Record, phase: Phase, verb: str) -> None:
    found = _phase(record)
    if found is not phase:
        raise KeyshiftError(
            f"replay cannot be {verb}: the phase is `{found}`, not `{phase}`",
            "`keyshift status` shows the phase and what comes next",
        )
