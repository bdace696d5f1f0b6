"""Redriving: what was set aside is mapped and written again, now that somebody has mended what was in its way.

A change is written as replay writes it, at its own version, so one that was superseded meanwhile is found STALE, and
being killed, or done twice, does no harm. But replay is open for it no longer than for the stream: whoever closes it,
or takes away what a table that was loaded again had before, holds the lease "redrive" first (`held_off`), and every
write looks at that lease as it leaves. So one that slept wakes up and writes nothing (docs/decisions/0034).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Protocol

from keymap.change import Change
from keymap.claims import Claim, ClaimError
from keymap.errors import KeyshiftError, Problem, Problems
from keymap.patch import Patch
from keymap.rules import Keymap
from keymap.values import Row
from keymap.wire import claimed
from keyshift.apply.refusals import Foreign, Poison, lane_patches
from keyshift.apply.writer import GuardedWriter
from keyshift.aws.claims import ClaimStore
from keyshift.aws.clients import Clients, clients_of
from keyshift.aws.hold import Hold, SendGuard
from keyshift.aws.leases import this_process
from keyshift.control import migration as migrations
from keyshift.control import setasides
from keyshift.control.lease import REDRIVE, Lease
from keyshift.control.migration import Migration
from keyshift.control.phase import Phase, read_phase
from keyshift.control.reloads import read_reloads
from keyshift.control.setasides import SetAside, State
from keyshift.control.store import Store
from keyshift.process.clock import boottime
from keyshift.process.log import get_logger
from keyshift.process.settings import Settings
from keyshift.process.stop import Stop

LEASE_SECONDS: Final = 10.0  # without renewal until another may redrive, or close replay
SENDS: Final = "sends"  # of the lease's item: somebody has redriven since it was held off last
_log = get_logger("redrive")


_BEFORE_REPLAY: Final = "Finish `keyshift bulkload load`, which opens replay, and run it again"
_BEHIND_REPLAY: Final = (
    "Before the application has switched, `keyshift cutover abort` opens replay again; after that, what is set aside "
    "is to be brought over by hand"
)


class NotReplaying(KeyshiftError):
    """Replay is not open, so nothing may be redriven."""

    def __init__(self, phase: Phase) -> None:
        super().__init__(
            f"nothing can be redriven: the phase is `{phase}`, not `{Phase.REPLAY}`",
            _BEFORE_REPLAY if phase is Phase.LOAD else _BEHIND_REPLAY,
        )


class Objects(Protocol):
    """The bucket: keyshift.aws.claims.ClaimStore."""

    def get(self, claim: Claim) -> bytes:
        """An object's bytes. Raises ClaimError where it is not there."""

    def delete(self, name: str) -> None:
        """Remove an object, which may be gone."""


@dataclass(frozen=True, slots=True)
class Redriven:
    """What became of a change; where it is set aside still, `one` says why."""

    one: SetAside
    state: State


def chosen(every: Iterable[SetAside], ids: Sequence[str]) -> list[SetAside]:
    """The ones that are open of these ids, all where none is given. Raises Problems for ids that name none."""
    by_id = {one.id: one for one in every}
    Problems.raise_if_any(Problem(id_, _what(by_id.get(id_)), _LIST) for id_ in ids if not _is_open(by_id.get(id_)))
    return [one for one in by_id.values() if one.is_open and (not ids or one.id in ids)]


def _is_open(one: SetAside | None) -> bool:
    return one is not None and one.is_open


def _what(one: SetAside | None) -> str:
    return "names nothing that was ever set aside" if one is None else f"is over: {one.state}"


_LIST: Final = "`keyshift apply failures` lists what is set aside"
# Until the change that mends it is applied, nothing supersedes this one.
_MENDED: Final = (
    "Is the row mended at the source already? Wait until replay is past that (`keyshift status`), and redrive once "
    "more: it ends stale"
)


class Redriver:
    """Redrives while the lease is held. `gate` tells the phase, `writer` writes under the lease."""

    def __init__(  # noqa: PLR0913 - its collaborators
        self,
        store: Store,
        migration: Migration,
        keymap: Keymap,
        *,
        gate: Callable[[], Phase],
        writer: GuardedWriter,
        objects: Objects,
        lease: Lease,
    ) -> None:
        self._store, self._migration, self._keymap = store, migration, keymap
        self._gate, self._writer, self._objects, self._lease = gate, writer, objects, lease

    def run(self, every: Iterable[SetAside]) -> Iterator[Redriven]:
        """Redrive them. Raises NotReplaying, LeaseLost, and what is wrong with none of them alone.

        The newest comes first. What it supersedes is then found STALE, whether it can be applied or not; and no item
        shows in between what it was long ago.
        """
        tidy(self._store, self._objects)
        for one in sorted(every, key=lambda one: one.item, reverse=True):
            yield self._redrive(one)

    def _redrive(self, one: SetAside) -> Redriven:
        phase = self._gate()
        if phase is not Phase.REPLAY:
            raise NotReplaying(phase)
        # Looked at under the lease: the horizon may have passed one that is over, and its tombstone be gone. While it
        # is open, the horizon stays below it.
        one = setasides.read(self._store, one.item) or one
        if not one.is_open:
            return Redriven(one, one.state)
        try:
            state = State.VOID if self._is_void(one) else self._apply(one)
        except (Poison, Foreign) as error:
            remedy = f"{error.remedy}. {_MENDED}" if isinstance(error, Poison) else error.remedy
            one = replace(one, kind=error.kind, target=error.table, key=error.item, reason=error.message, remedy=remedy)
        except ClaimError as error:
            remedy = "Put the object back, or load its table again (`keyshift tables reload`), which makes this void"
            one = replace(one, reason=error.message, remedy=remedy)
        else:
            end(self._store, self._objects, one, state, lease=self._lease)
            return Redriven(one, state)
        setasides.record_reason(self._store, one)
        return Redriven(one, State.OPEN)

    def _is_void(self, one: SetAside) -> bool:
        """Whether its table was loaded again behind it, so that everything that it says has been read since."""
        changed = self._migration.changed_since(one.digest) or ()
        reload = read_reloads(self._store).get(one.source)
        return one.source in changed or (reload is not None and one.version < reload.floor)

    def _apply(self, one: SetAside) -> State:
        outcome = self._writer.apply(self._patches(claimed(one.claim, self._objects.get), one.lane))
        errors = [failure.error for failure in outcome.failures]
        if errors:
            raise min(errors, key=lambda error: isinstance(error, Poison | Foreign))  # first what is no change's alone
        return State.REDRIVEN if outcome.set or outcome.removed else State.STALE

    def _patches(self, change: Change, lane: int) -> list[Patch]:
        """What the lane writes of a change. Raises Poison.

        Where its row becomes no item still, the row's key may be told, since removing it asks for no more. If all that
        the row would set is superseded, what the change removes is left of it.
        """
        lanes = self._migration.lanes
        try:
            return lane_patches(self._keymap, change, lane, lanes)
        except Poison as poison:
            removed = _removal_of(change, change.before)
            places = lane_patches(self._keymap, _removal_of(change, change.after), lane, lanes)
            if self._writer.check(places).failures:
                raise poison from None
            kept = {patch.register for patch in places}
            return [one for one in lane_patches(self._keymap, removed, lane, lanes) if one.register not in kept]


def _removal_of(change: Change, image: Row | None) -> Change:
    """The change that removes one image of a row."""
    return replace(change, op="d", before=image, after=None)


def end(  # noqa: PLR0913 - the last two are its callers' choice
    store: Store, objects: Objects, one: SetAside, state: State, *, note: str = "", lease: Lease | None = None
) -> None:
    """Record that a change is set aside no more, and remove its object. Safe to repeat; `tidy` does what was left."""
    setasides.resolve(store, one, state, note=note, lease=lease)
    _remove(store, objects, one)


def tidy(store: Store, objects: Objects) -> None:
    """Remove the objects of changes that are over: of one that was killed before it had."""
    for one in setasides.with_objects(setasides.read_all(store)):
        _remove(store, objects, one)


def _remove(store: Store, objects: Objects, one: SetAside) -> None:
    objects.delete(one.claim.object)
    setasides.forget_object(store, one)


@contextmanager
def redriving(
    settings: Settings, keymap: Keymap, clients: Clients, stop: Stop, writing: Clients | None = None
) -> Iterator[Redriver]:
    """Hold the lease, and give what redrives under it. `writing` are clients for nothing but its writes.

    Raises Busy where somebody else redrives or replay is being closed, Stopped, and KeyshiftError where the migration
    has another keymap.
    """
    store = Store(clients.control, settings.control_table, settings.migration)
    with (
        closing(writing or clients_of(settings.aws)) as own,
        ThreadPoolExecutor(settings.apply.write_concurrency) as pool,
    ):
        lease = Lease(store, REDRIVE, this_process(), LEASE_SECONDS, boottime)
        guard = SendGuard(lease, settings.apply.request_life_seconds, boottime)
        guard.watch(own.dynamodb)
        with Hold(lease, stop, boottime) as hold:
            try:
                lease.renew(**{SENDS: True})
                migration = migrations.load(store)  # under the lease: what was loaded again since is seen
                migrations.require_digest(migration, keymap.digest)
                yield Redriver(
                    store,
                    migration,
                    keymap,
                    gate=partial(read_phase, store, keymap.digest),
                    writer=GuardedWriter(own.dynamodb, keymap, migration.id, pool, stop),
                    objects=ClaimStore(clients, migration.bucket, stop),
                    lease=lease,
                )
                guard.settle(stop)
            finally:
                hold.keep = guard.unsettled_seconds > 0


@contextmanager
def held_off(store: Store, stop: Stop, validity_seconds: float) -> Iterator[Lease]:
    """Nobody redrives while the block runs, and nothing that was redriven before can still arrive.

    `validity_seconds`: for so long AWS may accept a request that was signed: waited out where a redrive died. Raises
    Busy where one goes on, Stopped.
    """
    lease = Lease(store, REDRIVE, this_process(), LEASE_SECONDS, boottime)
    with Hold(lease, stop, boottime):
        age = lease.seconds_since_takeover()
        if lease.record.flag(SENDS) and age is not None and age < validity_seconds:
            _log.info("waiting_for_lost_requests", seconds=round(validity_seconds - age, 1))
            stop.sleep(validity_seconds - age)
        lease.renew(**{SENDS: None})  # should this process die here, nobody need wait for it
        yield lease
