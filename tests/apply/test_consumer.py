"""The local consumer on real endpoints: it resumes, waits, follows resharding, and survives what happens to it."""

import contextlib
import json
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keymap.errors import KeyshiftError
from keyshift.apply import reading, tidying
from keyshift.apply import worker as working
from keyshift.apply.redrive import redriving
from keyshift.apply.refusals import OtherStream
from keyshift.apply.setaside import TooManySetAside
from keyshift.apply.stream import StreamApplier
from keyshift.aws.clients import make_clients
from keyshift.cli.demo.child import free_port
from keyshift.cli.demo.endpoints import CREDENTIALS, Endpoints
from keyshift.control import migration, shards, workers
from keyshift.control.lease import TIDY
from keyshift.control.phase import Phase
from keyshift.control.setasides import State, read_open, resolve
from keyshift.control.store import Conflict
from keyshift.process.stop import Stop
from tests.apply.history import marker, pack, packed, random_history
from tests.apply.keymaps import change, order
from tests.apply.stage import Running, Stage, eventually, items_of, leak, load_some, process, staged
from tests.process.test_metrics import get
from tests.servers.aws import client
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import reset_after, reset_before, server_error, throttle


@pytest.fixture
def stage(endpoints: Endpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with staged(endpoints, tmp_path) as found:
        yield found


def test_the_whole_stream_is_applied_and_a_second_run_goes_on_behind_it(stage: Stage) -> None:
    history, chance = random_history(1), random.Random(1)
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
    history = random_history(2)
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
    history = random_history(3)
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
    history = random_history(4, steps=500)
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


def test_of_an_error_that_nobody_foresaw_the_log_tells_type_and_place_and_no_text(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(reading._log, "warning", lambda _event, **fields: told.append(fields["reason"]))
    monkeypatch.setattr(StreamApplier, "handle", leak)
    stage.put([marker(stage.shop.keymap, 0, 1)])
    running = Running(stage)
    with pytest.raises(ValueError, match="Alice"), running:
        eventually(running.ended)
    assert "ValueError at apply/stage.py:" in told[0]
    assert "Alice" not in told[0]


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
    history = random_history(7, steps=100)
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
    history, port = random_history(3), free_port()
    stage.put(load_some(stage, history, random.Random(3)))
    with Running(stage, metrics_port=port) as consumer:
        consumer.until(stage.drained)
        applied = sum(one.applied for one in stage.checkpoints().values())
        wanted = f'keyshift_apply_applied_total{{migration="shop"}} {applied}\n'
        consumer.until(lambda: wanted in get(port, "/metrics")[1])
        status, health = get(port, "/healthz")
        assert (status, json.loads(health)["state"]) == (200, "applying")
        assert 'keyshift_apply_shards{migration="shop"} 2\n' in get(port, "/metrics")[1]
