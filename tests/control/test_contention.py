"""Real threads and processes at once, on real endpoints."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from keyshift.cli.demo.endpoints import Endpoints
from keyshift.control.chunks import ChunkState, chunks, record_dumped, record_loaded
from keyshift.control.lease import Lease
from keyshift.control.store import Store
from keyshift.process.clock import boottime
from tests.control.conftest import TABLES
from tests.control.test_chunks import chunk
from tests.servers.aws import client

SLEEPER = """
import sys, time
from keyshift.control.lease import Lease, LeaseLost
from keyshift.control.store import Store
from keyshift.process.clock import boottime
from tests.servers.aws import client

url, table, name = sys.argv[1:]
lease = Lease(Store(client("dynamodb", url), table, name), "job", "sleeper", 1.0, boottime)
assert lease.try_acquire()
print("held", flush=True)
try:
    while lease.valid():  # renews far more often than it must, until it is put to sleep: between two, or within one
        lease.renew()
        time.sleep(0.05)
    lease.renew(file="old")
except LeaseLost as lost:
    print(lost, flush=True)
"""


def test_a_process_that_is_stopped_and_wakes_finds_its_lease_gone(store: Store, endpoints: Endpoints):
    arguments = [endpoints.urls["dynamodb"], store.table, store.name]
    with subprocess.Popen([sys.executable, "-c", SLEEPER, *arguments], stdout=subprocess.PIPE, text=True) as sleeper:
        assert sleeper.stdout is not None
        assert sleeper.stdout.readline() == "held\n"
        os.kill(sleeper.pid, signal.SIGSTOP)
        successor = Lease(store, "job", "successor", 1.0, boottime)
        pause = threading.Event()
        while not successor.try_acquire():
            pause.wait(0.05)
        assert (successor.fence, successor.taken_over) == (2, True)
        os.kill(sleeper.pid, signal.SIGCONT)
        said = sleeper.stdout.read()
    assert "successor took it over (fence 2)" in said
    assert "file" not in store.get("job").attributes  # type: ignore[union-attr]


def test_of_many_who_acquire_at_once_one_succeeds_and_fences_are_its_alone(store: Store, dynamodb: Any):
    """Each releases at once, so that the next can have it; no two ever get the same fence."""
    fences: list[int] = []

    def contend(number: int) -> None:
        lease = Lease(Store(dynamodb, store.table, store.name), "job", f"host:{number}", 10.0, boottime)
        for _ in range(8):
            if lease.try_acquire():
                fences.append(lease.fence)
                lease.release()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(contend, range(6)))
    assert sorted(fences) == list(range(1, len(fences) + 1))


def test_eight_loaders_record_while_the_lease_is_renewed(store: Store, acquired: Callable[[str], Lease]):
    """Every record checks the item that the renewals change: contention delays, and loses nothing."""
    dump, load = acquired("dump"), acquired("load")
    numbers = range(1, 25)
    done = threading.Event()

    def renew() -> None:
        while not done.wait(0.005):
            dump.renew()
            load.renew()

    def both(number: int) -> None:
        record_dumped(dump, chunk(number))
        record_loaded(load, chunk(number))

    with ThreadPoolExecutor(9) as pool:
        renewing = pool.submit(renew)
        try:
            list(pool.map(both, numbers))
        finally:
            done.set()
        renewing.result()
    assert [(one.number, one.state) for one in chunks(store, TABLES[0])] == [(n, ChunkState.LOADED) for n in numbers]


def test_threads_may_share_a_store(endpoints: Endpoints, store: Store):
    """The run's id is found out once, whoever asks first."""
    shared = Store(client("dynamodb", endpoints), store.table, store.name)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _number: shared.id, range(16))) == {store.id}
