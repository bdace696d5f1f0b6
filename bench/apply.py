"""Apply: packs into guarded writes, beside a function that calls put_item once per change."""

import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import boto3
from boto3.dynamodb.types import TypeDeserializer

from bench import shape
from bench.measure import PER_CORE, Result, compared, per_core
from bench.sink import sink
from keymap.change import Change, Source
from keymap.lanes import lane_of
from keymap.version import version
from keymap.wire import Header, decode_pack, encode_change, encode_pack
from keyshift.apply.stream import StreamApplier
from keyshift.apply.writer import GuardedWriter
from keyshift.aws.clients import make_clients
from keyshift.aws.stream import StreamRecord
from keyshift.control.migration import Migration
from keyshift.control.phase import Phase
from keyshift.control.standing import Standing

LANES, CHANGES_PER_PACK, CONCURRENCY = 16, 100, 16
HOT_KEYS = 50  # of the mixed batch: half of the changes fall on these


class _OpenGate:
    """Replay is open, and neither lanes nor markers are kept: what is measured is the writing."""

    @staticmethod
    def look() -> Standing:
        return Standing(Phase.REPLAY)

    @staticmethod
    def void_before() -> str:
        return ""

    @staticmethod
    def reached(lanes: Mapping[int, str], before: Mapping[int, str]) -> None:
        """Forget it."""

    @staticmethod
    def seen(number: int, lane: int) -> None:
        """Forget it."""


def _changes(count: int, *, hot: bool) -> list[Change]:
    rows = list(shape.canonical_rows(count))
    draw = random.Random(3)
    table = f"{shape.SCHEMA}.{shape.TABLE}"
    found = []
    for number, row in enumerate(rows, start=1):
        picked = rows[draw.randrange(min(HOT_KEYS, count))] if hot and draw.random() < 0.5 else row
        source = Source("binlog.000001", number, 0, "", "", 1)
        found.append(Change("u", table, picked, picked | {"kind": number}, version(1, 1, number, 0), source))
    return found


def _records(changes: Sequence[Change], migration: Migration) -> list[StreamRecord]:
    keymap = shape.keymap()
    lanes: dict[int, list[Change]] = {}
    for change in changes:
        (patch,) = keymap.patches(change)
        lanes.setdefault(lane_of(patch.table, patch.key, LANES), []).append(change)
    records = []
    for lane, held in lanes.items():
        for at in range(0, len(held), CHANGES_PER_PACK):
            pack = held[at : at + CHANGES_PER_PACK]
            header = Header(migration.id, migration.digest, 1, lane, "changes", "", pack[-1].version, 0, len(pack))
            data = encode_pack(header, [encode_change(change) for change in pack])
            records.append(StreamRecord(str(len(records)), data, str(lane), 0))
    return records


def _naive(records: Sequence[StreamRecord], url: str) -> None:
    """What the well-known sample does: unpack, and put each row's item as it comes."""
    keymap, plain = shape.keymap(), TypeDeserializer()
    table = boto3.resource("dynamodb", endpoint_url=url).Table(shape.TARGET)
    for record in records:
        for change in decode_pack(record.data)[1]:
            for patch in keymap.patches(change):
                item = {**keymap.targets[patch.table].key_item(patch.key), **(patch.attributes or {})}
                table.put_item(Item={name: plain.deserialize(value) for name, value in item.items()})


def measure(rows: int) -> list[Result]:
    """Changes in a second of one core: all keys distinct, and with hot keys, of which the newest change is written."""
    found = []
    for name, hot in (("distinct keys", False), ("hot keys", True)):
        keymap = shape.keymap()
        migration = Migration("bench", "bench.0", (), LANES, keymap.digest, 1, (), "", "", "", 0)
        records = _records(_changes(rows, hot=hot), migration)
        with sink() as url, ThreadPoolExecutor(CONCURRENCY) as pool:
            clients = make_clients("us-east-1", {"dynamodb": url})
            applier = StreamApplier(
                GuardedWriter(clients.dynamodb, keymap, migration.id, pool), keymap, migration, _OpenGate()
            )
            ours = per_core(rows, lambda applier=applier, records=records: applier.handle(records))
            clients.close()
            share = records[: max(1, len(records) // 4)]
            count = sum(decode_pack(record.data)[0].count for record in share)
            naive = per_core(count, lambda share=share, url=url: _naive(share, url))
        found += compared(
            "apply", (f"keyshift apply, {name}", ours), (f"one put_item per change, {name}", naive), PER_CORE
        )
    return found
