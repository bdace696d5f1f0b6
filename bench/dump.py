"""Dump: rows from MySQL to compressed files on disk, beside the dump programs that one would pick instead.

All write zstd at the level of our chunks, with one thread that reads. mydumper 0.10 knows gzip only, so its files are
compressed afterwards; mysqldump's pipe into zstd is a second process, which the other two have not.
"""

import json
import os
import shutil
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pymysql.cursors

from bench import shape
from bench.measure import Result, both_per_second
from bench.source import Begun, begun
from bench.table import dump_command, dump_words
from bulkload.dump.run import dump
from keyshift.cli.demo.packages import apt_install
from keyshift.cli.demo.program import find_program
from keyshift.process.stop import Stop
from keyshift.zstd import zstd

if TYPE_CHECKING:
    from collections.abc import Callable

MORE_ROWS: Final = 10  # times the other groups' rows: the programs' start would be most of it
_ZSTD: Final = ("zstd", "--quiet", "--force", "-3", "--single-thread")


def _naive(source: Begun, folder: Path) -> None:
    with source.database.connect(shape.SCHEMA) as connection, connection.cursor(pymysql.cursors.DictCursor) as cursor:
        cursor.execute(f"SELECT * FROM {shape.TABLE}")
        rows: Any = cursor.fetchall()
    lines = "\n".join(json.dumps(row, default=str) for row in rows)
    (folder / "naive.zst").write_bytes(zstd.compress(lines.encode(), 3))


def _ours(source: Begun, folder: Path) -> None:
    bulkload = source.settings.bulkload.model_copy(update={"folder": folder})
    settings = source.settings.model_copy(update={"bulkload": bulkload})
    assert dump(settings, source.keymap, source.clients, Stop()).complete


def _mysqldump(command: list[str], source: Begun, folder: Path) -> None:
    with (folder / "mysqldump.zst").open("wb") as file:
        environment = os.environ | {"MYSQL_PWD": source.database.password}
        words = dump_words(command, source.database)
        with subprocess.Popen(words, stdout=subprocess.PIPE, env=environment) as program:
            subprocess.run([*_ZSTD, "-c"], stdin=program.stdout, stdout=file, check=True)
        assert program.returncode == 0


def _mydumper(source: Begun, folder: Path) -> None:
    database = source.database
    options = ["--threads=1", "--rows=10000", "--no-schemas", "--no-locks", f"--outputdir={folder / 'mydumper'}"]
    place = [f"--host={database.host}", f"--port={database.port}", f"--user={database.user}"]
    words = ["mydumper", *options, *place, f"--password={database.password}", f"--tables-list={shape.TABLE}"]
    subprocess.run([*words, f"--database={shape.SCHEMA}"], check=True, stderr=subprocess.DEVNULL)
    files = sorted(map(str, (folder / "mydumper").glob("*.sql")))
    subprocess.run([*_ZSTD, "--rm", *files], check=True)


def measure(rows: int) -> list[Result]:
    """Rows per second, read, compressed and written; ten times as many rows as the other groups have."""
    count = rows * MORE_ROWS
    for program in ("mydumper", "zstd"):
        if not shutil.which(program):
            apt_install([program], why="the bench compares the dump with it")
    with begun(count) as source, tempfile.TemporaryDirectory(prefix="keyshift-bench-") as directory:
        folder = Path(directory)
        ways: dict[str, Callable[[], None]] = {"SELECT *, json, zstd": partial(_naive, source, folder)}
        if command := dump_command(find_program()):
            ways[f"{Path(command[-1]).name} | zstd -3"] = partial(_mysqldump, command, source, folder)
        ways["mydumper, 1 thread, then zstd -3"] = partial(_mydumper, source, folder)
        ways["keyshift bulkload dump"] = partial(_ours, source, folder)
        _naive(source, folder)  # the server's caches are warm for all
        speeds = {name: both_per_second(count, way) for name, way in ways.items()}
    walls = {name: wall for name, (wall, _) in speeds.items()}
    processors = {f"{name}, of its processor time": spent for name, (_, spent) in speeds.items()}
    return [*_against_ours(walls), *_against_ours(processors)]


def _against_ours(speeds: dict[str, float]) -> list[Result]:
    """Each as a multiple of ours, which is the last one."""
    name, ours = list(speeds.items())[-1]
    against = [Result("dump", other, speed, name, speed / ours) for other, speed in speeds.items() if other != name]
    return [*against, Result("dump", name, ours, name, 1.0)]
