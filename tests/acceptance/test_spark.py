"""A migration whose load runs on Spark, in two executors that have nothing but the packed environment.

The application writes all the time, and the first driver is killed, with all that Spark is there, while it loads.
"""

import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from keyshift.cli.demo.commands import end
from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
from keyshift.cli.demo.shop import Shop
from keyshift.cli.demo.writer import Writer
from tests.acceptance.migrations import SLOWER_RESTARTS, fill, prepare
from tests.acceptance.test_kills import until
from tests.servers import spark
from tests.servers.pool import chosen_pairs
from tests.servers.processes import children

HOOKS = """\
from words.greetings import GREETING

def greeted(row):
    return [{**row, "greeting": GREETING + row["city"] if row["city"] else None}]
"""
SECONDS_MAX = 300


def hook(folder: Path) -> None:
    """Let items of customers come of a module beside the keymap, which needs another."""
    (folder / "shop_hooks.py").write_text(HOOKS)
    (folder / "words").mkdir()
    (folder / "words" / "__init__.py").touch()
    (folder / "words" / "greetings.py").write_text('GREETING = "hello "\n')
    keymap = folder / "keymap.yaml"
    text = keymap.read_text()
    rule = "types: {vip: BOOL}\n"
    assert rule in text
    keymap.write_text(text.replace(rule, rule + '      hook: {call: "shop_hooks:greeted", columns: [greeting]}\n'))


def submit(folder: Path, endpoints: Endpoints, password: str, master: str, **more: str) -> subprocess.Popen[bytes]:
    """spark-submit, which is Java, with the driver's Python as its child; what both say goes to load.log."""
    environment = {**spark.environment(folder), **endpoints.environment(), "SHOP_PASSWORD": password}
    argv = [folder / "spark-home" / "bin" / "spark-submit", *spark.submit_options(master, folder, **more)]
    with (folder / "load.log").open("ab") as log:
        return subprocess.Popen(
            [*argv, folder / "keyshift-load.py", "--config", folder / "keyshift.yaml"],
            env={**environment, "PYSPARK_DRIVER_PYTHON": sys.executable, **_executors(more)},
            cwd=folder,
            stdout=log,
            stderr=log,
        )


def _executors(options: dict[str, str]) -> dict[str, str]:
    return {"PYSPARK_PYTHON": "./environment/bin/python"} if "spark.archives" in options else {}


def kill(process: subprocess.Popen[bytes]) -> None:
    """At once, as a machine that loses its power."""
    for pid in (*children(process.pid), process.pid):
        os.kill(pid, signal.SIGKILL)
    process.wait()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("servers", chosen_pairs()[-1:], indirect=True)  # a whole migration: one pair shows it
def test_a_migration_with_its_load_on_spark_loses_nothing(
    database: Database, endpoints: Endpoints, schema: str, tmp_path: Path
) -> None:
    shop = Shop(random.Random(1), scale=1)
    fill(database, schema, shop)
    writer = Writer(database, schema, shop, random.Random(2))
    commands = prepare(database, endpoints, schema, tmp_path, extra=SLOWER_RESTARTS)
    hook(tmp_path)
    archive, said = tmp_path / "keyshift-env.tar.gz", tmp_path / "load.log"
    writer.start()
    processes: list[subprocess.Popen[bytes]] = []
    try:
        commands.run("init")
        processes.append(commands.start("cdc", "run"))
        until(lambda: commands.json("status")["capture"]["started"], "capture to start")
        assert "libc.so" in commands.run("bulkload", "pack", "--output", str(archive))
        commands.run("bulkload", "dump")
        first = submit(tmp_path, endpoints, database.password, "local[2,4]")
        processes.append(first)
        until(lambda: b'"chunk_loaded"' in said.read_bytes(), "a chunk to be loaded")
        kill(first)
        before = said.read_text().count('"chunk_loaded"')
        options = {"spark.archives": f"{archive}#environment", "spark.executor.memory": "512m"}
        second = submit(tmp_path, endpoints, database.password, "local-cluster[2,1,512]", **options)
        processes.append(second)
        assert second.wait(SECONDS_MAX) == 0, said.read_text()[-5000:]
        processes.append(commands.start("apply", "run"))
        writer.stop()
        commands.run("cutover", "run")
        report = commands.json("verify")
    finally:
        for process in processes:
            end(process)
        writer.stop()
    assert (report["differences"], report["clean"]) == (0, True)
    assert report["rows"] > 0
    loaded, written = re.findall(r"loaded (\S+) chunks: .* in (\S+) writes", said.read_text())[-1]
    assert before > 0 < int(loaded)
    assert int(written.replace(",", "")) > 0
    assert_executors_used_the_packed_environment(tmp_path)
    commands.run("destroy", "--yes", "--with-targets")


def assert_executors_used_the_packed_environment(folder: Path) -> None:
    """Both of them."""
    logs = [path.read_text() for path in folder.glob("spark-home/work/app-*/*/stderr")]
    pythons = {python for log in logs for python in re.findall(r'"python": "(.*?)", "event": "spark_worker"', log)}
    assert len(pythons) == 2, logs
    assert all("/environment" in python for python in pythons)
