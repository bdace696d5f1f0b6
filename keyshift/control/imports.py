"""Imports from S3: of each target table, which files hold its items, and how far its import is.

A request that starts an import may be done and its answer lost, and the import itself outlives every process. So what
is to be imported, and under which token, is recorded before it is asked for. Each write is made only while the lease
"load" is held. A record that has come to an end stays: it says that the table is an import's.
"""

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from keymap.errors import KeyshiftError
from keyshift.control.lease import Lease
from keyshift.control.record import Changes, Record
from keyshift.control.revise import revise
from keyshift.control.store import Store

IMPORT_PREFIX: Final = "import#"
_TOKEN_DIGITS: Final = 32


class ImportState(StrEnum):
    """How far an import is. The values are stored."""

    WRITTEN = "written"  # its files are complete, and nobody has asked for it
    ASKED = "asked"  # somebody has, or was about to
    RUNNING = "running"  # AWS has said its name
    DONE = "done"  # all items are in the table, and the table is as it should be


@dataclass(frozen=True, slots=True)
class Import:
    """One target table's import: from `objects` files below the S3 key `prefix`, of `items` items.

    `bytes` are those of the files, `raw_bytes` those before compression. `attempt` counts from 1: an import that failed
    is asked for again under another token. `arn` is AWS's name of it, "" before that is known.
    """

    table: str
    prefix: str
    objects: int
    items: int
    bytes: int
    raw_bytes: int
    attempt: int = 1
    arn: str = ""
    state: ImportState = ImportState.WRITTEN

    def token(self, migration: str) -> str:
        """What tells the request from every other one (ClientToken), for the migration's id."""
        told = f"{migration}/{self.table}/{self.prefix}/{self.attempt}"
        return hashlib.sha256(told.encode()).hexdigest()[:_TOKEN_DIGITS]


def read_imports(store: Store) -> dict[str, Import]:
    """What is recorded, by target table."""
    return {one.table: one for one in map(_import, store.query(IMPORT_PREFIX))}


def unfinished_imports(store: Store) -> list[str]:
    """The target tables whose items may be on their way into them."""
    return [one.table for one in read_imports(store).values() if one.state is not ImportState.DONE]


def record_written(lease: Lease, made: Import) -> Import:
    """Record that all files of a table's import are there; returns it. Raises LeaseLost."""
    return _record(lease, made, None)


def record_step(lease: Lease, before: Import, state: ImportState, arn: str = "") -> Import:
    """Record how far the import is now; returns it so. Raises LeaseLost, KeyshiftError where others went on with it."""
    return _record(lease, replace(before, state=state, arn=arn or before.arn), before)


def record_again(lease: Lease, before: Import) -> Import:
    """Record that an import is to be asked for again, from the same files; returns it so. Raises as record_step.

    It has ended, and its table is gone.
    """
    again = replace(before, state=ImportState.WRITTEN, attempt=before.attempt + 1, arn="")
    return _record(lease, again, before)


def _record(lease: Lease, after: Import, before: Import | None) -> Import:
    def changed(record: Record | None) -> Changes | None:
        found = None if record is None else _import(record)
        if found == after:
            return None
        if before is not None and found != before:
            message = f"the import into table {after.table} was gone on with by another process"
            raise KeyshiftError(message, "Run the command again: it goes on from what is recorded")
        return _attributes(after)

    revise(lease.store, f"{IMPORT_PREFIX}{after.table}", changed, lease=lease)
    return after


def _attributes(made: Import) -> Changes:
    return {
        "table": made.table,
        "prefix": made.prefix,
        "objects": made.objects,
        "items": made.items,
        "bytes": made.bytes,
        "raw_bytes": made.raw_bytes,
        "attempt": made.attempt,
        "arn": made.arn or None,
        "state": made.state.value,
    }


def _import(record: Record) -> Import:
    return Import(
        record.text("table"),
        record.text("prefix"),
        record.number("objects"),
        record.number("items"),
        record.number("bytes"),
        record.number("raw_bytes"),
        record.number("attempt"),
        record.text("arn"),
        ImportState(record.text("state")),
    )
