"""Redrive and whoever closes replay, on real endpoints: one at a time, and one that sleeps writes nothing later."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from keyshift.apply import redrive
from keyshift.apply.redrive import held_off, redriving
from keyshift.aws.clients import make_clients
from keyshift.aws.hold import Busy
from keyshift.cli.demo.endpoints import CREDENTIALS, Endpoints
from keyshift.control import phase
from keyshift.control.lease import REDRIVE, Lease, LeaseLost
from keyshift.control.phase import Phase
from keyshift.control.setasides import read_all, read_open
from keyshift.process.clock import boottime
from keyshift.process.stop import Stop
from tests.apply.history import marker, pack
from tests.apply.keymaps import change, order
from tests.apply.redrive_alone import LEASE_SECONDS
from tests.apply.stage import Running, Stage, eventually, staged
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import Answer, Call, reset_after, reset_before, throttle

THEIRS = {"pk": {"S": "CUSTOMER#1"}, "sk": {"S": "ORDER#0001"}}
VALIDITY_SECONDS = 0.5
pytestmark = pytest.mark.any_pair


@pytest.fixture
def stage(endpoints: Endpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(redrive, "LEASE_SECONDS", LEASE_SECONDS)
    with staged(endpoints, tmp_path) as found:
        yield found


def mended(stage: Stage, count: int = 1) -> None:
    """Changes of one row, set aside because of a foreign item, which is away by now."""
    keymap, table = stage.shop.keymap, stage.shop.prefix + "app"
    rows = [None, *(order(1, 1, total) for total in range(1, count + 1))]
    changes = [change("orders", rows[at - 1], rows[at], at) for at in range(1, count + 1)]
    (lane,) = keymap.lanes("shop.orders", None, rows[1], 4)
    stage.shop.dynamodb.put_item(TableName=table, Item=THEIRS)
    stage.put([pack(keymap, lane, changes), marker(keymap, lane, 1)])
    with Running(stage) as consumer:
        consumer.until(lambda: bool(stage.seen(1)))
    stage.shop.dynamodb.delete_item(TableName=table, Key=THEIRS)
    assert stage.set_aside() == ["open"] * count


class Held:
    """Holds the first call that it is given until it is let go."""

    def __init__(self) -> None:
        self.came, self.let_go = threading.Event(), threading.Event()

    def hold(self, call: Call) -> Answer:
        self.came.set()
        self.let_go.wait(60)
        return call.forward(call.body)


def test_one_that_sleeps_through_the_closing_of_replay_writes_nothing(stage: Stage) -> None:
    mended(stage)
    held = Held()
    fault = Rule(held.hold, ("GET",), times=1)  # it has read the phase, and gets the change
    with FaultProxy(stage.endpoints.urls["s3"], fault) as s3:
        stage.settings(s3=s3.url)
        argv = [sys.executable, "-m", "tests.apply.redrive_alone", str(stage.folder / "settings.yaml")]
        environment = {**CREDENTIALS, "PYTHONPATH": str(Path(__file__).parents[2])}
        with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                assert held.came.wait(20)
                process.send_signal(signal.SIGSTOP)
                with held_off(stage.store, Stop(), VALIDITY_SECONDS) as lease:
                    phase.close(stage.store, lease)
                process.send_signal(signal.SIGCONT)
                held.let_go.set()
                out, err = process.communicate(timeout=20)
            finally:
                held.let_go.set()
                process.kill()
    assert process.returncode != 0
    assert out == b""
    assert b"no longer holds the lease `redrive`" in err
    assert stage.shop.items("app") == []
    assert stage.set_aside() == ["open"]


def test_who_closes_replay_waits_for_a_redrive_and_for_what_a_dead_one_may_have_sent(stage: Stage) -> None:
    dead = Lease(stage.store, REDRIVE, "dead", LEASE_SECONDS, boottime)
    assert dead.try_acquire()
    dead.renew(sends=True)
    began = time.monotonic()
    with held_off(stage.store, Stop(), VALIDITY_SECONDS) as lease:
        assert time.monotonic() - began > LEASE_SECONDS + VALIDITY_SECONDS
        with pytest.raises(Busy, match="doing the redrive"), held_off(stage.store, Stop(), VALIDITY_SECONDS):
            pytest.fail("two at once")
        phase.close(stage.store, lease)
    assert phase.read_phase(stage.store) is Phase.CLOSED


def test_nobody_waits_for_the_requests_of_one_that_died_closing(stage: Stage) -> None:
    dead = Lease(stage.store, REDRIVE, "dead", LEASE_SECONDS, boottime)
    assert dead.try_acquire()
    began = time.monotonic()
    with held_off(stage.store, Stop(), 3600.0):
        assert time.monotonic() - began < 60


def test_replay_is_not_closed_under_a_lease_that_is_lost(stage: Stage) -> None:
    lease = Lease(stage.store, REDRIVE, "slow", LEASE_SECONDS, boottime)
    assert lease.try_acquire()
    held = stage.store.get(REDRIVE)
    stage.store.swap(REDRIVE, held, {"token": "another"})
    with pytest.raises(LeaseLost):
        phase.close(stage.store, lease)
    assert phase.read_phase(stage.store) is Phase.REPLAY


def test_two_redrives_at_once_and_lost_answers_end_right(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """One waits for the other; throttles and lost answers on the way to the items and the objects are ridden out."""
    monkeypatch.setattr(redrive, "LEASE_SECONDS", 4.0)  # one waits for the other, on a slow machine too
    mended(stage, count=6)
    kinds = (throttle, reset_before, reset_after)
    rules = [Rule(kind, ("PutItem", "DELETE"), probability=0.2) for kind in kinds]
    with (
        FaultProxy(stage.endpoints.urls["dynamodb"], *rules, seed=3) as items,
        FaultProxy(stage.endpoints.urls["s3"], *rules[1:], seed=4) as s3,
        ThreadPoolExecutor(2) as pool,
    ):
        settings = stage.settings(dynamodb=items.url, s3=s3.url)

        def run(_: int) -> list[Any]:
            clients = make_clients(settings.aws.region, settings.aws.endpoints.urls)
            found = read_open(stage.store)
            with redriving(settings, stage.shop.keymap, clients, Stop()) as redriver:
                done = [one.state.value for one in redriver.run(found)]
            clients.close()
            return done

        first, second = pool.map(run, range(2))
    assert len(first) == len(second) == 6
    assert set(stage.set_aside()) <= {"redriven", "stale"}
    assert [item["total"] for item in stage.shop.visible("app")] == [{"N": "6"}]
    eventually(lambda: all(not one.claim.object for one in read_all(stage.store)))
