"""Tables that are loaded again while the migration runs, each from a place of its own.

A reload begins at a place of the binlog: all that the table was before it is void, and its rows are read anew behind
it. So they carry a version of that place, its *floor*, and not the lowest of an epoch: newer than every change of the
table before the place, older than every one behind it. What no row takes the place of is removed at the version right
below. Each reload is a *generation* of the table, and its chunks are recorded apart from those of others.

The daemon begins a reload before anything behind the place is sent; a later one takes the place of an earlier one that
is not finished. Everything here may be repeated (docs/decisions/0022).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from keymap.errors import KeyshiftError
from keymap.position import Position, file_number
from keymap.version import parse, version
from keyshift.control.lease import Lease
from keyshift.control.record import Changes, Check, Record
from keyshift.control.revise import revise
from keyshift.control.store import Store
from keyshift.control.tables import escape

RELOAD_PREFIX: Final = "reload#"
FIRST: Final = ""  # the generation of the bulk load that the migration begins with


@dataclass(frozen=True, slots=True)
class Reload:
    """One table that is loaded again, or was. `what` happened to it, and the `reason` that somebody gave.

    `floor` is the version of its rows. `keymaps` are the digests of former keymaps that had other rules for it.
    `done`: its rows are loaded, and what was left of before is removed.
    """

    table: str
    floor: str
    what: str
    reason: str
    keymaps: tuple[str, ...] = ()
    done: bool = False

    @property
    def generation(self) -> str:
        """The name of the generation: the place in short."""
        epoch, file, offset, _ = parse(self.floor)
        return f"{epoch}.{file}.{offset}"

    @property
    def gone(self) -> str:
        """The version at which all that the table was before is removed; a place of the binlog, to be passed."""
        epoch, file, offset, _ = parse(self.floor)
        return version(epoch, file, offset, 0)


def floor_at(epoch: int, position: Position) -> str:
    """The floor of a reload that begins at a place. No event of rows begins where another event has just ended."""
    return version(epoch, file_number(position.file), position.offset, 1)


def floor_of_epoch(epoch: int) -> str:
    """The floor of a reload that begins with an epoch."""
    return version(epoch, 0, 0, 1)


def floor_of(generation: str) -> str:
    """The version that the rows of a generation carry."""
    epoch, file, offset = map(int, generation.split("."))
    return version(epoch, file, offset, 1)


def read_reloads(store: Store) -> dict[str, Reload]:
    """The newest reload of each table that has one, by table."""
    return {one.table: one for one in map(_reload, store.query(RELOAD_PREFIX))}


def void_before(store: Store) -> str:
    """The version before which every change is void, whatever its table: "" where a captured table is not loaded again.

    A change that is older than the place where its table begins anew says nothing any more, so it need not be applied.
    """
    reloads = read_reloads(store)
    tables = store.require_head().texts("tables")
    return min(reloads[table].gone for table in tables) if tables and reloads.keys() >= set(tables) else ""


def generation_of(store: Store, table: str) -> str:
    """The generation in which a table is to be loaded."""
    record = store.get(_item(table))
    return FIRST if record is None else _reload(record).generation


def begin_reload(store: Store, reload: Reload, lease: Lease | None = None) -> None:
    """Record that a table is loaded again. One that begins later stays; one that begins earlier is over.

    Where a lease is given, it is written only while that is held. Raises LeaseLost.
    """

    def begun(record: Record | None) -> Changes | None:
        before = None if record is None else _reload(record)
        if before is not None and before.floor >= reload.floor:
            return None
        # What was not removed yet may be of rules that are older still.
        kept = () if before is None or before.done else before.keymaps
        return {
            "table": reload.table,
            "floor": reload.floor,
            "what": reload.what,
            "reason": reload.reason,
            "keymaps": union(kept, reload.keymaps) or None,
            "done": None,
        }

    revise(store, _item(reload.table), begun, lease=lease)


def finish_reload(store: Store, reload: Reload) -> None:
    """Record that a reload is done. Safe to repeat. Raises KeyshiftError where a later one has begun meanwhile."""

    def done(record: Record | None) -> Changes | None:
        found = None if record is None else _reload(record)
        if found is None or found.floor != reload.floor:
            raise superseded(reload.table)
        return None if found.done else {"done": True}

    revise(store, _item(reload.table), done)


def generation_check(table: str, generation: str) -> Check:
    """The condition that this is the table's generation still."""
    return Check(_item(table), {"floor": floor_of(generation)})


def superseded(table: str) -> KeyshiftError:
    """What is said where a reload began meanwhile."""
    message = f"table {table} is to be loaded again from another place than before"
    return KeyshiftError(message, "Run the command again: it begins with the table's rows of then")


def union(some: Iterable[str], more: Iterable[str]) -> tuple[str, ...]:
    """All of both, each once, in the order in which they came."""
    return tuple(dict.fromkeys((*some, *more)))


def _item(table: str) -> str:
    return f"{RELOAD_PREFIX}{escape(table)}"


def _reload(record: Record) -> Reload:
    return Reload(
        record.text("table"),
        record.text("floor"),
        record.text("what"),
        record.text("reason"),
        record.texts("keymaps"),
        record.flag("done"),
    )
