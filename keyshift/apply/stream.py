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
from collections.abc import Iterable, Sequence
from dataclasses import replace

from keymap.claims import Fetch, unfetched
from keymap.errors import KeyshiftError
from keymap.folding import Folding
from keymap.patch import Patch
from keymap.rules import Keymap
from keymap.template import PatchError
from keymap.wire import Header
from keyshift.apply.folding import Folded, folded
from keyshift.apply.gaps import Gap, Lanes, reached
from keyshift.apply.gate import Gate
from keyshift.apply.outcome import Outcome
from keyshift.apply.packs import Pack, PackReader
from keyshift.apply.refusals import ReplayClosed
from keyshift.apply.result import BatchResult
from keyshift.apply.setaside import NOWHERE, Aside, set_aside
from keyshift.apply.writer import GuardedWriter
from keyshift.aws.stream import StreamRecord
from keyshift.control.migration import Migration
from keyshift.control.phase import Phase
from keyshift.control.standing import Standing
from keyshift.process.garbage import collected_later
from keyshift.process.stop import Stopped


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
        self._migration = migration
        self._gate = gate
        self._aside = aside
        self._reader = PackReader(keymap, migration, fetch)
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
        read = self._reader.read(records, Lanes(standing.applied, self._gate.void_before), standing.horizon)
        packs = read.packs
        if read.fetched:  # S3 took its time: the gate is looked at right before the writes
            standing, until = self._look()
            packs = [pack.behind(standing.horizon) for pack in packs]
        if short:  # which records an item that failed belongs to is told by their patches
            outcome = short[1]
        else:
            packs, outcome = self._write(packs, standing.phase, until)
        done, error = self._done(records, packs, outcome, read.refusal, standing.phase)
        self._gate.reached(reached(pack.header for pack in done), standing.applied)
        if isinstance(error, Gap):
            self._gate.stands(error.lane, error.follows)
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

    def _write(self, packs: list[Pack], phase: Phase, until: float) -> tuple[list[Pack], Outcome]:
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
        packs: Sequence[Pack],
        outcome: Outcome,
        refusal: KeyshiftError | Stopped | None,
        phase: Phase,
    ) -> tuple[Sequence[Pack], KeyshiftError | Stopped | None]:
        """The packs before the first one that is not done, and what is in that one's way.

        What failed of a slot fails every change with a patch for it: folding left the older ones unwritten.
        """
        failed = {patch.register: failure.error for failure in outcome.failures for patch in failure.patches}
        if not failed and not any(pack.poison for pack in packs):
            return packs, refusal
        done: list[Pack] = []
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


def _patches(packs: Iterable[Pack]) -> list[Patch]:
    return [patch for pack in packs for patch in pack.patches]


def _result(
    done: Sequence[Pack],
    outcome: Outcome,
    markers: int,
    failed: str | None,
    error: KeyshiftError | Stopped | None,
) -> BatchResult:
    changes = [change for pack in done for change in pack.changes if change.version not in pack.aside]
    return BatchResult(
        records=len(done),
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
