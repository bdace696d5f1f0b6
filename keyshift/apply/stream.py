"""A batch of stream records in; what was done, and the first record that was not, out.

The same for Lambda and for the local consumer. A batch holds records of one shard in their order. It is read up to the
first record that cannot be applied, all that is before it is folded per slot and written, and then the markers of
barriers among it are recorded. So a marker is recorded after everything that precedes it in its lane is written; that
more than this was written before it does no harm.

Changes that lie in S3 are fetched one after another. Where they are large together, the batch is applied in parts.

What is promised about a failure is the lowest sequence number whose content is not completely applied: everything
before it is done, whatever its lane. What comes after may be done too, and is found STALE when it is delivered again.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from keymap.change import Change
from keymap.claims import Claim, Fetch, unfetched
from keymap.errors import KeyshiftError
from keymap.folding import Folding
from keymap.lanes import lane_of
from keymap.patch import Patch
from keymap.rules import Keymap
from keymap.template import PatchError
from keymap.wire import Header, decode_header, decode_pack
from keyshift.apply.folding import Folded, folded
from keyshift.apply.refusals import ReplayClosed, require_ours, unmappable
from keyshift.apply.writer import GuardedWriter, Outcome
from keyshift.aws.stream import StreamRecord
from keyshift.control import barrier
from keyshift.control.migration import Migration
from keyshift.control.phase import Phase, read_phase
from keyshift.control.store import Store
from keyshift.process.garbage import collected_later
from keyshift.process.stop import Stopped

FETCHED_BYTES_MAX: Final = 64 * 1024 * 1024  # of one part: with its items, a tenth of the function's memory


class Gate(Protocol):
    """What the applier asks of the control table."""

    def phase(self) -> Phase:
        """The migration's phase at this moment, read consistently."""

    def seen(self, number: int, lane: int) -> None:
        """Record that all of a lane up to a barrier's marker has been applied. Safe to repeat."""


class ControlGate:
    """The gate as the control table keeps it; `digest` is that of the keymap that is applied with."""

    def __init__(self, store: Store, digest: str = "") -> None:
        self._store = store
        self._digest = digest

    def phase(self) -> Phase:
        """The migration's phase, read consistently. Raises KeymapChanged where it has another keymap by now."""
        return read_phase(self._store, self._digest)

    def seen(self, number: int, lane: int) -> None:
        """Record a marker."""
        barrier.seen(self._store, number, lane)


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a batch.

    `records` and `operations` (changes by Debezium's c, u, d, r) count what is completely applied; `set`, `removed` and
    `stale` count slots, also of what is not; `collided` counts those that were left with more than one living row.
    `newest_version` and `newest_ms` (milliseconds since 1970, at the source) are those of the newest change that is
    applied. Where `failed_sequence` is not None, it and everything after it must be delivered again, and `error` says
    why.
    """

    records: int = 0
    operations: Mapping[str, int] = field(default_factory=dict)
    set: int = 0
    removed: int = 0
    stale: int = 0
    collided: int = 0
    markers: int = 0
    newest_version: str = ""
    newest_ms: int = 0
    failed_sequence: str | None = None
    error: KeyshiftError | Stopped | None = None

    @property
    def applied(self) -> int:
        """The changes that are completely applied, the stale ones among them."""
        return sum(self.operations.values())

    def followed_by(self, rest: "BatchResult") -> "BatchResult":
        """The two parts of a batch, of which the first is completely applied."""
        return BatchResult(
            records=self.records + rest.records,
            operations=Counter(self.operations) + Counter(rest.operations),
            set=self.set + rest.set,
            removed=self.removed + rest.removed,
            stale=self.stale + rest.stale,
            collided=self.collided + rest.collided,
            markers=self.markers + rest.markers,
            newest_version=max(self.newest_version, rest.newest_version),
            newest_ms=max(self.newest_ms, rest.newest_ms),
            failed_sequence=rest.failed_sequence,
            error=rest.error,
        )


@dataclass(frozen=True, slots=True)
class _Pack:
    """One record, decoded: its changes and what of them concerns its own lane."""

    header: Header
    changes: Sequence[Change]
    patches: Sequence[Patch]


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

    `fetch` gives the objects of changes that lie in S3.
    """

    def __init__(
        self, writer: GuardedWriter, keymap: Keymap, migration: Migration, gate: Gate, fetch: Fetch = unfetched
    ) -> None:
        self._writer = writer
        self._keymap = keymap
        self._migration = migration
        self._gate = gate
        self._fetch = fetch
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
        phase = self._phase()
        short = self._short_way(records) if phase is Phase.REPLAY else None
        if short and not short[1].failures:
            return self._applied(*short)
        fetching = _Fetching(self._fetch)
        packs, refusal = self._read(records, fetching)
        if fetching.bytes:
            phase = self._phase()  # S3 took its time: the gate is looked at right before the writes
        # Past the gate nothing is written. What was applied before may be delivered once more, and only that may pass:
        # a marker behind anything else would say what is not so, and an aborted cutover would have lost the change.
        if short:  # which records an item that failed belongs to is told by their patches
            outcome = short[1]
        else:
            patches = [patch for pack in packs for patch in pack.patches]
            outcome = self._writer.apply(patches) if phase is Phase.REPLAY else self._writer.check(patches)
        done, error = _done(packs, outcome, refusal)
        markers = [pack.header for pack in done if pack.header.kind == "barrier"]
        for header in markers:
            self._gate.seen(header.barrier, header.lane)
        failed = None if error is None else records[len(done)].sequence_number
        return _result(done, outcome, len(markers), failed, error)

    def _short_way(self, records: Sequence[StreamRecord]) -> tuple[Folded, Outcome] | None:
        """All of them, written without mapping what is superseded among them; None where nothing was written."""
        found = folded(self._folding, self._migration, records)
        if found is None:
            return None
        try:
            return found, self._writer.write(found.puts, found.patches)
        except PatchError:
            return None

    def _applied(self, batch: Folded, outcome: Outcome) -> BatchResult:
        markers = [header for header in batch.headers if header.kind == "barrier"]
        for header in markers:
            self._gate.seen(header.barrier, header.lane)
        return BatchResult(
            records=len(batch.headers),
            operations=batch.operations,
            set=outcome.set,
            removed=outcome.removed,
            stale=outcome.stale,
            collided=outcome.collided,
            markers=len(markers),
            newest_version=batch.newest_version,
            newest_ms=batch.newest_ms,
        )

    def _phase(self) -> Phase:
        phase = self._gate.phase()
        if phase is Phase.LOAD:
            raise ReplayClosed
        return phase

    def _read(self, records: Iterable[StreamRecord], fetching: _Fetching) -> tuple[list[_Pack], KeyshiftError | None]:
        """The packs before the first record that cannot be applied, and why that one cannot; fewer, where much of it
        had to be fetched.
        """
        packs: list[_Pack] = []
        for record in records:
            try:
                packs.append(self._pack(record, fetching))
            except KeyshiftError as error:
                return packs, error
            if fetching.bytes >= FETCHED_BYTES_MAX:
                break
        return packs, None

    def _pack(self, record: StreamRecord, fetching: _Fetching) -> _Pack:
        # The header alone comes first: the changes of another keymap may not be readable.
        void = require_ours(decode_header(record.data), self._migration)
        before = fetching.bytes
        header, changes = decode_pack(record.data, fetching)
        changes = [change for change in changes if change.table not in void]
        patches = [patch for change in changes for patch in self._patches(change, header.lane)]
        if fetching.bytes > before:  # what no item holds of a large row need not be kept
            changes = [replace(change, before=None, after=None) for change in changes]
        return _Pack(header, changes, patches)

    def _patches(self, change: Change, lane: int) -> list[Patch]:
        """A change that moves between lanes is sent to each of them: here is only this lane's half."""
        try:
            patches = self._keymap.patches(change)
        except PatchError as error:
            raise unmappable(error, f"{change.source.file}:{change.source.pos}, row {change.source.row}") from error
        lanes = self._migration.lanes
        return [patch for patch in patches if lane_of(patch.table, patch.key, lanes) == lane]


def _done(
    packs: Sequence[_Pack], outcome: Outcome, refusal: KeyshiftError | None
) -> tuple[Sequence[_Pack], KeyshiftError | Stopped | None]:
    """The packs before the first one that is not completely applied, and what is in that one's way.

    An item that failed fails every pack with a patch for it: folding left the older ones unwritten.
    """
    failed = {(failure.table, failure.key): failure.error for failure in outcome.failures}
    for index, pack in enumerate(packs):
        for patch in pack.patches:
            if (patch.table, patch.key) in failed:
                return packs[:index], failed[patch.table, patch.key]
    return packs, refusal


def _result(
    done: Sequence[_Pack],
    outcome: Outcome,
    markers: int,
    failed: str | None,
    error: KeyshiftError | Stopped | None,
) -> BatchResult:
    changes = [change for pack in done for change in pack.changes]
    return BatchResult(
        records=len(done),
        operations=Counter(change.op for change in changes),
        set=outcome.set,
        removed=outcome.removed,
        stale=outcome.stale,
        collided=outcome.collided,
        markers=markers,
        newest_version=max((change.version for change in changes), default=""),
        newest_ms=max((change.source.ts_ms for change in changes), default=0),
        failed_sequence=failed,
        error=error,
    )
