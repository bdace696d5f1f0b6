"""The whole pipeline as an operator runs it, with each process killed in the middle: nothing is lost.

The daemon, the load and the consumer are ended by SIGKILL while they work and the application writes, and started
again. In the end every row equals its items and every item has its row.
"""

import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from keymap.errors import KeyshiftError
from keyshift.cli.demo.commands import Commands, end
from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
from keyshift.cli.demo.shop import Shop
from keyshift.cli.demo.writer import Writer
from tests.acceptance.migrations import SLOWER_RESTARTS, fill, prepare

pytestmark = pytest.mark.any_pair

KILLS = 3


def until(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} seconds for {what}"
        time.sleep(0.2)


def killed_and_started_again(
    commands: Commands, process: subprocess.Popen[bytes], *arguments: str
) -> subprocess.Popen[bytes]:
    process.send_signal(signal.SIGKILL)
    process.wait()
    return commands.start(*arguments)


def alive(commands: Commands) -> bool:
    """Whether a daemon renews its lease: a new one waits until the killed one's has run out."""
    try:
        return bool(commands.json("cdc", "status")["alive"])
    except KeyshiftError:
        return False


@pytest.mark.timeout(600)
def test_killing_daemon_load_and_consumer_in_the_middle_loses_nothing(
    database: Database, endpoints: Endpoints, schema: str, tmp_path: Path
) -> None:
    randomness = random.Random(schema)
    shop = Shop(random.Random(1), scale=2)
    fill(database, schema, shop)
    writer = Writer(database, schema, shop, random.Random(2))
    commands = prepare(database, endpoints, schema, tmp_path, extra=SLOWER_RESTARTS)
    writer.start()
    processes: list[subprocess.Popen[bytes]] = []
    try:
        commands.run("init")
        daemon = commands.start("cdc", "run")
        processes.append(daemon)
        until(lambda: commands.json("status")["capture"]["started"], "capture to start")
        for _ in range(KILLS):
            load = commands.start("bulkload", "run")
            processes.append(load)
            time.sleep(randomness.uniform(0.8, 2.0))
            load.kill()
            load.wait()
            daemon = killed_and_started_again(commands, daemon, "cdc", "run")
            processes.append(daemon)
        commands.run("bulkload", "run")
        consumer = commands.start("apply", "run")
        processes.append(consumer)
        for _ in range(KILLS):
            time.sleep(randomness.uniform(1.5, 3.0))
            consumer = killed_and_started_again(commands, consumer, "apply", "run")
            daemon = killed_and_started_again(commands, daemon, "cdc", "run")
            processes += [consumer, daemon]
        writer.stop()
        until(lambda: alive(commands), "the daemon to be back")
        commands.run("cutover", "run")
        commands.run("cutover", "sweep")
        report = commands.json("verify")
    finally:
        for process in processes:
            end(process)
        writer.stop()
    assert report["differences"] == 0
    assert report["rows"] > 0
    assert writer.rows > 0
    commands.run("destroy", "--yes", "--with-targets")
