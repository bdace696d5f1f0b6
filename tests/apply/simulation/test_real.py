"""The same at small scale: the handler as it is, a real stream, read as Lambda does, and real tables on a bad line."""

import random
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import apply_stream
from keymap.lanes import hash_key
from keyshift.aws import stream as kinesis
from keyshift.aws.lean import retries
from keyshift.cli.demo.endpoints import Endpoints
from keyshift.control import barrier
from tests.apply.club_history import Club
from tests.apply.conftest import Inline
from tests.apply.history import LANES
from tests.apply.resharding import keeps_parents, merge, split
from tests.apply.simulation.capture import Capture
from tests.apply.simulation.endpoint import MENDED
from tests.apply.simulation.functions import event
from tests.apply.simulation.source import Answer, Batch, Mapping, Poller, Shard
from tests.apply.simulation.timeline import KEYS, TEXT, Timeline, settled, visible
from tests.apply.stage import Stage, in_its_environment, staged
from tests.bulkload.mortal import Fuse, Killed, Mortal
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import duplicate, reset_after, reset_before, server_error, throttle

SECONDS_MAX = 60.0
FAULTS = [Rule(fault, probability=0.02) for fault in (throttle, server_error, reset_before, reset_after, duplicate)]


class Reading:
    """A real stream as a mapping sees it: its shards, and what was read of them."""

    def __init__(self, stage: Stage) -> None:
        self.shards: list[Shard] = []
        self._client, self._stream = stage.kinesis, stage.stream
        self._iterators: dict[str, str | None] = {}
        self._looks = 0

    def look(self) -> None:
        """Read on; now and then there are new shards."""
        self._looks += 1
        for one in kinesis.shards(self._client, self._stream) if self._looks % 8 == 1 else ():
            if one.id not in self._iterators:
                self.shards.append(Shard(one.id, one.parents, 0, 0))
                self._iterators[one.id] = kinesis.iterator_for(self._client, self._stream, one.id, None)
        for shard in self.shards:
            if iterator := self._iterators[shard.id]:
                page = kinesis.get_records(self._client, iterator)
                shard.records += page.records
                self._iterators[shard.id] = page.next_iterator
                shard.closed = page.next_iterator is None


class Container:
    """The function's process, which dies at a call now and then, with all that it was doing, and begins anew."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts: Counter[str] = Counter()
        self._fuse = Fuse()
        make = apply_stream.make_clients
        monkeypatch.setattr(apply_stream, "make_clients", lambda **options: Mortal(make(**options), self._fuse))

    def die_after(self, calls: int) -> None:
        """At that call from now on."""
        self._fuse.at = self._fuse.calls + calls

    def invoke(self, batch: Batch) -> Answer:
        """What Lambda hears."""
        try:
            answer = apply_stream.handle(event(batch), None)
        except Killed:
            self.counts["killed"] += 1
            if self._fuse.at is not None:
                self._fuse = Fuse()
                apply_stream.applier.cache_clear()
            return None
        except MENDED:
            self.counts["raised"] += 1
            return None
        self.counts["named" if answer["batchItemFailures"] else "done"] += 1
        return answer


def test_a_real_stream_through_the_handler_ends_in_the_items_of_a_replay_in_order(
    endpoints: Endpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(7)
    with staged(endpoints, tmp_path, keymap=TEXT) as stage, FaultProxy(endpoints.urls["dynamodb"], *FAULTS) as proxy:
        in_its_environment(stage, monkeypatch)
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", proxy.url)
        monkeypatch.setattr(retries, "PAUSE_SECONDS_MAX", 0.01)
        timeline = Timeline(chance, stage.shop.keymap, range(25, 26))
        load(stage, timeline)
        container = Container(monkeypatch)
        deliver(stage, Capture(timeline, put_into(stage), stage.store, chance), container, chance)
        apply_stream.applier.cache_clear()
        books, replayed = stage.shop.keymap.bookkeeping, timeline.replayed(stage.shop.prefix)
        assert visible(books, stage.shop.items) == timeline.expected()
        for table in KEYS:
            wanted = settled(books, replayed.items(stage.shop.prefix + table))
            assert settled(books, stage.shop.items(table)) == wanted
        assert {"killed", "done", "unheard", "twice"} <= set(container.counts)
        assert len(proxy.faults) == len(FAULTS)


def load(stage: Stage, timeline: Timeline) -> None:
    for table, item in timeline.load.puts:
        stage.shop.dynamodb.put_item(TableName=table, Item=item)
    club = Club(stage.shop.keymap, stage.shop.dynamodb, stage.shop.prefix, Inline())
    for chunk in timeline.load.guarded:
        club.write_guarded(chunk)


def put_into(stage: Stage) -> Any:
    def put(lane: int, data: bytes) -> None:
        place = hash_key(lane, LANES)
        stage.kinesis.put_record(StreamName=stage.stream, Data=data, PartitionKey=str(lane), ExplicitHashKey=place)

    return put


def deliver(stage: Stage, capture: Capture, container: Container, chance: random.Random) -> None:
    """Let the daemon go on and Lambda deliver, until a last barrier is complete."""
    reading, end = Reading(stage), time.monotonic() + SECONDS_MAX
    mapping = Mapping(reading, chance, factor=2, batch_records_max=4, bisects=True)
    flying: dict[Future[Answer], tuple[Poller | None, Batch]] = {}
    reshards = [split, merge] if keeps_parents(stage) else []
    last, turn = None, 0
    with ThreadPoolExecutor(4) as pool:
        while last is None or flying or not barrier.state(stage.store, last, LANES).complete:
            assert time.monotonic() < end, container.counts
            turn += 1
            for _ in range(3):
                capture.step()
            if capture.finished and last is None:
                last = capture.ask()
            if turn % 10 == 5:
                container.die_after(chance.randrange(1, 8))
            if turn % 20 == 0 and reshards:
                reshards.pop(0)(stage)
            reading.look()
            for poller in mapping.ready():
                batch = poller.take()
                flying[pool.submit(container.invoke, batch)] = poller, batch
                if chance.random() < 0.3:
                    container.counts["twice"] += 1
                    flying[pool.submit(container.invoke, batch)] = None, batch
            for future in [one for one in flying if one.done()]:
                waiting, batch = flying.pop(future)
                unheard = chance.random() < 0.1
                container.counts["unheard"] += unheard
                if waiting:
                    waiting.answered(batch, None if unheard else future.result())
            time.sleep(0.01)
