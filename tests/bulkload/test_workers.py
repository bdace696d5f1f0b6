"""A load of several processes: what each of them may do when another one fails, is killed, or sleeps."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from keymap.errors import KeyshiftError, Problems
from keyshift.control.chunks import chunks
from keyshift.control.phase import Phase
from tests.bulkload.test_signals import SECONDS_MAX, child, settings_file
from tests.bulkload.world import World
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import Answer, Call

WRITES = ("BatchWriteItem",)


def children(pid: int) -> list[int]:
    """The processes that load for this one: python's own helpers are not among them."""
    found = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [one for one in found if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]


def signal_all(pid: int, number: signal.Signals) -> list[int]:
    found = children(pid)
    for one in found:
        os.kill(one, number)
    return found


def once_then(shot: Callable[[], None], *, done: bool) -> Callable[[Call], Answer]:
    def fault(call: Call) -> Answer:
        answer = call.forward(call.body) if done else None
        shot()
        return answer or call.forward(call.body)

    return fault


def await_gone(pids: list[int]) -> None:
    end = time.monotonic() + SECONDS_MAX
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < end
        time.sleep(0.05)


def states(world: World) -> list[str]:
    return [chunk.state for table in world.migration.tables for chunk in chunks(world.store, table)]


def test_several_processes_leave_what_one_leaves(world: World) -> None:
    world.execute("UPDATE orders SET note = REPEAT('n', 500000) WHERE id = 4")
    world.dump()
    with pytest.raises(Problems, match=r"orders \(id=4\)"):  # told by another process, with all that it says
        world.load(load_processes=2, rejects_max=0)
    assert world.phase() is Phase.LOAD
    report = world.load(load_processes=2)
    assert (report.complete, report.rejected) == (True, 1)
    expected = {place: item for place, item in world.expected().items() if item.get("id") != {"N": "4"}}
    assert world.stored() == expected


@pytest.mark.parametrize("done", [False, True])
def test_a_worker_that_is_killed_ends_the_load_and_its_chunk_is_not_recorded(
    world: World, dynamodb: FaultProxy, done: bool
) -> None:
    world.dump()
    killed: list[int] = []

    def kill() -> None:
        killed.extend(signal_all(os.getpid(), signal.SIGKILL))

    dynamodb.rules = (Rule(once_then(kill, done=done), ("BatchWriteItem",), skip=1, times=1),)
    urls = world.settings.aws.endpoints.model_copy(update={"dynamodb": dynamodb.url})
    aws = world.settings.aws.model_copy(update={"endpoints": urls})
    through = World(**{**vars(world), "settings": world.settings.model_copy(update={"aws": aws})})
    with pytest.raises(KeyshiftError, match=r"a process of the load ended by itself \(exit code -9\)"):
        through.load(load_processes=2, lease_seconds=1)
    assert killed
    assert states(world).count("dumped") >= 1
    lease = world.store.get("load")
    assert lease is not None
    assert not lease.flag("released")  # what the dead one had sent may still arrive
    assert world.load(lease_seconds=1, signature_validity_seconds=1).complete
    assert world.stored() == world.expected()


def test_workers_end_with_the_load_that_is_killed(world: World, dynamodb: FaultProxy, tmp_path: Path) -> None:
    """And what they still try to send, asleep while another one took over, is not sent."""
    world.dump()
    asleep: list[int] = []
    with child("load", settings_file(world, tmp_path, processes=2, dynamodb=dynamodb.url)) as process:

        def strike() -> None:
            asleep.extend(signal_all(process.pid, signal.SIGSTOP))
            process.kill()

        dynamodb.rules = (Rule(once_then(strike, done=True), WRITES, skip=1, times=1),)
        assert process.wait(SECONDS_MAX) == -signal.SIGKILL
    assert len(asleep) == 2
    assert world.load(lease_seconds=1, signature_validity_seconds=1, load_processes=2).complete
    assert world.stored() == world.expected()
    calls = sum(dynamodb.calls[name] for name in WRITES)
    for pid in asleep:
        os.kill(pid, signal.SIGCONT)
    await_gone(asleep)
    assert sum(dynamodb.calls[name] for name in WRITES) == calls


def test_a_signal_to_the_whole_group_ends_it_cleanly(world: World, dynamodb: FaultProxy, tmp_path: Path) -> None:
    world.dump()
    members: list[int] = []
    with child("load", settings_file(world, tmp_path, processes=2, dynamodb=dynamodb.url)) as process:

        def strike() -> None:
            members.extend(signal_all(process.pid, signal.SIGTERM))
            process.terminate()

        dynamodb.rules = (Rule(once_then(strike, done=False), WRITES, skip=1, times=1),)
        out, errors = process.communicate(timeout=SECONDS_MAX)
        assert process.returncode == 0, errors
        assert "Traceback" not in errors
    assert "complete=False" in out
    await_gone(members)
    lease = world.store.get("load")
    assert lease is not None
    assert lease.flag("released")
    assert world.load(load_processes=1).complete
    assert world.stored() == world.expected()
