"""How gentle the dump is to be, as an operator asks while it runs: it overrides the settings, until it is taken back.

Whoever can write the control table may ask, from any host; the dump reads it every other second. What was asked stays
for the next run of the dump too: an operator who slowed it down at noon does not find it at full speed after a restart.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

from keyshift.control.record import Changes, Record
from keyshift.control.revise import revise
from keyshift.control.store import Store

THROTTLE: Final = "throttle"


@dataclass(frozen=True, slots=True)
class Throttle:
    """What was asked for: `paused`, and limits (0: none) that stand in the place of the settings' (None: theirs)."""

    paused: bool = False
    rows_per_second_max: int | None = None
    bytes_per_second_max: int | None = None
    threads_running_max: int | None = None
    replica_lag_seconds_max: int | None = None

    @property
    def limits(self) -> dict[str, int]:
        """The limits that were asked for, by the name that they have in the settings."""
        found = {name: getattr(self, name) for name in LIMITS}
        return {name: value for name, value in found.items() if value is not None}


LIMITS: Final = tuple(field.name for field in fields(Throttle) if field.name != "paused")


def read_throttle(store: Store) -> Throttle:
    """What is asked for now."""
    return _throttle(store.get(THROTTLE))


def change_throttle(store: Store, limits: Mapping[str, int], *, paused: bool | None, reset: bool = False) -> Throttle:
    """Ask for these limits and this pause (None: as it is); `reset` takes back all that was asked for before.

    Safe to repeat. Returns what is asked for then.
    """
    cleared: Changes = dict.fromkeys((*LIMITS, "paused")) if reset else {}
    changes: Changes = {**cleared, **limits, **({} if paused is None else {"paused": paused})}
    return _throttle(revise(store, THROTTLE, lambda _: changes))  # where somebody else asks too, both count


def _throttle(record: Record | None) -> Throttle:
    if record is None:
        return Throttle()
    given = {name: record.number(name) for name in LIMITS if name in record.attributes}
    return Throttle(record.flag("paused"), **given)
