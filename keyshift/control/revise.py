"""An item of the control table changed by what it holds: read, decided, and written if nobody wrote in between."""

from collections.abc import Callable
from typing import Final

from keyshift.control.lease import Lease
from keyshift.control.record import Changes, Record
from keyshift.control.store import Conflict, Store

ATTEMPTS_MAX: Final = 10  # by then something is wrong: hardly anybody else writes these items

Decide = Callable[[Record | None], Changes | None]


def revise(
    store: Store, item: str, decide: Decide, *, lease: Lease | None = None, attempts_max: int = ATTEMPTS_MAX
) -> Record | None:
    """Write what `decide` makes of the item as it is (None: there is none); nothing where it gives None.

    Where others write in between it is read and decided again. With a lease it is written only while that is held.
    Returns the item as it is then. Raises what `decide` does, LeaseLost, and Conflict where others never cease.
    """
    for _ in range(attempts_max):
        record = store.get(item)
        changes = decide(record)
        if changes is None:
            return record
        try:
            return store.swap(item, record, changes, checks=[lease.held_check()] if lease else [])
        except Conflict:
            if lease:
                lease.renew()  # raises LeaseLost if that is why
    raise Conflict(item)
