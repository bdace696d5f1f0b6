"""The Lambda function: what it imports, what it answers, and what it raises."""

import base64
import random
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import apply_stream
from keymap.claims import ClaimError
from keymap.errors import KeyshiftError, Problems
from keymap.rules import parse_keymap
from keymap.wire import WireError
from keyshift.apply.refusals import OtherStream, ReplayClosed
from keyshift.apply.stream import StreamApplier
from keyshift.aws.lean.client import LeanClient
from keyshift.cli.demo.endpoints import Endpoints
from keyshift.control import migration
from keyshift.control.keymaps import record_keymap
from keyshift.control.phase import KeymapChanged, Phase
from keyshift.process.crash import Unforeseen
from tests.apply.history import marker, pack, random_history
from tests.apply.keymaps import MIGRATION, change, order
from tests.apply.stage import Stage, in_its_environment, items_of, leak, load_some, staged
from tests.apply.test_claimed import Bucket
from tests.servers.aws import client

ROOT = Path(__file__).parents[2]


def test_the_handler_imports_neither_the_source_side_nor_the_command_line() -> None:
    """import-linter cannot see a root that is no package: what the archive must not need, the handler must not load."""
    unwanted = {"cdc", "bulkload", "pymysql", "pymysqlreplication", "click"}
    unwanted |= {f"keyshift.{part}" for part in ("mysql", "cutover", "cli")}
    script = "import apply_stream, sys; print(*sys.modules, sep='\\n')"
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'lambda'}"}
    loaded = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "keyshift.apply.stream" in loaded
    assert unwanted.isdisjoint(loaded)


@pytest.fixture
def stage(endpoints: Endpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A migration, and the environment that the template gives the function."""
    with staged(endpoints, tmp_path, shard_count=1) as found:
        in_its_environment(found, monkeypatch)
        yield found
        apply_stream.applier.cache_clear()


def event(packs: list[bytes]) -> dict[str, Any]:
    """As Lambda hands over the records of one shard."""
    return {
        "Records": [
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "0",
                    "sequenceNumber": str(7_000 + index),
                    "data": base64.b64encode(data).decode(),
                    "approximateArrivalTimestamp": 1_700_000_000.123,
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"shardId-000000000000:{7_000 + index}",
                "eventName": "aws:kinesis:record",
                "awsRegion": "us-east-1",
            }
            for index, data in enumerate(packs)
        ]
    }


def orders(stage: Stage, *changes: Any) -> list[bytes]:
    return [pack(stage.shop.keymap, lane, [one]) for one in changes for lane in range(4)]


def test_a_stream_in_batches_is_applied_and_again_it_changes_nothing(stage: Stage) -> None:
    history = random_history(1)
    packs = load_some(stage, history, random.Random(1))
    for _ in range(2):
        for first in range(0, len(packs), 20):
            answer = apply_stream.handle(event(packs[first : first + 20]), None)
            assert answer == {"batchItemFailures": []}
        assert stage.has(history)
    assert stage.drained()


def test_before_replay_is_open_the_whole_batch_fails(stage: Stage) -> None:
    stage.phase(Phase.LOAD)
    with pytest.raises(ReplayClosed):
        apply_stream.handle(event(orders(stage, change("orders", None, order(1, 1), 1))), None)
    assert items_of(stage) == []
    stage.phase(Phase.REPLAY)
    apply_stream.handle(event(orders(stage, change("orders", None, order(1, 1), 1))), None)
    assert len(stage.shop.visible("app")) == 1


def test_what_is_done_is_kept_and_the_first_record_that_is_not_is_named(stage: Stage) -> None:
    good = orders(stage, change("orders", None, order(1, 1), 1))
    answer = apply_stream.handle(event([*good, b"not a pack", *good]), None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "7004"}]}
    assert len(stage.shop.visible("app")) == 1


def test_poison_is_set_aside_and_the_batch_is_done_up_to_the_limit_of_the_environment(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYSHIFT_SET_ASIDE_MAX", "1")
    large = [change("orders", None, order(n, 1, status="x" * 450_000), n) for n in (2, 3)]
    good, bad, more = (orders(stage, one) for one in (change("orders", None, order(1, 1), 1), *large))
    lines: list[dict[str, Any]] = []
    monkeypatch.setattr(apply_stream._log, "info", lambda event, **fields: lines.append({"event": event, **fields}))
    assert apply_stream.handle(event([*bad, *good]), None) == {"batchItemFailures": []}
    assert (stage.set_aside(), len(stage.shop.visible("app"))) == (["open"], 1)
    assert (lines[0]["keyshift_apply_set_aside_total"], lines[0]["op_c"]) == (1, 7)
    lines.clear()
    (failed,) = apply_stream.handle(event([*good, *more]), None)["batchItemFailures"]
    assert failed["itemIdentifier"] in {"7004", "7005", "7006", "7007"}
    assert "1 changes are set aside" in lines[0]["error"]


def test_when_nothing_is_done_the_reason_is_raised(stage: Stage) -> None:
    keymap, one = stage.shop.keymap, change("orders", None, order(2, 1), 2)
    with pytest.raises(WireError):
        apply_stream.handle(event([b"not a pack"]), None)
    with pytest.raises(OtherStream, match="made with keymap feed"):
        apply_stream.handle(event([pack(keymap, 0, [one], digest="feed")]), None)


def test_of_an_error_that_nobody_foresaw_its_text_is_told_neither_by_the_log_nor_by_what_lambda_prints(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may hold what rows hold. Lambda's runtime prints what is raised, with the lines of code that it came by."""
    told: list[str] = []
    monkeypatch.setattr(apply_stream._log, "info", lambda _event, **fields: told.append(fields["error"]))
    monkeypatch.setattr(StreamApplier, "handle", leak)
    broken = event(orders(stage, change("orders", None, order(1, 1), 1)))
    with pytest.raises(Unforeseen, match=r"ValueError at apply/stage.py:\d+, an error") as raised:
        apply_stream.handle(broken, None)
    broken["Records"][0]["kinesis"]["data"] = ["Alice"]  # not even a batch
    with pytest.raises(Unforeseen, match="TypeError at") as other:
        apply_stream.handle(broken, None)
    printed = "".join(traceback.format_exception(raised.value) + traceback.format_exception(other.value))
    assert "in leak" in printed
    assert len(told) == 1
    assert "Alice" not in printed + told[0]


def test_a_change_that_lies_in_s3_is_fetched_and_one_that_is_gone_is_told(stage: Stage) -> None:
    bucket, s3, name = Bucket(), client("s3", stage.endpoints), stage.bucket
    large = change("orders", None, order(1, 1), 1)
    record = bucket.pack(stage.shop, large)
    with pytest.raises(ClaimError, match=f"s3://{name}/keyshift/shop.1/claims/.* is not there"):
        apply_stream.handle(event([record]), None)
    for key, data in bucket.items():
        s3.put_object(Bucket=name, Key=key, Body=data)
    assert apply_stream.handle(event([record]), None) == {"batchItemFailures": []}
    assert len(stage.shop.visible("app")) == 1


def test_a_warm_container_meets_the_next_run_of_the_migration(stage: Stage) -> None:
    """The name was destroyed and made anew: the first invocation fails, and the next one knows."""
    first = event([marker(stage.shop.keymap, 0, 1)])
    apply_stream.handle(first, None)
    stage.record("shop.0000000b")
    with pytest.raises(KeyshiftError):
        apply_stream.handle(first, None)
    with pytest.raises(OtherStream, match=f"of migration {MIGRATION}, and this is shop.0000000b"):
        apply_stream.handle(first, None)


def test_settings_that_are_missing_are_named_together(monkeypatch: pytest.MonkeyPatch) -> None:
    apply_stream.applier.cache_clear()
    monkeypatch.delenv("KEYSHIFT_MIGRATION", raising=False)
    monkeypatch.delenv("KEYSHIFT_CONTROL_TABLE", raising=False)
    with pytest.raises(Problems) as raised:
        apply_stream.handle(event([]), None)
    assert "KEYSHIFT_MIGRATION" in str(raised.value)
    assert "KEYSHIFT_CONTROL_TABLE" in str(raised.value)


def test_a_keymap_that_was_adopted_is_read_by_the_next_invocation(stage: Stage) -> None:
    """Nothing is deployed: the modules with hooks, of which there are none here, are all that the archive has of it."""
    first = event([marker(stage.shop.keymap, 0, 1)])
    apply_stream.handle(first, None)
    text = (stage.folder / "keymap.yaml").read_text().replace("not_equals: draft", "not_equals: open")
    adopted = parse_keymap(text, "keymap.yaml")
    record_keymap(stage.store, adopted)
    migration.adopt(stage.store, migration.load(stage.store), adopted.digest, adopted.tables, ("shop.orders",))
    migration.show_digest(stage.store, adopted.digest)
    with pytest.raises(KeymapChanged):
        apply_stream.handle(first, None)
    changed = [pack(adopted, lane, [change("orders", None, order(1, 1, status="draft"), 1)]) for lane in range(4)]
    assert apply_stream.handle(event(changed), None) == {"batchItemFailures": []}
    assert len(stage.shop.visible("app")) == 1


def test_a_keymap_that_was_not_kept_is_asked_for(stage: Stage) -> None:
    stage.store.delete([f"keymap#{stage.shop.keymap.digest}"])
    with pytest.raises(KeyshiftError, match=r"does not have keymap .* Run `keyshift init` once more"):
        apply_stream.handle(event([marker(stage.shop.keymap, 0, 1)]), None)


@pytest.mark.parametrize("name", ["lean", "boto3"])
def test_the_environment_chooses_what_sends_the_writes(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    del stage  # whose migration and environment the function finds
    monkeypatch.setenv("KEYSHIFT_AWS__CLIENT", name)
    writer = apply_stream.applier()._writer
    assert isinstance(writer._client, LeanClient) is (name == "lean")
