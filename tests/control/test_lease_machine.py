"""Two contenders never hold a valid lease at once, whatever the network, the scheduler and the clocks do.

Each contender has a clock of its own, with another origin and a slightly other rate. Writes are lost, repeated by the
SDK, or arrive late; other contenders act between one's read and its write; time passes anywhere.
"""

from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from keyshift.control.lease import Lease, LeaseLost
from keyshift.control.migration import create
from keyshift.control.store import Store
from tests.control.conftest import migration
from tests.control.memory import Memory
from tests.control.network import BrokenConnection, Fate, Network, nothing

NAME = "machine"
FATES = st.sampled_from([*[Fate.ANSWERED] * 5, *Fate])
ACTIONS = st.sampled_from(["try_acquire", "renew", "release"])
WHO = st.integers(0, 2)
SECONDS = st.sampled_from([0.0, 4.99, 5.02, 5.08, 9.98, 10.04, 10.15])  # around both durations, where it matters
DURATIONS_AND_RATES = st.lists(
    st.tuples(st.sampled_from([5.0, 10.0]), st.sampled_from([0.996, 1.0, 1.004])), min_size=2, max_size=3
)


@dataclass
class World:
    """The one true time, which no contender sees."""

    now: float = 0.0


class Contender:
    """A process: its network, its clock, its lease, and what it believes it has written last."""

    def __init__(self, table: Memory, world: World, number: int, seconds: float, rate: float) -> None:
        self.network = Network(table)
        self.store = Store(self.network, "control", NAME)
        origin = 1e6 * number
        self.lease = Lease(self.store, "job", f"host:{number}", seconds, lambda: origin + rate * world.now)
        self.writes = 0


class LeaseMachine(RuleBasedStateMachine):
    @initialize(contenders=DURATIONS_AND_RATES)
    def begin(self, contenders: list[tuple[float, float]]) -> None:
        self.world = World()
        table = Memory()
        create(Store(table, "control", NAME), migration(NAME))
        self.contenders = [
            Contender(table, self.world, number, seconds, rate) for number, (seconds, rate) in enumerate(contenders)
        ]
        self.reader = Store(table, "control", NAME)
        self.fences: list[int] = [0]

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: float) -> None:
        self.world.now += seconds

    @rule(who=WHO, action=ACTIONS, fate=FATES, before=SECONDS, after=SECONDS)
    def acts(self, who: int, action: str, fate: Fate, before: float, after: float) -> None:
        """Time passes between its read and its write, and before the answer."""
        self._act(who, action, fate, lambda: self._pass(before), lambda: self._pass(after))

    @rule(who=WHO, action=ACTIONS, fate=FATES, theirs=ACTIONS, seconds=SECONDS)
    def acts_while_another_acts_between_its_read_and_its_write(
        self, who: int, action: str, fate: Fate, theirs: str, seconds: float
    ) -> None:
        def interrupt() -> None:
            self._act(who + 1, theirs, Fate.ANSWERED, nothing, nothing)
            self._pass(seconds)

        self._act(who, action, fate, interrupt, nothing)

    @rule(who=WHO, fate=FATES, action=ACTIONS, answer=SECONDS, seconds=SECONDS)
    def acts_while_another_watches(self, who: int, fate: Fate, action: str, answer: float, seconds: float) -> None:
        """The watcher looks right after the write is done, and again some time after it is answered."""
        watcher = self._contender(who + 1).lease

        def look() -> None:
            watcher.try_acquire()
            self._pass(answer)

        self._act(who, action, fate, nothing, look)
        self._pass(seconds)
        watcher.try_acquire()

    @rule(who=WHO, seconds=SECONDS)
    def watches(self, who: int, seconds: float) -> None:
        lease = self._contender(who).lease
        lease.try_acquire()
        self._pass(seconds)
        lease.try_acquire()

    @precondition(lambda self: any(contender.network.late for contender in self.contenders))
    @rule(data=st.data())
    def a_late_write_arrives(self, data: Any) -> None:
        late = [contender for contender in self.contenders if contender.network.late]
        data.draw(st.sampled_from(late)).network.deliver()

    @rule(who=WHO)
    def waits_for_it(self, who: int) -> None:
        """Every contender that watches for long enough gets the lease of a holder that is dead."""
        lease = self._contender(who).lease
        for _ in range(2):
            if lease.try_acquire():
                break
            self._pass(10.15)
        else:
            assert lease.try_acquire()
        assert lease.valid()

    @invariant()
    def at_most_one_is_valid(self) -> None:
        valid = [contender for contender in getattr(self, "contenders", ()) if contender.lease.valid()]
        assert len(valid) <= 1

    @invariant()
    def fences_only_go_up(self) -> None:
        if hasattr(self, "reader") and (record := self.reader.get("job")):
            assert record.number("fence") >= self.fences[-1]
            self.fences.append(record.number("fence"))

    def _contender(self, who: int) -> Contender:
        return self.contenders[who % len(self.contenders)]

    def _pass(self, seconds: float) -> None:
        self.world.now += seconds
        self.at_most_one_is_valid()

    def _act(self, who: int, action: str, fate: Fate, before: Any, after: Any) -> None:
        contender = self._contender(who)
        network = contender.network
        network.fates.append(fate)

        def once() -> None:
            network.before_write = nothing
            before()

        network.before_write, network.after_write = once, after
        try:
            if action == "renew":
                contender.writes += 1
                contender.lease.renew(by=who, write=contender.writes)
                self._is_stored(contender, who)
            else:
                getattr(contender.lease, action)()
        except (LeaseLost, BrokenConnection):
            pass
        finally:
            network.before_write = network.after_write = nothing
            network.fates.clear()

    def _is_stored(self, contender: Contender, who: int) -> None:
        """A renewal that was answered is stored, unless somebody took over while the answer travelled."""
        record = self.reader.get("job")
        assert record is not None
        if record.text("owner") == contender.lease.owner:
            assert (record.number("by"), record.number("write")) == (who, contender.writes)


LeaseMachine.TestCase.settings = settings(max_examples=400, stateful_step_count=30)
TestLease = LeaseMachine.TestCase
