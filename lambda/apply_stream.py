"""The Lambda function behind a Kinesis event source mapping: wiring only, the work is keyshift.apply's.

What is answered, with ReportBatchItemFailures and bisect on:

- *Some of the batch is done*: the first sequence number that is not. Lambda keeps what is before it and delivers the
  rest again; a raised error would have the done part delivered again too, and bisected.
- *Nothing of it is done* (replay not open, another keymap, the first record cannot be applied): the error is raised.
  Naming the first record would acknowledge nothing either, but the invocation would count as a success: no Errors
  metric, no alarm, and a shard that stands still in silence. A raised error also does not depend on how Lambda reads
  our answer. Bisecting then costs a few short invocations; splits do not count as retries, and retries are unlimited.

Settings come from the environment: KEYSHIFT_MIGRATION (its name), KEYSHIFT_CONTROL_TABLE, KEYSHIFT_KEYMAP (the keymap's
path within the archive, default keymap.yaml), KEYSHIFT_WRITE_CONCURRENCY (guarded writes in flight, default 16) and
KEYSHIFT_AWS__CLIENT (lean, or boto3: what sends the writes), KEYSHIFT_AWS__ENDPOINTS__CONTROL_TABLE (its own endpoint).
"""

import base64
import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

from keymap.errors import Problem, Problems
from keymap.rules import load_keymap
from keyshift.apply.refusals import OtherStream
from keyshift.apply.stream import BatchResult, ControlGate, StreamApplier
from keyshift.apply.writer import GuardedWriter
from keyshift.aws.claims import ClaimStore
from keyshift.aws.clients import CONTROL, Kind, make_clients
from keyshift.aws.stream import StreamRecord
from keyshift.control import migration as migrations
from keyshift.control.phase import KeymapChanged
from keyshift.control.store import NotInitialised, Store
from keyshift.process import log
from keyshift.process.stop import NEVER

WRITE_CONCURRENCY = 16  # hides DynamoDB's round trip of some milliseconds behind what one vCPU can prepare
_log = log.get_logger("lambda")


def handle(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Apply a batch of Kinesis records. Raises when nothing of it could be done; see the module."""
    records = [_record(one) for one in event["Records"]]
    try:
        result = applier().handle(records)
    except (NotInitialised, KeymapChanged):
        applier.cache_clear()  # destroyed and perhaps made anew, or with another keymap: the next one looks again
        raise
    _log.info("applied", **_line(result, len(records)))
    if isinstance(result.error, OtherStream):
        applier.cache_clear()  # as above: the stream may be the new run's
    if result.error is None:
        return {"batchItemFailures": []}
    if not result.records:
        raise result.error
    return {"batchItemFailures": [{"itemIdentifier": result.failed_sequence}]}


@lru_cache(maxsize=1)
def applier() -> StreamApplier:
    """Everything that a container makes once. Raises Problems for missing settings, and what loading raises."""
    name, table = _settings("KEYSHIFT_MIGRATION", "KEYSHIFT_CONTROL_TABLE")
    log.configure(json=True, migration=name)
    archive = Path(os.environ.get("LAMBDA_TASK_ROOT", "."))
    keymap = load_keymap(archive / os.environ.get("KEYSHIFT_KEYMAP", "keymap.yaml"))
    concurrency = int(os.environ.get("KEYSHIFT_WRITE_CONCURRENCY", WRITE_CONCURRENCY))
    kind: Kind = "boto3" if os.environ.get("KEYSHIFT_AWS__CLIENT") == "boto3" else "lean"
    own = {CONTROL: url} if (url := os.environ.get("KEYSHIFT_AWS__ENDPOINTS__CONTROL_TABLE")) else {}
    clients = make_clients(endpoints=own, connections_max=concurrency, kind=kind)
    store = Store(clients.control, table, name)
    migration = migrations.load(store)
    migrations.require_digest(migration, keymap.digest)
    pool = ThreadPoolExecutor(concurrency)
    writer = GuardedWriter(clients.dynamodb, keymap, migration.id, pool, writes_at_once=concurrency)
    return StreamApplier(
        writer, keymap, migration, ControlGate(store, keymap.digest), ClaimStore(clients, migration.bucket, NEVER).get
    )


def _settings(*names: str) -> list[str]:
    remedy = "Set it in the function's environment, as lambda/template.yaml does"
    Problems.raise_if_any(
        Problem(f"environment variable {name}", "is not set", remedy) for name in names if not os.environ.get(name)
    )
    return [os.environ[name] for name in names]


def _record(record: dict[str, Any]) -> StreamRecord:
    kinesis = record["kinesis"]
    return StreamRecord(
        sequence_number=kinesis["sequenceNumber"],
        data=base64.b64decode(kinesis["data"]),
        partition_key=kinesis["partitionKey"],
        arrived_ms=round(kinesis.get("approximateArrivalTimestamp", 0) * 1000),
    )


def _line(result: BatchResult, records: int) -> dict[str, Any]:
    return {
        "records": records,
        "done": result.records,
        **{f"op_{op}": count for op, count in sorted(result.operations.items())},
        "set": result.set,
        "removed": result.removed,
        "stale": result.stale,
        "collided": result.collided,
        "markers": result.markers,
        "newest_version": result.newest_version,
        "error": str(result.error) if result.error else None,
    }
