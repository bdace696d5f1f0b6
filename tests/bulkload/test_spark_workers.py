"""The workers of a load on Spark, with a cluster of threads: what the driver makes of tasks that fail and come again.

The tasks are the real ones. What Spark itself does is tested in test_spark.py.
"""

import pickle
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import pytest

from bulkload.load.run import load
from bulkload.spark import task
from bulkload.spark.environment import PROJECT, keymap_file
from bulkload.spark.workers import SparkWorkers, TaskFailed
from keymap.errors import KeyshiftError, Problems
from keyshift.control.lease import LeaseLost
from keyshift.control.phase import Phase
from tests.acceptance.test_kills import until
from tests.bulkload.test_workers import states
from tests.bulkload.world import World, with_bulkload

Before = Callable[[int], None]


class Threads:
    """Runs one task at a time: a Python of an executor does. `before` each, with how many there were."""

    def __init__(self, before: Before = lambda _count: None, attempts: int = 0, slots: int = 2) -> None:
        self._before, self._attempts, self.slots = before, attempts, slots
        self._lock = threading.Lock()
        self.tasks = 0

    def run(self, call: Callable[[Any], Any], arguments: Sequence[object], name: str) -> list[tuple[Any, int]]:
        assert name.startswith("chunk ")
        return [(self._perform(*pickle.loads(pickle.dumps((call, one)))), self._attempts) for one in arguments]

    def _perform(self, call: Callable[[Any], Any], argument: object) -> Any:
        with self._lock:
            self.tasks += 1
            self._before(self.tasks)
            return pickle.loads(pickle.dumps(call(argument)))

    def cancel(self) -> None:
        """They end by themselves."""


@pytest.fixture(autouse=True)
def _process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("keyshift.process.log.configure", lambda **_always: None)  # the log stays pytest's
    yield
    for member in task._members:
        member.close()
    task._members[:] = []


def load_with(world: World, cluster: Threads, **changed: Any) -> Any:
    settings = with_bulkload(world.settings, **{"lease_seconds": 1, "load_processes": None, **changed})
    return load(settings, world.keymap, world.clients, world.stop, engine=partial(SparkWorkers, cluster))


def lease_is_kept(world: World) -> bool:
    lease = world.store.get("load")
    assert lease is not None
    assert "workers" not in lease.attributes
    return not lease.flag("released")


def test_a_clean_load_leaves_what_the_others_leave_and_hands_on_its_lease(world: World) -> None:
    world.execute("UPDATE orders SET note = REPEAT('n', 500000) WHERE id = 4")
    world.dump()
    cluster = Threads(slots=40)  # jobs of several chunks
    with pytest.raises(Problems, match=r"orders \(id=4\)"):  # as a task has told it
        load_with(world, cluster, rejects_max=0)
    assert not lease_is_kept(world)
    assert 1 <= states(world).count("loaded") < 8  # also of the job in which that one was
    report = load_with(world, cluster, rejects_max=1)
    assert (report.complete, report.rejected) == (True, 1)
    assert not lease_is_kept(world)
    expected = {place: item for place, item in world.expected().items() if item.get("id") != {"N": "4"}}
    assert world.stored() == expected


def test_a_task_that_is_given_up_ends_the_load_and_its_lease_runs_out(world: World) -> None:
    """Nobody knows whether it still writes: on whichever machine it may be."""
    world.dump()

    def give_up(count: int) -> None:
        if count == 3:
            raise TaskFailed("given up")

    with pytest.raises(TaskFailed):
        load_with(world, Threads(give_up))
    assert lease_is_kept(world)
    assert 2 <= states(world).count("dumped") < 8
    assert world.phase() is Phase.LOAD
    assert load_with(world, Threads(), signature_validity_seconds=1).complete
    assert world.stored() == world.expected()


def test_after_a_task_that_was_tried_again_replay_waits(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Until its first attempt, which may live on where Spark does not see it, must have seen that it is over."""
    world.dump()
    assert load_with(world, Threads(attempts=1), signature_validity_seconds=1).complete
    assert "waiting_for_lost_requests" in "".join(capsys.readouterr())
    assert world.stored() == world.expected()


def test_a_task_of_a_load_that_is_over_writes_nothing(world: World) -> None:
    """One that an executor begins, or goes on with, after the driver has ended the load."""
    world.dump()
    kept: list[Any] = []

    class Keeping(Threads):
        def run(self, call: Callable[[Any], Any], arguments: Sequence[object], name: str) -> list[tuple[Any, int]]:
            kept.extend(arguments)
            return super().run(call, arguments, name)

    assert load_with(world, Keeping()).complete
    for target in world.keymap.targets.values():
        for table, key in world.stored():
            if table == target.name:
                world.clients.dynamodb.delete_item(TableName=table, Key=target.key_item(key))  # type: ignore[arg-type]
    until(lambda: task._members[0]._lease.over, "its next look")  # none can come before: all tasks were answered
    for late in (kept[0], kept[-1]):
        answer = task.load_chunk(late)
        assert isinstance(answer.errors[0], LeaseLost)
        task._members[:] = []  # the next one is a process that has just begun
    assert not world.stored()
    order, _ = kept[0]
    assert not order.settings.source.password.get_secret_value()  # that stays with the driver


def test_an_executor_with_another_keymap_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.dump()
    monkeypatch.setattr(task, "keymap_file", lambda path: path.with_name("other.yaml"))
    text = world.settings.keymap.read_text()
    world.settings.keymap.with_name("other.yaml").write_text(text.replace("draft", "paid"))
    with pytest.raises(KeyshiftError, match="was initialised with keymap"):
        load_with(world, Threads())
    assert not world.stored()


def test_the_packed_keymap_is_the_one_that_counts(tmp_path: Any) -> None:
    path = tmp_path / "elsewhere" / "keymap.yaml"
    assert keymap_file(path, tmp_path) == path
    (tmp_path / PROJECT).mkdir()
    assert keymap_file(path, tmp_path) == tmp_path / PROJECT / "keymap.yaml"
