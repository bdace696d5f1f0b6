"""Slots of items that several rows share, brought together on the local disk: an external shuffle by the items' keys.

Each item's patches go to one of a fixed number of files, by a hash of its table and key. In the end one file after the
other is read whole, as all patches of its items are in it. A file that is too large for that is first split again, by
the hash's next digits: memory is bounded by a file's size, whatever comes together. One item alone may be larger than
a file; it is larger than DynamoDB takes then, and only counted.
"""

import pickle
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import IO, Final, Self

from keymap.errors import KeyshiftError
from keymap.patch import Key, Patch

FILES: Final = 64  # open at once, on each level
FILE_BYTES_MAX: Final = 16 * 1024 * 1024  # read whole: about 150 MB as patches
ITEM_BYTES_MAX: Final = 16 * 1024 * 1024  # of one item's patches in a file: those of 400 KB take less than a quarter
LEVELS_MAX: Final = 8  # 64^8 files: only one item's patches are still together
_DIGITS: Final = 6  # bits of the hash for each level
_HASH_BYTES: Final = 8


@dataclass(slots=True)
class Shared:
    """One item's patches; where there are too many to keep, none of them. `bytes` is what they take in a file."""

    table: str
    key: Key
    patches: list[Patch] = field(default_factory=list)
    bytes: int = 0

    @property
    def too_large(self) -> bool:
        """Whether the item is larger than DynamoDB takes, by far."""
        return self.bytes > ITEM_BYTES_MAX


class Spool:
    """Patches, put in in any order and taken out item by item, once. A context manager: its files have no name.

    Raises KeyshiftError where the disk is full or fails.
    """

    def __init__(self, level: int = 0) -> None:
        self._level = level
        self._stack = ExitStack()
        self._files: dict[int, IO[bytes]] = {}
        self.patches = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        with suppress(OSError):  # what a full disk did not take cannot be written now either, and nobody needs it
            self._stack.close()

    def add(self, patches: Sequence[Patch]) -> None:
        """Put in patches of one item."""
        first = patches[0]
        digest = blake2b(repr((first.table, first.key)).encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES)
        number = int.from_bytes(digest.digest(), "big")
        fields = [(one.slot, one.attributes, one.version, one.owner, one.names) for one in patches]
        self.patches += len(patches)
        self._write(number, pickle.dumps((number, first.table, first.key, fields), pickle.HIGHEST_PROTOCOL))

    def items(self) -> Iterator[Shared]:
        """All items, in an order that has nothing to do with their keys'. Each file is let go of when it was read."""
        for file in self._files.values():
            with _explaining():
                size = file.seek(0, 2)
                file.seek(0)
            if size > FILE_BYTES_MAX and self._level < LEVELS_MAX:
                yield from self._split(file)
            else:
                yield from _read(file)
            file.close()

    def _split(self, file: IO[bytes]) -> Iterator[Shared]:
        with Spool(self._level + 1) as finer:
            for record, number, *_ in _records(file):
                finer._write(number, record)
            file.truncate(0)  # it is in the finer files now: the disk holds it once
            yield from finer.items()

    def _write(self, number: int, record: bytes) -> None:
        place = number >> (_HASH_BYTES * 8 - _DIGITS * (self._level + 1)) & FILES - 1
        with _explaining():
            file = self._files.get(place) or self._open(place)
            file.write(len(record).to_bytes(4, "big"))
            file.write(record)

    def _open(self, place: int) -> IO[bytes]:
        file = tempfile.TemporaryFile(prefix="keyshift-")  # noqa: SIM115 - the stack closes it
        self._files[place] = self._stack.enter_context(file)
        return file


def _records(file: IO[bytes]) -> Iterator[tuple[bytes, int, str, Key, list[tuple[object, ...]]]]:
    """The records of a file, each as bytes and taken apart."""
    with _explaining():
        while head := file.read(4):
            record = file.read(int.from_bytes(head, "big"))
            yield record, *pickle.loads(record)  # noqa: S301 - a file without a name, which only this process has


def _read(file: IO[bytes]) -> Iterator[Shared]:
    found: dict[tuple[str, Key], Shared] = {}
    for record, _, table, key, fields in _records(file):
        item = found.setdefault((table, key), Shared(table, key))
        item.bytes += len(record)
        if item.too_large:
            item.patches.clear()
        else:
            item.patches += [Patch(table, key, *one) for one in fields]  # type: ignore[arg-type]
    while found:
        yield found.popitem()[1]


@contextmanager
def _explaining() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = (
            "Give it space: TMPDIR names the folder of such files, which need about what the shared tables' rows do"
        )
        raise KeyshiftError(
            f"keeping rows that share items in {tempfile.gettempdir()} failed: {error.strerror or error}", remedy
        ) from error
