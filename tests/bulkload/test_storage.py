"""Where a dump lies: whole or not at all, in S3 or in a folder, whatever goes wrong on the way."""

import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bulkload import storage
from bulkload.folder import FolderStorage, open_storage, remove_dump
from bulkload.storage import S3Storage
from keymap.errors import KeyshiftError
from keyshift.aws.clients import make_clients
from keyshift.process.stop import Stop
from tests.bulkload.world import World
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import duplicate, reset_after, reset_before, server_error

PART = 5 * 1024 * 1024  # the smallest that S3 takes
DATA = random.Random(1).randbytes(2 * PART + 1000)


@pytest.fixture
def faulty(shop: World, s3: FaultProxy) -> Iterator[S3Storage]:
    clients = make_clients("us-east-1", {"s3": s3.url})
    yield S3Storage(clients.s3, shop.migration, shop.stop)
    clients.close()


@pytest.fixture(autouse=True)
def _parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "PART_BYTES", PART)


def uploads(shop: World) -> list[Any]:
    found = shop.clients.s3.list_multipart_uploads(Bucket=shop.settings.bucket.name)
    return list(found.get("Uploads", []))


def test_a_large_object_goes_up_in_parts_and_comes_back_whole(shop: World, faulty: S3Storage) -> None:
    faulty.put("large", DATA)
    assert faulty.get("large") == DATA
    head = shop.clients.s3.head_object(Bucket=shop.settings.bucket.name, Key="large")
    assert head["ETag"].strip('"').endswith("-3")  # what S3 calls an object of three parts
    assert uploads(shop) == []
    faulty.put("small", DATA[:10])
    assert faulty.get("small") == DATA[:10]


@pytest.mark.parametrize("seed", range(3))
def test_parts_arrive_whatever_goes_wrong(faulty: S3Storage, s3: FaultProxy, seed: int) -> None:
    """Answers of a begin, a part and an end are lost, and requests come twice."""
    s3.chance.seed(seed)
    faults = (server_error, reset_before, reset_after, duplicate)
    s3.rules = tuple(Rule(fault, ("PUT", "POST"), 0.15) for fault in faults)
    for name in ("one", "two", "three"):
        faulty.put(name, DATA)
    assert s3.faults
    s3.rules = ()
    assert {faulty.get(name) for name in ("one", "two", "three")} == {DATA}


def test_an_upload_that_is_refused_leaves_nothing_behind(
    shop: World, faulty: S3Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = Stop()
    stopped = S3Storage(shop.clients.s3, shop.migration, stop)
    sent: list[int] = []

    def part(**_: Any) -> Any:
        sent.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr(shop.clients.s3, "upload_part", part)
    with pytest.raises(KeyboardInterrupt):
        stopped.put("large", DATA)
    assert sent == [1]
    assert uploads(shop) == []
    with pytest.raises(KeyshiftError, match="large is not there"):
        faulty.get("large")


def in_folder(world: World, folder: Path) -> World:
    bulkload = world.settings.bulkload.model_copy(update={"folder": folder})
    return replace(world, settings=world.settings.model_copy(update={"bulkload": bulkload}))


def test_a_dump_in_a_folder_is_loaded_from_there_and_the_bucket_stays_empty(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there" / "yet"
    local = in_folder(world, folder)
    assert local.dump().complete
    assert local.dump().chunks == 0
    assert not world.objects()
    with pytest.raises(KeyshiftError, match=r"manifest.json is not there.*set bulkload\.folder"):
        world.load()
    assert local.load().complete
    assert world.stored() == world.expected()
    assert remove_dump(folder, world.migration)
    assert not remove_dump(folder, world.migration)
    assert not [path for path in folder.rglob("*") if path.is_file()]


def test_a_damaged_file_is_refused(world: World, tmp_path: Path) -> None:
    local = in_folder(world, tmp_path)
    local.dump()
    path = next(path for path in sorted(tmp_path.rglob("*.zst")) if "orders" in str(path))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(KeyshiftError, match="is damaged: its SHA-256"):
        local.load()


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_writer_that_dies_leaves_no_half_an_object(
    shop: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    place = FolderStorage(tmp_path, shop.migration)
    place.put("a/b/first", b"first")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os if step == "fsync" else Path, step, die)
        with pytest.raises(KeyboardInterrupt):
            place.put("a/b/second", b"second")
    assert place.get("a/b/first") == b"first"
    with pytest.raises(KeyshiftError, match="second is not there"):
        place.get("a/b/second")
    place.put("a/b/second", b"second")
    assert place.get("a/b/second") == b"second"


def test_a_file_and_its_folder_are_forced_to_the_disk_before_put_returns(
    shop: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        forced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    FolderStorage(tmp_path, shop.migration).put("a/b/object", b"x")
    file = str(tmp_path / "a" / "b" / f".object.{os.getpid()}")
    assert forced == [str(tmp_path), str(tmp_path / "a"), file, str(tmp_path / "a" / "b")]


def test_a_folder_that_cannot_be_written_is_told_with_its_name(shop: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    place = open_storage(tmp_path / "file", shop.clients, shop.migration, shop.stop)
    with pytest.raises(KeyshiftError, match=r"writing .*/file/object failed: File exists"):
        place.put("object", b"x")


def test_the_longest_names_of_tables_are_names_of_objects_and_files(shop: World, tmp_path: Path) -> None:
    """64 characters of database and of table, of three bytes each; what is cut off still tells tables apart."""
    migration = replace(shop.migration, prefix="p" * 256)
    where = FolderStorage(tmp_path, replace(migration, prefix="p"))
    tables = [f"{'数' * 64}.{'据' * 63}{last}" for last in "ab"]
    names = [S3Storage(shop.clients.s3, migration, shop.stop).chunk_name(one, "9" * 40, 1, "f" * 64) for one in tables]
    assert len(set(names)) == 2
    assert all(len(name.encode()) <= 1024 for name in names)
    for table in tables:
        where.put(where.chunk_name(table, "", 1, "f" * 64), table.encode())
    assert [where.get(where.chunk_name(table, "", 1, "f" * 64)).decode() for table in tables] == tables
    assert where.chunk_name("shop.orders", "", 1, "f" * 64).split("/")[-2] == "shop.orders"
