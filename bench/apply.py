"""Apply: packs into guarded writes, beside a function that calls put_item once per change, without TLS and with it."""

import multiprocessing
import os
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Final

import boto3
from boto3.dynamodb.types import TypeDeserializer

from bench import shape
from bench.daemon import Watched
from bench.measure import PER_CORE, Result, compared, per_core, per_second
from bench.sink import sink, sinks
from keymap.change import Change, Source
from keymap.folding import Folding
from keymap.lanes import lane_of
from keymap.rules import Keymap
from keymap.version import version
from keymap.wire import Header, decode_pack, encode_change, encode_pack
from keyshift.apply.folding import Folded, folded
from keyshift.apply.gaps import Lanes
from keyshift.apply.stream import StreamApplier
from keyshift.apply.writer import GuardedWriter
from keyshift.aws.clients import make_clients
from keyshift.aws.many import Ready, many_writes
from keyshift.aws.stream import StreamRecord
from keyshift.control.migration import Migration
from keyshift.control.phase import Phase
from keyshift.control.standing import Standing
from keyshift.process.garbage import collected_later

LANES, CHANGES_PER_PACK, CONCURRENCY = 16, 100, 16
TIMES: Final = 3  # the best of them counts: a run takes a second, and the machine is shared
HOT_KEYS: Final = 50
SHAPES: Final = {"distinct keys": 0.0, "hot keys": 0.5, "hotter keys": 0.9}  # the share of changes on the hot keys
ANSWER_SECONDS: Final = 0.005  # as a guarded put takes within a region
_MICROSECONDS: Final = "µs of a core per change"


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
    def stands(lane: int, follows: str) -> None:
        """Forget it."""

    @staticmethod
    def seen(number: int, lane: int) -> None:
        """Forget it."""


def _changes(count: int, hot: float) -> list[Change]:
    rows = list(shape.canonical_rows(count))
    draw = random.Random(3)
    table = f"{shape.SCHEMA}.{shape.TABLE}"
    found = []
    for number, row in enumerate(rows, start=1):
        picked = rows[draw.randrange(min(HOT_KEYS, count))] if draw.random() < hot else row
        source = Source("binlog.000001", number, 0, "", "", 1)
        found.append(Change("u", table, picked, picked | {"kind": number}, version(1, 1, number, 0), source))
    return found


def _records(changes: Sequence[Change], keymap: Keymap, migration: Migration) -> list[StreamRecord]:
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


def _naive(records: Sequence[StreamRecord], keymap: Keymap, url: str) -> None:
    """What the well-known sample does: unpack, and put each row's item as it comes."""
    plain = TypeDeserializer()
    table = boto3.resource("dynamodb", endpoint_url=url).Table(shape.TARGET)
    for record in records:
        for change in decode_pack(record.data)[1]:
            for patch in keymap.patches(change):
                item = {**keymap.targets[patch.table].key_item(patch.key), **(patch.attributes or {})}
                table.put_item(Item={name: plain.deserialize(value) for name, value in item.items()})


def _best(count: int, work: Callable[[], object]) -> float:
    return max(per_core(count, lambda: work() and None) for _ in range(TIMES))


def measure(rows: int) -> list[Result]:
    """Changes in a second of one core: all keys distinct, and with hot keys, of which the newest change is written."""
    keymap = shape.keymap()
    migration = _migration(keymap)
    found: list[Result] = []
    with sinks() as urls:
        for name, hot in SHAPES.items():
            records = _records(_changes(rows, hot), keymap, migration)
            for way, url in urls.items():
                found += _compared(f"{name}, {way}", records, keymap, migration, url)
            found += _stages(name, records, keymap, migration, urls["plain"])
    some = _records(_changes(rows // 4, 0.0), keymap, migration)
    return found + _waiting(some, keymap, migration) + _memory(some, _records(_changes(rows, 0.0), keymap, migration))


def _compared(
    name: str, records: Sequence[StreamRecord], keymap: Keymap, migration: Migration, url: str
) -> list[Result]:
    clients = make_clients("us-east-1", {"dynamodb": url})
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        writer = GuardedWriter(clients.dynamodb, keymap, migration.id, pool, writes_at_once=CONCURRENCY)
        applier = StreamApplier(writer, keymap, migration, _OpenGate())
        ours = _best(_count(records), lambda: applier.handle(records))
    clients.close()
    share = records[: max(1, len(records) // 16)]
    naive = _best(_count(share), lambda: _naive(share, keymap, url))
    return compared("apply", (f"keyshift apply, {name}", ours), (f"one put_item per change, {name}", naive), PER_CORE)


def _waiting(records: Sequence[StreamRecord], keymap: Keymap, migration: Migration) -> list[Result]:
    """By the clock, where each answer takes its time, as DynamoDB's do."""
    with sink(answer_seconds=ANSWER_SECONDS) as url, ThreadPoolExecutor(CONCURRENCY) as pool:
        clients = make_clients("us-east-1", {"dynamodb": url})
        writer = GuardedWriter(clients.dynamodb, keymap, migration.id, pool, writes_at_once=CONCURRENCY)
        applier = StreamApplier(writer, keymap, migration, _OpenGate())
        ours = per_second(_count(records), lambda: applier.handle(records) and None)
        clients.close()
        share = records[: max(1, len(records) // 32)]
        naive = per_second(_count(share), lambda: _naive(share, keymap, url))
    name = f"distinct keys, answers take {1_000 * ANSWER_SECONDS:.0f} ms"
    return compared("apply", (f"keyshift apply, {name}", ours), (f"one put_item per change, {name}", naive))


def _memory(small: Sequence[StreamRecord], large: Sequence[StreamRecord]) -> list[Result]:
    """The most memory of a process that applies one batch, and one four times as large."""
    with sink() as url:
        less, more = (_peak(records, url) for records in (small, large))
    name = f"peak memory, a batch of {_count(large):,} changes"
    return [Result("apply", name, more, f"{less:.0f} MiB, of {_count(small):,}", more / less, "MiB")]


def _peak(records: Sequence[StreamRecord], url: str) -> float:
    """In MiB, of a process of its own."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_applied, args=(records, url, sender))
    process.start()
    peak: float = receiver.recv()
    process.join()
    return peak


def _applied(records: Sequence[StreamRecord], url: str, peak: Connection) -> None:
    keymap, clients = shape.keymap(), make_clients("us-east-1", {"dynamodb": url})
    migration = _migration(keymap)
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        writer = GuardedWriter(clients.dynamodb, keymap, migration.id, pool)
        assert StreamApplier(writer, keymap, migration, _OpenGate()).handle(records).error is None
    peak.send(Watched(os.getpid()).peak_mebibytes)


def _migration(keymap: Keymap) -> Migration:
    return Migration("bench", "bench.0", (), LANES, keymap.digest, stream="", bucket="", prefix="")


def _count(records: Sequence[StreamRecord]) -> int:
    return sum(decode_pack(record.data)[0].count for record in records)


def _stages(name: str, records: Sequence[StreamRecord], keymap: Keymap, migration: Migration, url: str) -> list[Result]:
    """Where the time goes: until the newest changes are known, until their requests are made, and until all is done."""
    folding, clients = Folding(keymap, LANES), make_clients("us-east-1", {"dynamodb": url})
    many = many_writes(clients.dynamodb, keymap, migration.id, CONCURRENCY)
    assert many

    def fold() -> Folded:
        found = folded(folding, migration, records, Lanes({}, str), "")
        assert found
        return found

    def send(requests: Sequence[Ready | None]) -> None:
        for _ in many.send(requests):
            pass

    with collected_later():  # as apply does
        count = _count(records)
        batch = fold()
        requests = list(map(many.put, batch.puts))
        stages = {
            "unpacking and folding": _best(count, fold),
            "mapping, writing requests": _best(count, lambda: list(map(many.put, batch.puts))),
            "sending": _best(count, lambda: send(requests)),
        }
    clients.close()
    spent = {stage: 1e6 / speed for stage, speed in stages.items()}
    whole = sum(spent.values())
    return [
        Result("apply", f"{stage}, {name}", part, "all of it", part / whole, _MICROSECONDS)
        for stage, part in spent.items()
    ]
