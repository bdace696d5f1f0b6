"""The horizon: every change up to this version is applied, for good, and none of them is written any more.

Consumers read it with the phase, first, and drop changes up to it. So what keeps such changes out, a tombstone, may go
once every batch that began with an older horizon has ended (keyshift/apply/tidy.py). It stands in the item "phase", and
only ever rises: to the version of a barrier that every lane has answered, if nothing up to there is missing still.
"""

from keyshift.control.phase import Phase, being_destroyed, told_by
from keyshift.control.record import Changes, Record
from keyshift.control.reloads import read_reloads
from keyshift.control.revise import revise
from keyshift.control.setasides import read_open
from keyshift.control.store import PHASE, Store


def read_horizon(store: Store) -> str:
    """The horizon at this moment, "" where there is none. Raises NotInitialised."""
    return horizon_of(_require(store, store.get(PHASE)))


def horizon_of(phase: Record) -> str:
    """The horizon that the item tells."""
    return phase.text("horizon")


def in_the_way(store: Store, version: str) -> list[str]:
    """What keeps the horizon from rising to a barrier's version, told for people; empty where nothing does.

    To be asked after the barrier was answered: what is recorded later lies behind it.
    """
    reloads = (one for one in read_reloads(store).values() if not one.done and one.floor <= version)
    found = [f"table {one.table} is loaded again, and not done" for one in reloads]
    aside = sum(one.version <= version for one in read_open(store))
    return [*found, f"{aside} changes are set aside"] if aside else found


def raise_horizon(store: Store, version: str, phase: Phase) -> bool:
    """Let the horizon rise, while the migration is in this phase. Whether it is there, or higher.

    Safe to repeat. Raises NotInitialised.
    """

    def raised(record: Record | None) -> Changes | None:
        held = _require(store, record)
        may = told_by(held) is phase and horizon_of(held) < version
        return {"horizon": version} if may else None

    return horizon_of(_require(store, revise(store, PHASE, raised))) >= version


def _require(store: Store, record: Record | None) -> Record:
    if record is None:
        raise being_destroyed(store)
    return record
