"""Several workers on one stream, as processes that are killed, stopped and woken, on real endpoints."""

import random
import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import Popen

import pytest

from keymap.change import Change
from keymap.rules import Keymap
from keyshift.apply import consumer as consuming
from keyshift.aws.leases import this_process
from keyshift.cli.demo.endpoints import CREDENTIALS, Endpoints
from keyshift.control.phase import Phase
from keyshift.control.workers import read_seats
from tests.apply.history import history_of, marker, pack, packed, random_steps
from tests.apply.keymaps import change, order
from tests.apply.resharding import keeps_parents, merge
from tests.apply.stage import Running, Stage, eventually, items_of, load_some, process, staged
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import Answer, Call, throttle

LEASE_SECONDS = 1.0


@pytest.fixture
def stages(endpoints: Endpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Stage]]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(consuming, "LEASE_SECONDS", LEASE_SECONDS)
    with ExitStack() as stack:
        yield lambda shards: stack.enter_context(staged(endpoints, tmp_path, shards))


def throttled(happened: threading.Event, *words: str) -> Rule:
    """Throttles writes that speak of all the words, and nothing else; then it has happened."""

    def wanted(call: Call) -> Answer:
        if not all(word.encode() in call.body for word in words):
            return call.forward(call.body)
        happened.set()
        return throttle(call)

    return Rule(wanted, ("PutItem", "UpdateItem"))


def held_by(stage: Stage) -> Counter[str]:
    """How many shards each process holds that has not ended."""
    alive = {seat.worker for seat in read_seats(stage.store) if not seat.released}
    return Counter(state.owner for state in stage.states().values() if state.holder in alive)


def owner(running: Popen[bytes]) -> str:
    return f"{socket.gethostname()}:{running.pid}"


@contextmanager
def putting(stage: Stage, packs: list[bytes], pause_seconds: float) -> Iterator[threading.Thread]:
    """The packs are put one after another, beside the block; leaving it waits for the last."""
    going = threading.Event()

    def put() -> None:
        for one in packs:
            going.wait(pause_seconds)
            stage.put([one])

    thread = threading.Thread(target=put)
    thread.start()
    try:
        yield thread
    finally:
        going.set()
        thread.join()


def test_workers_come_die_and_go_while_the_stream_is_resharded_and_nothing_is_lost(
    stages: Callable[[int], Stage],
) -> None:
    stage, chance = stages(4), random.Random(11)
    history = history_of(random_steps(chance, 150))
    packs = load_some(stage, history, chance)
    stage.settings(batch_records=5)
    with process(stage, LEASE_SECONDS) as first, process(stage, LEASE_SECONDS) as second:
        eventually(lambda: held_by(stage) == {owner(first): 2, owner(second): 2})
        with Running(stage, 5) as third, putting(stage, packs, 4.0 / len(packs)):
            third.until(lambda: sorted(held_by(stage).values()) == [1, 1, 2] and bool(stage.checkpoints()))
            first.kill()
            third.until(lambda: held_by(stage) == {owner(second): 2, this_process(): 2})
            if keeps_parents(stage):
                merge(stage)
                third.until(lambda: sorted(held_by(stage).values()) == [1, 2])
            second.send_signal(signal.SIGTERM)
            assert second.wait(10) == 0
            third.until(lambda: held_by(stage).keys() == {this_process()})
            third.until(stage.drained)
            assert stage.has(history)
    assert held_by(stage) == {}
    assert (stage.folder / "consumer.log").read_text().count("Traceback") == 0


def test_one_that_slept_over_the_switch_brings_nothing_back(stages: Callable[[int], Stage]) -> None:
    """A write is in its hand when it is stopped. It wakes when others have done it, and the item is deleted again."""
    stage = stages(2)
    keymap, log = stage.shop.keymap, stage.folder / "consumer.log"
    only = change("orders", None, order(1, 1), 3)
    last = dict.fromkeys(lanes(keymap, only), only.version)
    stage.put(packed(keymap, [only], random.Random(1)))
    refused = threading.Event()
    with FaultProxy(stage.endpoints.urls["dynamodb"], throttled(refused, stage.shop.prefix)) as proxy:
        stage.settings(dynamodb=proxy.url)
        with process(stage, LEASE_SECONDS) as sleeper:
            assert refused.wait(30)
            sleeper.send_signal(signal.SIGSTOP)
            with Running(stage) as awake:
                awake.until(stage.drained)
                stage.phase(Phase.CLOSED)
                stage.put(marker(keymap, lane, 2, last.get(lane, "")) for lane in range(4))
                awake.until(lambda: stage.drained(2))
                (item,) = stage.shop.items("app")
                stage.shop.dynamodb.delete_item(
                    TableName=stage.shop.prefix + "app", Key={name: item[name] for name in ("pk", "sk")}
                )
                proxy.rules = ()
                sleeper.send_signal(signal.SIGCONT)
                awake.until(lambda: b'"interrupted"' in log.read_bytes())
                assert items_of(stage) == []
                awake.until(lambda: len(held_by(stage)) == 2)  # it goes on, with a share of the shards
            assert items_of(stage) == []


def test_a_shard_whose_writes_are_throttled_holds_up_no_other(stages: Callable[[int], Stage]) -> None:
    stage = stages(2)
    keymap, refused = stage.shop.keymap, threading.Event()
    by_lane = {lanes(keymap, one)[0]: one for one in (change("orders", None, order(n, 1), n) for n in range(1, 30))}
    assert by_lane.keys() == {0, 1, 2, 3}
    slow = by_lane[0].after
    assert slow
    with (
        FaultProxy(
            stage.endpoints.urls["dynamodb"], throttled(refused, stage.shop.prefix, f'"ORDER#{slow["id"]:04}"')
        ) as proxy,
        Running(stage, dynamodb=proxy.url) as consumer,
    ):
        stage.put([pack(keymap, 0, [by_lane[0]])])
        consumer.until(refused.is_set)
        stage.put(pack(keymap, lane, [by_lane[lane]]) for lane in (1, 2, 3))
        stage.put(marker(keymap, lane, 1, one.version) for lane, one in by_lane.items())
        consumer.until(lambda: stage.seen(1) == {2, 3}, 10)
        proxy.rules = ()
        consumer.until(stage.drained)
    assert len(stage.shop.visible("app")) == 4


def lanes(keymap: Keymap, one: Change) -> Sequence[int]:
    return sorted(keymap.lanes(one.table, one.before, one.after, 4))
