"""What the daemon's next run is to begin: tables that are loaded again from there on, in an epoch of its own.

An operator wants it (`want`); the daemon, started again, raises the epoch, records the reloads and where it goes on,
and marks the wish as begun before anything is sent in the new epoch. What is wanted meanwhile makes it begin once more:
an epoch that is raised for nothing does no harm.
"""

from dataclasses import dataclass, replace
from typing import Final

from keyshift.control.lease import Lease
from keyshift.control.record import Changes, Record
from keyshift.control.reloads import union
from keyshift.control.revise import revise
from keyshift.control.store import Store

WANTED: Final = "wanted"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Tables to be loaded again, for what reason. `what` made it necessary.

    `anew`: what was behind the checkpoint is lost, so capture begins at the source's position of then, and all tables
    are loaded again. `keymaps` are the digests of keymaps that had other rules for the tables, and `keymap` that of the
    one that a daemon must have to begin it, "" for any. `stop` names the stop that it answers (Halt.name), "" for none.
    `epoch` is the one in which it was begun, 0 before that.
    """

    tables: tuple[str, ...]
    what: str
    reason: str
    anew: bool = False
    keymaps: tuple[str, ...] = ()
    keymap: str = ""
    stop: str = ""
    epoch: int = 0

    def joined(self, other: "Wanted") -> "Wanted":
        """Both at once, where neither was begun."""
        return replace(
            other,
            tables=union(self.tables, other.tables),
            what="; ".join(union((self.what,), (other.what,))),
            reason="; ".join(union((self.reason,), (other.reason,))),
            anew=self.anew or other.anew,
            keymaps=union(self.keymaps, other.keymaps),
            keymap=other.keymap or self.keymap,
            stop=other.stop or self.stop,
        )


def want(store: Store, wanted: Wanted) -> None:
    """Record a wish, beside one that was not begun yet. Where it answers a stop, safe to repeat."""

    def beside(record: Record | None) -> Changes | None:
        before = None if record is None else _wanted(record)
        if before is not None and wanted.stop and wanted.stop == before.stop:
            return None
        return _attributes(before.joined(wanted) if before is not None and not before.epoch else wanted)

    revise(store, WANTED, beside)


def pending_wish(store: Store) -> Wanted | None:
    """What is wanted and not begun."""
    record = store.get(WANTED)
    return None if record is None or record.number("epoch") else _wanted(record)


def mark_begun(lease: Lease, wanted: Wanted, epoch: int) -> bool:
    """Record that a wish was begun in this epoch; False where another has joined it meanwhile. Raises LeaseLost."""

    def begun(record: Record | None) -> Changes | None:
        return {"epoch": epoch} if record is not None and _wanted(record) == wanted else None

    record = revise(lease.store, WANTED, begun, lease=lease)
    return record is not None and _wanted(record) == replace(wanted, epoch=epoch)


def _attributes(wanted: Wanted) -> Changes:
    return {
        "tables": wanted.tables,
        "what": wanted.what,
        "reason": wanted.reason,
        "anew": wanted.anew or None,
        "keymaps": wanted.keymaps or None,
        "keymap": wanted.keymap or None,
        "stop": wanted.stop or None,
        "epoch": None,
    }


def _wanted(record: Record) -> Wanted:
    return Wanted(
        record.texts("tables"),
        record.text("what"),
        record.text("reason"),
        record.flag("anew"),
        record.texts("keymaps"),
        record.text("keymap"),
        record.text("stop"),
        record.number("epoch"),
    )
