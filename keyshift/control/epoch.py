"""The epoch: the first part of every version, raised where the source's numbering of changes begins anew.

It stands in the item "phase", and goes up by one, under the lease on "capture", before anything is sent in it. A
process that was killed right after has raised it for nothing, which does no harm: epochs only have to go up.
"""

from keymap.errors import KeyshiftError
from keymap.version import EPOCH_MAX
from keyshift.control.lease import CAPTURE, Lease
from keyshift.control.record import Changes, Record
from keyshift.control.revise import revise
from keyshift.control.store import PHASE, NotInitialised, Store


def read_epoch(store: Store) -> int:
    """The epoch at this moment. Raises NotInitialised."""
    return _of(store, store.get(PHASE))


def raise_epoch(lease: Lease) -> int:
    """Raise the epoch by one, and return it; `lease` is the one on "capture", and is held at that moment.

    After an error other than a KeyshiftError it is unknown whether it was raised. Raises LeaseLost, NotInitialised, and
    KeyshiftError where a version could not hold it.
    """
    if lease.item != CAPTURE:
        raise ValueError(f"the lease `{CAPTURE}` is needed here, not `{lease.item}`")

    def raised(before: Record | None) -> Changes:
        epoch = _of(lease.store, before) + 1
        if epoch > EPOCH_MAX:
            message = f"the epoch was raised {EPOCH_MAX} times, and versions have no room for more"
            raise KeyshiftError(message, "If source.host leads to another server each time, give one server's name")
        return {"epoch": epoch}

    return _of(lease.store, revise(lease.store, PHASE, raised, lease=lease))


def _of(store: Store, record: Record | None) -> int:
    if record is None:
        raise NotInitialised(f"migration {store.name} is being destroyed, or was", "Run `keyshift init`")
    return record.number("epoch")
