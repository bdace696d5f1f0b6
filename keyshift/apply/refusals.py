"""Why something was not applied, in the words of the person who must do something about it.

Messages name tables, positions and digests of keys, never what a row holds. The one exception is a FOREIGN item: its
key is named, because nobody could find the item otherwise.
"""

import hashlib

from keymap.change import Change
from keymap.errors import KeyshiftError
from keymap.lanes import lane_of
from keymap.patch import Key, Patch
from keymap.rules import Keymap
from keymap.template import PatchError
from keymap.version import parse
from keymap.wire import Header
from keyshift.control.migration import Migration
from keyshift.control.setasides import Kind

DIGEST_LENGTH = 12  # hexadecimal digits: 48 bits tell apart the few keys that one person looks at


class ReplayClosed(KeyshiftError):
    """Replay has not been opened yet: rows are still being loaded, and nothing may be written beside them."""

    def __init__(self) -> None:
        super().__init__(
            "replay is closed: not every chunk of the bulk load is recorded as loaded",
            "Finish `keyshift bulkload load`; it opens replay itself",
        )


class GateClosed(KeyshiftError):
    """A change that is not in DynamoDB has arrived after the gate was closed. It stays on the stream, unwritten."""

    def __init__(self, version: str, table: str = "") -> None:
        whose = f" for table {table}" if table else ""
        super().__init__(
            f"a change{whose} ({position(version)}) arrived after replay was closed",
            "Somebody wrote to the source during the write stop: `keyshift cutover abort` opens replay again, and the "
            "change is applied; if the application has switched already, stop this consumer",
        )


class OutOfTime(KeyshiftError):
    """The time of an invocation was nearly over, and not all of its batch is applied. It is delivered again."""

    def __init__(self) -> None:
        super().__init__(
            "the time of the invocation is over, and not all of its batch is applied: what is not is delivered again",
            "See whether the tables are throttled; else give the function more time, or smaller batches",
        )


class OtherStream(KeyshiftError):
    """A record that another migration, or another keymap, has written."""


class Foreign(KeyshiftError):
    """An item stands in the way that does not belong to this migration. It is never overwritten."""

    def __init__(self, table: str, key: Key, owner: str) -> None:
        whose = f"belongs to migration {owner}" if owner else "is not Keyshift's"
        super().__init__(
            f"table {table} holds an item {key!r} that {whose}, and a change wants to write it",
            "Remove or move the item if nobody needs it, or give this migration an empty table; then `keyshift apply "
            "redrive`",
        )
        self.kind, self.table, self.item = Kind.FOREIGN, table, key_digest(table, key)


class Poison(PatchError):
    """A change that can never be applied as it is. `table` and `item`, a digest of its key, are the target's."""

    def __init__(self, message: str, remedy: str, kind: Kind, table: str = "", item: str = "") -> None:
        super().__init__(message, remedy)
        self.kind, self.table, self.item = kind, table, item


def lane_patches(keymap: Keymap, change: Change, lane: int, lanes: int) -> list[Patch]:
    """What a lane writes of a change: one that moves between lanes is sent to each of them. Raises Poison."""
    try:
        patches = keymap.patches(change)
    except PatchError as error:
        where = f"{change.source.file}:{change.source.pos}, row {change.source.row}"
        message = f"the change at {where} cannot be mapped: {error.message}"
        raise Poison(message, error.remedy, Kind.UNMAPPABLE) from error
    return [patch for patch in patches if lane_of(patch.table, patch.key, lanes) == lane]


def of_patch(patch: Patch) -> str:
    """Which item of which change, as messages begin."""
    item = f"item {key_digest(patch.table, patch.key)} of table {patch.table}"
    return f"{item} cannot be written (change at {position(patch.version)}): "


def unwritable(patch: Patch, reason: str, remedy: str) -> Poison:
    """DynamoDB can never take a write; `reason` must hold nothing of the row."""
    item = key_digest(patch.table, patch.key)
    return Poison(f"{of_patch(patch)}{reason}", remedy, Kind.UNWRITABLE, patch.table, item)


def key_digest(table: str, key: Key) -> str:
    """A short name for an item that does not give away its key."""
    parts = [part if isinstance(part, bytes) else str(part).encode() for part in key]
    return hashlib.sha256(repr((table, parts)).encode()).hexdigest()[:DIGEST_LENGTH]


def position(version: str) -> str:
    """A version as a place in the source's binlog, for a person with mysqlbinlog."""
    parts = parse(version)
    if not parts.file:
        return "the bulk load's floor"
    return f"binlog file number {parts.file}, offset {parts.offset}, row {parts.row}"


def require_ours(header: Header, migration: Migration) -> frozenset[str]:
    """The tables whose changes in the record are void: made with a former keymap, of which they had other rules.

    Such tables are loaded again, from behind all that was made with that one (docs/decisions/0022); of all others both
    keymaps make the same. Raises OtherStream unless a process with the migration's keymap may apply the record.
    """
    if header.migration != migration.id:
        raise OtherStream(
            f"the stream holds a record of migration {header.migration}, and this is {migration.id}",
            "Give each migration a stream of its own; after `keyshift destroy` and a new `init`, a new stream",
        )
    void = migration.changed_since(header.digest)
    if void is None:
        raise OtherStream(
            f"the stream holds a record made with keymap {header.digest}, and this process has keymap "
            f"{migration.digest}",
            "Deploy the keymap that the daemon runs with, and start again",
        )
    if not 0 <= header.lane < migration.lanes:
        raise OtherStream(
            f"the stream holds a record of lane {header.lane}, and the migration has {migration.lanes} lanes",
            "Something else writes to this stream: give the migration a stream of its own",
        )
    return void
