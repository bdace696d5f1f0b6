"""Where capture begins: anew, or where it was left. Decided under the lease, before anything is read or sent.

A first start refuses a stream that holds anything that is not this migration's, records its position, and sends one
marker to every lane; only when these are accepted, and the source has been heard, may rows be read (the dump waits for
it). A later start goes on from the checkpoint, on the same server only: positions of another server mean other things.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final
from zlib import crc32

from cdc.outbox import Progress
from keymap.check import check
from keymap.check_indexes import index_risks
from keymap.errors import KeyshiftError, Problem, Problems
from keymap.position import Position, file_number
from keymap.rules import Keymap
from keymap.schema import Shape, TableSchema, digest
from keymap.version import version
from keymap.wire import WireError, decode_header
from keyshift.aws import resources
from keyshift.aws import stream as kinesis
from keyshift.aws.clients import KinesisClient, explaining
from keyshift.aws.retry import retried
from keyshift.control.checkpoint import CaptureStatus, Checkpoint, read_capture, record_start
from keyshift.control.lease import Lease
from keyshift.control.migration import Migration
from keyshift.control.shapes import History, Since, begin_history, current, read_histories
from keyshift.mysql.connection import Connection, MySQLError, is_lost, query
from keyshift.mysql.facts import ServerFacts, read_facts
from keyshift.mysql.preflight import preflight
from keyshift.mysql.schema import read_schemas, read_shapes
from keyshift.mysql.start import capture_start
from keyshift.process.backoff import Backoff
from keyshift.process.log import get_logger
from keyshift.process.settings import Settings
from keyshift.process.stop import Stop

AGAIN: Final = "start the migration again (keyshift destroy, then init)"
_READ_PAUSE_SECONDS = 0.2  # Kinesis allows five reads per second and shard
_log = get_logger("cdc")


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where to begin, and what is known of the source.

    `saved` is the checkpoint that this is, None at the very beginning; `started`: the first markers were accepted in an
    earlier run; `described`: the binlog describes its rows (FULL metadata), else `shapes` do: the tables as they are
    now. `history` is what was recorded of them, from where on.
    """

    progress: Progress
    saved: Progress | None
    server: str
    gtids: bool
    shapes: Mapping[str, Shape]
    history: History
    started: bool
    described: bool
    mariadb: bool


def source_problems(
    connection: Connection, settings: Settings, keymap: Keymap, captured: Mapping[str, TableSchema] | None = None
) -> tuple[list[Problem], list[Problem]]:
    """What is wrong with the source or the keymap, and what somebody should know of: all of it at once.

    `captured`: the tables where capture goes on, which its keymap has to fit; None: as they are now.
    """
    described = settings.capture.row_metadata == "full"
    hours = settings.stream.retention_hours
    findings = preflight(connection, keymap.tables, retention_hours=hours, described=described)
    schemas = {**read_schemas(connection, keymap.tables), **(captured or {})}
    absent = {f"table {table}" for table in keymap.tables if table not in schemas}  # the keymap's own problem
    errors = [problem for problem in findings.errors if problem.where not in absent]
    errors += [
        problem
        for problem in check(keymap, schemas, running=captured is not None)
        if not problem.where.startswith("table ")
    ]
    return errors, [*findings.warnings, *index_risks(keymap, schemas)]


def begin(  # noqa: PLR0913 - collaborators, handed in once
    connect: Callable[[], Connection],
    client: KinesisClient,
    settings: Settings,
    keymap: Keymap,
    *,
    migration: Migration,
    lease: Lease,
    stop: Stop,
) -> Beginning:
    """Decide where to begin, and record it where it is for the first time.

    Raises Problems with all that is wrong with the source or the stream, KeyshiftError where the checkpoint cannot be
    gone on from, LeaseLost, Stopped.
    """
    status = read_capture(lease.store)
    history = read_histories(lease.store, keymap.tables) if status.start is not None else {}
    connection = connect()
    try:
        errors, warnings = source_problems(connection, settings, keymap, _captured(status, history, migration.epoch))
        errors += stream_problems(client, settings, migration)
        Problems.raise_if_any(errors)
        for warning in warnings:
            _log.warning("preflight", where=warning.where, what=warning.what, remedy=warning.remedy)
        facts = read_facts(connection)
        shapes = read_shapes(connection, keymap.tables)
        schemas = {table: shape.schema for table, shape in shapes.items()}
    finally:
        connection.close()
    if status.start is not None:
        require_same_tables(status, facts, schemas)
    if status.checkpoint is not None:
        return _resumed(status, status.checkpoint, facts, migration, shapes, history)
    start = status.start
    if start is None:
        require_own_stream(client, migration, stop)
        start = capture_start(connect, facts, keymap.tables)
        require_no_prepared_xa(connect)
        history = {table: (Since(_version(migration.epoch, start), shape),) for table, shape in shapes.items()}
        for table, (since,) in history.items():
            begin_history(lease.store, table, since)
        record_start(lease, start, facts.identity, digest(schemas))
        _log.info("capture_begins", position=f"{start.file}:{start.offset}", gtid_set=start.gtid_set)
    else:
        require_server(status.server, facts)
    begins = Progress(start)
    described = facts.describes_rows
    return Beginning(
        begins,
        None,
        facts.identity,
        facts.gtid,
        shapes,
        history,
        started=status.started,
        described=described,
        mariadb=facts.flavour == "mariadb",
    )


def _captured(status: CaptureStatus, history: History, epoch: int) -> dict[str, TableSchema] | None:
    """The tables as they are where capture goes on, as far as that is recorded; None where it has not begun."""
    position = status.checkpoint.position if status.checkpoint else status.start
    if position is None:
        return None
    at = _version(epoch, position)
    found = {table: current(since, at) for table, since in history.items()}
    return {table: shape.schema for table, shape in found.items() if shape is not None}


def _version(epoch: int, position: Position) -> str:
    return version(epoch, file_number(position.file), position.offset, 0)


def stream_problems(client: KinesisClient, settings: Settings, migration: Migration) -> list[Problem]:
    """What is wrong with the migration's stream. Raises KeyshiftError when AWS cannot be asked."""
    facts = resources.stream_facts(client, migration.stream)
    if facts is None:
        return [Problem(f"stream {migration.stream}", "it does not exist", "Run `keyshift init` again")]
    return resources.check_stream(facts, settings.stream.retention_hours)


def _resumed(  # noqa: PLR0913, PLR0917 - all that is known of where it was
    status: CaptureStatus,
    checkpoint: Checkpoint,
    facts: ServerFacts,
    migration: Migration,
    shapes: Mapping[str, Shape],
    history: History,
) -> Beginning:
    require_server(checkpoint.server, facts)
    if checkpoint.epoch != migration.epoch:
        message = f"the checkpoint is of epoch {checkpoint.epoch}, and the migration is in epoch {migration.epoch}"
        raise KeyshiftError(message, "Use the version of Keyshift that raised the epoch")
    position = checkpoint.position
    gtids = facts.gtid and bool(position.gtid_set)  # without a set, file and offset are what we know
    if not gtids:
        position = Position(position.file, position.offset)
    progress = Progress(position, checkpoint.lanes, checkpoint.last_version, checkpoint.changes)
    _log.info("capture_goes_on", position=f"{position.file}:{position.offset}", gtid_set=position.gtid_set)
    described = facts.describes_rows
    return Beginning(
        progress,
        progress,
        facts.identity,
        gtids,
        shapes,
        history,
        started=status.started,
        described=described,
        mariadb=facts.flavour == "mariadb",
    )


def require_no_prepared_xa(connect: Callable[[], Connection]) -> None:
    """Raise KeyshiftError where an XA transaction is prepared, asked after the start was chosen.

    Its rows may have been logged before the start, and its commit may come after the rows are dumped: lost to both. One
    that is not prepared any more has ended, and the dump, which begins later, sees what it did.
    """
    connection = connect()
    try:
        prepared = query(connection, "XA RECOVER")
    except MySQLError as error:
        if is_lost(error):
            raise
        return  # not permitted to ask: preflight has warned of it
    finally:
        connection.close()
    if prepared:
        message = f"{len(prepared)} XA transactions are prepared: their rows are in the binlog before their outcome"
        raise KeyshiftError(message, "End them (XA RECOVER lists them), and start the daemon again")


def require_server(expected: str, facts: ServerFacts) -> None:
    """Raise KeyshiftError unless this is the server that capture began on."""
    if facts.identity != expected:
        message = f"the source is server {facts.identity} now, and capture began on {expected}: their binlogs differ"
        raise KeyshiftError(message, f"Connect to the former server, or {AGAIN}")


def require_same_tables(status: CaptureStatus, facts: ServerFacts, schemas: Mapping[str, TableSchema]) -> None:
    """Raise KeyshiftError where rows are read by information_schema (no FULL metadata), and that has changed.

    What is in the binlog then was written with columns that nobody knows any more.
    """
    if not facts.describes_rows and status.schemas != digest(schemas):
        message = (
            "a captured table was altered since capture began, and this source's binlog does not describe its rows"
        )
        raise KeyshiftError(message, f"Finish the change, and {AGAIN}")


def require_own_stream(client: KinesisClient, migration: Migration, stop: Stop) -> None:
    """Read what the stream holds; raise KeyshiftError where a record is not this migration's.

    A consumer would stop at it later, in the middle of the replay.
    """
    with explaining(f"reading stream {migration.stream}"):
        for shard in kinesis.shards(client, migration.stream):
            for data in _records(client, migration.stream, shard.id, stop):
                _require_own(data, migration)


def _records(client: KinesisClient, name: str, shard: str, stop: Stop) -> Iterator[bytes]:
    """All records of a shard up to its present end."""
    doing = f"reading stream {name}"
    iterator: str | None = retried(lambda: kinesis.iterator_for(client, name, shard, None), Backoff(), stop, doing)
    while iterator is not None:
        page = retried(partial(kinesis.get_records, client, iterator), Backoff(), stop, doing)
        yield from (record.data for record in page.records)
        iterator = page.next_iterator if page.records or page.behind_ms else None
        if iterator is not None:
            stop.sleep(_READ_PAUSE_SECONDS)


def _require_own(data: bytes, migration: Migration) -> None:
    remedy = "Name another stream (stream.name) for this migration, or delete this one if nobody needs what it holds"
    try:
        owner = decode_header(data).migration
    except WireError as error:
        raise KeyshiftError(f"stream {migration.stream}: {error.message}", remedy) from error
    if owner != migration.id:
        raise KeyshiftError(f"stream {migration.stream} holds records of migration {owner}", remedy)


def server_id(settings: Settings, migration: Migration) -> int:
    """Our replica's id: of the settings, or one from the migration's id, in the upper half where nobody counts."""
    return settings.capture.server_id or 1 << 31 | crc32(migration.id.encode()) >> 1
