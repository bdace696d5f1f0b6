"""A load on Spark: what becomes of it when its driver is ended or sleeps, and when a Python of an executor is killed.

The executors are threads of the driver's Java here, and their Pythons processes of their own, as on a cluster; the
acceptance test (tests/acceptance/test_spark.py) has executors that are processes too.
"""

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from keyshift.cli import spark_load
from keyshift.cli.demo.endpoints import CREDENTIALS
from keyshift.control.phase import Phase
from tests.bulkload.test_signals import SECONDS_MAX, settings_file
from tests.bulkload.test_workers import await_gone, states
from tests.bulkload.world import World
from tests.servers import spark
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import Answer, Call
from tests.servers.pool import chosen_pairs
from tests.servers.processes import children

LEASE_SECONDS = 3  # on a busy machine a shorter one may run out
ONE_PAIR = pytest.mark.parametrize("servers", chosen_pairs()[:1], indirect=True)  # what differs is tested elsewhere


@contextmanager
def spark_load_process(world: World, folder: Path, dynamodb: FaultProxy) -> Iterator[subprocess.Popen[str]]:
    """The driver, with two slots, which try a task four times."""
    path = settings_file(world, folder, dynamodb=dynamodb.url)
    text = path.read_text().replace("lease_seconds: 1", f"lease_seconds: {LEASE_SECONDS}")
    path.write_text(text.replace("load_processes: 1, ", "") + "apply: {request_life_seconds: 1}\n")
    options = shlex.join([*spark.submit_options("local[2,4]", folder), "pyspark-shell"])
    with subprocess.Popen(
        [sys.executable, "-m", spark_load.__name__, "--config", str(path)],
        env={**spark.environment(folder), **CREDENTIALS, "PYSPARK_SUBMIT_ARGS": options},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def pythons(driver: int) -> list[int]:
    """The processes in which tasks of this driver run: they are forks of one that Spark's Java has begun."""
    daemons = [one for java in children(driver) for one in children(java) if "pyspark.daemon" in command(one)]
    return [one for daemon in daemons for one in children(daemon)]


def command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


class Slow:
    """Lets each batch of puts take its time, and tells when the second of them has come."""

    def __init__(self, proxy: FaultProxy) -> None:
        self.hit = threading.Event()
        self._proxy = proxy
        self._before = proxy.calls["BatchWriteItem"]
        proxy.rules = (Rule(self._slowly, ("BatchWriteItem",)),)

    def await_hit(self, process: subprocess.Popen[str]) -> None:
        """Return when the executors are busy."""
        while not self.hit.wait(0.2):
            assert process.poll() is None, process.communicate()

    def _slowly(self, call: Call) -> Answer | None:
        if self._proxy.calls["BatchWriteItem"] > self._before + 1:
            self.hit.set()
        time.sleep(0.3)
        return call.forward(call.body)


def fill(world: World) -> None:
    """Enough rows in one chunk for many calls, and a few others."""
    rows = ",".join(f"({number},{number % 7},'new',1,NULL)" for number in range(100, 600))
    world.execute(f"INSERT INTO orders VALUES {rows}")
    world.dump(chunk_rows=1000)


@ONE_PAIR
def test_a_driver_that_slept_while_another_load_took_over_finds_its_executors_silent(
    world: World, dynamodb: FaultProxy, tmp_path: Path
) -> None:
    """They stop by themselves, before the other one may begin."""
    fill(world)
    slow = Slow(dynamodb)
    with spark_load_process(world, tmp_path, dynamodb) as process:
        slow.await_hit(process)
        process.send_signal(signal.SIGSTOP)
        before = dynamodb.calls["BatchWriteItem"]
        assert world.load(lease_seconds=LEASE_SECONDS, signature_validity_seconds=1).complete
        assert world.stored() == world.expected()
        for target in world.keymap.targets.values():  # what the application may do from now on
            for table, key in world.stored():
                if table == target.name:
                    world.clients.dynamodb.delete_item(TableName=table, Key=target.key_item(key))  # type: ignore[arg-type]
        calls = dynamodb.calls["BatchWriteItem"]
        assert calls > before  # for as long as they believed in the lease they went on
        process.send_signal(signal.SIGCONT)
        _, errors = process.communicate(timeout=SECONDS_MAX)
        assert process.returncode == 2, errors
    assert "no longer holds the lease" in errors
    assert dynamodb.calls["BatchWriteItem"] == calls
    assert not world.stored()
    assert world.phase() is Phase.REPLAY


@ONE_PAIR
def test_it_ends_at_sigterm_and_goes_on_when_a_python_is_killed(
    world: World, dynamodb: FaultProxy, tmp_path: Path
) -> None:
    fill(world)
    slow = Slow(dynamodb)
    with spark_load_process(world, tmp_path, dynamodb) as process:
        slow.await_hit(process)
        process.terminate()
        _, errors = process.communicate(timeout=SECONDS_MAX)
        assert process.returncode == 130, errors
    lease = world.store.get("load")
    assert lease is not None
    assert lease.flag("released")  # every task has said that it ended
    assert "workers" not in lease.attributes
    assert "dumped" in states(world)
    slow = Slow(dynamodb)
    with spark_load_process(world, tmp_path, dynamodb) as process:
        killed: list[int] = []
        while not killed:  # the first of them ended its task before it was looked for
            slow.await_hit(process)
            killed = pythons(process.pid)
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        await_gone(killed)
        dynamodb.rules = ()
        out, errors = process.communicate(timeout=SECONDS_MAX)
        assert process.returncode == 0, errors
    assert "tasks_were_tried_again" in errors
    assert "waiting_for_lost_requests" in errors  # what the dead one had sent might still arrive
    assert "replay is open" in out
    assert world.stored() == world.expected()
