"""The bulk load's progress: which tables are dumped, which chunks are loaded. Replay opens on nothing else.

A chunk is recorded after its object is in S3, and again after its rows are in DynamoDB; each record is written only
while the writer's lease stands, in one transaction with a check of it. Chunks of a table are numbered as they are
dumped, which is not their order by key where several ranges (keyshift.control.ranges) are read at once; in the end from
1 without gaps. A table is dumped when its last chunk is recorded and the count is written down.

A table that is loaded again (keyshift.control.reloads) has chunks of another generation. Those of the first are dumped
while replay is closed, those of a later one until it is closed for good; each only while the generation is the newest.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from keymap.errors import KeyshiftError
from keyshift.control.bounds import Bound, decode_bound, encode_bound
from keyshift.control.dumping import ATTEMPTS_MAX, REMEDY, dumping_checks, explain_refusal, require_lease, swapped
from keyshift.control.lease import DUMP, LOAD, Lease
from keyshift.control.record import Changes, Check, Presence, Record
from keyshift.control.reloads import FIRST, read_reloads
from keyshift.control.store import Conflict, Store
from keyshift.control.tables import scope, unscoped

FIRST_CHUNK: Final = 1
NUMBER_DIGITS: Final = 8
_DUMPED_TABLE: Final = "dumped"
_CHUNK, _TABLE = "chunk#", "table#"


class ChunkState(StrEnum):
    """How far a chunk is. The values are stored."""

    DUMPED = "dumped"
    LOADED = "loaded"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a table: rows after `lower` up to `upper` in primary-key order (None: the table's end, on that side).

    `rows` counts them; `object` is the S3 key, `sha256` of the object's bytes (hexadecimal), `bytes` its size; `uncut`
    the number of leading primary-key columns whose groups the bounds do not cut (0: no promise); `gtid_set` contains
    all that the rows showed (MySQL with GTIDs; else ""); `generation` is the table's when they were read. `rejected`
    rows of a loaded one could not become items.
    """

    table: str
    number: int
    lower: Bound
    upper: Bound
    rows: int
    object: str
    sha256: str
    bytes: int
    uncut: int
    state: ChunkState = ChunkState.DUMPED
    gtid_set: str = ""
    generation: str = FIRST
    rejected: int = 0


def chunk_records(store: Store, table: str, *names: str, generation: str = FIRST) -> Iterator[Record]:
    """The items of a table's chunks, by number; `names` limits the attributes."""
    return store.query(_chunk_prefix(table, generation), names=names)


def chunk_number(record: Record) -> int:
    """The chunk's number, from its item's name."""
    return int(record.item.rpartition("#")[2])


def read_gtid_sets(store: Store) -> Iterator[str]:
    """The GTID sets of all that was dumped and recorded: of chunks, and of the looks that found a table's end.

    Of a table that is loaded again those of the newest generation: whatever earlier rows showed is void.
    """
    newest = {scope(one.table, FIRST): scope(one.table, one.generation) for one in read_reloads(store).values()}
    for prefix in (_CHUNK, _TABLE):
        for record in store.query(prefix, names=("gtid_set",)):
            found = record.item.split("#")[1]
            if found == newest.get(unscoped(found), found):
                yield record.text("gtid_set")


def record_dumped(lease: Lease, chunk: Chunk, epoch: int | None = None, *, is_new: bool = False) -> None:
    """Record that the chunk's object is complete in S3. `lease` is the one on "dump".

    Recording the same content again changes nothing. Other content under the same number replaces it only while rows
    of its generation are dumped and the chunk is not loaded. Raises LeaseLost, and KeyshiftError where that is not so,
    or where the table is recorded as dumped and has no such chunk, or where the epoch is no longer `epoch`, the one
    before the rows were read: capture has gone over to another server, and has compared with that one what was
    recorded until then.

    `is_new`: the number was never recorded, as far as the caller knows. Then it is looked for only if it was.
    """
    require_lease(lease, DUMP)
    if chunk.number < FIRST_CHUNK:
        raise ValueError(f"chunks are numbered from {FIRST_CHUNK}")
    store, item = lease.store, _chunk_item(chunk)
    is_first = Check(_table_item(chunk.table, chunk.generation), {"state": Presence.ABSENT})
    for attempt in range(ATTEMPTS_MAX):
        is_guess = is_new and not attempt
        before = None if is_guess else store.get(item)
        if before and before.text("sha256") == chunk.sha256:
            return
        if before and before.text("state") == ChunkState.LOADED:
            raise _refused(chunk, "is loaded already, with other content")
        checks = [lease.held_check(), *dumping_checks(store, chunk.table, chunk.generation, epoch)]
        if swapped(store, item, before, _attributes(chunk), checks if before else [*checks, is_first]):
            return
        if is_guess:
            continue
        explain_refusal(lease, chunk.table, chunk.generation, epoch, f"chunk {chunk.number} of {chunk.table}")
        if before is None and dumped_chunks(store, chunk.table, chunk.generation) is not None:
            raise _refused(chunk, "comes after the end that is recorded for its table")
    raise Conflict(item)


def record_table_dumped(  # noqa: PLR0913 - what is recorded, and the condition
    lease: Lease,
    table: str,
    chunks: int,
    rows: int,
    *,
    gtid_set: str = "",
    epoch: int | None = None,
    generation: str = FIRST,
) -> None:
    """Record that chunks 1 to `chunks` are the whole table, with `rows` rows; 0 chunks for an empty one.

    `gtid_set` is that of a last look that found nothing more, "" where there was none; `epoch` as for record_dumped.
    Raises LeaseLost, and KeyshiftError when the chunks recorded are not those, or when it was recorded otherwise.
    """
    require_lease(lease, DUMP)
    store, item = lease.store, _table_item(table, generation)
    for _ in range(ATTEMPTS_MAX):
        before = store.get(item)
        if before and before.text("state") == _DUMPED_TABLE:
            _require_equal(table, (before.number("chunks"), before.number("rows")), (chunks, rows))
            return
        recorded = list(chunk_records(store, table, "rows", generation=generation))
        _require_equal(table, (len(recorded), sum(one.number("rows") for one in recorded)), (chunks, rows))
        _require_numbers(table, [chunk_number(one) for one in recorded])
        changes: Changes = {"state": _DUMPED_TABLE, "chunks": chunks, "rows": rows, "gtid_set": gtid_set or None}
        checks = [lease.held_check(), *dumping_checks(store, table, generation, epoch)]
        if swapped(store, item, before, changes, checks):
            return
        explain_refusal(lease, table, generation, epoch, f"table {table}")
    raise Conflict(item)


def record_loaded(lease: Lease, chunk: Chunk, rejected: int = 0) -> None:
    """Record that all rows of the chunk, read from the object with this sha256, are in DynamoDB, but for `rejected`.

    `lease` is the one on "load". Safe to repeat. Raises LeaseLost, and KeyshiftError when the chunk is not recorded as
    dumped with that content (it was dumped anew meanwhile: load it again).
    """
    require_lease(lease, LOAD)
    store, item = lease.store, _chunk_item(chunk)
    for _ in range(ATTEMPTS_MAX):
        before = store.get(item)
        if before is None or before.text("sha256") != chunk.sha256:
            raise _refused(chunk, "is not recorded as dumped with the content that was loaded")
        if before.text("state") == ChunkState.LOADED:
            return
        changes: Changes = {"state": ChunkState.LOADED.value, "rejected": rejected or None}
        if swapped(store, item, before, changes, [lease.held_check()]):
            return
        lease.renew()  # raises LeaseLost if that is why
    raise Conflict(item)


def chunks(store: Store, table: str, generation: str = FIRST) -> Iterator[Chunk]:
    """All recorded chunks of a table, by number; read consistently, page by page."""
    return (_chunk(record, generation) for record in chunk_records(store, table, generation=generation))


def dumped_chunks(store: Store, table: str, generation: str = FIRST) -> int | None:
    """How many chunks the table has; None until it is completely dumped."""
    record = store.get(_table_item(table, generation))
    return record.number("chunks") if record and record.text("state") == _DUMPED_TABLE else None


def _refused(chunk: Chunk, why: str) -> KeyshiftError:
    return KeyshiftError(f"chunk {chunk.number} of {chunk.table} {why}", REMEDY)


def _require_equal(table: str, recorded: tuple[int, int], told: tuple[int, int]) -> None:
    if recorded != told:
        raise KeyshiftError(
            f"table {table}: {recorded[0]} chunks with {recorded[1]} rows are recorded, "
            f"and the dump says {told[0]} with {told[1]}",
            "Run `keyshift bulkload dump` again",
        )


def _require_numbers(table: str, numbers: list[int]) -> None:
    missing = sorted(set(range(FIRST_CHUNK, FIRST_CHUNK + len(numbers))) - set(numbers))
    if missing:
        message = f"table {table}: there is no chunk {missing[0]}, and there are later ones"
        raise KeyshiftError(message, "Run `keyshift bulkload dump` again")


def _table_item(table: str, generation: str) -> str:
    return f"{_TABLE}{scope(table, generation)}"


def _chunk_prefix(table: str, generation: str) -> str:
    return f"{_CHUNK}{scope(table, generation)}#"


def _chunk_item(chunk: Chunk) -> str:
    return f"{_chunk_prefix(chunk.table, chunk.generation)}{chunk.number:0{NUMBER_DIGITS}d}"


def _attributes(chunk: Chunk) -> Changes:
    return {
        "table": chunk.table,
        "lower": encode_bound(chunk.lower),
        "upper": encode_bound(chunk.upper),
        "rows": chunk.rows,
        "object": chunk.object,
        "sha256": chunk.sha256,
        "bytes": chunk.bytes,
        "uncut": chunk.uncut,
        "state": ChunkState.DUMPED.value,
        "gtid_set": chunk.gtid_set or None,
    }


def _chunk(record: Record, generation: str) -> Chunk:
    return Chunk(
        table=record.text("table"),
        number=chunk_number(record),
        lower=decode_bound(record.text("lower")),
        upper=decode_bound(record.text("upper")),
        rows=record.number("rows"),
        object=record.text("object"),
        sha256=record.text("sha256"),
        bytes=record.number("bytes"),
        uncut=record.number("uncut"),
        state=ChunkState(record.text("state")),
        gtid_set=record.text("gtid_set"),
        generation=generation,
        rejected=record.number("rejected"),
    )
