"""A small shop in MySQL, its migration initialised and captured, and what the bulk load must make of it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bulkload.dump.run import DumpReport, dump
from bulkload.imports.allowed import IMPORT
from bulkload.imports.run import load as run_import
from bulkload.load.run import LoadReport, load
from bulkload.progress import Progress, silent
from keymap.items import group_item, whole_item
from keymap.patch import WHOLE, Item, Key, Patch
from keymap.rules import Keymap, parse_keymap
from keymap.schema import TableSchema
from keymap.version import floor
from keyshift.aws.clients import Clients, make_clients
from keyshift.aws.resources import ensure_bucket, ensure_control_table, ensure_table
from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import CREDENTIALS, Endpoints
from keyshift.control.checkpoint import mark_started, record_start
from keyshift.control.lease import CAPTURE, Lease
from keyshift.control.migration import Migration, create, draw_id
from keyshift.control.phase import Phase, read_phase
from keyshift.control.store import Store
from keyshift.mysql.connection import connect
from keyshift.mysql.facts import read_facts
from keyshift.mysql.schema import read_schemas
from keyshift.mysql.start import capture_start
from keyshift.mysql.table_reader import read_chunk
from keyshift.process.clock import boottime
from keyshift.process.sections import AwsSettings, BucketSettings, EndpointSettings
from keyshift.process.settings import Settings
from keyshift.process.source import SourceSettings, TlsSettings
from keyshift.process.stop import Stop
from keyshift.process.tasks import ApplySettings, BulkloadSettings
from tests.servers.aws import unique

KEYMAP = """\
keyshift: 1
targets:
  {name}-purchases:
    partition_key: {{customerid: N}}
    sort_key: {{orderid: N}}
  {name}-app:
    partition_key: {{pk: S}}
    sort_key: {{sk: S}}
  {name}-tags:
    partition_key: {{name: S}}
tables:
  {schema}.purchase:
    - target: {name}-purchases
      key: {{customerid: "{{customerid}}", orderid: "{{orderid}}"}}
      group: {{attribute: "productid{{productid}}", value: quantity}}
  {schema}.orders:
    - target: {name}-app
      key: {{pk: "CUSTOMER#{{customer_id}}", sk: "ORDER#{{id:010d}}"}}
      where: {{status: {{not_equals: draft}}}}
  {schema}.tag:
    - target: {name}-tags
      key: {{name: "{{name}}"}}
      group: {{attribute: "i{{item}}", value: weight}}
"""
TABLES = (
    """CREATE TABLE purchase (customerid INT, orderid INT, productid INT, quantity INT NOT NULL,
       PRIMARY KEY (customerid, orderid, productid))""",
    """CREATE TABLE orders (id INT PRIMARY KEY, customer_id INT NOT NULL, status VARCHAR(20) NOT NULL,
       total DECIMAL(10,2) NULL, note LONGTEXT NULL)""",
    """CREATE TABLE tag (name VARCHAR(20) CHARACTER SET utf8mb4, item INT, weight INT, PRIMARY KEY (name, item))""",
)
# Groups of purchases are put together by chunks; tags have a text key, whose order is its collation's, so they are not.
ROWS = (
    "INSERT INTO purchase VALUES (1,1,1,5),(1,1,2,6),(1,1,3,7),(1,2,1,8),(2,1,1,9),(2,1,2,1),(2,1,3,1),(2,1,4,1)",
    """INSERT INTO orders VALUES (1,1,'paid',1.50,NULL),(2,1,'draft',2,NULL),(3,2,'paid',NULL,'x'),(4,2,'new',4,''),
       (5,9,'paid',5,NULL),(6,9,'paid',6,NULL),(7,9,'sent',7,NULL)""",
    "INSERT INTO tag VALUES ('a',1,1),('A2',1,2),('b',1,3),('b',2,4),('b',3,5),('b',4,NULL),('c',1,7)",
)


@dataclass(frozen=True)
class World:
    """One migration and its servers."""

    database: Database
    schema: str
    settings: Settings
    keymap: Keymap
    clients: Clients
    store: Store
    migration: Migration
    stop: Stop = field(default_factory=Stop)

    def execute(self, *statements: str) -> None:
        with self.database.connect(self.schema) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def start_capture(self) -> None:
        """What the daemon does: record where capture starts, then that its first record was acknowledged."""
        with opened(self.settings.source) as connection:
            facts = read_facts(connection)
        start = capture_start(lambda: connect(self.settings.source), facts, self.migration.tables)
        lease = Lease(self.store, CAPTURE, "test", 10, boottime)
        assert lease.try_acquire()
        record_start(lease, start, facts.identity)
        mark_started(lease)
        lease.release()

    def dump(
        self, clients: Any = None, progress: Progress = silent, tables: Sequence[str] = (), **changed: Any
    ) -> DumpReport:
        settings = with_bulkload(self.settings, **changed)
        return dump(settings, self.keymap, clients or self.clients, self.stop, progress, tables=tables)

    def load(self, clients: Any = None, writing: Any = None, progress: Progress = silent, **changed: Any) -> LoadReport:
        settings = with_bulkload(self.settings, **changed)
        run = run_import if settings.bulkload.engine == IMPORT else load
        return run(settings, self.keymap, clients or self.clients, self.stop, progress, writing=writing)

    def target(self, name: str) -> str:
        return next(target for target in self.keymap.targets if target.endswith(f"-{name}"))

    def phase(self) -> Phase:
        return read_phase(self.store)

    def free(self, item: str) -> None:
        """Let the lease of a process that died be taken at once: stands for the seconds until it runs out."""
        if self.store.get(item) is not None:
            self.store.update(item, {"released": True}, {})

    def schemas(self) -> dict[str, TableSchema]:
        with opened(self.settings.source) as connection:
            return read_schemas(connection, self.keymap.tables)

    def expected(self) -> dict[tuple[str, Key], Item]:
        """The items that the rows in MySQL now must have become."""
        patches: dict[tuple[str, Key], list[Patch]] = {}
        with opened(self.settings.source) as connection:
            for name, schema in self.schemas().items():
                for row in read_chunk(connection, schema, None, 1_000_000).rows:
                    for patch in self.keymap.row_patches(name, row, floor(1)):
                        patches.setdefault((patch.table, patch.key), []).append(patch)
        return {place: self._item(of_item) for place, of_item in patches.items()}

    def stored(self) -> dict[tuple[str, Key], Item]:
        """The items in DynamoDB, without the counter of writes."""
        found = {}
        for name, target in self.keymap.targets.items():
            pages = self.clients.dynamodb.get_paginator("scan").paginate(TableName=name, ConsistentRead=True)
            for item in (item for page in pages for item in page["Items"]):
                found[name, target.key_of(item)] = self._plain(item)
        return found

    def objects(self) -> list[str]:
        listed = self.clients.s3.list_objects_v2(Bucket=self.settings.bucket.name)
        return [one["Key"] for one in listed.get("Contents", [])]

    def _item(self, patches: Sequence[Patch]) -> Item:
        make = whole_item(self.keymap, self.migration.id, patches[0]) if patches[0].slot == WHOLE else None
        return self._plain(make or group_item(self.keymap, self.migration.id, patches))

    def _plain(self, item: Item) -> Item:
        return {name: value for name, value in item.items() if name != self.keymap.bookkeeping.revision}


@contextmanager
def opened(source: SourceSettings) -> Iterator[Any]:
    connection = connect(source)
    try:
        yield connection
    finally:
        connection.close()


def with_bulkload(settings: Settings, **changed: Any) -> Settings:
    return settings.model_copy(update={"bulkload": settings.bulkload.model_copy(update=changed)})


def make_world(database: Database, endpoints: Endpoints, schema: str, folder: Path) -> World:
    """A shop with its rows, initialised; capture has not started."""
    text = KEYMAP.format(name=schema, schema=schema)
    (folder / "keymap.yaml").write_text(text)
    settings = Settings(
        migration="shop",
        keymap=folder / "keymap.yaml",
        control_table=unique("control"),
        source=SourceSettings(
            host=database.host,
            port=database.port,
            user=database.user,
            password=SecretStr(database.password),
            tls=TlsSettings(mode="off"),
        ),
        aws=AwsSettings(region=CREDENTIALS["AWS_DEFAULT_REGION"], endpoints=EndpointSettings(**endpoints.urls)),
        bucket=BucketSettings(name=unique("bucket")),
        bulkload=BulkloadSettings(chunk_rows=3, load_processes=1, load_concurrency=2),
        apply=ApplySettings(request_life_seconds=0.2),
    )
    world = migrated(database, schema, settings, parse_keymap(text, "keymap.yaml"))
    world.execute(*TABLES, *ROWS)
    return world


def migrated(database: Database, schema: str, settings: Settings, keymap: Keymap) -> World:
    """What `keyshift init` does for these settings."""
    clients = make_clients(settings.aws.region, settings.aws.endpoints.urls)
    wanted = Migration(
        name=settings.migration,
        id=draw_id(settings.migration),
        tables=keymap.tables,
        lanes=4,
        digest=keymap.digest,
        stream="stream",
        bucket=settings.bucket.name,
        prefix=settings.bucket.prefix,
    )
    ensure_control_table(clients.dynamodb, settings.control_table, wanted.id)
    for target in keymap.targets.values():
        ensure_table(clients.dynamodb, target, wanted.id)
    ensure_bucket(clients.s3, settings.bucket.name, wanted.id)
    store = Store(clients.dynamodb, settings.control_table, settings.migration)
    return World(database, schema, settings, keymap, clients, store, create(store, wanted))


def another(world: World, keymap: Keymap, migration: str) -> World:
    """A second migration from the same servers."""
    settings = world.settings.model_copy(update={"migration": migration})
    return migrated(world.database, world.schema, settings, keymap)
