"""A worker follows a stream that is resharded, and takes over or loses shards."""

import json
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from keyshift.apply import consumer as consuming
from keyshift.aws import stream as kinesis
from keyshift.cli.demo.endpoints import CREDENTIALS, Endpoints
from keyshift.control import lease as leases
from keyshift.control import shards, workers
from tests.apply.history import marker, random_history
from tests.apply.resharding import keeps_parents, merge, split
from tests.apply.stage import Running, Stage, load_some, staged
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import Answer, Call


@pytest.fixture
def stage(endpoints: Endpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with staged(endpoints, tmp_path) as found:
        yield found


def other_worker(stage: Stage, seconds: float) -> tuple[leases.Lease, workers.Worker]:
    """A worker that has a place, and does nothing for it."""
    roster = workers.Roster(stage.store, "other", seconds, time.monotonic)
    lease = roster.enter()
    assert lease
    return lease, roster.me


def seize(stage: Stage, worker: workers.Worker) -> list[shards.ShardHold]:
    """Take the shards, whoever holds them."""
    holds: dict[str, shards.ShardHold] = {}
    while len(holds) < 2:
        for one in kinesis.shards(stage.kinesis, stage.stream):
            seen = stage.states().get(one.id) or shards.ShardState(shards.ShardCheckpoint(stage.stream, one.id))
            if one.id not in holds and (hold := shards.take(stage.store, seen, worker, "other")):
                holds[one.id] = hold
    return list(holds.values())


def test_the_shards_of_a_worker_that_is_gone_are_taken_over(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consuming, "LEASE_SECONDS", 1.0)
    history = random_history(5)
    packs = load_some(stage, history, random.Random(5))
    stage.put(packs[:10])
    lease, dead = other_worker(stage, 1.0)
    holds = seize(stage, dead)
    with Running(stage) as consumer, Running(stage):
        stage.put(packs[10:])
        consumer.until(stage.drained)
        assert not lease.valid()
    assert stage.has(history)
    for hold in holds:
        with pytest.raises(leases.LeaseLost):
            hold.save(replace(hold.checkpoint, sequence="0"))


def test_one_that_lost_its_shards_cannot_move_the_checkpoints(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on only once they are free again, from where the other one was."""
    history = random_history(6)
    packs = load_some(stage, history, random.Random(6))
    stage.put(packs[:10])
    monkeypatch.setattr(consuming, "LEASE_SECONDS", 1.0)
    with Running(stage) as consumer:
        consumer.until(lambda: sum(one.applied for one in stage.checkpoints().values()) > 0)
        lease, other = other_worker(stage, 10.0)
        seize(stage, other)
        held = stage.checkpoints()
        stage.put(packs[10:])
        time.sleep(0.5)
        assert stage.checkpoints() == held
        lease.release()
        consumer.until(stage.drained)
    assert stage.has(history)


def expired_iterator(_call: Call) -> Answer:
    body = json.dumps({"__type": "ExpiredIteratorException", "message": "too old"}).encode()
    return Answer(400, body, {"Content-Type": "application/x-amz-json-1.1"})


def test_expired_iterators_are_renewed_behind_what_was_applied(stage: Stage) -> None:
    history = random_history(8)
    packs = load_some(stage, history, random.Random(8))
    rule = Rule(expired_iterator, ("GetRecords",), probability=0.5)
    with FaultProxy(stage.endpoints.urls["kinesis"], rule) as proxy, Running(stage, 5, kinesis=proxy.url) as consumer:
        for first in range(0, len(packs), 10):
            stage.put(packs[first : first + 10])
        consumer.until(stage.drained)
        assert proxy.faults["expired_iterator"] > 0
    assert stage.has(history)
    assert sum(one.stale for one in stage.checkpoints().values()) == 0


def test_a_stream_that_is_resharded_while_it_runs_is_followed(stage: Stage) -> None:
    history = random_history(9, steps=150)
    packs = load_some(stage, history, random.Random(9))
    third = len(packs) // 3
    with Running(stage) as consumer:
        for turn, reshard in enumerate((split, merge, None)):
            stage.put(packs[turn * third : (turn + 1) * third if reshard else None])
            if not keeps_parents(stage):
                stage.put(marker(stage.shop.keymap, lane, 10 + turn) for lane in range(4))
                consumer.until(lambda number=10 + turn: stage.drained(number))  # type: ignore[misc]
            if reshard:
                reshard(stage)
        consumer.until(stage.drained, 60)
    assert stage.has(history)
    if keeps_parents(stage):
        assert sum(one.closed for one in stage.checkpoints().values()) >= 4


def test_what_lies_in_closed_parents_is_read_before_their_children(stage: Stage) -> None:
    """The consumer comes late: everything was resharded twice before it starts."""
    if not keeps_parents(stage):
        return
    history = random_history(10, steps=150)
    packs = load_some(stage, history, random.Random(10))
    third = len(packs) // 3
    stage.put(packs[:third])
    split(stage)
    stage.put(packs[third : 2 * third])
    merge(stage)
    stage.put(packs[2 * third :])
    with Running(stage) as consumer:
        consumer.until(stage.drained, 60)
    assert stage.has(history)
    assert sum(one.stale for one in stage.checkpoints().values()) == 0
