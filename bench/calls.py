"""Calls to AWS: our client beside boto3's, each call of the traffic, per second of one core."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench import shape
from bench.measure import PER_CORE, Result, compared, per_core
from bench.sink import sinks
from keymap.items import put_request, whole_item
from keymap.patch import Patch
from keymap.updates import update_request
from keymap.version import floor
from keyshift.aws.clients import Clients, Kind, make_clients

THREADS = 8
ITEMS, BATCH, RECORDS, RECORD_BYTES = 1_000, 25, 50, 20_000
Call = Callable[[Clients], object]


def _calls() -> dict[str, tuple[int, list[Call]]]:
    """By name: how many items or records a call has, and calls to make in turn."""
    keymap = shape.keymap()
    rows = shape.canonical_rows(ITEMS)
    patches = [one for row in rows for one in keymap.row_patches(f"{shape.SCHEMA}.{shape.TABLE}", row, floor(1))]
    records = [{"Data": os.urandom(RECORD_BYTES), "PartitionKey": str(number)} for number in range(RECORDS)]
    puts = [{"PutRequest": {"Item": whole_item(keymap, "m", patch)}} for patch in patches]
    batches = [{shape.TARGET: puts[at : at + BATCH]} for at in range(0, ITEMS, BATCH)]
    slots = [Patch(one.table, one.key, "note", {"note": {"S": "x"}}, one.version) for one in patches]
    requests: dict[str, tuple[int, str, list[dict[str, Any]]]] = {
        "PutItem, guarded": (1, "put_item", [put_request(keymap, "m", one) for one in patches]),
        "UpdateItem, guarded": (1, "update_item", [update_request(keymap, "m", [one]) for one in slots]),
        f"BatchWriteItem of {BATCH}, items": (BATCH, "batch_write_item", [{"RequestItems": one} for one in batches]),
    }
    calls = {
        name: (count, [lambda made, call=call, one=one: getattr(made.dynamodb, call)(**one) for one in every])
        for name, (count, call, every) in requests.items()
    }
    calls[f"PutRecords of {RECORDS} with 20 kB, records"] = (
        RECORDS,
        [lambda made: made.kinesis.put_records(StreamName="any", Records=records)],
    )
    return calls


def _speed(url: str, kind: Kind, calls: list[Call], count: int) -> float:
    """Calls in a second of one core."""
    clients = make_clients("us-east-1", {"dynamodb": url, "kinesis": url}, kind=kind)

    def some(thread: int) -> None:
        for number in range(thread, count, THREADS):
            calls[number % len(calls)](clients)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(some, range(THREADS)))  # connections are made, and what is made once
        speed = max(per_core(count, lambda: list(pool.map(some, range(THREADS))) and None) for _ in range(3))
    clients.close()
    return speed


def measure(rows: int) -> list[Result]:
    """Items and records in a second of one core."""
    found = []
    with sinks() as urls:
        for name, (count, calls) in _calls().items():
            for way, url in urls.items():
                tries = max(THREADS, rows // 20 // (4 if count > 1 else 1))
                ours = count * _speed(url, "lean", calls, 4 * tries)
                theirs = count * _speed(url, "boto3", calls, tries)
                found += compared("calls", (f"{name}, {way}", ours), (f"boto3: {name}, {way}", theirs), PER_CORE)
    return found
