"""All that a consumer must obey or know before it begins with a batch, read at once and consistently."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from keyshift.control.horizon import horizon_of
from keyshift.control.lanes import applied_of
from keyshift.control.phase import Phase, being_destroyed, told_by
from keyshift.control.store import PHASE, Store


@dataclass(frozen=True, slots=True)
class Standing:
    """The phase; the version up to which each lane is applied, without lanes of which nothing was; and the horizon, ""
    where there is none: changes up to it are applied, and are not written again.
    """

    phase: Phase
    applied: Mapping[int, str] = field(default_factory=dict)
    horizon: str = ""


def read_standing(store: Store, digest: str) -> Standing:
    """How things stand at this moment, for a consumer whose keymap has this digest.

    One query, of a read unit for every 80 lanes or so. Raises NotInitialised, KeymapChanged where another keymap was
    adopted, and KeyshiftError for a phase that this version does not know.
    """
    records = {record.item: record for record in store.query(PHASE)}
    if PHASE not in records:
        raise being_destroyed(store)
    phase = records[PHASE]
    return Standing(told_by(phase, digest), applied_of(records.values()), horizon_of(phase))
