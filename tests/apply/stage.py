"""A whole migration on endpoints, except for its source: control table, stream, targets; packs are put by the test."""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

import apply_stream
from keymap.lanes import hash_key
from keymap.patch import Item
from keymap.rules import parse_keymap
from keymap.wire import decode_header
from keyshift.apply import consumer
from keyshift.apply.consumer import run
from keyshift.aws.clients import Clients, make_clients
from keyshift.aws.resources import delete_bucket
from keyshift.cli.demo.endpoints import CREDENTIALS, SERVICES, Endpoints
from keyshift.control import barrier, migration, setasides, shards
from keyshift.control.keymaps import record_keymap
from keyshift.control.phase import Phase
from keyshift.control.shards import ShardCheckpoint, ShardState
from keyshift.control.store import PHASE, Store
from keyshift.process.settings import Settings, load_settings
from keyshift.process.stop import Stop
from keyshift.process.tasks import MetricsSettings
from tests.apply.conftest import Inline, Shop
from tests.apply.history import History, loaded, migration_for, packed, truth
from tests.apply.keymaps import MIGRATION, TEXT, create_tables
from tests.servers.aws import client, unique

NAME = "shop"
SETTINGS = """\
migration: shop
keymap: keymap.yaml
control_table: {control}
source: {{host: 127.0.0.1, user: nobody, password: none}}
bucket: {{name: {bucket}}}
stream: {{name: {stream}}}
apply: {{batch_records: {batch_records}, request_life_seconds: 1, set_aside_max: 6}}
aws:
  region: us-east-1
  endpoints: {{dynamodb: "{dynamodb}", kinesis: "{kinesis}", s3: "{s3}"}}
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """`shop` looks at the items; `folder` holds settings.yaml and keymap.yaml for a process."""

    shop: Shop
    kinesis: Any
    stream: str
    bucket: str
    store: Store
    endpoints: Endpoints
    folder: Path

    def settings(self, batch_records: int = 500, **urls: str) -> Settings:
        """The settings, with other endpoints where a proxy stands before them."""
        every = {**self.endpoints.urls, **urls}
        names = {"control": self.store.table, "stream": self.stream, "bucket": self.bucket}
        text = SETTINGS.format(**names, batch_records=batch_records, **every)
        (self.folder / "settings.yaml").write_text(text)
        return load_settings(self.folder / "settings.yaml", {})

    def record(self, id_: str) -> None:
        """Record the migration, in the phase replay, in the place of what was recorded."""
        migration.forget(self.store)
        about = {"id": id_, "stream": self.stream, "bucket": self.bucket, "prefix": "keyshift"}
        migration.create(self.store, migration_for(self.shop.keymap, **about))
        record_keymap(self.store, self.shop.keymap)
        self.phase(Phase.REPLAY)

    def phase(self, phase: Phase) -> None:
        """Set the phase, whatever the rules for it."""
        self.store.swap(PHASE, self.store.get(PHASE), {"phase": phase.value})

    def put(self, packs: Iterable[bytes]) -> None:
        """Onto the stream, each to its lane's place, one after another as the daemon does."""
        for data in packs:
            header = decode_header(data)
            place = hash_key(header.lane, 4)
            self.kinesis.put_record(
                StreamName=self.stream, Data=data, PartitionKey=str(header.lane), ExplicitHashKey=place
            )

    def checkpoints(self) -> dict[str, ShardCheckpoint]:
        """Of the shards of which something was applied."""
        places = {shard: state.checkpoint for shard, state in self.states().items()}
        return {shard: place for shard, place in places.items() if place.sequence or place.closed}

    def states(self) -> dict[str, ShardState]:
        return shards.read(self.store, self.stream)

    def seen(self, number: int) -> set[int]:
        """The lanes of which this marker is recorded."""
        return set(range(4)) - set(barrier.state(self.store, number, 4).missing_lanes)

    def set_aside(self) -> list[str]:
        """The states of what was ever set aside, oldest change first."""
        return [one.state.value for one in setasides.read_all(self.store)]

    def drained(self, number: int = 1) -> bool:
        return self.seen(number) == {0, 1, 2, 3}

    def has(self, history: History) -> bool:
        expected = truth(history.states[-1])
        return all(self.shop.visible(table) == items for table, items in expected.items())


@contextmanager
def staged(endpoints: Endpoints, folder: Path, shard_count: int = 2, keymap: str = TEXT) -> Iterator[Stage]:
    """Everything made, in the phase replay, and removed in the end. `keymap` lacks its tables' prefix."""
    prefix, stream, control, bucket = unique("apply") + "-", unique("stream"), unique("control"), unique("bucket")
    dynamodb, kinesis, s3 = (client(service, endpoints, attempts=3) for service in SERVICES)
    text = keymap.format(prefix=prefix)
    found = Shop(parse_keymap(text, "keymap.yaml"), dynamodb, prefix, Inline())
    (folder / "keymap.yaml").write_text(text)
    create_tables(dynamodb, found.keymap)
    create_control(dynamodb, control)
    kinesis.create_stream(StreamName=stream, ShardCount=shard_count)
    kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})
    s3.create_bucket(Bucket=bucket)
    stage = Stage(found, kinesis, stream, bucket, Store(dynamodb, control, NAME), endpoints, folder)
    stage.record(MIGRATION)
    stage.settings()
    yield stage
    for name in (*found.keymap.targets, control):
        dynamodb.delete_table(TableName=name)
    kinesis.delete_stream(StreamName=stream)
    delete_bucket(s3, bucket, "keyshift")


def create_control(dynamodb: Any, name: str) -> None:
    dynamodb.create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": "migration", "KeyType": "HASH"},
            {"AttributeName": "item", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "migration", "AttributeType": "S"},
            {"AttributeName": "item", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )


def in_its_environment(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the template gives the Lambda function; its applier is made anew."""
    for name, value in stage.endpoints.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KEYSHIFT_MIGRATION", stage.store.name)
    monkeypatch.setenv("KEYSHIFT_CONTROL_TABLE", stage.store.table)
    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(stage.folder))
    monkeypatch.setattr("keyshift.process.log.configure", lambda **_: None)  # the test's own log stays as it is
    apply_stream.applier.cache_clear()


def load_some(stage: Stage, history: History, chance: random.Random) -> list[bytes]:
    """Load the history's rows from some moment on, and return the packs of what changed since."""
    start = chance.randrange(len(history.states))
    for table, item in loaded(stage.shop.keymap, history, start, chance):
        stage.shop.dynamodb.put_item(TableName=table, Item=item)
    return packed(stage.shop.keymap, [one for one in history.changes[start + 1 :] if one], chance)


def items_of(stage: Stage) -> list[Item]:
    return stage.shop.items("app") + stage.shop.items("purchases")


class Running:
    """A consumer in a thread of this process. Leaving the block stops it; what ended it before is raised there."""

    def __init__(self, stage: Stage, batch_records: int = 500, metrics_port: int | None = None, **urls: str) -> None:
        self.stop = Stop()
        self.error: BaseException | None = None
        self._stage = stage
        settings = stage.settings(batch_records, **urls)
        settings = settings.model_copy(update={"metrics": MetricsSettings(port=metrics_port)})
        environment = {"region": "us-east-1", "endpoints": settings.aws.endpoints.urls}
        self._clients: Clients = make_clients(**environment)  # type: ignore[arg-type]
        self._thread = threading.Thread(target=self._run, args=(settings,), daemon=True)

    def _run(self, settings: Settings) -> None:
        try:
            run(settings, self._stage.shop.keymap, self._clients, self.stop)
        except BaseException as error:  # noqa: BLE001 - raised again in the test's thread
            self.error = error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop.set()
        self._thread.join(30)
        self._clients.close()
        assert not self._thread.is_alive(), "the consumer does not stop"
        if self.error and not any(error):
            raise self.error

    def until(self, happened: Callable[[], bool], seconds: float = 30) -> None:
        """Wait until it is so; that the consumer has ended is told by leaving the block."""
        eventually(lambda: happened() or self.ended(), seconds)
        if self.error:
            raise self.error

    def ended(self) -> bool:
        return not self._thread.is_alive()


def leak(*_: object) -> None:
    """Fail as nobody foresaw, in words that hold what a row holds."""
    int("Al" + "ice")  # whose name no line of code shows


def eventually(happened: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@contextmanager
def process(
    stage: Stage, lease_seconds: float = consumer.LEASE_SECONDS, settings: str = "settings.yaml"
) -> Iterator["subprocess.Popen[bytes]"]:
    """A consumer as a process of its own, killed in the end; its log goes to a file beside the settings."""
    with (
        (stage.folder / "consumer.log").open("ab") as log,
        subprocess.Popen(
            [sys.executable, "-m", "tests.apply.consume", str(stage.folder / settings), str(lease_seconds)],
            env={**CREDENTIALS, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=log,
            stderr=log,
        ) as running,
    ):
        try:
            yield running
        finally:
            running.kill()
