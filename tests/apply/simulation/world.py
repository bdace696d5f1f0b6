"""The whole of it: source, daemon, stream, mapping, invocations, load and operators, step by step by one seed."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Final

from keyshift.apply.gate import ControlGate
from keyshift.apply.lifetime import Lifetime
from keyshift.apply.setaside import SettingAside
from keyshift.apply.stream import StreamApplier
from keyshift.apply.writer import GuardedWriter
from keyshift.aws.claims import ClaimStore
from keyshift.aws.clients import guard_sends
from keyshift.control import barrier, migration, phase
from keyshift.control.phase import Phase, read_phase
from keyshift.control.setasides import count_open
from keyshift.control.store import PHASE
from tests.apply.fake_dynamodb import FakeDynamoDB
from tests.apply.keymaps import MIGRATION
from tests.apply.simulation.capture import Capture
from tests.apply.simulation.causes import Causes
from tests.apply.simulation.endpoint import Client, Endpoint, Jumbled, Odds
from tests.apply.simulation.functions import Functions
from tests.apply.simulation.loading import Loading
from tests.apply.simulation.operators import ABOUT, CLOSING, REDRIVE, SWITCHING, TIDYING, Operators
from tests.apply.simulation.passing import Hurried
from tests.apply.simulation.proof import Proof
from tests.apply.simulation.schedule import Schedule
from tests.apply.simulation.services import AnyOrder, Bucket, ControlTable, store_of
from tests.apply.simulation.source import Mapping, Shuffled, Stream
from tests.apply.simulation.timeline import KEYMAP, KEYS, Timeline
from tests.control.conftest import Clock

BAD_STEPS_MAX: Final = 5_000  # of one history: then the worst day ends
STEPS_MAX: Final = 40_000  # a history that has not ended by then never will
RESHARDED_MAX: Final = 4
DAYS: Final = (
    Odds(),
    Odds(throttled=0.03, forbidden=0.02, unsent=0.02, lost=0.03, late=0.02),
    Odds(throttled=0.15, forbidden=0.1, unsent=0.03, lost=0.1, late=0.05),
)
HURRIED: Final = Hurried()


class World:
    """One history. `run` lives it to its end; what goes wrong is an AssertionError, or what the code raised.

    A history leans towards redriving, or towards tidying, or to neither: then more happens that matters to that. Not
    `in_order`: everything is on the stream before it is delivered, in any order, which no mapping would do, and
    which no barrier, and so no horizon, proves anything of.
    """

    def __init__(self, seed: int, *, in_order: bool = True, leaning: str = "") -> None:
        self.chance = chance = random.Random(seed)
        self.leaning = leaning or chance.choice((*[""] * 3, REDRIVE, TIDYING))
        self.in_order, self.tidies = in_order, in_order and (self.leaning == TIDYING or chance.random() < 0.3)
        self.timeline = Timeline(chance, steps=range(10, 40)) if self.leaning else Timeline(chance)
        self.schedule, self.clock = Schedule(), Clock()
        self.dynamodb = FakeDynamoDB(KEYS)
        self.dynamodb.tells_old = chance.random() < 0.8
        control = ControlTable()
        self.store = store_of(control)
        migration.create(self.store, ABOUT)
        self.stream = Stream(chance.randrange(1, 4))
        self.capture = Capture(self.timeline, self.stream.put, self.store, chance)
        self.causes = Causes(chance, self.timeline, self.dynamodb, 0.8 if self.leaning == REDRIVE else 0.3)
        odds = replace(chance.choice(DAYS), shunned=chance.choice(("", *KEYS)))
        self.targets, self.control, self.s3 = (
            Endpoint(service, self.schedule, chance, odds, self.clock, mortal=self.tidies)
            for service in (self.dynamodb, control, Bucket(self.capture.objects))
        )
        self.functions = Functions(self.schedule, self.clock, chance, self.container)
        self.operators = Operators(self.schedule, self.clock, chance, self._clients)
        self.loading = Loading(self.timeline.load, self.schedule, chance, self.targets)
        self.proof = control.watcher = Proof(
            self.timeline,
            self.capture,
            self.dynamodb,
            self.store,
            self.functions,
            self.schedule,
            in_order=in_order,
        )
        self.dynamodb.before_call = lambda: self.proof.write(self.targets.sender)
        self.steps = self._resharded = 0
        self._quiet = False  # nothing is left to be captured or applied
        self._set_aside_max = chance.choice((2, 100))
        self._tidies_all = self.tidies and chance.random() < 0.7
        self._final: int | None = None  # the barrier behind everything
        happens = self._chances()
        self._whats, self._weights = list(happens), list(happens.values())
        self.source = self._source()

    def container(self) -> StreamApplier:
        """All that a function makes once, on a day like this."""
        lifetime, dynamodb = Lifetime(self.clock), self.targets.client(refuses=self.causes.refuses)
        guard_sends(dynamodb, lifetime.check)  # type: ignore[arg-type]
        jumbled = Jumbled(self.chance)
        writer = GuardedWriter(dynamodb, KEYMAP, MIGRATION, jumbled, HURRIED, lifetime=lifetime)  # type: ignore[arg-type]
        store = store_of(self.control.client())
        gate = (ControlGate if self.in_order else AnyOrder)(store, KEYMAP.digest)
        objects = ClaimStore(SimpleNamespace(s3=self.s3.client()), "bucket", HURRIED)  # type: ignore[arg-type]
        aside = SettingAside(store, ABOUT, objects, objects.get, self._set_aside_max)
        return StreamApplier(writer, KEYMAP, ABOUT, gate, objects.get, aside)

    def _clients(self, by: str) -> tuple[Client, Client, Client]:
        return self.targets.client(by, self.causes.refuses), self.control.client(by), self.s3.client(by)

    @property
    def counts(self) -> Counter[str]:
        """What happened, for a test that wants all of it to happen."""
        met = self.targets.met + self.s3.met + self.functions.counts + self.operators.counts
        return met + Counter({"resharded": self._resharded, "steps": self.steps})

    def run(self) -> None:
        """Live it, and look at what is there in the end."""
        with self.schedule, self.functions.installed(), self.operators.installed(), self.causes.installed():
            while self.steps % 10 or not self._ended():  # to look is as much work as to go on
                self.steps += 1
                assert self.steps < STEPS_MAX, "it does not end"
                self._step()
                if self.steps == BAD_STEPS_MAX:
                    self._be_well()
            self._let_late_ones_arrive()
            self._be_well()
            self.operators.succeed(REDRIVE, self._pass_time)
            assert self._final is not None
            self.proof.require_converged(self._final)
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

    def _chances(self) -> dict[Callable[[], object], float]:
        """What may happen at each step, and how likely. Batches are small where Lambda delivers eagerly."""
        every: dict[Callable[[], object], float] = {
            self.functions.advance: 40,
            self._deliver: self.chance.choice((1, 4, 12)),
            self.functions.time_out: 3 if self.leaning == TIDYING else 0.5,
            self.functions.repeat: 3 if self.leaning == TIDYING else 1,
            self.loading.step: 20 if self.tidies else 6,
            self.operators.advance: 10,
            self.operators.kill: self.chance.choice((0, 0.1)),
            self.operators.sleep: 1.5 if self.leaning == REDRIVE else 0.2,
            self.targets.arrive: 0.2 if self.tidies else 1,
            self.control.arrive: 0.5,
            self.s3.arrive: 0.5,
            self._turn_gate: 4 if self.leaning == REDRIVE else 1,
            self._redrive: 3 if self.leaning == REDRIVE else 0.5,
            self._mend: self.chance.choice((0.03, 0.3)),
            self._pass_time: self.chance.choice((0.3, 1) if self.tidies else (0.3, 3)),
        }
        if self.in_order:
            reads = self.chance.choice((2, 5) if self.tidies else (3, 10))
            every |= {self.capture.step: reads, self._ask: 0.3, self._reshard: 0.3}
        return every | ({self._tidy: 1} if self.tidies else {})

    def _step(self) -> None:
        """Something happens."""
        (what,) = self.chance.choices(self._whats, self._weights)
        what()

    def _deliver(self) -> None:
        self.functions.deliver(self.source)

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
        """Whether nothing is left to happen. When only operators have something to do, they do it."""
        self._quiet = self.loading.done and self._captured() and self.source.idle
        if not self._quiet:
            return False
        if not barrier.pending(self.store):
            self._pass_time()
        if read_phase(self.store) is not Phase.REPLAY or not self.operators.idle:
            return False
        self.causes.mend()
        if is_open := count_open(self.store) > 0:
            self.operators.begin(REDRIVE)
        if has_tombstones := self._tidies_all and self.proof.has_tombstones():
            self.operators.begin(TIDYING)
        return not is_open and not has_tombstones

    def _turn_gate(self) -> None:
        """Replay opens when no row can come without a condition any more; a cutover closes it, and is aborted."""
        match read_phase(self.store):
            case Phase.LOAD if not self.loading.puts:
                self.store.swap(PHASE, self.store.get(PHASE), {"phase": Phase.REPLAY.value})
            case Phase.REPLAY if not self._quiet and self.chance.random() < (0.8 if self.operators.redrives else 0.1):
                self.operators.begin(CLOSING)
            case Phase.CLOSED if self.chance.random() < (0.04 if self.leaning == REDRIVE else 0.4):
                phase.reopen(self.store)

    def _redrive(self) -> None:
        if count_open(self.store):
            self.operators.begin(REDRIVE)

    def _mend(self) -> None:
        """Somebody has looked at what is set aside."""
        if count_open(self.store):
            self.causes.mend()

    def _tidy(self) -> None:
        """Not before the load has ended: only then replay opens, in earnest."""
        if self.loading.done and not self._quiet:
            self.operators.begin(TIDYING)

    def _pass_time(self) -> None:
        seconds = self.chance.choice((1, 1, 10, 40, 125))
        for endpoint in (self.targets, self.control, self.s3):
            endpoint.expire(self.clock.now + seconds)
        self.clock.now += seconds
        self.operators.renew()

    def _reshard(self) -> None:
        if self._resharded < RESHARDED_MAX:
            self.stream.reshard(self.chance)
            self._resharded += 1

    def _let_late_ones_arrive(self) -> None:
        self.functions.finish()
        for endpoint in (self.targets, self.control, self.s3):
            while endpoint.late:
                endpoint.arrive()

    def _be_well(self) -> None:
        self.targets.odds = self.control.odds = self.s3.odds = Odds()
        self.causes.mend()
        for what in (self.functions.time_out, self.operators.kill, self.operators.sleep):
            self._weights[self._whats.index(what)] = 0

    def _cut_over(self) -> None:
        """The gate closes; who wakes up behind it, and what is delivered once more, writes nothing."""
        self.operators.succeed(CLOSING, self._pass_time)
        self.operators.succeed(SWITCHING, self._pass_time)
        self.operators.wake()
        before = {table: self.dynamodb.items(table) for table in KEYS}
        done = self.functions.counts["done"]
        for _ in range(3):
            self.functions.repeat()
        self.operators.finish(self._pass_time)
        self.functions.finish()
        assert self.functions.counts["done"] == done + 3
        assert {table: self.dynamodb.items(table) for table in KEYS} == before
