"""Load: dumped rows into DynamoDB (a sink faster than the client), beside boto3's batch_writer fed with ready items.

And where the time of an item goes, and whether the load's memory grows with the table.
"""

import contextlib
import io
import time
from typing import Final

import boto3
from boto3.dynamodb.types import TypeDeserializer

from bench import shape
from bench.daemon import Watched
from bench.measure import PER_CORE, Result, compared, per_core
from bench.sink import sink
from bench.source import Begun, begun
from bulkload.board import Board
from bulkload.chunkfile import ChunkReader, check_digest
from bulkload.dump.run import dump
from bulkload.folder import open_storage
from bulkload.imports.convert import Conversion
from bulkload.load.reading import Dump
from bulkload.load.run import Tools, load
from bulkload.load.writes import ChunkRows, plan_writes
from bulkload.manifest import decode_manifest
from bulkload.progress import silent
from keymap.items import whole_item
from keymap.version import floor
from keyshift.aws.clients import make_clients
from keyshift.aws.hold import SendGuard
from keyshift.cli.demo.commands import Commands
from keyshift.control import migration as control
from keyshift.control.chunks import chunks
from keyshift.control.lease import LOAD, Lease
from keyshift.control.reloads import FIRST
from keyshift.process.clock import boottime
from keyshift.process.garbage import collected_later
from keyshift.process.stop import Stop

MORE_ROWS: Final = 4  # times the rows, for the second look at memory
_MICROSECONDS: Final = "µs of a core per item"
_TABLE: Final = f"{shape.SCHEMA}.{shape.TABLE}"
_OURS: Final = "keyshift bulkload load"


def _naive(rows: int, url: str) -> float:
    keymap, plain = shape.keymap(), TypeDeserializer()
    patches = (patch for row in shape.canonical_rows(rows) for patch in keymap.row_patches(_TABLE, row, floor(1)))
    items = [{n: plain.deserialize(v) for n, v in whole_item(keymap, "m", patch).items()} for patch in patches]

    def write() -> None:
        with boto3.resource("dynamodb", endpoint_url=url).Table(shape.TARGET).batch_writer() as batch:
            for item in items:
                batch.put_item(Item=item)

    return per_core(rows, write)


def _stages(source: Begun, rows: int) -> tuple[float, float]:
    """Microseconds of an item until its row is read, and until its write is ready."""
    migration = control.load(source.store)
    storage = open_storage(source.settings.bulkload.folder, source.clients, migration, Stop())
    manifest = decode_manifest(storage.get(storage.manifest_name(_TABLE, "")), "manifest")
    found = [(chunk, storage.get(chunk.object)) for chunk in chunks(source.store, _TABLE)]

    def read() -> None:
        for chunk, data in found:
            check_digest(data, chunk.sha256, chunk.object)
            for _ in ChunkReader(io.BytesIO(data), chunk.object).rows(chunk.rows):
                pass

    def plan() -> None:
        for chunk, data in found:
            check_digest(data, chunk.sha256, chunk.object)
            reader = ChunkReader(io.BytesIO(data), chunk.object)
            these = ChunkRows(manifest.schema, reader.rows(chunk.rows), chunk.uncut, reader.header.version)
            plan_writes(source.keymap, migration.id, these)

    with collected_later():  # as the load does
        plan()  # functions are written for the rows' shape
        return 1e6 / per_core(rows, read), 1e6 / per_core(rows, plan)


def _peak(rows: int) -> float:
    """The most memory that the command has, in MiB."""
    with begun(rows) as source:
        dump(source.settings, source.keymap, source.clients, Stop())
        process, peak = Commands(source.folder, source.environment).start("bulkload", "load"), 0.0
        while process.poll() is None:
            with contextlib.suppress(IndexError, FileNotFoundError):  # it ends
                peak = Watched(process.pid).peak_mebibytes
            time.sleep(0.02)
        assert process.returncode == 0
    return peak


def _convert(source: Begun) -> None:
    """What engine import does until AWS has its files."""
    stop, migration = Stop(), control.load(source.store)
    storage = open_storage(None, source.clients, migration, stop)
    lease = Lease(source.store, LOAD, "bench", source.settings.bulkload.lease_seconds, boottime)
    guard = SendGuard(lease, 1.0, boottime)
    board = Board(source.store, LOAD, silent, stop, boottime)
    clients = source.clients
    tools = Tools(source.settings, migration, source.keymap, lease, guard, storage, clients, clients, board, stop)
    dumped = Dump(migration, source.keymap, source.store, storage, stop)
    prefixes = {shape.TARGET: f"{migration.prefix}/{migration.id}/import/"}
    Conversion(tools, dumped, prefixes).run(dumped.tables({f"{shape.SCHEMA}.{shape.TABLE}": FIRST}))


def measure(rows: int) -> list[Result]:
    """Items in a second of one core: ours reads, unpacks, checks, maps and writes; batch_writer only writes."""
    with begun(rows) as source, sink(source.url) as url:
        dump(source.settings, source.keymap, source.clients, Stop())
        read, planned = _stages(source, rows)
        writing = make_clients("us-east-1", {"dynamodb": url})
        ours = per_core(rows, lambda: load(source.settings, source.keymap, source.clients, Stop(), writing=writing))
        converted = per_core(rows, lambda: _convert(source))
        naive = _naive(rows, url)
    whole = 1e6 / ours
    parts = {"reading rows": read, "making items": planned - read, "sending, recording": whole - planned}
    small, large = _peak(rows), _peak(MORE_ROWS * rows)
    against = "boto3 batch_writer, ready items"
    return [
        *compared("load", (_OURS, ours), (against, naive), PER_CORE),
        Result("load", "engine import, to its files", converted, against, converted / naive, PER_CORE),
        *(Result("load", name, part, f"all of {_OURS}", part / whole, _MICROSECONDS) for name, part in parts.items()),
        Result("load", f"peak memory, {MORE_ROWS} times the rows", large, f"{small:.0f} MiB", large / small, "MiB"),
    ]
