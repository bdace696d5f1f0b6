"""Load: dumped rows into DynamoDB (a sink faster than the client), beside boto3's batch_writer fed with ready items."""

import boto3
from boto3.dynamodb.types import TypeDeserializer

from bench import shape
from bench.measure import PER_CORE, Result, compared, per_core
from bench.sink import sink
from bench.source import Begun, begun
from bulkload.dump.run import dump
from bulkload.folder import open_storage
from bulkload.imports.convert import Conversion
from bulkload.load.reading import Dump
from bulkload.load.run import Tools, load
from bulkload.progress import silent
from keymap.items import whole_item
from keymap.version import floor
from keyshift.aws.clients import make_clients
from keyshift.control import migration as control
from keyshift.control.lease import LOAD, Lease
from keyshift.control.reloads import FIRST
from keyshift.process.clock import boottime
from keyshift.process.stop import Stop


def _naive(rows: int, url: str) -> float:
    keymap, plain = shape.keymap(), TypeDeserializer()
    table = f"{shape.SCHEMA}.{shape.TABLE}"
    patches = (patch for row in shape.canonical_rows(rows) for patch in keymap.row_patches(table, row, floor(1)))
    items = [{n: plain.deserialize(v) for n, v in whole_item(keymap, "m", patch).items()} for patch in patches]

    def write() -> None:
        with boto3.resource("dynamodb", endpoint_url=url).Table(shape.TARGET).batch_writer() as batch:
            for item in items:
                batch.put_item(Item=item)

    return per_core(rows, write)


def _convert(source: Begun) -> None:
    """What engine import does until AWS has its files."""
    stop, migration = Stop(), control.load(source.store)
    storage = open_storage(None, source.clients, migration, stop)
    lease = Lease(source.store, LOAD, "bench", source.settings.bulkload.lease_seconds, boottime)
    tools = Tools(migration, source.keymap, lease, storage, source.clients.dynamodb, silent, stop)
    dumped = Dump(migration, source.keymap, source.store, storage, stop)
    prefixes = {shape.TARGET: f"{migration.prefix}/{migration.id}/import/"}
    Conversion(tools, dumped, prefixes).run([dumped.table(f"{shape.SCHEMA}.{shape.TABLE}", FIRST)])


def measure(rows: int) -> list[Result]:
    """Items in a second of one core: ours reads, unpacks, checks, maps and writes; batch_writer only writes."""
    with begun(rows) as source, sink(source.url) as url:
        dump(source.settings, source.keymap, source.clients, Stop())
        writing = make_clients("us-east-1", {"dynamodb": url})
        ours = per_core(rows, lambda: load(source.settings, source.keymap, source.clients, Stop(), writing=writing))
        converted = per_core(rows, lambda: _convert(source))
        naive = _naive(rows, url)
    against = "boto3 batch_writer, ready items"
    found = compared("load", ("keyshift bulkload load", ours), (against, naive), PER_CORE)
    return [*found, Result("load", "engine import, to its files", converted, against, converted / naive, PER_CORE)]
