"""The local consumer on real endpoints: it resumes, waits, follows resharding, and survives what happens to it."""

import contextlib
import json
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keymap.errors import KeyshiftError
from keyshift.apply import consumer as consuming
from keyshift.apply import tidying
from keyshift.apply import worker as working
from keyshift.apply.redrive import redriving
from keyshift.apply.refusals import OtherStream
from keyshift.apply.setaside import TooManySetAside
from keyshift.aws import stream as kinesis
from keyshift.aws.clients import make_clients
from keyshift.cli.demo.child import free_port
from keyshift.cli.demo.endpoints import CREDENTIALS, Endpoints
from keyshift.control import lease as leases
from keyshift.control import migration, shards, workers
from keyshift.control.lease import TIDY
from keyshift.control.phase import Phase
from keyshift.control.setasides import State, read_open, resolve
from keyshift.control.store import Conflict
from keyshift.process.stop import Stop
from tests.apply.history import history_of, marker, pack, packed
from tests.apply.keymaps import change, order
from tests.apply.stage import Running, Stage, eventually, items_of, load_some, process, staged
from tests.apply.test_convergence import random_steps
from tests.process.test_metrics import get
from tests.servers.aws import client
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import Answer, Call, reset_after, reset_before, server_error, throttle


@pytest.fixture
def stage(endpoints: Endpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with staged(endpoints, tmp_path) as found:
        yield found


def a_history(seed: int, steps: int = 80) -> Any:
    return history_of(random_steps(random.Random(seed), steps))


def test_the_whole_stream_is_applied_and_a_second_run_goes_on_behind_it(stage: Stage) -> None:
    history, chance = a_history(1), random.Random(1)
    packs = load_some(stage, history, chance)
    half = len(packs) // 2
    stage.put(packs[:half])
    with Running(stage) as consumer:
        consumer.until(lambda: sum(one.applied for one in stage.checkpoints().values()) > 0)
    applied = sum(one.applied for one in stage.checkpoints().values())
    stage.put(packs[half:])
    with Running(stage) as consumer:
        consumer.until(stage.drained)
    assert stage.has(history)
    checkpoints = stage.checkpoints()
    assert len(checkpoints) == 2
    assert sum(one.applied for one in checkpoints.values()) > applied
    assert sum(one.stale for one in checkpoints.values()) == 0
    before = items_of(stage)
    with Running(stage) as consumer:
        time.sleep(0.5)
    assert stage.checkpoints() == checkpoints
    assert items_of(stage) == before


def test_it_waits_until_replay_is_open(stage: Stage) -> None:
    history = a_history(2)
    packs = load_some(stage, history, random.Random(2))
    stage.phase(Phase.LOAD)
    stage.put(packs)
    before = items_of(stage)
    with Running(stage) as consumer:
        time.sleep(1)
        assert items_of(stage) == before
        assert stage.checkpoints() == {}
        stage.phase(Phase.REPLAY)
        consumer.until(stage.drained)
    assert stage.has(history)


def test_past_the_gate_a_late_change_waits_and_an_abort_brings_it_in(stage: Stage) -> None:
    keymap, late = stage.shop.keymap, change("orders", None, order(1, 1), 9)
    stage.put(packed(keymap, [change("orders", None, order(2, 1), 3)], random.Random(1)))
    with Running(stage) as consumer:
        consumer.until(stage.drained)
        stage.phase(Phase.CLOSED)
        for lane in range(4):
            stage.put([pack(keymap, lane, [late]), marker(keymap, lane, 2, late.version)])
        consumer.until(lambda: len(stage.seen(2)) >= 2)  # the lanes of the shard that the change does not concern
        time.sleep(0.5)
        assert len(stage.seen(2)) < 4
        assert len(stage.shop.visible("app")) == 1
        assert not consumer.ended()
        stage.phase(Phase.REPLAY)
        consumer.until(lambda: len(stage.seen(2)) == 4)
    assert len(stage.shop.visible("app")) == 2


def test_killed_between_write_and_checkpoint_it_only_makes_stale(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    history = a_history(3)
    stage.put(load_some(stage, history, random.Random(3)))

    def die(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(shards.ShardHold, "save", die)
        died = Running(stage)
        with pytest.raises(SystemExit), died:
            eventually(died.ended)
    assert stage.checkpoints() == {}
    with Running(stage) as consumer:
        consumer.until(lambda: len(stage.checkpoints()) == 2)
    assert stage.has(history)
    assert sum(one.stale for one in stage.checkpoints().values()) > 0


def test_killed_again_and_again_it_resumes_and_ends_right(stage: Stage) -> None:
    """SIGKILL in the midst of the work, three times; the next one takes the lease over and goes on."""
    chance = random.Random(4)
    history = a_history(4, steps=500)
    packs = load_some(stage, history, chance)
    stage.settings(batch_records=5)
    third = len(packs) // 3 + 1
    for turn in range(3):
        before = stage.checkpoints()
        stage.put(packs[turn * third : (turn + 1) * third])
        with process(stage) as running:
            eventually(lambda known=before: stage.checkpoints() != known)  # type: ignore[misc]
            time.sleep(chance.random() / 2)
            running.send_signal(signal.SIGKILL)
            assert running.wait(10) == -signal.SIGKILL
        assert not stage.drained()
        release(stage)
    with process(stage) as running:
        eventually(stage.drained, 60)
        running.send_signal(signal.SIGTERM)
        assert running.wait(10) == 0
    assert stage.has(history)
    assert (stage.folder / "consumer.log").read_text().count("Traceback") == 0


def release(stage: Stage) -> None:
    """Spare the test the seconds after which a dead worker's shards are free."""
    for seat in workers.read_seats(stage.store):
        item = f"worker#{seat.worker.place:04}"
        with contextlib.suppress(Conflict):  # a renewal in between
            stage.store.swap(item, stage.store.get(item), {"released": True})


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
    history = a_history(5)
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
    history = a_history(6)
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


def test_poison_and_what_meets_a_foreign_item_are_set_aside_and_all_else_goes_on(stage: Stage) -> None:
    """The markers behind them are answered; what is mended is redriven, and what was superseded is stale."""
    keymap, table = stage.shop.keymap, stage.shop.prefix + "app"
    theirs = {"pk": {"S": "CUSTOMER#1"}, "sk": {"S": "ORDER#0001"}}
    stage.shop.dynamodb.put_item(TableName=table, Item=theirs)
    large = order(2, 1, status="x" * 450_000)
    changes = [change("orders", None, order(n, 1), n) for n in (1, *range(3, 9))]
    stage.put(packed(keymap, [*changes, change("orders", None, large, 9)], random.Random(1)))
    with Running(stage) as consumer:
        consumer.until(stage.drained)
        assert stage.set_aside() == ["open", "open"]
        assert theirs in stage.shop.items("app")
        assert len(stage.shop.visible("app")) == 6
        shortened = change("orders", large, order(2, 1), 10)
        (lane,) = keymap.lanes(shortened.table, shortened.before, shortened.after, 4)
        stage.put([pack(keymap, lane, [shortened]), marker(keymap, lane, 2)])
        consumer.until(lambda: lane in stage.seen(2))
    stage.shop.dynamodb.delete_item(TableName=table, Key=theirs)
    assert redriven(stage) == ["redriven", "stale"]
    assert len(stage.shop.visible("app")) == 8
    assert objects(stage) == []


def redriven(stage: Stage) -> list[str]:
    """Redrive all; the states in which it ends."""
    settings = stage.settings()
    clients = make_clients(settings.aws.region, settings.aws.endpoints.urls)
    with redriving(settings, stage.shop.keymap, clients, Stop()) as redriver:
        list(redriver.run(read_open(stage.store)))
    clients.close()
    return stage.set_aside()


def objects(stage: Stage) -> list[str]:
    found = client("s3", stage.endpoints).list_objects_v2(Bucket=stage.bucket).get("Contents", ())
    return [one["Key"] for one in found]


def test_with_too_many_set_aside_it_ends_with_the_reason_until_they_are_mended(stage: Stage) -> None:
    keymap = stage.shop.keymap
    bad = [change("orders", None, {**order(1, 1), "id": None}, at) for at in range(1, 10)]
    stage.put([pack(keymap, 0, bad), marker(keymap, 0, 1)])
    for _ in range(2):
        running = Running(stage)
        with pytest.raises(TooManySetAside, match=r"apply\.set_aside_max"), running:
            eventually(running.ended)
        assert stage.set_aside() == ["open"] * 6
        assert stage.seen(1) == set()
    for one in read_open(stage.store)[:3]:
        resolve(stage.store, one, State.DISCARDED, note="a test row")
    with Running(stage) as consumer:
        consumer.until(lambda: stage.seen(1) == {0})


def test_another_migrations_stream_is_refused(stage: Stage) -> None:
    other = change("orders", None, order(1, 1), 1)
    stage.put([marker(stage.shop.keymap, 0, 1), pack(stage.shop.keymap, 0, [other], migration="other.00000000")])
    running = Running(stage)
    with pytest.raises(OtherStream, match="of migration other"), running:
        eventually(running.ended)
    assert stage.seen(1) == {0}
    assert items_of(stage) == []


def test_what_is_not_initialised_or_has_another_keymap_does_not_start(stage: Stage) -> None:
    head = stage.store.require_head()
    stage.store.swap("migration", head, {"digest": "other"})
    running = Running(stage)
    with pytest.raises(KeyshiftError, match="initialised with keymap other"), running:
        eventually(running.ended)
    migration.forget(stage.store)
    running = Running(stage)
    with pytest.raises(KeyshiftError, match="keyshift init"), running:
        eventually(running.ended)


def test_throttles_and_lost_answers_on_both_sides_are_ridden_out(stage: Stage) -> None:
    history = a_history(7, steps=100)
    packs = load_some(stage, history, random.Random(7))
    kinds = (throttle, server_error, reset_before, reset_after)
    with (
        FaultProxy(stage.endpoints.urls["kinesis"], *(Rule(one, probability=0.1) for one in kinds), seed=1) as streams,
        FaultProxy(stage.endpoints.urls["dynamodb"], *(Rule(one, probability=0.07) for one in kinds), seed=2) as items,
        Running(stage, 5, kinesis=streams.url, dynamodb=items.url) as consumer,
    ):
        for first in range(0, len(packs), 20):
            stage.put(packs[first : first + 20])
        consumer.until(stage.drained, 90)
        assert min(items.faults[one.__name__] for one in kinds) > 0
        assert sum(streams.faults.values()) > 2
    assert stage.has(history)


def expired_iterator(_call: Call) -> Answer:
    body = json.dumps({"__type": "ExpiredIteratorException", "message": "too old"}).encode()
    return Answer(400, body, {"Content-Type": "application/x-amz-json-1.1"})


def test_expired_iterators_are_renewed_behind_what_was_applied(stage: Stage) -> None:
    history = a_history(8)
    packs = load_some(stage, history, random.Random(8))
    rule = Rule(expired_iterator, ("GetRecords",), probability=0.5)
    with FaultProxy(stage.endpoints.urls["kinesis"], rule) as proxy, Running(stage, 5, kinesis=proxy.url) as consumer:
        for first in range(0, len(packs), 10):
            stage.put(packs[first : first + 10])
        consumer.until(stage.drained)
        assert proxy.faults["expired_iterator"] > 0
    assert stage.has(history)
    assert sum(one.stale for one in stage.checkpoints().values()) == 0


def open_shards(stage: Stage) -> list[tuple[int, int, str]]:
    """First and last hash key, and id."""
    listed = stage.kinesis.list_shards(StreamName=stage.stream)["Shards"]
    ranges = [
        (int(one["HashKeyRange"]["StartingHashKey"]), int(one["HashKeyRange"]["EndingHashKey"]), one["ShardId"])
        for one in listed
        if "EndingSequenceNumber" not in one["SequenceNumberRange"]
    ]
    return sorted(ranges)


def split(stage: Stage) -> None:
    """Every shard in two."""
    for first, last, shard in open_shards(stage):
        middle = str((first + last) // 2)
        stage.kinesis.split_shard(StreamName=stage.stream, ShardToSplit=shard, NewStartingHashKey=middle)
        settle(stage)


def merge(stage: Stage) -> None:
    """The two shards in the middle, which had different parents, become one."""
    shards_now = open_shards(stage)
    left, right = shards_now[len(shards_now) // 2 - 1 : len(shards_now) // 2 + 1]
    stage.kinesis.merge_shards(StreamName=stage.stream, ShardToMerge=left[2], AdjacentShardToMerge=right[2])
    settle(stage)


def settle(stage: Stage) -> None:
    def is_active() -> bool:
        summary = stage.kinesis.describe_stream_summary(StreamName=stage.stream)["StreamDescriptionSummary"]
        return bool(summary["StreamStatus"] == "ACTIVE")

    eventually(is_active)


def keeps_parents(stage: Stage) -> bool:
    """ministack deletes a parent and its records when it is split: with it, only a drained stream can be resharded."""
    return stage.endpoints.urls["kinesis"] != stage.endpoints.url


def test_a_stream_that_is_resharded_while_it_runs_is_followed(stage: Stage) -> None:
    history = a_history(9, steps=150)
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
    history = a_history(10, steps=150)
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


def test_now_and_then_it_tidies(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tidying, "LOOK_SECONDS", 0.05)
    port = free_port()
    with Running(stage, metrics_port=port) as running:
        running.until(lambda: (found := stage.store.get(TIDY)) is not None and found.number("tidied_at_ms") > 0)
        running.until(lambda: 'keyshift_apply_tidied_age_seconds{migration="shop"} ' in get(port, "/metrics")[1])
        assert 'keyshift_apply_tombstones_removed_total{migration="shop"} 0' in get(port, "/metrics")[1]


def test_a_line_per_interval_tells_counts_lag_and_age(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del capsys
    lines: list[dict[str, Any]] = []
    monkeypatch.setattr(working._log, "info", lambda event, **fields: lines.append({"event": event, **fields}))
    stage.put(packed(stage.shop.keymap, [change("orders", None, order(1, 1), 1)], random.Random(1)))
    with Running(stage) as consumer:
        consumer.until(stage.drained)
    line = next(one for one in lines if one["event"] == "applied")
    assert (line["op_c"], line["applied"], line["set"], line["stale"], line["markers"]) == (1, 1, 1, 0, 4)
    assert line["lag_seconds"] is not None
    assert line["newest_change_age_seconds"] > 0
    assert line["shards"] == 2


def test_what_was_applied_is_shown_to_a_scraper(stage: Stage) -> None:
    history, port = a_history(3), free_port()
    stage.put(load_some(stage, history, random.Random(3)))
    with Running(stage, metrics_port=port) as consumer:
        consumer.until(stage.drained)
        applied = sum(one.applied for one in stage.checkpoints().values())
        wanted = f'keyshift_apply_applied_total{{migration="shop"}} {applied}\n'
        consumer.until(lambda: wanted in get(port, "/metrics")[1])
        status, health = get(port, "/healthz")
        assert (status, json.loads(health)["state"]) == (200, "applying")
        assert 'keyshift_apply_shards{migration="shop"} 2\n' in get(port, "/metrics")[1]
