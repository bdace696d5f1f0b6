"""The function's archive, unpacked into an empty folder and run under AWS's own runtime interface client.

What delivers is the tests' event source, which retries, bisects and repeats as Lambda's does; a timeout is a killed
process, and the next invocation a cold start.
"""

import json
import random
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from keymap import claims
from keymap.errors import KeyshiftError
from keymap.rules import parse_keymap
from keymap.wire import CLAIM_FORMAT, decode_header, encode_change, encode_pack
from keyshift.cli.demo.endpoints import Endpoints
from keyshift.control.phase import Phase
from keyshift.deploy import tried
from keyshift.deploy.wheels import Platform
from tests.apply.event_source import EventSource, event, read_stream
from tests.apply.history import LANES, History, header_for, history_of, marker, packed, random_history
from tests.apply.keymaps import order
from tests.apply.stage import Stage, load_some, staged
from tests.deploy.archives import HERE, KEYMAP, PYTHON, project, zipped
from tests.servers import faults
from tests.servers.aws import client
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.runtime_api import RuntimeApi, Sandbox, runtime_client

pytestmark = pytest.mark.any_pair
WRITES = ("PutItem", "UpdateItem")


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive for this machine and this Python, unpacked."""
    runtime_client()
    folder = project(tmp_path_factory.mktemp("function"))
    done = zipped(folder, "function.zip", "--architecture", HERE, "--python", PYTHON, "--hooks", "more")
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(folder / "function.zip") as opened:
        opened.extractall(folder / "task")
    return folder / "task"


@contextmanager
def deployed(stage: Stage, task: Path, seconds: float) -> Iterator[tuple[Sandbox, FaultProxy]]:
    """The function, and what stands before DynamoDB for all but the control table."""
    direct = stage.endpoints.urls["dynamodb"]
    with FaultProxy(direct) as proxy, RuntimeApi() as api:
        environment = {
            **stage.endpoints.environment(),
            "AWS_ENDPOINT_URL_DYNAMODB": proxy.url,
            "KEYSHIFT_AWS__ENDPOINTS__CONTROL_TABLE": direct,
            "KEYSHIFT_MIGRATION": stage.store.name,
            "KEYSHIFT_CONTROL_TABLE": stage.store.table,
            "KEYSHIFT_WRITE_CONCURRENCY": "4",
        }
        log = stage.folder / "function.log"
        with Sandbox(api, task, "apply_stream.handle", environment, log, seconds) as sandbox:
            yield sandbox, proxy


def with_claim(stage: Stage, history: History, packs: list[bytes], folder: str) -> tuple[list[bytes], dict[str, bytes]]:
    """One change more, which lies in S3; and the object that it lies in, by its name."""
    keymap = stage.shop.keymap
    history.add("orders", None, (9,), order(9, 1))
    one = history.changes[-1]
    assert one
    (lane,) = keymap.lanes(one.table, one.before, one.after, LANES)
    line = encode_change(one)
    claim = claims.claim_of(line, one.version, folder)
    (at,) = [n for n, data in enumerate(packs) if (head := decode_header(data)).kind == "barrier" and head.lane == lane]
    header = header_for(keymap, lane, follows=decode_header(packs[at]).last, last=one.version, count=1)
    record = encode_pack(header, [claims.pointer(line, claim)], CLAIM_FORMAT)
    return [*packs[:at], record, marker(keymap, lane, 1, one.version), *packs[at + 1 :]], {
        claim.object: claims.packed(line)
    }


def test_a_whole_stream_is_applied_whatever_happens_to_invocations(
    endpoints: Endpoints, tmp_path: Path, task: Path
) -> None:
    s3 = client("s3", endpoints)
    with staged(endpoints, tmp_path, 2) as stage, deployed(stage, task, 6) as (sandbox, proxy):
        history = random_history(5)
        packs = load_some(stage, history, random.Random(5))
        packs, objects = with_claim(stage, history, packs, "keyshift/shop/claims")
        stage.put(packs)
        stage.phase(Phase.LOAD)
        ends = iter([sandbox.kill])  # the environment goes away once between two invocations, too

        def mend(outcome: str) -> None:
            """What stood in the way is gone at the next delivery."""
            if outcome == "ReplayClosed":
                stage.phase(Phase.REPLAY)
            if outcome in {"ClaimError", "part"}:
                for name, data in objects.items():
                    s3.put_object(Bucket=stage.bucket, Key=name, Body=data)
                next(ends, lambda: None)()

        proxy.rules = (
            Rule(faults.delay(20), WRITES, skip=5, times=1),  # longer than the invocation has
            Rule(faults.reset_after, WRITES, probability=0.1),
            Rule(faults.duplicate, WRITES, probability=0.1),
        )
        source = EventSource(sandbox.invoke, stage.stream, 12, mend)
        records = read_stream(stage.kinesis, stage.stream)
        for shard, some in records.items():
            source.deliver(shard, some)
        assert stage.has(history)
        assert stage.drained()
        assert sandbox.starts == 3
        proxy.rules = ()
        # Faults and the batches that they halve decide whether the object was missed first in a batch, or behind what
        # was done. Missed once more, in batches as they come, it is behind.
        for name in objects:
            s3.delete_object(Bucket=stage.bucket, Key=name)
        missing = EventSource(sandbox.invoke, stage.stream, 500, mend)
        for shard, some in records.items():
            missing.deliver(shard, some)
        assert set(missing.outcomes) == {"done", "part"}
        assert {"ReplayClosed", "Sandbox.Timedout", "done", "part"} <= {*source.outcomes, *missing.outcomes}
        assert {(False, 1), (True, 0), (True, 1)} == {
            (line["done"] > 0, line["keyshift_apply_failed_total"]) for line in told(stage)
        }
        again = EventSource(sandbox.invoke, stage.stream, 500)
        for shard, some in records.items():
            again.deliver(shard, some)
        assert set(again.outcomes) == {"done"}
        assert stage.has(history)


def test_a_module_that_hooks_need_and_that_is_not_in_the_archive_is_told(
    task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the command, which tries what it packed in an interpreter that has nothing else."""
    (tmp_path / "absent_hooks.py").write_text("def tags(row):\n    return [row]\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    keymap = parse_keymap(KEYMAP.replace("shop_hooks:tags", "absent_hooks:tags"), "keymap.yaml")
    with pytest.raises(
        KeyshiftError, match=r"(?s)what was packed does not work: .*there is no module absent_hooks"
    ) as raised:
        tried.attempt(task, Platform(HERE, PYTHON), [sys.executable], keymap, ["apply_stream"])
    assert "--hooks" in raised.value.remedy


def test_a_throttled_batch_is_answered_before_its_time_is_over_and_what_is_done_is_kept(
    endpoints: Endpoints, tmp_path: Path, task: Path
) -> None:
    with staged(endpoints, tmp_path, 1) as stage, deployed(stage, task, 7) as (sandbox, proxy):
        history = history_of([("put", ("orders", (n,), (n,), (n, 1, "paid"))) for n in range(1, 31)])
        stage.put(packed(stage.shop.keymap, [one for one in history.changes if one], random.Random(1)))
        ((_, records),) = read_stream(stage.kinesis, stage.stream).items()
        sandbox.invoke(event(stage.stream, "shard", records[:1]))  # the cold start is not what is timed
        proxy.rules = (Rule(faults.throttle, WRITES, skip=12),)
        began = time.monotonic()
        answer = sandbox.invoke(event(stage.stream, "shard", records))
        assert time.monotonic() - began < sandbox.seconds
        (failed,) = answer["batchItemFailures"]
        at = [one["SequenceNumber"] for one in records].index(failed["itemIdentifier"])
        written = len(stage.shop.visible("app"))
        assert 0 < at <= written < len(history.states[-1])
        line = told(stage)[-1]
        assert (line["done"], line["keyshift_apply_failed_total"]) == (at, 1)
        assert "the time of the invocation is over" in line["error"]
        proxy.rules = ()
        assert sandbox.invoke(event(stage.stream, "shard", records[at:])) == {"batchItemFailures": []}
        assert stage.has(history)
        assert sandbox.starts == 1


def told(stage: Stage) -> list[Mapping[str, Any]]:
    """The batches' lines of the function's log."""
    lines = [json.loads(one) for one in (stage.folder / "function.log").read_text().splitlines() if one[:1] == "{"]
    return [one for one in lines if "done" in one]
