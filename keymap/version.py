"""The one idea: every change has a version, a total order taken from the binlog.

A version is text of fixed width that sorts as its parts do, because DynamoDB compares strings by bytes:
``epoch.file.offset.row``, all decimal so that an operator can read the binlog position out of it. Nothing else is ever
compared. Versions travel as `str`; they are taken apart only for people.

A slot's *mark* is what an item stores beside the slot: its version, with ``x`` appended when the slot is a tombstone.
A write lands if ``stored mark < bare version``. The suffix never decides: two different versions differ within the
fixed width, and at the same version a stored mark, with or without the suffix, is not smaller (the write is STALE).
"""

from typing import NamedTuple

# Widths in decimal digits. file: MySQL ends at 2^31-1 (10 digits). offset: 10 TB in one file, as one huge transaction
# may pass 4 GiB. row: an event holds below 2^32 bytes; inside a compressed transaction it counts all rows.
EPOCH_DIGITS, FILE_DIGITS, OFFSET_DIGITS, ROW_DIGITS = 4, 10, 13, 9
VERSION_LENGTH = EPOCH_DIGITS + FILE_DIGITS + OFFSET_DIGITS + ROW_DIGITS + 3
EPOCH_MAX = 10**EPOCH_DIGITS - 1
TOMBSTONE = "x"


class VersionParts(NamedTuple):
    """A version taken apart: the epoch, the binlog file's number, the event's offset in bytes, the row's ordinal."""

    epoch: int
    file: int
    offset: int
    row: int


def version(epoch: int, file: int, offset: int, row: int) -> str:
    """The version's text. Raises OverflowError where a part does not fit its width (it would sort wrongly)."""
    text = f"{epoch:04d}.{file:010d}.{offset:013d}.{row:09d}"
    if len(text) != VERSION_LENGTH or "-" in text:
        raise OverflowError(f"a part of the version is out of range: {text}")
    return text


def floor(epoch: int) -> str:
    """The lowest version of an epoch: what a bulk-loaded row carries, so that every captured change is newer."""
    return version(epoch, 0, 0, 0)


def behind(text: str, count: int) -> str:
    """A version of nobody's change: newer than `text`, by `count` from 1 on, and older than every later event's.

    `text` is the newest of its transaction, so that no row of the same event follows it. Raises OverflowError.
    """
    parts = parse(text)
    return version(parts.epoch, parts.file, parts.offset, parts.row + count)


def parse(text: str) -> VersionParts:
    """Take a version (or a mark) apart. Raises ValueError on anything else."""
    parts = text.removesuffix(TOMBSTONE).split(".")
    widths = (EPOCH_DIGITS, FILE_DIGITS, OFFSET_DIGITS, ROW_DIGITS)
    if tuple(map(len, parts)) != widths or not all(part.isdecimal() for part in parts):
        raise ValueError(f"not a version: {text!r}")
    return VersionParts(*map(int, parts))


def mark(version: str, *, tombstone: bool) -> str:
    """What is stored beside a slot that was written, or removed, at `version`."""
    return version + TOMBSTONE if tombstone else version


def is_tombstone(mark: str) -> bool:
    """Whether the mark says that the slot was removed."""
    return mark.endswith(TOMBSTONE)


def version_of(mark: str) -> str:
    """The bare version within a mark."""
    return mark.removesuffix(TOMBSTONE)
