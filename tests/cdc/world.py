"""A migration ready to be captured, the daemon in this process or in one of its own, and what must be on the stream."""

import os
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cdc.daemon import run
from keymap.change import Change
from keymap.lanes import lane_of
from keymap.patch import Patch, fold
from keymap.position import Position
from keymap.rules import Keymap, load_keymap
from keymap.version import floor
from keymap.wire import Header, decode_pack
from keyshift.apply.gaps import Lanes
from keyshift.aws import stream
from keyshift.aws.claims import ClaimStore
from keyshift.aws.clients import Clients, make_clients
from keyshift.aws.resources import ensure_control_table, ensure_stream
from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import CREDENTIALS, Endpoints
from keyshift.control.checkpoint import CaptureStatus, read_capture
from keyshift.control.migration import Migration, create, draw_id
from keyshift.control.store import Store
from keyshift.mysql.connection import connect
from keyshift.mysql.schema import read_schemas
from keyshift.mysql.table_reader import read_chunk
from keyshift.process.settings import Settings, load_settings
from keyshift.process.stop import NEVER, Stop
from tests.cdc.sources import facts_and_end
from tests.servers.aws import unique

LANES = 8
KEYMAP = """\
keyshift: 1
targets:
  purchases: {{partition_key: {{customerid: N}}, sort_key: {{orderid: N}}}}
  app: {{partition_key: {{pk: S}}, sort_key: {{sk: S}}}}
tables:
  {schema}.purchase:
    - target: purchases
      key: {{customerid: "{{customerid}}", orderid: "{{orderid}}"}}
      group: {{attribute: "productid{{productid}}", value: quantity}}
  {schema}.orders:
    - target: app
      key: {{pk: "CUSTOMER#{{customer_id}}", sk: "ORDER#{{id:010d}}"}}
      where: {{status: {{not_equals: draft}}}}
"""
TABLES = (
    """CREATE TABLE purchase (customerid INT, orderid INT, productid INT, quantity INT NOT NULL,
       PRIMARY KEY (customerid, orderid, productid))""",
    """CREATE TABLE orders (id INT PRIMARY KEY, customer_id INT NOT NULL, status VARCHAR(20) NOT NULL,
       total DECIMAL(10,2) NULL)""",
    "CREATE TABLE elsewhere (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(100))",
)
SETTINGS = """\
migration: shop
keymap: keymap.yaml
lanes: {lanes}
control_table: {control}
source: {{host: {host}, port: {port}, user: {user}, password_env: SHOP_PASSWORD, tls: {{mode: "off"}}}}
aws: {{region: {region}, endpoints: {{dynamodb: "{dynamodb}", kinesis: "{kinesis}", s3: "{s3}"}}}}
stream: {{name: {stream}, shards: 2, retention_hours: 24}}
bucket: {{name: {bucket}}}
capture: {{lease_seconds: 2, heartbeat_seconds: 0.1, retry_seconds_max: 0.5, log_interval_seconds: 1{capture}}}
"""


@dataclass
class World:
    """One migration and its servers. `folder` holds its settings and keymap."""

    database: Database
    schema: str
    folder: Path
    settings: Settings
    keymap: Keymap
    clients: Clients
    store: Store
    migration: Migration
    errors: list[BaseException] = field(default_factory=list)

    def execute(self, *statements: str) -> None:
        """In one session, each committed by itself unless they say otherwise."""
        with self.database.connect(self.schema) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    @contextmanager
    def daemon(self) -> Iterator[Stop]:
        """The daemon in a thread, asked to stop at the end; what it raises then is in `errors`."""
        stop = Stop()
        thread = threading.Thread(target=self._run, args=(stop,))
        thread.start()
        try:
            yield stop
        finally:
            stop.set()
            thread.join(30)
            assert not thread.is_alive(), "the daemon did not stop"

    def _run(self, stop: Stop) -> None:
        clients = make_clients(self.settings.aws.region, self.settings.aws.endpoints.urls)
        try:
            run(self.settings, self.keymap, clients, stop)
        except BaseException as error:  # noqa: BLE001 - for the test to look at
            self.errors.append(error)
        finally:
            clients.close()

    def spawn(self) -> "subprocess.Popen[bytes]":
        """The daemon as a process of its own."""
        argv = [sys.executable, "-m", "tests.cdc.daemon_process", str(self.folder / "keyshift.yaml")]
        environment = {**os.environ, **CREDENTIALS, "SHOP_PASSWORD": self.database.password}
        log = (self.folder / "daemon.log").open("ab")
        with log:
            return subprocess.Popen(argv, env=environment, stdout=log, stderr=log)

    def capture(self) -> CaptureStatus:
        return read_capture(self.store)

    def end(self) -> Position:
        return facts_and_end(self.database)[1]

    def is_caught_up(self) -> bool:
        checkpoint = self.capture().checkpoint
        return checkpoint is not None and checkpoint.position.contains(self.end())

    def wait_until(self, condition: Callable[[], object], what: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert not self.errors, self.errors
            assert time.monotonic() < deadline, f"waited {seconds} seconds for {what}: {self.capture()}"
            time.sleep(0.05)

    def wait_until_failed(self) -> None:
        deadline = time.monotonic() + 30
        while not self.errors:
            assert time.monotonic() < deadline, "the daemon did not end by itself"
            time.sleep(0.05)

    def wait_started(self) -> None:
        self.wait_until(lambda: self.capture().started, "capture to start")

    def wait_caught_up(self) -> None:
        self.wait_until(self.is_caught_up, "capture to catch up")

    def pages(self) -> Iterator[tuple[str, list[bytes]]]:
        """What the stream holds, shard by shard, in the order in which it arrived: the shard's name, some records."""
        for shard in stream.shards(self.clients.kinesis, self.migration.stream):
            iterator: str | None = stream.iterator_for(self.clients.kinesis, self.migration.stream, shard.id, None)
            while iterator:
                page = stream.get_records(self.clients.kinesis, iterator)
                yield shard.id, [record.data for record in page.records]
                iterator = page.next_iterator if page.records or page.behind_ms else None

    def records(self) -> list[tuple[Header, list[Change]]]:
        """All records of the stream, in that order."""
        return [decode_pack(data, self.claims.get) for _, page in self.pages() for data in page]

    @property
    def claims(self) -> ClaimStore:
        return ClaimStore(self.clients, self.migration.bucket, NEVER)

    def objects(self) -> list[str]:
        """The names of what lies in the bucket."""
        pages = self.clients.s3.get_paginator("list_objects_v2").paginate(Bucket=self.migration.bucket)
        return [one["Key"] for page in pages for one in page.get("Contents", ())]

    def lanes(self) -> dict[int, list[Change]]:
        """What a consumer applies of each lane: in order, without repetitions; it would stop at a gap."""
        lanes: dict[int, list[Change]] = defaultdict(list)
        applied = Lanes({}, str)  # nothing is void
        for header, changes in self.records():
            lane = lanes[header.lane]
            last = lane[-1].version if lane else ""
            applied.follow(header)
            assert [change.version for change in changes] == sorted(change.version for change in changes)
            lane += [change for change in changes if change.version > last]
        return lanes

    def markers(self, number: int) -> set[int]:
        return {header.lane for header, _ in self.records() if (header.kind, header.barrier) == ("barrier", number)}

    def replayed(self) -> dict[tuple[Any, ...], Any]:
        """The slots that the stream's changes leave behind, each lane applying its own patches."""
        patches: list[Patch] = []
        for lane, changes in self.lanes().items():
            for change in changes:
                mine = self.keymap.patches(change)
                patches += [patch for patch in mine if lane_of(patch.table, patch.key, LANES) == lane]
        return {patch.register: patch.attributes for patch in fold(patches) if patch.attributes is not None}

    def expected(self) -> dict[tuple[Any, ...], Any]:
        """The slots that the rows at the source are now."""
        connection = connect(self.settings.source)
        try:
            schemas = read_schemas(connection, self.keymap.tables)
            rows = [(name, row) for name in schemas for row in read_chunk(connection, schemas[name], None, 10**6).rows]
        finally:
            connection.close()
        patches = [patch for name, row in rows for patch in self.keymap.row_patches(name, row, floor(1))]
        return {patch.register: patch.attributes for patch in patches}

    def require_same(self) -> None:
        """Everything that was committed, and nothing else, is on the stream."""
        assert self.replayed() == self.expected()


def make_world(  # noqa: PLR0917
    database: Database,
    endpoints: Endpoints,
    schema: str,
    folder: Path,
    kinesis: str = "",
    port: int = 0,
    capture: str = "",
    dynamodb: str = "",
    s3: str = "",
) -> World:
    """What `keyshift init` makes of the tables; they are empty. `port` and the endpoints may be a proxy's."""
    os.environ["SHOP_PASSWORD"] = database.password
    (folder / "keymap.yaml").write_text(KEYMAP.format(schema=schema))
    text = SETTINGS.format(
        lanes=LANES,
        control=unique("control"),
        host=database.host,
        port=port or database.port,
        user=database.user,
        region=CREDENTIALS["AWS_DEFAULT_REGION"],
        dynamodb=dynamodb or endpoints.urls["dynamodb"],
        kinesis=kinesis or endpoints.urls["kinesis"],
        s3=s3 or endpoints.urls["s3"],
        stream=unique("stream"),
        bucket=unique("bucket"),
        capture=capture and f", {capture}",
    )
    (folder / "keyshift.yaml").write_text(text)
    settings, keymap = load_settings(folder / "keyshift.yaml"), load_keymap(folder / "keymap.yaml")
    clients = make_clients(settings.aws.region, endpoints.urls)
    world = World(database, schema, folder, settings, keymap, clients, *initialised(settings, keymap, clients))
    clients.s3.create_bucket(Bucket=settings.bucket.name)
    world.execute(*TABLES)
    return world


def initialised(settings: Settings, keymap: Keymap, clients: Clients) -> tuple[Store, Migration]:
    wanted = Migration(
        name=settings.migration,
        id=draw_id(settings.migration),
        tables=keymap.tables,
        lanes=settings.lanes,
        digest=keymap.digest,
        stream=settings.stream.name,
        bucket=settings.bucket.name,
        prefix=settings.bucket.prefix,
    )
    ensure_control_table(clients.dynamodb, settings.control_table, wanted.id)
    ensure_stream(
        clients.kinesis, wanted.stream, wanted.id, shards=settings.stream.shards, on_demand=False, retention_hours=24
    )
    store = Store(clients.dynamodb, settings.control_table, settings.migration)
    return store, create(store, wanted)
