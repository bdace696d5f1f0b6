"""The whole of it: source, daemon, stream, mapping, invocations, load and cutover, step by step by one seed."""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final

from keymap.claims import Claim
from keymap.items import newer_than
from keymap.patch import Item, Key, Patch
from keyshift.apply.gate import ControlGate
from keyshift.apply.stream import StreamApplier
from keyshift.apply.writer import GuardedWriter
from keyshift.control import barrier, migration, phase
from keyshift.control.phase import Phase, read_phase
from keyshift.control.store import PHASE, Store
from tests.apply.club_history import Club
from tests.apply.conftest import Inline
from tests.apply.fake_dynamodb import FakeDynamoDB
from tests.apply.history import LANES, migration_for
from tests.apply.keymaps import MIGRATION
from tests.apply.simulation.capture import Capture
from tests.apply.simulation.endpoint import MENDED, Endpoint, Hurried, Jumbled, Odds
from tests.apply.simulation.functions import Functions, Invocation
from tests.apply.simulation.schedule import Schedule, Task
from tests.apply.simulation.source import Mapping, Shuffled, Stream
from tests.apply.simulation.timeline import KEYMAP, KEYS, Timeline, settled, visible
from tests.control.memory import Memory

BAD_STEPS_MAX: Final = 5_000  # of one history: then the worst day ends
STEPS_MAX: Final = 50_000  # a history that has not ended by then never will
RESHARDED_MAX: Final = 4
DAYS: Final = (
    Odds(),
    Odds(throttled=0.03, forbidden=0.02, unsent=0.02, lost=0.03, late=0.02),
    Odds(throttled=0.15, forbidden=0.1, unsent=0.03, lost=0.1, late=0.05),
)
ABOUT: Final = migration_for(KEYMAP)
HURRIED: Final = Hurried()


class ControlTable(Memory):
    """In memory; `before_seen` is asked before a marker (its number and lane) is recorded."""

    def __init__(self, before_seen: Callable[[int, int], None]) -> None:
        super().__init__()
        self._before_seen = before_seen

    def update_item(self, **request: Any) -> dict[str, Any]:
        item = request["Key"]["item"]["S"]
        if item.startswith("barrier#") and request["UpdateExpression"].startswith("ADD"):
            (lane,) = request["ExpressionAttributeValues"][":member"]["NS"]
            self._before_seen(int(item.partition("#")[2]), int(lane))
        return super().update_item(**request)


class AnyOrder(ControlGate):
    """Takes a lane's records in any order: none of them is a gap."""

    def void_before(self) -> str:
        return "~"  # behind every version


class World:
    """One history. `run` lives it to its end; what goes wrong is an AssertionError, or what the code raised.

    Not `in_order`: everything is on the stream before it is delivered, in any order, which no mapping would do.
    """

    def __init__(self, seed: int, *, in_order: bool = True) -> None:
        self.chance = chance = random.Random(seed)
        self.timeline, self.in_order, self.schedule = Timeline(chance), in_order, Schedule()
        self.dynamodb = FakeDynamoDB(KEYS)
        self.dynamodb.tells_old = chance.random() < 0.8
        self.dynamodb.before_call = self._require_open
        control = ControlTable(self._require_applied)
        self.store = _store(control)
        migration.create(self.store, ABOUT)
        odds = replace(chance.choice(DAYS), shunned=chance.choice(("", *KEYS)))
        self.targets = Endpoint(self.dynamodb, self.schedule, chance, odds)
        self.control = Endpoint(control, self.schedule, chance, odds)
        self.functions = Functions(self.schedule, chance, self.container)
        self.stream = Stream(chance.randrange(1, 4))
        self.capture = Capture(self.timeline, self.stream.put, self.store, chance)
        self.steps = self._closings = self._resharded = self._fetched = 0
        self._eager = chance.choice((1, 4, 12))  # Lambda, to deliver what is there: batches are small then
        self._final: int | None = None  # the barrier behind everything
        self._puts, self._guarded = list(self.timeline.load.puts), list(self.timeline.load.guarded)
        self._loads = Club(KEYMAP, self.targets, "", Inline(), HURRIED)
        self._loader: Task | None = None
        self.source = self._source()

    def container(self) -> StreamApplier:
        """All that a function makes once, on a day like this."""
        writer = GuardedWriter(self.targets, KEYMAP, MIGRATION, Jumbled(self.chance), HURRIED)
        gate = (ControlGate if self.in_order else AnyOrder)(_store(self.control), KEYMAP.digest)
        return StreamApplier(writer, KEYMAP, ABOUT, gate, self._fetch)

    @property
    def counts(self) -> Counter[str]:
        """What happened, for a test that wants all of it to happen."""
        return (
            self.functions.counts
            + self.targets.met
            + Counter({"resharded": self._resharded, "fetched": self._fetched, "steps": self.steps})
        )

    def run(self) -> None:
        """Live it, and look at what is there in the end."""
        with self.schedule, self.functions.installed():
            while self.steps % 10 or not self._ended():  # to look is as much work as to go on
                self.steps += 1
                assert self.steps < STEPS_MAX, "it does not end"
                self._step()
                if self.steps == BAD_STEPS_MAX:
                    self._be_well()
            self._let_late_ones_arrive()
            self.require_converged()
            self._cut_over()

    def _source(self) -> Mapping | Shuffled:
        chance, most = self.chance, self.chance.choice((2, 5, 20))
        if self.in_order:
            factor = chance.choice((1, 1, 2, 3))
            return Mapping(self.stream, chance, factor=factor, batch_records_max=most, bisects=chance.random() < 0.7)
        while not self._captured():
            self.capture.step()
        records = [record for shard in self.stream.shards for record in shard.records]
        return Shuffled(records, chance, batch_records_max=most)

    def _step(self) -> None:
        """Something happens."""
        (what,) = self.chance.choices(
            (
                self.functions.advance,
                self._capture,
                lambda: self.functions.deliver(self.source),
                self._load,
                self.functions.time_out,
                self.functions.repeat,
                self.targets.arrive,
                self.control.arrive,
                self._ask,
                self._reshard,
                self._turn_gate,
            ),
            (40, 10, self._eager, 6, 0.5, 1, 1, 0.5, 0.3, 0.3, 1),
        )
        what()

    def _capture(self) -> None:
        if not self._captured():
            self.capture.step()

    def _ask(self) -> None:
        """Somebody else wants to know how far it is."""
        if self._final is None:
            self.capture.ask()

    def _captured(self) -> bool:
        """Whether everything is on the stream, and a last barrier's markers behind it."""
        if not self.capture.finished:
            return False
        if self._final is None:
            self._final = self.capture.ask()
        return self.capture.finished

    def _ended(self) -> bool:
        loaded = not (self._puts or self._guarded or self._loader)
        return loaded and self._captured() and self.source.idle and read_phase(self.store) is Phase.REPLAY

    def _load(self) -> None:
        """The bulk load does something: rows that nobody else may have written yet, then what may come at any time."""
        if self._loader:
            self._advance_loader()
        elif self._puts and self.chance.random() < 0.7:
            place = self.chance.randrange(len(self._puts))
            table, item = self._puts[place]
            self.dynamodb.put_item(TableName=table, Item=item)
            if self.chance.random() < 0.8:  # else its answer was lost
                del self._puts[place]
        elif self._guarded:
            self._loader = self.schedule.begin(lambda chunk=self._guarded[0]: self._loads.write_guarded(chunk))

    def _advance_loader(self) -> None:
        assert self._loader
        self.schedule.step(self._loader, self.chance.choice((1, 2, 5)))
        if self._loader.ended:
            if not self._loader.error:
                del self._guarded[0]
            elif not isinstance(self._loader.error, MENDED):
                raise self._loader.error
            self._loader = None

    def _turn_gate(self) -> None:
        """Replay opens when no row can come without a condition any more; a cutover closes it, and is aborted."""
        match read_phase(self.store):
            case Phase.LOAD if not self._puts:
                self.store.swap(PHASE, self.store.get(PHASE), {"phase": Phase.REPLAY.value})
            case Phase.REPLAY if self.chance.random() < 0.15:
                self._close()
            case Phase.CLOSED:
                phase.reopen(self.store)
                self.functions.closing = 0

    def _close(self) -> None:
        phase.close(self.store)
        self._closings += 1
        self.functions.closing = self._closings

    def _require_open(self) -> None:
        """Nothing is written by an invocation that began when the gate was closed, and it has not been opened since."""
        task = self.schedule.running
        if task and isinstance(task.about, Invocation) and task.about.closing:
            assert task.about.closing != self.functions.closing, "a write past the gate"

    def _reshard(self) -> None:
        if self._resharded < RESHARDED_MAX and self.in_order:
            self.stream.reshard(self.chance)
            self._resharded += 1

    def _fetch(self, claim: Claim) -> bytes:
        self.schedule.pause()
        self._fetched += 1
        return self.capture.fetch(claim)

    def _let_late_ones_arrive(self) -> None:
        self.functions.finish()
        while self.targets.late or self.control.late:
            self.targets.arrive()
            self.control.arrive()

    def _require_applied(self, number: int, lane: int) -> None:
        """No marker is recorded before all that precedes it in its lane is applied."""
        if self.in_order:
            unapplied = self._unapplied(self.capture.before(number, lane))
            assert not unapplied, f"marker {number} of lane {lane} is recorded before {unapplied}"

    def _unapplied(self, patches: Iterable[Patch]) -> list[Patch]:
        by_item: dict[tuple[str, Key], list[Patch]] = {}
        for patch in patches:
            by_item.setdefault((patch.table, patch.key), []).append(patch)
        return [
            one for place, some in by_item.items() for one in newer_than(KEYMAP.bookkeeping, self._held(*place), some)
        ]

    def _held(self, table: str, key: Key) -> Item:
        identity = self.dynamodb._identity(table, KEYMAP.targets[table].key_item(key))
        return self.dynamodb.tables[table].get(identity, {})

    def require_converged(self) -> None:
        """The items are those of the rows, and with their bookkeeping those of a replay in order; all is drained."""
        assert visible(KEYMAP.bookkeeping, self.dynamodb.items) == self.timeline.expected()
        replayed = self.timeline.replayed()
        for table in KEYS:
            found, wanted = (settled(KEYMAP.bookkeeping, one.items(table)) for one in (self.dynamodb, replayed))
            assert found == wanted, table
        assert self._final is not None
        assert barrier.state(self.store, self._final, LANES).complete

    def _be_well(self) -> None:
        self.targets.odds = self.control.odds = Odds()

    def _cut_over(self) -> None:
        """The gate closes; what is delivered once more behind it writes nothing, and is done."""
        self._close()
        self._be_well()
        before = {table: self.dynamodb.items(table) for table in KEYS}
        done = self.functions.counts["done"]
        for _ in range(3):
            self.functions.repeat()
        self.functions.finish()
        assert self.functions.counts["done"] == done + 3
        assert {table: self.dynamodb.items(table) for table in KEYS} == before


def _store(client: Any) -> Store:
    return Store(client, "control", "shop", sleep=lambda _seconds: None)
