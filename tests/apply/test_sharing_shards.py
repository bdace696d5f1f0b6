"""Workers share the shards of a stream, whatever happens to them: decided with a clock of the test's, on the real code.

Every process has a clock with another origin and a slightly other rate, and a network that loses answers and delivers
writes late. Processes come, die, are stopped and wake, and act between another's read and its write; the stream is
resharded, and shards expire.
"""

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from keyshift.apply.shards import shares
from keyshift.apply.sharing import Sharing
from keyshift.aws.stream import Shard
from keyshift.control.lease import Lease, LeaseLost
from keyshift.control.migration import create
from keyshift.control.shards import ShardCheckpoint, ShardHold
from keyshift.control.store import Store
from keyshift.control.workers import Roster
from tests.control.conftest import migration
from tests.control.memory import Memory
from tests.control.network import BrokenConnection, Fate, Network

NAME, STREAM = "machine", "stream"
SECONDS, LOOK_SECONDS, RENEW_SECONDS = 10.0, 1.0, 2.5
FATES = [Fate.ANSWERED] * 12 + list(Fate)
PROCESSES_MAX = 5


@given(workers=st.integers(1, 12), count=st.integers(0, 40))
def test_shares_are_fair_and_make_up_the_whole(workers: int, count: int) -> None:
    rooms = [shares(rank, workers, count, ()).room for rank in range(workers)]
    assert sum(rooms) == count
    assert max(rooms) - min(rooms) <= 1


@given(workers=st.integers(1, 12), count=st.integers(0, 40), mine=st.integers(0, 40))
def test_nobody_takes_above_its_share_or_gives_up_below_it(workers: int, count: int, mine: int) -> None:
    for rank in range(workers):
        whole = shares(rank, workers, count, ()).room
        answer = shares(rank, workers, count, [f"{number:02}" for number in range(mine)])
        assert mine + answer.room - len(answer.give) == whole
        assert not (answer.room and answer.give)


class World:
    """The true time, the stream, and what must always hold."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now = 0.0
        self.table = Memory()
        create(Store(self.table, "control", NAME), migration(NAME))
        self.store = Store(self.table, "control", NAME)
        self.stream = [Shard(f"s{number}", (), closed=False) for number in range(self.chance.randint(1, 4))]
        self.expired: set[str] = set()
        self.ended: set[str] = set()  # of these a reader meets the end
        self.processes: list[Process] = []
        self.calm = False
        self.busy = False
        self.born = 0

    def finished(self) -> set[str]:
        closed = (item for (_, item), one in self.table.items.items() if one.get("closed", {}).get("BOOL"))
        return {item.rpartition("#")[2] for item in closed}

    def listed(self) -> list[Shard]:
        return [shard for shard in self.stream if shard.id not in self.expired]

    def start(self) -> None:
        if len(self.processes) < PROCESSES_MAX:
            self.born += 1
            self.processes.append(Process(self, self.born))

    def interrupt(self) -> None:
        """Somebody else acts, or time passes, between a process's read and its write, or before its answer."""
        if self.busy or self.calm:
            return
        self.busy = True
        if self.chance.random() < 0.3:
            self.pass_(self.chance.choice([0.1, 1.0, 4.99, 9.98, 10.2]))
        if self.processes and self.chance.random() < 0.3:
            self.chance.choice(self.processes).act()
        self.busy = False

    def pass_(self, seconds: float) -> None:
        self.now += seconds
        self.check()

    def check(self) -> None:
        """Nobody reads what another reads, and no child is read before its parents are finished."""
        reading = Counter(shard for one in self.processes if one.lease and one.lease.valid() for shard in one.holds)
        assert max(reading.values(), default=1) == 1
        parents = {parent for shard in self.stream if shard.id in reading for parent in shard.parents}
        assert reading.keys().isdisjoint(parents)
        assert parents <= self.expired or parents <= self.expired | self.finished()

    def reshard(self) -> None:
        leaves = [shard.id for shard in self.stream if shard.id not in self.ended]
        self.chance.shuffle(leaves)
        gone = leaves[: self.chance.randint(1, 2)]
        names = ["m"] if len(gone) == 2 else ["l", "r"]
        self.ended.update(gone)
        self.stream += [Shard(f"s{len(self.stream)}{name}", tuple(gone), closed=False) for name in names]

    def expire(self) -> None:
        if self.ended:
            self.expired.add(self.chance.choice(sorted(self.ended)))


class Process:
    """What keyshift/apply/worker does, without threads and records."""

    def __init__(self, world: World, number: int) -> None:
        chance = world.chance
        self.world, self.number = world, number
        self.network = Network(world.table)
        self.network.before_write = self.network.after_write = world.interrupt
        self.store = Store(self.network, "control", NAME)
        rate, origin = chance.choice([0.996, 1.0, 1.004]), 1e6 * number
        self.clock = lambda: origin + rate * world.now
        self.asleep, self.acting = 0.0, False
        self.lease: Lease | None = None
        self.anew()

    def anew(self) -> None:
        """It believes in nothing any more, and begins again."""
        self.roster = Roster(self.store, f"host:{self.number}", SECONDS, self.clock)
        self.sharing = Sharing(self.store, STREAM, self.roster, f"host:{self.number}")
        self.lease = None
        self.holds: dict[str, ShardHold] = {}
        self.leaving: set[str] = set()
        self.closing: dict[str, ShardHold] = {}  # read to the end, which is to be remembered
        self.look_due = self.renew_due = 0.0

    def act(self) -> None:
        """One step of it, in which the network does what it likes."""
        if self.world.now < self.asleep or self.acting:
            return
        self.acting, chance = True, self.world.chance
        self.network.fates.extend([] if self.world.calm else chance.choices(FATES, k=2))
        try:
            self._step()
        except LeaseLost:
            self.anew()
        except BrokenConnection:
            pass
        finally:
            self.network.fates.clear()
            self.acting = False
        self.world.check()

    def _step(self) -> None:
        if self.lease is None:
            self.lease = self.roster.enter()
            return
        if self.clock() >= self.renew_due:  # in the product a thread of its own does it
            self.lease.renew()
            self.renew_due = self.clock() + RENEW_SECONDS
        self.lease.check()
        for shard in list(self.leaving):
            self._let_go(shard)
        if self.clock() >= self.look_due:
            self.look_due = self.clock() + LOOK_SECONDS
            self._look()
        for hold in list(self.holds.values()):
            self._read(hold)
        for shard, hold in list(self.closing.items()):
            place = hold.checkpoint
            hold.save(ShardCheckpoint(STREAM, shard, place.sequence, closed=True, applied=place.applied))
            del self.closing[shard]

    def _look(self) -> None:
        reading = {*self.holds, *self.closing}
        look = self.sharing.look(self.world.listed(), reading - self.leaving, self.leaving)
        self.leaving.update(look.give, look.expired)
        for hold in self.sharing.take(look):
            self.holds[hold.checkpoint.shard] = hold

    def _read(self, hold: ShardHold) -> None:
        assert self.lease
        place, shard = hold.checkpoint, hold.checkpoint.shard
        self.lease.check()  # as each write does
        self.world.check()
        if shard in self.world.ended and self.world.chance.random() < 0.5:
            self.closing[shard] = self.holds.pop(shard)
        else:
            hold.save(ShardCheckpoint(STREAM, shard, str(place.applied + 1), applied=place.applied + 1))

    def _let_go(self, shard: str) -> None:
        """The reader ends first, then the shard is given up; a write that fails leaves it to be found."""
        self.leaving.discard(shard)
        if hold := self.holds.pop(shard, None):
            hold.give_up()

    def stop(self) -> None:
        self.world.processes.remove(self)
        if self.lease:
            self.holds = {}
            self.network.fates.clear()
            self.lease.release()


@given(seed=st.integers(0, 2**32))
@settings(max_examples=60)
def test_whatever_happens_no_two_read_a_shard_and_in_the_end_all_have_fair_shares(seed: int) -> None:
    world = World(seed)
    chance = world.chance
    world.start()
    for _ in range(chance.randint(10, 60)):
        something_happens(world)
    world.calm = True
    for process in world.processes:
        process.asleep = 0.0
    world.start()
    for _ in range(120):
        calm(world)
        if not (world.ended - world.expired - world.finished()):
            break
    for _ in range(40):
        calm(world)
    wanted = {shard.id for shard in world.listed()} - world.finished()
    assert wanted == {shard for process in world.processes for shard in process.holds}
    sizes = [len(process.holds) for process in world.processes]
    assert max(sizes) - min(sizes) <= 1
    assert world.finished() >= world.ended - world.expired


def something_happens(world: World) -> None:
    chance = world.chance
    match chance.randrange(16):
        case 0 | 1:
            world.start()
        case 2 if world.processes:
            world.processes.remove(chance.choice(world.processes))  # killed
        case 3 if world.processes:
            chance.choice(world.processes).stop()
        case 4 | 5 if world.processes:
            chance.choice(world.processes).asleep = world.now + chance.choice([2.0, 9.9, 10.1, 25.0])
        case 6 if len(world.stream) < 12:
            world.reshard()
        case 7 if chance.random() < 0.2:
            world.expire()
        case 8 if late := [process for process in world.processes if process.network.late]:
            chance.choice(late).network.deliver()
            world.check()
        case _:
            for process in chance.sample(world.processes, len(world.processes)):
                process.act()
            world.pass_(chance.choice([0.3, 1.0, 1.0, 2.4, 5.0]))


def calm(world: World) -> None:
    for process in list(world.processes):
        process.act()
    world.pass_(0.5)
