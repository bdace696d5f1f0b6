"""What a comparison stands on: told before anything that it finds, since without it a difference says little.

A difference is one for good where barriers tell it from a change on its way (settle.py), or where nothing is written
forward any more. Elsewhere rows and items are compared as they are: what captured changes have yet to bring shows as a
difference, and that none is seen proves nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from keyshift.apply.gaps import REMEDY, summary
from keyshift.control.gaps import LaneGap, read_gaps
from keyshift.control.phase import Phase, read_phase
from keyshift.control.progress import Progress, progress
from keyshift.control.store import Store
from keyshift.cutover.liveness import Liveness, watch
from keyshift.process.stop import Stop


class Ground(StrEnum):
    """What there is to stand on, or why there is nothing."""

    BARRIERS = "barriers"  # the daemon runs: barriers tell changes on their way from differences
    CLOSED = "closed"  # replay is closed: nothing is on its way
    LOADING = "loading"  # replay is not open: captured changes are not applied
    GAP = "gap"  # a lane stands still: no barrier would be answered
    NO_DAEMON = "no_daemon"  # nobody captures, or would send a barrier


@dataclass(frozen=True, slots=True)
class Basis:
    """The ground of a comparison, with its evidence; `remedy` leads to a better one, "" where none is needed."""

    ground: Ground
    evidence: str
    remedy: str = ""

    @property
    def live(self) -> bool:
        """Whether barriers are to be asked for."""
        return self.ground is Ground.BARRIERS

    @property
    def settled(self) -> bool:
        """Whether what differs, differs for good, and what is equal is proven so."""
        return self.ground in {Ground.BARRIERS, Ground.CLOSED}


BARRIERS = Basis(Ground.BARRIERS, "barriers tell changes on their way from differences")
CLOSED = Basis(Ground.CLOSED, "replay is closed: nothing is on its way")


def loading(load: Progress) -> Basis:
    """While replay is not open."""
    done = f"{load.tables_dumped} of {len(load.tables)} tables dumped, {load.loaded} of {load.total} chunks loaded"
    evidence = f"replay is not open ({done}), so no captured change is applied"
    return Basis(Ground.LOADING, evidence, "Finish `keyshift bulkload run`, and let a consumer catch up")


def replaying(gaps: Sequence[LaneGap], daemon: Liveness) -> Basis:
    """While replay is open."""
    if gaps:
        return Basis(Ground.GAP, summary(gaps), REMEDY)
    if not daemon.alive:
        evidence = f"the daemon does not run ({daemon.evidence}), so newer changes are not captured"
        return Basis(Ground.NO_DAEMON, evidence, daemon.remedy)
    return BARRIERS


def find_basis(store: Store, tables: Iterable[str], stop: Stop, clock: Callable[[], float]) -> Basis:
    """The ground that there is now. Takes the daemon's lease at most. Raises Stopped, NotInitialised."""
    match read_phase(store):
        case Phase.CLOSED:
            return CLOSED
        case Phase.LOAD:
            return loading(progress(store, tables))
        case Phase.REPLAY:
            return replaying(read_gaps(store), watch(store, stop, clock))
