"""A process that is killed, or stopped and woken, in the middle of its work, and the one that takes over from it."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from keyshift.cli.demo.endpoints import CREDENTIALS
from keyshift.control.chunks import chunks
from keyshift.control.phase import Phase
from tests.bulkload.test_ranges import fill
from tests.bulkload.world import World
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import Answer, Call

pytestmark = pytest.mark.any_pair

REPOSITORY = Path(__file__).parents[2]
SECONDS_MAX = 60


@dataclass
class Prey:
    """A child that a proxy signals when it makes a certain call: it is waiting for the answer then, and for nothing
    else, since it has one thread that writes."""

    process: subprocess.Popen[str] | None = None

    def __post_init__(self) -> None:
        self.hit = threading.Event()

    def shoot(self, number: signal.Signals, *, done: bool) -> Callable[[Call], Answer | None]:
        """A fault: signal the child, before or after the call was passed on."""

        def shot(call: Call) -> Answer | None:
            answer = call.forward(call.body) if done else None
            assert self.process
            os.kill(self.process.pid, number)
            self.hit.set()
            return answer or call.forward(call.body)

        return shot


def settings_file(world: World, folder: Path, processes: int = 1, **urls: str) -> Path:
    source, bulkload = world.settings.source, world.settings.bulkload
    endpoints = {**world.settings.aws.endpoints.urls, **urls}
    password = source.password.get_secret_value()
    path = folder / "keyshift.yaml"
    path.write_text(
        f"""\
migration: shop
keymap: {world.settings.keymap}
control_table: {world.settings.control_table}
source: {{host: {source.host}, port: {source.port}, user: {source.user}, password: "{password}", tls: {{mode: "off"}}}}
aws: {{region: {world.settings.aws.region}, endpoints: {{{", ".join(f"{k}: '{v}'" for k, v in endpoints.items())}}}}}
bucket: {{name: {world.settings.bucket.name}}}
bulkload:
  {{chunk_rows: {bulkload.chunk_rows}, load_processes: {processes}, load_concurrency: 1, lease_seconds: 1,
    signature_validity_seconds: 1}}
"""
    )
    return path


@contextmanager
def child(work: str, settings: Path, prey: Prey | None = None) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-m", "tests.bulkload.child", work, str(settings)]
    environment = os.environ | CREDENTIALS
    with subprocess.Popen(
        argv, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        if prey:
            prey.process = process
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(("call", "done"), [(3, False), (5, True)])
def test_a_dump_that_is_killed_is_taken_over_and_completed(
    world: World, s3: FaultProxy, tmp_path: Path, call: int, done: bool
) -> None:
    prey = Prey()
    s3.rules = (Rule(prey.shoot(signal.SIGKILL, done=done), ("PUT",), skip=call - 1, times=1),)
    with child("dump", settings_file(world, tmp_path, s3=s3.url), prey) as process:
        assert process.wait(SECONDS_MAX) == -signal.SIGKILL
    before = sum(chunk.rows for table in world.migration.tables for chunk in chunks(world.store, table))
    assert world.dump(lease_seconds=1).rows == 22 - before
    assert world.load().complete
    assert world.stored() == world.expected()


@pytest.mark.parametrize(("call", "done"), [(2, False), (3, True)])
def test_a_load_that_is_killed_is_taken_over_and_completed(
    world: World, dynamodb: FaultProxy, tmp_path: Path, call: int, done: bool
) -> None:
    world.dump()
    prey = Prey()
    dynamodb.rules = (Rule(prey.shoot(signal.SIGKILL, done=done), ("BatchWriteItem",), skip=call - 1, times=1),)
    with child("load", settings_file(world, tmp_path, dynamodb=dynamodb.url), prey) as process:
        assert process.wait(SECONDS_MAX) == -signal.SIGKILL
    left = [
        chunk for table in world.migration.tables for chunk in chunks(world.store, table) if chunk.state == "dumped"
    ]
    assert 8 - 3 - (call - 1) <= len(left) <= 8 - (call - 1)  # three chunks are no batches
    report = world.load(lease_seconds=1, signature_validity_seconds=1)
    assert report.complete
    assert report.chunks == len(left)
    assert world.stored() == world.expected()


def test_a_loader_that_slept_while_another_took_over_writes_nothing_after_waking(
    world: World, dynamodb: FaultProxy, tmp_path: Path
) -> None:
    world.dump()
    prey = Prey()
    dynamodb.rules = (Rule(prey.shoot(signal.SIGSTOP, done=True), ("BatchWriteItem",), skip=1, times=1),)
    with child("load", settings_file(world, tmp_path, dynamodb=dynamodb.url), prey) as process:
        assert prey.hit.wait(SECONDS_MAX)
        assert world.load(lease_seconds=1, signature_validity_seconds=1).complete
        for target in world.keymap.targets.values():  # what replay or the application may do from now on
            for table, key in world.stored():
                if table == target.name:
                    world.clients.dynamodb.delete_item(TableName=table, Key=target.key_item(key))  # type: ignore[arg-type]
        calls = dynamodb.calls["BatchWriteItem"]
        os.kill(process.pid, signal.SIGCONT)
        _, errors = process.communicate(timeout=SECONDS_MAX)
        assert process.returncode == 1
    assert "no longer holds the lease" in errors
    assert dynamodb.calls["BatchWriteItem"] == calls
    assert not world.stored()
    assert world.phase() is Phase.REPLAY


def test_a_dumper_that_slept_while_another_took_over_records_nothing_after_waking(
    world: World, s3: FaultProxy, tmp_path: Path
) -> None:
    """All its readers, in ranges of all tables. Rows have changed since: what is recorded is what the second read."""
    fill(world)
    prey = Prey()
    s3.rules = (Rule(prey.shoot(signal.SIGSTOP, done=False), ("PUT",), skip=11, times=1),)
    with child("dump", settings_file(world, tmp_path, s3=s3.url), prey) as process:
        assert prey.hit.wait(SECONDS_MAX)
        world.execute("UPDATE purchase SET quantity = 99", "DELETE FROM orders WHERE id = 3")
        assert world.dump(lease_seconds=1).complete
        recorded = [list(chunks(world.store, table)) for table in world.migration.tables]
        os.kill(process.pid, signal.SIGCONT)
        _, errors = process.communicate(timeout=SECONDS_MAX)
        assert process.returncode == 1
    assert "no longer holds the lease" in errors
    assert [list(chunks(world.store, table)) for table in world.migration.tables] == recorded
    assert world.load(lease_seconds=1).complete


@pytest.mark.parametrize("work", ["dump", "load"])
def test_sigterm_ends_it_cleanly_and_at_once(world: World, s3: FaultProxy, tmp_path: Path, work: str) -> None:
    if work == "load":
        world.dump()
    prey = Prey()
    operation = {"dump": "PUT", "load": "GET"}[work]
    s3.rules = (Rule(prey.shoot(signal.SIGTERM, done=True), (operation,), skip=4, times=1),)
    with child(work, settings_file(world, tmp_path, s3=s3.url), prey) as process:
        output, _ = process.communicate(timeout=SECONDS_MAX)
        assert process.returncode == 0
    assert "complete=False" in output
    record = world.store.get(work)
    assert record is not None
    assert record.flag("released")
    world.dump()
    assert world.load().complete
    assert world.stored() == world.expected()
