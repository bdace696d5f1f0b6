"""A batch's records, read the plain way: unpacked, fetched where they lie in S3, and mapped, each for its own lane.

A record that cannot be applied ends the reading; what was read before it is applied. A change that the keymap makes
nothing of does not: it is poison, which its caller sets aside.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Final

from keymap.change import Change
from keymap.claims import Claim, Fetch
from keymap.errors import KeyshiftError
from keymap.patch import Patch
from keymap.rules import Keymap
from keymap.wire import Header, decode_header, decode_pack
from keyshift.apply.gaps import Lanes
from keyshift.apply.refusals import Poison, lane_patches, require_ours
from keyshift.aws.stream import StreamRecord
from keyshift.control.migration import Migration
from keyshift.process.stop import Stopped

FETCHED_BYTES_MAX: Final = 64 * 1024 * 1024  # read at once: with its items, a tenth of the function's memory


@dataclass(frozen=True, slots=True)
class Pack:
    """One record, decoded: its changes and what of them concerns its own lane.

    By version: `poison`, the changes that cannot be mapped, and `aside`, those that are set aside.
    """

    header: Header
    changes: Sequence[Change]
    patches: Sequence[Patch]
    poison: Mapping[str, Poison] = field(default_factory=dict)
    aside: frozenset[str] = frozenset()

    def passing(self, known: AbstractSet[tuple[str, int]]) -> "Pack":
        """The same without the changes that are known (version and lane) to be set aside."""
        aside = frozenset(version for version, lane in known if lane == self.header.lane)
        patches = [patch for patch in self.patches if patch.version not in aside]
        poison = {version: error for version, error in self.poison.items() if version not in aside}
        return Pack(self.header, self.changes, patches, poison, aside)

    def behind(self, horizon: str) -> "Pack":
        """The same without what is applied since the horizon has risen."""
        if all(patch.version > horizon for patch in self.patches):
            return self
        return replace(self, patches=[patch for patch in self.patches if patch.version > horizon])


@dataclass(frozen=True, slots=True)
class Reading:
    """The packs before the first record that cannot be applied, and why that one cannot (`refusal`).

    Fewer, without a refusal, where much of it had to be fetched. `fetched`: S3 was asked, which takes its time.
    """

    packs: list[Pack]
    refusal: KeyshiftError | Stopped | None = None
    fetched: bool = False


class PackReader:
    """Reads batches for one migration; `fetch` gives the objects of changes that lie in S3. For several threads."""

    def __init__(self, keymap: Keymap, migration: Migration, fetch: Fetch) -> None:
        self._keymap, self._migration, self._fetch = keymap, migration, fetch

    def read(self, records: Iterable[StreamRecord], lanes: Lanes, horizon: str) -> Reading:
        """A batch's packs. `lanes` says how far each is applied, `horizon` up to where all are."""
        packs: list[Pack] = []
        fetching = _Fetching(self._fetch)
        for record in records:
            try:
                packs.append(self._pack(record, fetching, lanes, horizon))
            except (KeyshiftError, Stopped) as error:
                return Reading(packs, error, fetching.bytes > 0)
            if fetching.bytes >= FETCHED_BYTES_MAX:
                break
        return Reading(packs, None, fetching.bytes > 0)

    def _pack(self, record: StreamRecord, fetching: "_Fetching", lanes: Lanes, horizon: str) -> Pack:
        # The header alone comes first: the changes of another keymap may not be readable.
        about = decode_header(record.data)
        void = require_ours(about, self._migration)
        lanes.follow(about)
        before = fetching.bytes
        header, changes = decode_pack(record.data, fetching)
        changes = [change for change in changes if change.table not in void]
        patches: list[Patch] = []
        poison: dict[str, Poison] = {}
        # Up to the horizon all is applied, and the tombstones that would keep it out may be gone.
        for change in (change for change in changes if change.version > horizon):
            try:
                patches += lane_patches(self._keymap, change, header.lane, self._migration.lanes)
            except Poison as error:
                poison[change.version] = error
        if fetching.bytes > before:  # what no item holds of a large row need not be kept
            changes = [replace(change, before=None, after=None) for change in changes]
        return Pack(header, changes, patches, poison)


class _Fetching:
    """Fetches changes from S3, and counts their bytes."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self.bytes = 0

    def __call__(self, claim: Claim) -> bytes:
        self.bytes += claim.bytes
        return self._fetch(claim)
