"""The Lambda function behind a Kinesis event source mapping: wiring only, the work is keyshift.apply's.

What is answered, with ReportBatchItemFailures and bisect on:

- *Some of the batch is done*: the first sequence number that is not. Lambda keeps what is before it and delivers the
  rest again; a raised error would have the done part delivered again too, and bisected.
- *Nothing of it is done* (replay not open, another keymap, the first record cannot be applied): the error is raised.
  Naming the first record would acknowledge nothing either, but the invocation would count as a success: no Errors
  metric, no alarm, and a shard that stands still in silence. A raised error also does not depend on how Lambda reads
  our answer. Bisecting then costs a few short invocations; splits do not count as retries, and retries are unlimited.

No write is begun, and no pause between two tries waited for, when the invocation's time is nearly over: what is not
done by then is answered as any other failure, while an invocation that is cut off would have done all of it in vain.

The keymap is the one that the migration has, read from the control table by its digest; the modules with its hooks are
in the archive, and must be those that the digest counts. So a keymap that is adopted needs a new archive only where its
hooks are others.

Settings come from the environment: KEYSHIFT_MIGRATION (its name), KEYSHIFT_CONTROL_TABLE, KEYSHIFT_WRITE_CONCURRENCY
(guarded writes in flight, default 16), KEYSHIFT_SET_ASIDE_MAX (changes that are set aside before a lane stops, default
100), KEYSHIFT_AWS__CLIENT (lean, or boto3: what sends the writes) and
KEYSHIFT_AWS__ENDPOINTS__CONTROL_TABLE (its own endpoint).
"""

import base64
import math
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Protocol

from keymap.errors import Problem, Problems
from keyshift.apply.gate import ControlGate
from keyshift.apply.invocation import Batch, lines
from keyshift.apply.lifetime import Lifetime
from keyshift.apply.refusals import OtherStream, OutOfTime
from keyshift.apply.result import BatchResult
from keyshift.apply.setaside import SettingAside
from keyshift.apply.stream import StreamApplier
from keyshift.apply.writer import WRITES_AT_ONCE, GuardedWriter
from keyshift.aws.claims import ClaimStore
from keyshift.aws.clients import CONTROL, Kind, guard_sends, make_clients
from keyshift.aws.errors import loggable
from keyshift.aws.stream import StreamRecord
from keyshift.control import migration as migrations
from keyshift.control.keymaps import kept_keymap
from keyshift.control.phase import KeymapChanged
from keyshift.control.store import NotInitialised, Store
from keyshift.process import log
from keyshift.process.clock import now_ms
from keyshift.process.deadline import Deadline
from keyshift.process.stop import Stopped

SET_ASIDE_MAX: Final = 100  # the setting's own default
# Of the time that an invocation has left, to end what is under way (a write is sent three times at most, with pauses of
# three seconds together) and to answer; half of it, where that is less.
MARGIN_SECONDS: Final = 10.0
_log = log.get_logger("lambda")
_deadline = Deadline()  # a container handles one invocation at a time


class Context(Protocol):
    """What is used of Lambda's context."""

    def get_remaining_time_in_millis(self) -> int:
        """The time that the invocation has left."""


def handle(event: dict[str, Any], context: Context | None) -> dict[str, Any]:
    """Apply a batch of Kinesis records. Raises when nothing of it could be done; see the module.

    Lambda's runtime prints what is raised: its text, and the lines of code.
    """
    try:
        return _answer(event, context)
    except Exception as error:  # noqa: BLE001 - whatever it is, its text may hold what rows hold
        raise loggable(error).with_traceback(error.__traceback__) from None


def _answer(event: dict[str, Any], context: Context | None) -> dict[str, Any]:
    began = time.monotonic()
    _deadline.begin(_seconds(context))
    records = [_record(one) for one in event["Records"]]
    result = _handled(records)
    batch = Batch(len(records), sum(len(one.data) for one in records), time.monotonic() - began)
    for line in lines(result, batch, os.environ.get("KEYSHIFT_MIGRATION", ""), now_ms()):
        _log.info("applied", **line)
    if isinstance(result.error, NotInitialised | KeymapChanged | OtherStream):
        applier.cache_clear()  # destroyed and perhaps made anew, or with another keymap: the next one looks again
    if result.error is None:
        return {"batchItemFailures": []}
    if not result.records:
        raise result.error
    return {"batchItemFailures": [{"itemIdentifier": result.failed_sequence}]}


def _handled(records: list[StreamRecord]) -> BatchResult:
    """What became of the batch; an error that ended all of it is told like one of a record."""
    try:
        result = applier().handle(records)
    except Exception as error:  # noqa: BLE001 - it is raised again, once it is told
        result = BatchResult(error=error)
    return replace(result, error=OutOfTime()) if isinstance(result.error, Stopped) else result


@lru_cache(maxsize=1)
def applier() -> StreamApplier:
    """Everything that a container makes once. Raises Problems for missing settings, and what loading raises."""
    name, table = _settings("KEYSHIFT_MIGRATION", "KEYSHIFT_CONTROL_TABLE")
    log.configure(json=True, migration=name)
    concurrency = int(os.environ.get("KEYSHIFT_WRITE_CONCURRENCY", WRITES_AT_ONCE))
    kind: Kind = "boto3" if os.environ.get("KEYSHIFT_AWS__CLIENT") == "boto3" else "lean"
    own = {CONTROL: url} if (url := os.environ.get("KEYSHIFT_AWS__ENDPOINTS__CONTROL_TABLE")) else {}
    clients = make_clients(endpoints=own, connections_max=concurrency, kind=kind)
    store = Store(clients.control, table, name)
    migration = migrations.load(store)
    keymap = kept_keymap(store, migration.digest, Path(os.environ.get("LAMBDA_TASK_ROOT", ".")))
    lifetime = Lifetime()
    guard_sends(clients.dynamodb, lifetime.check)
    pool = ThreadPoolExecutor(concurrency)
    writer = GuardedWriter(
        clients.dynamodb, keymap, migration.id, pool, _deadline, lifetime=lifetime, writes_at_once=concurrency
    )
    objects = ClaimStore(clients, migration.bucket, _deadline)
    most = int(os.environ.get("KEYSHIFT_SET_ASIDE_MAX", SET_ASIDE_MAX))
    aside = SettingAside(store, migration, objects, objects.get, most)
    return StreamApplier(writer, keymap, migration, ControlGate(store, keymap.digest), objects.get, aside)


def _seconds(context: Context | None) -> float:
    """How long the work may take: what the invocation has left, without the margin."""
    if context is None:
        return math.inf
    left = context.get_remaining_time_in_millis() / 1000
    return left - min(MARGIN_SECONDS, left / 2)


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
