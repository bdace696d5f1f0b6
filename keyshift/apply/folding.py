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
from keyshift.apply.gaps import Lanes
from keyshift.apply.refusals import require_ours
from keyshift.aws.stream import StreamRecord
from keyshift.control.migration import Migration

# What documents and values that are not as usual raise, here or in the plain way, where it belongs.
_UNUSUAL: Final = (KeyshiftError, KeyError, TypeError, ValueError, ArithmeticError, RecursionError)


@dataclass(frozen=True, slots=True)
class Folded:
    """A whole batch: its headers, the newest patches of all registers, and what it says of its changes.

    `tables` counts changes by table and Debezium's c, u, d, r. The newest is that of `newest_version`, `newest_ms`; the
    oldest that of `oldest_ms`.
    """

    headers: Sequence[Header]
    puts: Sequence[Put]
    patches: Sequence[Patch]
    tables: Mapping[tuple[str, str], int]
    newest_version: str
    newest_ms: int
    oldest_ms: int


def folded(
    folding: Folding, migration: Migration, records: Sequence[StreamRecord], lanes: Lanes, horizon: str
) -> Folded | None:
    """The batch, folded; None where it must go the plain way. `lanes` and `horizon`: what is applied already."""
    try:
        return _folded(folding, migration, records, lanes, horizon)
    except _UNUSUAL:
        return None


def _folded(
    folding: Folding, migration: Migration, records: Sequence[StreamRecord], lanes: Lanes, horizon: str
) -> Folded:
    newest, headers, tables, times = folding.begin(), [], dict[tuple[str, str], int](), []
    newest_version = ""
    for record in records:
        header, changes = decode_documents(record.data)
        void = require_ours(header, migration)
        lanes.follow(header)
        headers.append(header)
        for change in changes:
            source = change["source"]
            table = f"{source['db']}.{source['table']}"
            if table in void:
                continue
            version, operation = change["version"], (table, change["op"])
            if version > horizon:  # up to there all is applied, and the tombstones that would keep it out may be gone
                folding.add(newest, table, change, header.lane)
            tables[operation] = tables.get(operation, 0) + 1
            newest_version = max(newest_version, version)
            times.append(source["ts_ms"])
    newest_ms, oldest_ms = max(times, default=0), min(times, default=0)
    return Folded(headers, newest.puts(), newest.patches(), tables, newest_version, newest_ms, oldest_ms)
