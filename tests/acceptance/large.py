"""Sizes that take minutes and 15 GB of disk: `make large` runs them, and the ordinary tests smaller ones."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keymap.version import parse
from keymap.wire import decode_pack
from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
from tests.cdc.world import World, make_world
from tests.servers.aws import isolate
from tests.servers.pool import DATABASES

if TYPE_CHECKING:
    import subprocess

ROWS = 1_000_000
MEMORY_BYTES_MAX = 256 << 20
FOUR_GIB = 1 << 32
BLOB_BYTES = 8_000_000
SCHEMA = "shop"
ROOM = {"mariadb": "--innodb-log-file-size=512M", "mysql": "--innodb-redo-log-capacity=512M"}


@pytest.fixture
def database(servers: str) -> Iterator[Database]:
    """A server of the test's own, with room for large values."""
    flavour = servers.partition("+")[0]
    with DATABASES[flavour]("--max-allowed-packet=64M", ROOM[flavour]) as started:
        with started.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {SCHEMA}")
        yield started


@pytest.fixture
def world(database: Database, endpoints: Endpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    isolate(monkeypatch)
    monkeypatch.setenv("SHOP_PASSWORD", "")
    made = make_world(database, endpoints, SCHEMA, tmp_path)
    yield made
    made.clients.close()


def caught_up(world: World) -> None:
    world.wait_until(world.is_caught_up, "capture to catch up", seconds=600)


def memory_bytes(process: "subprocess.Popen[bytes]") -> int:
    """The most memory that the process has had at a time."""
    status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    (line,) = (line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) << 10


def captured_customers(world: World) -> Iterator[int]:
    """The customers of all purchases on the stream; those of a million are not kept at once."""
    for _, page in world.pages():
        for data in page:
            for change in decode_pack(data, world.claims.get)[1]:
                assert change.after is not None
                yield int(str(change.after["customerid"]))


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
def test_a_transaction_of_a_million_rows_takes_bounded_memory(world: World, *, compressed: bool) -> None:
    process = world.spawn()
    try:
        world.wait_started()
        numbers = " CROSS JOIN ".join(
            f"(SELECT {' AS n UNION ALL SELECT '.join('0123456789')} AS n) t{i}" for i in range(6)
        )
        number = " + ".join(f"t{i}.n * {10**i}" for i in range(6))
        variable = "binlog_transaction_compression" if world.database.flavour == "mysql" else "log_bin_compress"
        scope = "SESSION" if world.database.flavour == "mysql" else "GLOBAL"
        world.execute(
            f"SET {scope} {variable} = {'ON' if compressed else 'OFF'}",
            f"INSERT INTO purchase SELECT {number}, 1, 1, 1 FROM {numbers}",
        )
        caught_up(world)
        assert memory_bytes(process) < MEMORY_BYTES_MAX
    finally:
        process.terminate()
        process.wait(60)
    seen = bytearray(ROWS)
    for customer in captured_customers(world):
        seen[customer] += 1
    assert seen.count(1) == ROWS


@pytest.mark.timeout(1800)
def test_a_binlog_file_of_more_than_4_gib(world: World) -> None:
    """One transaction makes it, with captured rows before that mark and behind it; a daemon that is stopped amid it."""
    with world.daemon():
        world.wait_started()
    world.execute("CREATE TABLE big (id INT PRIMARY KEY, v LONGBLOB)")
    updates = [
        f"UPDATE big SET v = REPEAT(CHAR({65 + number % 26}), {BLOB_BYTES})"
        for number in range(FOUR_GIB // BLOB_BYTES // 2 + 10)
    ]
    world.execute(
        "BEGIN",
        f"INSERT INTO big VALUES (1, REPEAT('x', {BLOB_BYTES}))",
        "INSERT INTO purchase VALUES (1, 1, 1, 1), (2, 1, 1, 1)",
        *updates,
        "UPDATE purchase SET quantity = 2 WHERE customerid = 1",
        "COMMIT",
    )
    world.execute("INSERT INTO purchase VALUES (3, 1, 1, 3)")
    with world.daemon():
        time.sleep(3)
    with world.daemon():
        caught_up(world)
    assert world.errors == []
    world.require_same()
    versions = sorted(change.version for changes in world.lanes().values() for change in changes)
    _, second, third, fourth = [(parse(version).file, parse(version).offset) for version in versions]
    assert second < (third[0], FOUR_GIB) < third < fourth
