"""A batch folded before it is mapped: the short way of nearly all batches.

It has one outcome besides success: None. Whatever is not as usual (a record of another keymap, a change that lies in S3
or cannot be mapped, damage) is left to the plain way of keyshift.apply.stream, which then begins from the start and
says what is the matter. Nothing is written here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from keymap.errors import KeyshiftError
from keymap.folding import Folding, Put
from keymap.patch import Patch
from keymap.wire import Header, decode_documents
from keyshift.apply.refusals import require_ours
from keyshift.aws.stream import StreamRecord
from keyshift.control.migration import Migration

# What documents and values that are not as usual raise, here or in the plain way, where it belongs.
_UNUSUAL: Final = (KeyshiftError, KeyError, TypeError, ValueError, ArithmeticError, RecursionError)


@dataclass(frozen=True, slots=True)
class Folded:
    """A whole batch: its headers, the newest patches of all registers, and what it says of its changes.

    Changes are counted by Debezium's c, u, d, r; the newest is that of `newest_version`, `newest_ms`.
    """

    headers: Sequence[Header]
    puts: Sequence[Put]
    patches: Sequence[Patch]
    operations: Mapping[str, int]
    newest_version: str
    newest_ms: int


def folded(folding: Folding, migration: Migration, records: Sequence[StreamRecord]) -> Folded | None:
    """The batch, folded; None where it must go the plain way."""
    try:
        return _folded(folding, migration, records)
    except _UNUSUAL:
        return None


def _folded(folding: Folding, migration: Migration, records: Sequence[StreamRecord]) -> Folded:
    newest, headers, operations = folding.begin(), [], dict[str, int]()
    newest_version, newest_ms = "", 0
    for record in records:
        header, changes = decode_documents(record.data)
        void = require_ours(header, migration)
        headers.append(header)
        for change in changes:
            source = change["source"]
            table = f"{source['db']}.{source['table']}"
            if table in void:
                continue
            folding.add(newest, table, change, header.lane)
            operation = change["op"]
            operations[operation] = operations.get(operation, 0) + 1
            newest_version = max(newest_version, change["version"])
            newest_ms = max(newest_ms, source["ts_ms"])
    return Folded(headers, newest.puts(), newest.patches(), operations, newest_version, newest_ms)
