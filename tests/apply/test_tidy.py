"""A pass of tidying on servers, beside replay: killed at any call, held back, and shut out by the cutover."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from keymap.position import Position
from keymap.version import is_tombstone, version
from keymap.wire import decode_header
from keyshift.apply.gate import ControlGate
from keyshift.apply.lifetime import BATCH_SECONDS_MAX
from keyshift.apply.stream import StreamApplier
from keyshift.apply.tidy import ReplayNotOpen, Tidied, Tidier
from keyshift.apply.tidy_tally import TidyTally
from keyshift.apply.tidying import is_due
from keyshift.cli.demo.endpoints import CREDENTIALS, Endpoints
from keyshift.control import barrier
from keyshift.control.checkpoint import Checkpoint, record_start, save_checkpoint
from keyshift.control.horizon import read_horizon
from keyshift.control.lease import CAPTURE, TIDY, Lease
from keyshift.control.migration import load
from keyshift.control.phase import Phase
from keyshift.control.reloads import Reload, begin_reload, finish_reload, floor_of_epoch
from keyshift.control.store import Store
from keyshift.process.clock import boottime, now_ms
from keyshift.process.stop import Stop
from tests.apply.history import History, history_of, marker, random_steps, records
from tests.apply.stage import Stage, items_of, load_some, staged
from tests.bulkload.mortal import Fuse, Killed, MortalClient

LIFE_SECONDS = 30.0


class Hurried(Stop):
    """Does not wait, and tells what it was asked to."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float] = []

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        return super().wait(0)


class World:
    """A migration whose replay has caught up; a daemon that answers barriers, and its consumer, are played."""

    def __init__(self, stage: Stage, executor: ThreadPoolExecutor) -> None:
        self.stage, self.store, self.executor, self.stop = stage, stage.store, executor, Hurried()
        self.tally = TidyTally(lambda: now_ms() + 60_000)
        self.history: History = history_of(random_steps(random.Random(4), 120))
        packs = load_some(stage, self.history, random.Random(4))
        self.records = records(packs)
        self.last = max(change.version for change in self.history.changes if change)
        self.ends = {decode_header(one).lane: decode_header(one).last for one in packs}
        self.capture = Lease(stage.store, CAPTURE, "daemon:1", 1000.0, boottime)
        assert self.capture.try_acquire()
        position = Position("binlog.000001", 10**6)
        record_start(self.capture, position, "server")
        save_checkpoint(self.capture, Checkpoint(position, last_version=self.last, server="server"))
        self.applier = StreamApplier(
            stage.shop.writer(), stage.shop.keymap, load(self.store), ControlGate(self.store, stage.shop.keymap.digest)
        )
        assert self.applier.handle(self.records).error is None

    def tidier(self, fuse: Fuse | None = None) -> Tidier:
        world = self

        class Answering(MortalClient):
            """The control table, where each request for a barrier is answered before it is looked at again."""

            def query(self, **request: object) -> object:
                world.answer()
                return MortalClient.__getattr__(self, "query")(**request)

        shop, fuse = self.stage.shop, fuse or Fuse()
        lease = Lease(
            Store(Answering(shop.dynamodb, fuse), self.store.table, self.store.name), TIDY, "a:1", 9, boottime
        )
        self.store.update(TIDY, {"released": True}, {})  # one that was killed is waited for no longer here
        assert lease.try_acquire()
        client = MortalClient(shop.dynamodb, fuse)
        return Tidier(
            client,
            shop.keymap,
            load(self.store),
            lease=lease,
            executor=self.executor,
            stop=self.stop,
            request_life_seconds=LIFE_SECONDS,
            tally=self.tally,
        )

    def answer(self) -> None:
        """As the daemon and the consumer do."""
        if asked := barrier.pending(self.store):
            markers = [marker(self.stage.shop.keymap, lane, asked.number, last) for lane, last in self.ends.items()]
            assert self.applier.handle(records(markers)).error is None
            barrier.mark_sent(self.capture, asked.number, self.last, len(self.history.changes))

    def tombstones(self) -> int:
        books = self.stage.shop.keymap.bookkeeping
        return sum(is_tombstone(mark) for item in items_of(self.stage) for mark in books.marks(item))

    def tidy(self) -> Tidied:
        return self.tidier().run()

    def figures(self) -> tuple[float | None, float | None, float | None]:
        """Tombstones removed, and the ages of the horizon and of the last pass."""
        removed, risen, tidied = self.tally.figures().values()
        return removed, risen, tidied


@pytest.fixture
def world(endpoints: Endpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with staged(endpoints, tmp_path, shard_count=1) as found, ThreadPoolExecutor(2) as executor:
        yield World(found, executor)


def test_a_pass_that_is_killed_at_any_call_is_followed_by_one_that_ends_it(world: World) -> None:
    """Then no tombstone is left, the items are right, and what is delivered once more changes nothing."""
    before = world.tombstones()
    assert before > 3
    died, done = 0, None
    while done is None:
        try:
            done = world.tidier(Fuse(died + 1)).run()
        except Killed:
            died += 1
    assert died > 10, "calls"
    assert (done.horizon, done.stays, world.tombstones()) == (world.last, "", 0)
    assert world.stop.waited.count(pytest.approx((BATCH_SECONDS_MAX + LIFE_SECONDS) * 1.01))
    assert world.stage.has(world.history)
    held = items_of(world.stage)
    assert world.applier.handle(world.records).error is None
    assert items_of(world.stage) == held
    world.stage.phase(Phase.CLOSED)  # past the gate what was applied passes, though its tombstones are gone
    assert world.applier.handle(world.records).error is None
    assert items_of(world.stage) == held


def test_a_pass_is_held_back_by_what_is_missing_and_reads_nothing_twice_for_nothing(world: World) -> None:
    table = world.stage.shop.keymap.tables[0]
    behind = Reload(table, floor_of_epoch(2), "later", "")
    reload = Reload(table, version(1, 1, 1, 1), "TRUNCATE", "")
    begin_reload(world.store, reload)
    assert world.figures() == (0, None, None)
    before = world.tombstones()
    held = world.tidy()
    assert (held.horizon, held.swept) == ("", None)
    assert "is loaded again" in held.stays
    assert world.figures() == (0, None, pytest.approx(60, abs=20)), "a pass, in which the horizon did not rise"
    assert not is_due(world.store.get(TIDY), load(world.store), 1)
    finish_reload(world.store, reload)
    begin_reload(world.store, behind)
    done = world.tidy()
    assert done.swept
    assert (done.horizon, done.stays, world.tombstones()) == (world.last, "", 0)
    assert done.swept.tombstones == before
    assert world.figures() == (before, pytest.approx(60, abs=20), pytest.approx(60, abs=20))
    assert world.tidy() == Tidied(world.last)
    world.store.update(TIDY, {"tidied_at_ms": now_ms() - 3_600_001}, {})
    world.tally.looked(world.store.get(TIDY))
    assert world.figures() == (before, pytest.approx(60, abs=20), pytest.approx(3660, abs=20))
    assert is_due(world.store.get(TIDY), load(world.store), 1)


def test_nothing_is_tidied_but_while_replay_is_open(world: World) -> None:
    for phase in (Phase.LOAD, Phase.CLOSED):
        world.stage.phase(phase)
        with pytest.raises(ReplayNotOpen):
            world.tidy()
    assert read_horizon(world.store) == ""
    assert world.tombstones()
    world.stage.phase(Phase.REPLAY)
    tidier = world.tidier()
    parts = iter([Phase.REPLAY, Phase.CLOSED])
    tidier._require_open_before = tidier._require_open  # type: ignore[attr-defined]

    def closing() -> None:
        if (phase := next(parts, None)) is Phase.CLOSED:
            world.stage.phase(phase)
        tidier._require_open_before()  # type: ignore[attr-defined]

    tidier._require_open = closing  # type: ignore[method-assign]
    with pytest.raises(ReplayNotOpen):
        tidier.run()
    assert world.tombstones(), "closed before the first part"
