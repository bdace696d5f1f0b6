"""What the applier asks of the control table, and tells it."""

from collections.abc import Mapping
from typing import Protocol

from keyshift.control import barrier
from keyshift.control.gaps import record_gap
from keyshift.control.lanes import raise_applied
from keyshift.control.reloads import void_before
from keyshift.control.standing import Standing, read_standing
from keyshift.control.store import Store


class Gate(Protocol):
    """What the applier asks of the control table."""

    def look(self) -> Standing:
        """The phase, and what is applied, at this moment, read consistently."""

    def void_before(self) -> str:
        """The version before which all changes are void, "" where there is none. Asked where there is a gap only."""

    def reached(self, lanes: Mapping[int, str], before: Mapping[int, str]) -> None:
        """Record up to which versions lanes are applied; `before` is what was read. Safe to repeat, and late."""

    def stands(self, lane: int, follows: str) -> None:
        """Tell people that a lane stands still, since its next record follows what was not delivered."""

    def seen(self, number: int, lane: int) -> None:
        """Record that all of a lane up to a barrier's marker has been applied. Safe to repeat."""


class ControlGate:
    """The gate as the control table keeps it; `digest` is that of the keymap that is applied with."""

    def __init__(self, store: Store, digest: str = "") -> None:
        self._store = store
        self._digest = digest

    def look(self) -> Standing:
        """How things stand. Raises KeymapChanged where the migration has another keymap by now."""
        return read_standing(self._store, self._digest)

    def void_before(self) -> str:
        """The version before which all changes are void."""
        return void_before(self._store)

    def reached(self, lanes: Mapping[int, str], before: Mapping[int, str]) -> None:
        """Record how far lanes are applied."""
        raise_applied(self._store, lanes, before)

    def stands(self, lane: int, follows: str) -> None:
        """Record a gap."""
        record_gap(self._store, lane, follows)

    def seen(self, number: int, lane: int) -> None:
        """Record a marker."""
        barrier.seen(self._store, number, lane)
