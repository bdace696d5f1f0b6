"""Where a table was cut for the dump, so that several readers read it at once: recorded before a row is read.

Whoever goes on with the dump finds the same ranges, however many readers it has. A table that was not cut has no such
item, and one of which a chunk is recorded is not cut any more.
"""

from collections.abc import Sequence

from keymap.values import Canonical
from keymap.wire import dumps, loads
from keyshift.control.bounds import decode_bound, encode_bound
from keyshift.control.dumping import ATTEMPTS_MAX, dumping_checks, explain_refusal, require_lease, swapped
from keyshift.control.lease import DUMP, Lease
from keyshift.control.reloads import FIRST
from keyshift.control.store import Conflict, Store
from keyshift.control.tables import scope

Key = tuple[Canonical, ...]


def record_bounds(
    lease: Lease, table: str, bounds: Sequence[Key], *, epoch: int | None = None, generation: str = FIRST
) -> tuple[Key, ...]:
    """Record the bounds between a table's ranges, in key order, before anything is read; those that are recorded stay.

    Gives what is recorded then. `lease` is the one on "dump". Raises LeaseLost, and KeyshiftError as record_dumped.
    """
    require_lease(lease, DUMP)
    store, item = lease.store, _item(table, generation)
    changes = {"bounds": dumps([encode_bound(bound) for bound in bounds]).decode()}
    for _ in range(ATTEMPTS_MAX):
        if found := read_bounds(store, table, generation):
            return found
        checks = [lease.held_check(), *dumping_checks(store, table, generation, epoch)]
        if not swapped(store, item, None, changes, checks):
            explain_refusal(lease, table, generation, epoch, f"table {table}")
    raise Conflict(item)


def read_bounds(store: Store, table: str, generation: str = FIRST) -> tuple[Key, ...]:
    """The bounds between the table's ranges, in key order; none where it is read as a whole."""
    record = store.get(_item(table, generation))
    texts = loads(record.text("bounds")) if record else []
    return tuple(bound for bound in map(decode_bound, texts) if bound is not None)


def _item(table: str, generation: str) -> str:
    return f"ranges#{scope(table, generation)}"
