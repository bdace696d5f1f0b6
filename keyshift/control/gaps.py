"""Lanes that stand still before a gap, told by the consumer that met it, for people and the checklist.

There is one item for each lane that ever had one, written without a condition, and never taken away: whether the lane
stands there still follows from how far it is applied, and from what is void. So it may be told twice, and late. Nothing
of replay is decided by it (docs/decisions/0036).
"""

from dataclasses import dataclass
from typing import Final

from keyshift.control.lanes import LANES_PREFIX, applied_of
from keyshift.control.reloads import void_before
from keyshift.control.store import Store

_PREFIX: Final = "gap#"


@dataclass(frozen=True, slots=True)
class LaneGap:
    """The next record of a lane follows the change at version `follows`, and the lane is applied up to `applied`.

    "" is the lane's beginning. `at_ms`: when a consumer has met it last, wall clock, ms since 1970.
    """

    lane: int
    applied: str
    follows: str
    at_ms: int


def record_gap(store: Store, lane: int, follows: str) -> None:
    """Tell that a lane's next record follows what was not delivered. Repeating it, or coming late, does no harm."""
    store.update(f"{_PREFIX}{lane:04d}", {"lane": lane, "follows": follows, "at_ms": store.now_ms}, {})


def read_gaps(store: Store) -> list[LaneGap]:
    """The gaps before which a lane stands still, by lane: what is missing was not delivered since, and is not void."""
    met = list(store.query(_PREFIX))
    if not met:
        return []
    applied, void = applied_of(store.query(LANES_PREFIX)), void_before(store)
    every = (
        LaneGap(one.number("lane"), applied.get(one.number("lane"), ""), one.text("follows"), one.at_ms) for one in met
    )
    return [one for one in every if one.follows > one.applied and one.follows >= void]
