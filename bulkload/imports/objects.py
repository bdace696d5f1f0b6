"""The files that an import reads: lines of DynamoDB JSON, gzip, of a bounded size, in an order that spreads the load.

AWS imports several files at once, each from its beginning on, and warns of lines in the order of their keys, which make
one partition after the other hot. Lines of a file are put in the order of a checksum of theirs. Gzip, because all that
speaks ImportTable reads it (docs/decisions/0029).
"""

import gzip
import zlib
from collections.abc import Callable
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from typing import Final

from bulkload.imports.allowed import OBJECT_BYTES, OBJECTS_MAX
from keymap.errors import KeyshiftError

BUFFER_BYTES_MAX: Final = 128 * 1024 * 1024  # of lines of all tables
UPLOADS_MAX: Final = 2  # files being packed and sent, besides the lines that are gathered
_LEVEL: Final = 1
SUFFIX: Final = ".json.gz"


@dataclass(slots=True)
class Written:
    """What was written for one table: files, items, bytes of the files, and bytes of the lines in them."""

    objects: int = 0
    items: int = 0
    bytes: int = 0
    raw_bytes: int = 0


class Objects:
    """Files of several tables in the making. `put` stores an object; `folder` tells where a table's are, ending in /.

    For one thread. What cannot be stored is raised by a later call.
    """

    def __init__(self, put: Callable[[str, bytes], None], folder: Callable[[str], str], executor: Executor) -> None:
        self._put, self._folder, self._executor = put, folder, executor
        self._lines: dict[str, list[bytes]] = {}
        self._sizes: dict[str, int] = {}
        self._buffered = 0
        self._uploads: list[Future[tuple[str, int]]] = []
        self._written: dict[str, Written] = {}

    def add(self, table: str, line: bytes) -> None:
        """Add an item's line to a table's files."""
        self._lines.setdefault(table, []).append(line)
        size = self._sizes[table] = self._sizes.get(table, 0) + len(line)
        self._buffered += len(line)
        if size >= OBJECT_BYTES:
            self._flush(table)
        elif self._buffered >= BUFFER_BYTES_MAX:
            self._flush(max(self._sizes, key=lambda one: self._sizes[one]))

    def finish(self) -> dict[str, Written]:
        """Store what is left; returns what was written, by table, when all of it is there."""
        for table in list(self._lines):
            self._flush(table)
        self._settle(0)
        return self._written

    def _flush(self, table: str) -> None:
        lines, size = self._lines.pop(table), self._sizes.pop(table)
        self._buffered -= size
        written = self._written.setdefault(table, Written())
        written.objects += 1
        written.items += len(lines)
        written.raw_bytes += size
        if written.objects > OBJECTS_MAX:
            what = f"the items of table {table} fill more than {OBJECTS_MAX:,} files, which is all that an import reads"
            raise KeyshiftError(what, "Begin anew with bulkload.engine: local (`keyshift destroy`, `keyshift init`)")
        self._settle(UPLOADS_MAX - 1)
        name = f"{self._folder(table)}{written.objects:05d}{SUFFIX}"
        self._uploads.append(self._executor.submit(self._store, table, name, lines))

    def _store(self, table: str, name: str, lines: list[bytes]) -> tuple[str, int]:
        lines.sort(key=zlib.crc32)
        data = gzip.compress(b"".join(lines), _LEVEL, mtime=0)
        self._put(name, data)
        return table, len(data)

    def _settle(self, left: int) -> None:
        """Wait until at most so many uploads are under way. Raises what went wrong in one."""
        while len(self._uploads) > left:
            wait(self._uploads[:1])
            table, size = self._uploads.pop(0).result()
            self._written[table].bytes += size
