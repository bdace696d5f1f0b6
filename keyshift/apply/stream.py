"""A batch of stream records in; what was done, and the first record that was not, out.

The same for Lambda and for the local consumer. A batch holds records of one shard in their order. It is read up to the
first record that cannot be applied, or does not follow what was applied in its lane (keyshift/apply/gaps.py); all that
is before it is folded per slot and written, then how far the lanes are is recorded, and then the markers of barriers
among it. So a marker is recorded after everything that precedes it in its lane is written; that more than this was
written before it does no harm.

A change that can never be applied as it is (keyshift.apply.refusals.Poison, Foreign) is set aside, and its record is
done once that is kept (keyshift.apply.setaside). Slots are registers, so what comes after it in its lane may pass.

Changes that lie in S3 are fetched one after another. Where they are large together, the batch is applied in parts.

What is promised about a failure is the lowest sequence number whose content is not completely applied: everything
before it is done, whatever its lane. What comes after may be done too, and is found STALE when it is delivered again.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Final

from keymap.change import Change
from keymap.claims import Claim, Fetch, unfetched
from keymap.errors import KeyshiftError
from keymap.folding import Folding
from keymap.patch import Patch
from keymap.rules import Keymap
from keymap.template import PatchError
from keymap.wire import Header, decode_header, decode_pack
from keyshift.apply.folding import Folded, folded
from keyshift.apply.gaps import Lanes, reached
from keyshift.apply.gate import Gate
from keyshift.apply.refusals import Poison, ReplayClosed, lane_patches, require_ours
from keyshift.apply.setaside import NOWHERE, Aside, set_aside
from keyshift.apply.writer import GuardedWriter, Outcome
from keyshift.aws.stream import StreamRecord
from keyshift.control.migration import Migration
from keyshift.control.phase import Phase
from keyshift.control.standing import Standing
from keyshift.process.garbage import collected_later
from keyshift.process.stop import Stopped

FETCHED_BYTES_MAX: Final = 64 * 1024 * 1024  # of one part: with its items, a tenth of the function's memory


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a batch.

    `records` and `operations` (changes by Debezium's c, u, d, r) count what is completely applied, `tables` the same
    changes by table and operation; `set_aside` the changes of these records that are not, and were set aside (now, or
    when the record came before); `set`, `removed` and `stale` count slots, also of what is not; `collided` counts those
    that were left with more than one living row. `newest_version` and `newest_ms` (milliseconds since 1970, at the
    source) are those of the newest change that is applied, `oldest_ms` that of the oldest; 0 for none. Where
    `failed_sequence` is not None, it and everything after it must be delivered again, and `error` says why: a
    KeyshiftError, or Stopped.
    """

    records: int = 0
    operations: Mapping[str, int] = field(default_factory=dict)
    tables: Mapping[tuple[str, str], int] = field(default_factory=dict)
    set: int = 0
    removed: int = 0
    stale: int = 0
    collided: int = 0
    set_aside: int = 0
    markers: int = 0
    newest_version: str = ""
    newest_ms: int = 0
    oldest_ms: int = 0
    failed_sequence: str | None = None
    error: Exception | None = None

    @property
    def applied(self) -> int:
        """The changes that are completely applied, the stale ones among them."""
        return sum(self.operations.values())

    def followed_by(self, rest: "BatchResult") -> "BatchResult":
        """The two parts of a batch, of which the first is completely applied."""
        return BatchResult(
            records=self.records + rest.records,
            operations=Counter(self.operations) + Counter(rest.operations),
            tables=Counter(self.tables) + Counter(rest.tables),
            set=self.set + rest.set,
            removed=self.removed + rest.removed,
            stale=self.stale + rest.stale,
            collided=self.collided + rest.collided,
            set_aside=self.set_aside + rest.set_aside,
            markers=self.markers + rest.markers,
            newest_version=max(self.newest_version, rest.newest_version),
            newest_ms=max(self.newest_ms, rest.newest_ms),
            oldest_ms=min(filter(None, (self.oldest_ms, rest.oldest_ms)), default=0),
            failed_sequence=rest.failed_sequence,
            error=rest.error,
        )


@dataclass(frozen=True, slots=True)
class _Pack:
    """One record, decoded: its changes and what of them concerns its own lane.

    By version: `poison`, the changes that cannot be mapped, and `aside`, those that are set aside.
    """

    header: Header
    changes: Sequence[Change]
    patches: Sequence[Patch]
    poison: Mapping[str, Poison] = field(default_factory=dict)
    aside: frozenset[str] = frozenset()

    def passing(self, known: AbstractSet[tuple[str, int]]) -> "_Pack":
        """The same without the changes that are known (version and lane) to be set aside."""
        aside = frozenset(version for version, lane in known if lane == self.header.lane)
        patches = [patch for patch in self.patches if patch.version not in aside]
        poison = {version: error for version, error in self.poison.items() if version not in aside}
        return _Pack(self.header, self.changes, patches, poison, aside)

    def behind(self, horizon: str) -> "_Pack":
        """The same without what is applied since the horizon has risen."""
        if all(patch.version > horizon for patch in self.patches):
            return self
        newer = [patch for patch in self.patches if patch.version > horizon]
        return replace(self, patches=newer)


class _Fetching:
    """Fetches changes from S3, and counts their bytes."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self.bytes = 0

    def __call__(self, claim: Claim) -> bytes:
        self.bytes += claim.bytes
        return self._fetch(claim)


class StreamApplier:
    """Applies batches for one migration. May be used by several threads, with batches of different shards.

    `fetch` gives the objects of changes that lie in S3, `aside` keeps what can never be applied.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - collaborators, handed in once
        self,
        writer: GuardedWriter,
        keymap: Keymap,
        migration: Migration,
        gate: Gate,
        fetch: Fetch = unfetched,
        aside: Aside = NOWHERE,
    ) -> None:
        self._writer = writer
        self._keymap = keymap
        self._migration = migration
        self._gate = gate
        self._fetch = fetch
        self._aside = aside
        self._folding = Folding(keymap, migration.lanes)

    def handle(self, records: Sequence[StreamRecord]) -> BatchResult:
        """Apply one shard's next records. Raises ReplayClosed, with nothing written, before replay is opened.

        Errors of the control table are raised too: nothing of the batch may then be counted as done.
        """
        result = self._handle_part(records)
        while result.error is None and result.records < len(records):
            result = result.followed_by(self._handle_part(records[result.records :]))
        return result

    @collected_later()
    def _handle_part(self, records: Sequence[StreamRecord]) -> BatchResult:
        """As much of it as is read at once."""
        standing, until = self._look()
        short = self._short_way(records, standing, until) if standing.phase is Phase.REPLAY else None
        if short and not short[1].failures:
            return self._applied(*short, standing)
        fetching = _Fetching(self._fetch)
        lanes = Lanes(standing.applied, self._gate.void_before)
        packs, refusal = self._read(records, fetching, lanes, standing.horizon)
        if fetching.bytes:
            standing, until = self._look()  # S3 took its time: the gate is looked at right before the writes
            packs = [pack.behind(standing.horizon) for pack in packs]
        if short:  # which records an item that failed belongs to is told by their patches
            outcome = short[1]
        else:
            packs, outcome = self._write(packs, standing.phase, until)
        done, error = self._done(records, packs, outcome, refusal, standing.phase)
        self._gate.reached(reached(pack.header for pack in done), standing.applied)
        markers = self._mark(pack.header for pack in done)
        failed = None if error is None else records[len(done)].sequence_number
        return _result(done, outcome, markers, failed, error)

    def _short_way(
        self, records: Sequence[StreamRecord], standing: Standing, until: float
    ) -> tuple[Folded, Outcome] | None:
        """All of them, written without mapping what is superseded among them; None where nothing was written."""
        lanes = Lanes(standing.applied, self._gate.void_before)
        found = folded(self._folding, self._migration, records, lanes, standing.horizon)
        if found is None:
            return None
        try:
            return found, self._writer.write(found.puts, found.patches, until)
        except PatchError:
            return None

    def _applied(self, batch: Folded, outcome: Outcome, standing: Standing) -> BatchResult:
        self._gate.reached(reached(batch.headers), standing.applied)
        markers = self._mark(batch.headers)
        return BatchResult(
            records=len(batch.headers),
            operations=batch.operations,
            tables=batch.tables,
            set=outcome.set,
            removed=outcome.removed,
            stale=outcome.stale,
            collided=outcome.collided,
            markers=markers,
            newest_version=batch.newest_version,
            newest_ms=batch.newest_ms,
            oldest_ms=batch.oldest_ms,
        )

    def _mark(self, headers: Iterable[Header]) -> int:
        """Record the markers among them, of which all that precedes each in its lane is applied; how many."""
        markers = [header for header in headers if header.kind == "barrier"]
        for header in markers:
            self._gate.seen(header.barrier, header.lane)
        return len(markers)

    def _write(self, packs: list[_Pack], phase: Phase, until: float) -> tuple[list[_Pack], Outcome]:
        """Write the patches; past the gate, look whether they are there, and leave out what is known to be set aside.

        What was applied before may be delivered once more, and only that may pass then: a marker behind anything else
        would say what is not so, and an aborted cutover would have lost the change.
        """
        if phase is Phase.REPLAY:
            return packs, self._writer.apply(_patches(packs), until)
        outcome = self._writer.check(_patches(packs))
        if not outcome.failures and not any(pack.poison for pack in packs):
            return packs, outcome
        known = self._aside.known()
        packs = [pack.passing(known) for pack in packs]
        return packs, self._writer.check(_patches(packs))

    def _done(
        self,
        records: Sequence[StreamRecord],
        packs: Sequence[_Pack],
        outcome: Outcome,
        refusal: KeyshiftError | Stopped | None,
        phase: Phase,
    ) -> tuple[Sequence[_Pack], KeyshiftError | Stopped | None]:
        """The packs before the first one that is not done, and what is in that one's way.

        What failed of a slot fails every change with a patch for it: folding left the older ones unwritten.
        """
        failed = {patch.register: failure.error for failure in outcome.failures for patch in failure.patches}
        if not failed and not any(pack.poison for pack in packs):
            return packs, refusal
        done: list[_Pack] = []
        for record, pack in zip(records, packs, strict=False):
            refused = [(patch.version, failed[patch.register]) for patch in pack.patches if patch.register in failed]
            try:
                aside = set_aside(self._aside, record, [*refused, *pack.poison.items()], phase)
            except (KeyshiftError, Stopped) as error:
                return done, error
            done.append(replace(pack, aside=pack.aside | aside) if aside else pack)
        return done, refusal

    def _look(self) -> tuple[Standing, float]:
        """How things stand, and how long one may go by it (keyshift/apply/lifetime.py)."""
        until = self._writer.lifetime.begin()
        standing = self._gate.look()
        if standing.phase is Phase.LOAD:
            raise ReplayClosed
        return standing, until

    def _read(
        self, records: Iterable[StreamRecord], fetching: _Fetching, lanes: Lanes, horizon: str
    ) -> tuple[list[_Pack], KeyshiftError | Stopped | None]:
        """The packs before the first record that cannot be applied, and why that one cannot; fewer, where much of it
        had to be fetched.
        """
        packs: list[_Pack] = []
        for record in records:
            try:
                packs.append(self._pack(record, fetching, lanes, horizon))
            except (KeyshiftError, Stopped) as error:
                return packs, error
            if fetching.bytes >= FETCHED_BYTES_MAX:
                break
        return packs, None

    def _pack(self, record: StreamRecord, fetching: _Fetching, lanes: Lanes, horizon: str) -> _Pack:
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
        return _Pack(header, changes, patches, poison)


def _patches(packs: Iterable[_Pack]) -> list[Patch]:
    return [patch for pack in packs for patch in pack.patches]


def _result(
    done: Sequence[_Pack],
    outcome: Outcome,
    markers: int,
    failed: str | None,
    error: KeyshiftError | Stopped | None,
) -> BatchResult:
    changes = [change for pack in done for change in pack.changes if change.version not in pack.aside]
    return BatchResult(
        records=len(done),
        operations=Counter(change.op for change in changes),
        tables=Counter((change.table, change.op) for change in changes),
        set=outcome.set,
        removed=outcome.removed,
        stale=outcome.stale,
        collided=outcome.collided,
        set_aside=sum(len(pack.changes) for pack in done) - len(changes),
        markers=markers,
        newest_version=max((change.version for change in changes), default=""),
        newest_ms=max((change.source.ts_ms for change in changes), default=0),
        oldest_ms=min((change.source.ts_ms for change in changes), default=0),
        failed_sequence=failed,
        error=error,
    )
