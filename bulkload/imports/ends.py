"""Whether an import brought in all that was written, and where it did not: why, and which items, by their keys."""

import gzip
import zlib
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import orjson

from bulkload.load.targets import item_name
from bulkload.storage import Storage
from keymap.errors import KeyshiftError, Problem
from keymap.targets import Target
from keyshift.aws.clients import Clients
from keyshift.aws.imports import COMPLETED, Described, ItemError, read_errors
from keyshift.control.imports import Import

ERRORS_SHOWN_MAX: Final = 10  # enough to see what they have in common


def problem_of(made: Import, ended: Described, target: Target, clients: Clients, storage: Storage) -> Problem | None:
    """What is wrong with an import that has ended; None where exactly what was written is in the table."""
    good = ended.status == COMPLETED and not ended.errors
    if good and ended.processed == ended.imported == made.items:
        return None
    reason = f" ({ended.code}: {ended.message.rstrip('.')})" if ended.code else ""
    what = (
        f"its import has ended as {ended.status}{reason}; {made.items:,} items were written, {ended.processed:,} read, "
        f"{ended.imported:,} imported, with {ended.errors:,} errors"
    )
    errors = read_errors(clients, ended, ERRORS_SHOWN_MAX) if ended.errors else []
    keys = Keys(target, storage)
    refused = [f"{keys.name(error)}: {', '.join(error.reasons)}" for error in errors]
    return Problem(f"table {made.table}", "; ".join([what, *refused]), _remedy(made, ended, read=bool(errors)))


def _remedy(made: Import, ended: Described, *, read: bool) -> str:
    delete = f"delete the table where it is there (aws dynamodb delete-table --table-name {made.table})"
    if not ended.errors:
        return f"Mend the reason, {delete}, and run the command again: it asks for the import of the same files again"
    log = (
        ""
        if read
        else f"Its log says which items (CloudWatch, {ended.log_group}, {ended.arn.rpartition('/')[2]}/error). "
    )
    anew = "correct what the keymap makes of such rows and begin anew (`keyshift destroy`, `keyshift init`)"
    return f"{log}Where items were refused, {anew}; else {delete}, and run the command again"


class Keys:
    """Names items of a target by the files that they were to be imported from."""

    def __init__(self, target: Target, storage: Storage) -> None:
        self._target = target
        self._lines = lru_cache(maxsize=1)(lambda name: gzip.decompress(storage.get(name)).splitlines())

    def name(self, error: ItemError) -> str:
        """The item by its key; where the file does not tell it, by its place there."""
        try:
            item = orjson.loads(self._lines(error.object)[error.index])["Item"]
            return item_name(self._target, tuple(_key_value(item[part.name]) for part in self._target.keys))
        except (KeyshiftError, OSError, EOFError, zlib.error, ValueError, KeyError, IndexError, ArithmeticError):
            return f"item {error.index} of {error.object}"


def _key_value(value: dict[str, Any]) -> str | Decimal:
    ((kind, held),) = value.items()
    return Decimal(held) if kind == "N" else str(held)
