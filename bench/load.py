"""Load: dumped rows into DynamoDB (a sink faster than the client), beside boto3's batch_writer fed with ready items."""

import boto3
from boto3.dynamodb.types import TypeDeserializer

from bench import shape
from bench.measure import PER_CORE, Result, compared, per_core
from bench.sink import sink
from bench.source import begun
from bulkload.dump.run import dump
from bulkload.load.run import load
from keymap.items import whole_item
from keymap.version import floor
from keyshift.aws.clients import make_clients
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


def measure(rows: int) -> list[Result]:
    """Items in a second of one core: ours reads, unpacks, checks, maps and writes; batch_writer only writes."""
    with begun(rows) as source, sink(source.url) as url:
        dump(source.settings, source.keymap, source.clients, Stop())
        writing = make_clients("us-east-1", {"dynamodb": url})
        ours = per_core(rows, lambda: load(source.settings, source.keymap, source.clients, Stop(), writing=writing))
        naive = _naive(rows, url)
    return compared("load", ("keyshift bulkload load", ours), ("boto3 batch_writer, ready items", naive), PER_CORE)
