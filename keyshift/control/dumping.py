"""What must hold while something of a dump is recorded, and what to say where it does not.

The lease stands, rows of the table's generation are still dumped (of the first while replay is closed, of a later one
until it is closed for good, and only of the newest), and the epoch is the one before the rows were read.
"""

from typing import Final

from keymap.errors import KeyshiftError
from keyshift.control.lease import Lease
from keyshift.control.record import Changes, Check, Expected, Record
from keyshift.control.reloads import generation_check, generation_of, superseded
from keyshift.control.store import PHASE, Conflict, Store

ATTEMPTS_MAX: Final = 10
_LOAD_PHASE, _CLOSED_PHASE = "load", "closed"  # of Phase; that module imports keyshift.control.chunks


def require_lease(lease: Lease, item: str) -> None:
    """Raise ValueError for a lease on something else."""
    if lease.item != item:
        raise ValueError(f"the lease `{item}` is needed here, not `{lease.item}`")


def swapped(store: Store, item: str, before: Record | None, changes: Changes, checks: list[Check]) -> bool:
    """Whether the item was as it was `before`, all checks held, and so it was written."""
    try:
        store.swap(item, before, changes, checks=checks)
    except Conflict:
        return False
    return True


def explain_refusal(lease: Lease, table: str, generation: str, epoch: int | None, what: str) -> None:
    """After a refused write of `what`: raise if the reason will not go away; return if reading again may help."""
    lease.renew()  # raises LeaseLost if that is why
    if generation and generation_of(lease.store, table) != generation:
        raise superseded(table)
    phase = lease.store.get(PHASE)
    opened = phase is None or phase.text("phase") != _LOAD_PHASE
    if opened and not generation:
        raise _refused(what, "can no longer be dumped: replay has been opened")
    if phase is None or phase.text("phase") == _CLOSED_PHASE:
        raise _refused(what, "can no longer be dumped: replay is closed, and the application may have switched")
    if epoch is not None and phase.number("epoch") != epoch:
        message = f"{what} was read before capture went over to another server, and is not recorded"
        raise KeyshiftError(message, "Run the command again: it goes on from what is recorded")


def _refused(what: str, why: str) -> KeyshiftError:
    return KeyshiftError(f"{what} {why}", REMEDY)


REMEDY: Final = "`keyshift bulkload status` shows what is recorded; run the command again"


def dumping_checks(store: Store, table: str, generation: str, epoch: int | None) -> list[Check]:
    """The conditions that rows of this generation are still dumped, and in this epoch if it is given."""
    of_epoch: Expected = {} if epoch is None else {"epoch": epoch}
    phase = store.get(PHASE) if generation else None
    if phase is None or phase.text("phase") == _CLOSED_PHASE:
        return [Check(PHASE, {"phase": _LOAD_PHASE, **of_epoch})]
    return [Check(PHASE, {"phase": phase.text("phase"), **of_epoch}), generation_check(table, generation)]
