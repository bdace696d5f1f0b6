"""Dump: rows from MySQL to compressed files on disk, beside the dump programs that one would pick instead.

All write zstd at the level of our chunks, with the same number of threads that read: one, and ours by default. mydumper
0.10 knows gzip only, so its files are compressed afterwards, by as many processes; mysqldump's pipe into zstd is a
second process, which the others have not. `python -m bench.dump SETTINGS FOLDER` dumps in a process of its own, and
tells how much memory that took.
"""

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import pymysql.cursors

from bench import shape
from bench.measure import Result, both_per_second
from bench.source import Begun, begun
from bench.table import dump_command, dump_words
from bulkload.dump.run import dump
from keymap.rules import load_keymap
from keyshift.aws.clients import make_clients
from keyshift.cli.demo.packages import apt_install
from keyshift.cli.demo.program import find_program
from keyshift.process import log
from keyshift.process.settings import Settings, load_settings
from keyshift.process.stop import Stop
from keyshift.zstd import zstd

_RUNS: Final = 3
MORE_ROWS: Final = 10  # times the other groups' rows: the programs' start would be most of it
_ZSTD: Final = ("zstd", "--quiet", "--force", "-3", "--single-thread")


def _naive(source: Begun, folder: Path) -> None:
    with source.database.connect(shape.SCHEMA) as connection, connection.cursor(pymysql.cursors.DictCursor) as cursor:
        cursor.execute(f"SELECT * FROM {shape.TABLE}")
        rows: Any = cursor.fetchall()
    lines = "\n".join(json.dumps(row, default=str) for row in rows)
    (folder / "naive.zst").write_bytes(zstd.compress(lines.encode(), 3))


def _ours(source: Begun, folder: Path, threads: int) -> None:
    assert dump(_settings(source.settings, folder, threads), source.keymap, source.clients, Stop()).complete
    for kind in ("chunk#", "ranges#", "table#", "pace#"):  # so that the next one begins anew
        source.store.delete([record.item for record in source.store.query(kind, names=("item",))])


def _settings(settings: Settings, folder: Path, threads: int) -> Settings:
    bulkload = settings.bulkload.model_copy(update={"folder": folder / "keyshift", "dump_concurrency": threads})
    return settings.model_copy(update={"bulkload": bulkload})


def _mysqldump(command: list[str], source: Begun, folder: Path) -> None:
    with (folder / "mysqldump.zst").open("wb") as file:
        environment = os.environ | {"MYSQL_PWD": source.database.password}
        words = dump_words(command, source.database)
        with subprocess.Popen(words, stdout=subprocess.PIPE, env=environment) as program:
            subprocess.run([*_ZSTD, "-c"], stdin=program.stdout, stdout=file, check=True)
        assert program.returncode == 0


def _mydumper(source: Begun, folder: Path, threads: int) -> None:
    database, into = source.database, folder / "mydumper"
    options = [f"--threads={threads}", "--rows=10000", "--no-schemas", "--no-locks", f"--outputdir={into}"]
    place = [f"--host={database.host}", f"--port={database.port}", f"--user={database.user}"]
    words = ["mydumper", *options, *place, f"--password={database.password}", f"--tables-list={shape.TABLE}"]
    subprocess.run([*words, f"--database={shape.SCHEMA}"], check=True, stderr=subprocess.DEVNULL)
    files = sorted(map(str, into.glob("*.sql")))
    parts = [part for part in (files[first::threads] for first in range(threads)) if part]
    for packer in [subprocess.Popen([*_ZSTD, "--rm", *part]) for part in parts]:
        assert packer.wait() == 0
    shutil.rmtree(into)


def measure(rows: int) -> list[Result]:
    """Rows per second, read, compressed and written; ten times as many rows as the other groups have."""
    count = rows * MORE_ROWS
    for program in ("mydumper", "zstd"):
        if not shutil.which(program):
            apt_install([program], why="the bench compares the dump with it")
    with begun(count) as source, tempfile.TemporaryDirectory(prefix="keyshift-bench-") as directory:
        folder = Path(directory)
        _naive(source, folder)  # the server's caches are warm for all
        many = source.settings.bulkload.dump_concurrency
        return [
            *_compared(count, _alone(source, folder), "keyshift bulkload dump, 1 reader"),
            *_compared(count, _threaded(source, folder, many), f"keyshift bulkload dump, {many} readers"),
            *_memory(source, count, folder),
        ]


def _alone(source: Begun, folder: Path) -> "Ways":
    ways: Ways = {"SELECT *, json, zstd": partial(_naive, source, folder)}
    if command := dump_command(find_program()):
        ways[f"{Path(command[-1]).name} | zstd -3"] = partial(_mysqldump, command, source, folder)
    ways["mydumper, 1 thread, then zstd -3"] = partial(_mydumper, source, folder, 1)
    return ways | {"keyshift bulkload dump, 1 reader": partial(_ours, source, folder, 1)}


def _threaded(source: Begun, folder: Path, threads: int) -> "Ways":
    return {
        f"mydumper, {threads} threads, then zstd -3": partial(_mydumper, source, folder, threads),
        f"keyshift bulkload dump, {threads} readers": partial(_ours, source, folder, threads),
    }


def _compared(count: int, ways: "Ways", ours: str) -> list[Result]:
    """The best of three runs of each, in turn, as a multiple of ours: what else the machine does comes and goes."""
    speeds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(_RUNS):
        for name, way in ways.items():
            speeds[name].append(both_per_second(count, way))
    walls = {name: max(wall for wall, _ in found) for name, found in speeds.items()}
    processors = {name: max(spent for _, spent in found) for name, found in speeds.items()}
    rows = [Result("dump", name, speed, ours, speed / walls[ours]) for name, speed in walls.items()]
    return rows + [
        Result("dump", f"{name}, of its processor time", speed, ours, speed / processors[ours])
        for name, speed in processors.items()
    ]


def _memory(large: Begun, count: int, folder: Path) -> list[Result]:
    """The largest memory that a dump takes in a process of its own, of the table and of one a tenth of its size."""
    with begun(count // 10) as small:
        megabytes = {count // 10: _peak(small, folder), count: _peak(large, folder)}
    least = f"dump of {count // 10:,} rows"
    return [
        Result("dump", f"memory, {rows:,} rows", found, least, found / megabytes[count // 10], "MB at its peak")
        for rows, found in megabytes.items()
    ]


def _peak(source: Begun, folder: Path) -> float:
    words = [sys.executable, "-m", "bench.dump", str(source.folder / "keyshift.yaml")]
    with tempfile.TemporaryDirectory(dir=folder) as into:
        found = subprocess.run([*words, into], check=True, stdout=subprocess.PIPE, text=True).stdout
    return float(found)


def main(path: str, folder: str) -> None:
    """Dump by the settings in a file, and print the process' largest memory in MB."""
    log.configure(level=logging.WARNING)
    settings = load_settings(path)
    settings = _settings(settings, Path(folder), settings.bulkload.dump_concurrency)
    clients = make_clients("us-east-1", settings.aws.endpoints.urls)
    assert dump(settings, load_keymap(settings.keymap), clients, Stop()).complete
    status = Path("/proc/self/status").read_text(encoding="ascii")  # getrusage counts what the parent had at the fork
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    sys.stdout.write(f"{int(kilobytes) / 1000:.1f}\n")


Ways = dict[str, Callable[[], None]]

if __name__ == "__main__":
    main(*sys.argv[1:])
