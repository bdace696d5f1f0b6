"""A lane is never stepped over: a record that does not follow what was applied in its lane stops there.

Every record names the version that it follows (`follows`) and that of its own last change (`last`). A lane is applied
up to some version. A record that follows nothing newer continues it, or is delivered again. One that follows something
newer has lost what was before it: the stream's retention has passed, or a setting of the event source skipped it. What
is missing need not come where it is void: every captured table is loaded again from a place behind it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from keymap.errors import KeyshiftError
from keymap.version import parse
from keymap.wire import Header
from keyshift.apply.refusals import position
from keyshift.control.gaps import LaneGap
from keyshift.process.log import get_logger

REMEDY: Final = (
    "The stream's retention has passed, or a setting of the event source skipped records. If the stream holds them "
    "still, let them be delivered again (a new event source mapping from TRIM_HORIZON). Else load all captured tables "
    "again: `keyshift tables reload --all --reason …`, then restart `keyshift cdc run`, start the consumer, and run "
    "`keyshift bulkload run` (docs/reload.md)"
)
LANES_SHOWN_MAX: Final = 10  # `keyshift status --json` has all
_log = get_logger("apply")


class Gap(KeyshiftError):
    """Records of a lane are missing between what was applied and the next record. Nothing is applied behind them."""

    def __init__(self, lane: int, applied: str, follows: str) -> None:
        super().__init__(_told(lane, applied, follows), REMEDY)
        self.lane, self.applied, self.follows = lane, applied, follows


class Lanes:
    """How far each lane is, while a batch is read. `void_before` gives the version before which all is void, or ""."""

    def __init__(self, applied: Mapping[int, str], void_before: Callable[[], str]) -> None:
        self._applied = dict(applied)
        self._void_before = void_before

    def follow(self, header: Header) -> None:
        """Take the lane's next record. Raises Gap where it does not follow, and what `void_before` does."""
        lane, applied = header.lane, self._applied.get(header.lane, "")
        if header.follows > applied:
            if header.follows >= self._void_before():
                raise Gap(lane, applied, header.follows)
            _log.warning("gap_passed", lane=lane, applied=applied, follows=header.follows, reason="loaded again")
        self._applied[lane] = max(applied, header.last)


def reached(headers: Iterable[Header]) -> dict[int, str]:
    """Up to which version each lane is applied once these records are."""
    lanes: dict[int, str] = {}
    for header in headers:
        lanes[header.lane] = max(lanes.get(header.lane, ""), header.last)
    return lanes


def summary(gaps: Sequence[LaneGap]) -> str:
    """What is said of the lanes that stand still, at least one: all about the first, and which others there are."""
    first, *others = gaps
    more = f" and {len(others) - LANES_SHOWN_MAX} more" if len(others) > LANES_SHOWN_MAX else ""
    lanes = ", ".join(str(one.lane) for one in others[:LANES_SHOWN_MAX]) + more
    return _told(first.lane, first.applied, first.follows) + (f"; lanes with a gap too: {lanes}" if others else "")


def _told(lane: int, applied: str, follows: str) -> str:
    return (
        f"lane {lane} has a gap: its next record follows the change at {_place(follows)}, and it is applied up to "
        f"{_place(applied)}; what lies between was not delivered"
    )


def _place(version: str) -> str:
    return f"{position(version)} (epoch {parse(version).epoch})" if version else "nothing yet"
