"""The source's disk is full: its server waits, or is ended by who has had enough; capture goes on where it stood."""

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest

from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
from tests.cdc.world import World, make_world
from tests.servers.pool import DATABASES

SMALL, LARGER = "2m", "200m"
HEADER_BYTES = 19


class Disk:
    """A small file system for the binlog alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mount("tmpfs", f"size={SMALL},mode=777")

    def add_space(self) -> None:
        self._mount("tmpfs", f"remount,size={LARGER}")

    def is_full(self) -> bool:
        return os.statvfs(self.folder).f_bavail == 0

    def close(self) -> None:
        self._run("umount", "--lazy", str(self.folder))

    def _mount(self, kind: str, options: str) -> None:
        self._run("mount", "-t", kind, "-o", options, kind, str(self.folder))

    def _run(self, *command: str) -> None:
        sudo = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
        subprocess.run([*sudo, *command], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    with contextlib.closing(Disk(folder)) as made:
        yield made


@pytest.fixture
def world(servers: str, disk: Disk, endpoints: Endpoints, tmp_path: Path) -> Iterator[World]:
    with DATABASES[servers.partition("+")[0]](f"--log-bin={disk.folder}/binlog") as database:
        with database.connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE shop")
        made = make_world(database, endpoints, "shop", tmp_path)
        yield made
        made.clients.close()


def ends_in_half_an_event(file: Path) -> bool:
    """As MariaDB nearly always leaves it: a disk is seldom full exactly where an event ends."""
    content, offset = file.read_bytes(), len(b"\xfebin")
    while offset + HEADER_BYTES <= len(content):
        offset += int.from_bytes(content[offset + 9 : offset + 13], "little")  # the header's length of the event
    return offset != len(content)


class Filler:
    """An application that writes until it is told that it cannot; `commits` stands still while it waits."""

    def __init__(self, database: Database) -> None:
        self.commits = 0
        self._database = database
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def wait_stuck(self, disk: Disk) -> None:
        before = -1
        while self.commits != before or not disk.is_full():
            before = self.commits
            time.sleep(1)

    def join(self) -> None:
        self._thread.join(60)

    def _run(self) -> None:
        with (
            contextlib.suppress(pymysql.MySQLError),
            self._database.connect("shop") as connection,
            connection.cursor() as cursor,
        ):
            while True:
                number = self.commits
                cursor.execute("INSERT INTO elsewhere (v) VALUES (REPEAT('x', 100))")
                cursor.execute(f"INSERT INTO purchase VALUES ({number}, 1, 1, 1), ({number}, 1, 2, 2)")
                cursor.execute(f"UPDATE purchase SET quantity = 9 WHERE customerid = {number}")
                cursor.execute(f"DELETE FROM purchase WHERE customerid = {number} AND productid = 2")
                self.commits += 1


def test_a_server_that_is_killed_on_a_full_disk_leaves_half_an_event_and_nothing_is_lost(
    world: World, disk: Disk, capsys: pytest.CaptureFixture[str]
) -> None:
    with world.daemon():
        world.wait_started()
        filler = Filler(world.database)
        filler.wait_stuck(disk)
        world.database.kill()
        filler.join()
        disk.add_space()
        world.database.start()
        world.execute("INSERT INTO purchase VALUES (-1, 1, 1, 1)")
        world.wait_caught_up()
        world.require_same()
    assert filler.commits > 100
    assert world.errors == []
    torn = ends_in_half_an_event(disk.folder / "binlog.000001")
    assert not torn or world.database.flavour == "mariadb", "MySQL mends the file itself"
    assert ("torn_file_passed" in "".join(capsys.readouterr())) == torn


def test_a_file_that_lost_its_end_is_not_passed_over(world: World, disk: Disk) -> None:
    """It ends in half an event too, and transactions that the next file knows of are gone with the other half."""
    with world.daemon():
        world.wait_started()
    world.execute(*(f"INSERT INTO purchase VALUES ({number}, 1, 1, 1)" for number in range(100)), "FLUSH BINARY LOGS")
    world.database.stop()
    whole = disk.folder / "binlog.000001"
    os.truncate(whole, whole.stat().st_size * 2 // 3)
    world.database.start()
    with world.daemon():
        world.wait_until_failed()
    assert "truncated in the middle of event" in str(world.errors[0])
