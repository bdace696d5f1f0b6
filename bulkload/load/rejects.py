"""Rows that cannot become items, and what the load does with them: they are written down with reasons, never skipped
quietly.

What is found while a chunk is mapped, and what DynamoDB itself refuses, ends in one file per chunk, beside the chunk.
Each of its lines is a JSON object: the row's primary key, why it was refused, and what to do. The chunk's record counts
them, the load's exit code tells, and verify finds the rows again, until their source or the keymap is mended.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from keymap.errors import Problem
from keymap.schema import TableSchema
from keymap.values import Canonical, Row
from keymap.wire import dumps, encode_value
from keyshift.control.chunks import Chunk

NAMED_MAX = 20  # bad rows named in one error: enough to see what they share, and it still fits a screen
_TEXT_MAX = 60  # characters of one key value in a message


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that cannot become an item: the values of its primary key, why not, and what to do."""

    key: tuple[Canonical, ...]
    reason: str
    remedy: str

    @classmethod
    def of(cls, schema: TableSchema, row: Row, reason: str, remedy: str) -> "Reject":
        """The reject of a row."""
        return cls(key_of(schema, row), reason, remedy)

    def problem(self, schema: TableSchema) -> Problem:
        """As told to a person."""
        return Problem(key_name(schema, self.key), self.reason, self.remedy)


def key_of(schema: TableSchema, row: Row) -> tuple[Canonical, ...]:
    """The values of the row's primary key."""
    return tuple(row.get(name) for name in schema.primary_key)


def row_name(schema: TableSchema, row: Row) -> str:
    """A row named by its primary key alone, for a message to a person: ``row shop.orders (id=5)``."""
    return key_name(schema, key_of(schema, row))


def key_name(schema: TableSchema, key: Sequence[Canonical]) -> str:
    """The same of the key's values, or of the first of them, as a chunk's bounds are that cut no group."""
    shown = ", ".join(f"{name}={_shown(value)}" for name, value in zip(schema.primary_key, key, strict=False))
    return f"row {schema.full_name} ({shown})"


def problems(rejects: Sequence[Reject], schema: TableSchema) -> list[Problem]:
    """What is told to a person about the rejects of one chunk: the first of them by name, the others by number."""
    named = [reject.problem(schema) for reject in rejects[:NAMED_MAX]]
    if (more := len(rejects) - NAMED_MAX) <= 0:
        return named
    what = f"{more} more rows of this chunk cannot be written"
    return [*named, Problem(f"table {schema.full_name}", what, "Mend those first")]


def encode_rejects(rejects: Iterable[Reject], chunk: Chunk, schema: TableSchema) -> bytes:
    """The file of a chunk's rejects."""
    return b"".join(dumps(_line(reject, chunk, schema)) + b"\n" for reject in rejects)


def _line(reject: Reject, chunk: Chunk, schema: TableSchema) -> dict[str, Any]:
    key = {name: encode_value(value) for name, value in zip(schema.primary_key, reject.key, strict=True)}
    return {
        "table": chunk.table,
        "key": key,
        "reason": reject.reason,
        "remedy": reject.remedy,
        "chunk": chunk.number,
        "object": chunk.object,
    }


def _shown(value: Canonical) -> str:
    text = value.hex() if isinstance(value, bytes) else repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _TEXT_MAX else f"{text[:_TEXT_MAX]}…"
