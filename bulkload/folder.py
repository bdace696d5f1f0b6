"""A dump in a local folder, with the promises of S3: an object is there whole or not at all, also after a power cut.

An object is written beside its place, forced to the disk, and renamed; then the folder is forced to the disk as well.
Its SHA-256 is checked by whoever reads it, as with S3.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bulkload.storage import S3Storage, Storage
from keymap.errors import KeyshiftError
from keyshift.aws.clients import Clients
from keyshift.control.migration import Migration
from keyshift.process.stop import Stop


class FolderStorage(Storage):
    """Below a folder, under the names that the objects would have in a bucket."""

    def __init__(self, folder: Path, migration: Migration) -> None:
        super().__init__(migration)
        self._root = folder

    def address(self, name: str) -> str:
        """The file's path."""
        return str(self._root / name)

    def put(self, name: str, data: bytes) -> None:
        """Store an object. A file of a process that died halfway is written over by the next one."""
        path = self._root / name
        with _explaining(f"writing {path}"):
            _make_folder(path.parent)
            beside = path.with_name(f".{path.name}.{os.getpid()}")
            with beside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
            _sync(path.parent)

    def get(self, name: str) -> bytes:
        """An object's bytes, all of them."""
        path = self._root / name
        with _explaining(f"reading {path}"):
            try:
                return path.read_bytes()
            except FileNotFoundError as error:
                raise self.missing(name) from error


def open_storage(folder: Path | None, clients: Clients, migration: Migration, stop: Stop) -> Storage:
    """Where this migration's dump is: in `folder`, or where there is none, in its bucket."""
    return S3Storage(clients.s3, migration, stop) if folder is None else FolderStorage(folder, migration)


def remove_dump(folder: Path, migration: Migration) -> bool:
    """Remove what was dumped into a folder, and nothing else; says whether there was anything."""
    path = folder / migration.prefix / migration.id
    with _explaining(f"removing {path}"):
        if not path.exists():
            return False
        shutil.rmtree(path)
    return True


def _make_folder(path: Path) -> None:
    """Make it and what is missing above it, each kept by a power cut."""
    if path.is_dir():
        return
    _make_folder(path.parent)
    path.mkdir(exist_ok=True)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _explaining(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = "Check bulkload.folder, its rights and the space on its disk, then run the command again"
        raise KeyshiftError(f"{doing} failed: {error.strerror or error}", remedy) from error
