"""Where capture begins: anew, or where it was left. Decided under the lease, before anything is read or sent.

A first start refuses a stream that holds anything that is not this migration's, records its position, and sends one
marker to every lane; only when these are accepted, and the source has been heard, may rows be read (the dump waits for
it). A later start goes on from the checkpoint (cdc/resume): positions of another server mean other things. Where tables
are to be loaded again from there on, it begins that first (cdc/anew).
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from zlib import crc32

from cdc.anew import begin_wish
from cdc.continuity import LOAD_AGAIN, Lost, SourceChanged
from cdc.gone import gone_told
from cdc.look import require_writer
from cdc.outbox import Progress
from cdc.resume import Resumed, Resumption
from cdc.soundings import Ahead
from cdc.starting import chosen_start
from cdc.streamed import records
from keymap.check import check
from keymap.check_indexes import index_risks
from keymap.errors import KeyshiftError, Problem, Problems
from keymap.rules import Keymap
from keymap.schema import Shape, TableSchema, digest
from keymap.wire import WireError, decode_header
from keyshift.aws import resources
from keyshift.aws import stream as kinesis
from keyshift.aws.clients import KinesisClient, explaining
from keyshift.control.answers import Answer, record_answers
from keyshift.control.checkpoint import CaptureStatus, mark_ahead, read_capture, record_start
from keyshift.control.epoch import read_epoch
from keyshift.control.halts import Halt, forget_lost, read_undecided
from keyshift.control.lease import Lease
from keyshift.control.migration import Migration, load, require_digest
from keyshift.control.shapes import History, Since, begin_history, current, place, read_histories
from keyshift.control.store import Store
from keyshift.control.wanted import pending_wish
from keyshift.mysql.connection import Connection
from keyshift.mysql.facts import ServerFacts, read_facts
from keyshift.mysql.preflight import preflight
from keyshift.mysql.schema import read_schemas, read_shapes
from keyshift.process.clock import now_ms
from keyshift.process.log import get_logger
from keyshift.process.settings import Settings
from keyshift.process.stop import Stop

_log = get_logger("cdc")


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where to begin, and what is known of the source.

    `saved` is the checkpoint that this is, None at the very beginning; `started`: the first markers were accepted in an
    earlier run; `described`: the binlog describes its rows (FULL metadata), else `shapes` do: the tables as they are
    now. `history` is what was recorded of them, from where on. `epoch`: the one that versions are made in; `ahead`:
    what may be on the stream beyond the progress.
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
    epoch: int
    ahead: Ahead


def source_problems(
    connection: Connection,
    settings: Settings,
    keymap: Keymap,
    captured: Mapping[str, TableSchema] | None = None,
    halt: Halt | None = None,
) -> tuple[list[Problem], list[Problem], list[Answer]]:
    """What is wrong with the source or the keymap, what somebody should know of, and what was answered for.

    All of it at once. `captured`: the tables where capture goes on, which its keymap has to fit; None: as they are now.
    `halt`: the stop that nobody has decided about, if there is one.
    Raises Problems where the settings answer for what is not captured.
    """
    described = settings.capture.row_metadata == "full"
    hours, answers = settings.stream.retention_hours, settings.accept.answers(keymap.tables)
    findings = preflight(connection, keymap.tables, retention_hours=hours, described=described, answers=answers)
    present = read_schemas(connection, keymap.tables)
    schemas = {**present, **(captured or {})}
    absent = {f"table {table}" for table in keymap.tables if table not in schemas}  # the keymap's own problem
    errors = [problem for problem in findings.errors if problem.where not in absent]
    errors = list(gone_told(errors, captured or {}, present, halt))
    errors += [
        problem
        for problem in check(keymap, schemas, running=captured is not None)
        if not problem.where.startswith("table ")
    ]
    used = {(one.kind, one.table): answers[one.kind, one.table] for one in findings.accepted}
    accepted = [Answer(kind, table, reason) for (kind, table), reason in used.items()]
    return errors, [*findings.warnings, *index_risks(keymap, schemas)], accepted


def start_problems(
    connection: Connection, settings: Settings, keymap: Keymap, store: Store
) -> tuple[list[Problem], list[Problem], list[Answer]]:
    """What is wrong with the source for a start at this moment, as source_problems has it. Writes nothing.

    Raises StillReader where capture has begun and a reader answers.
    """
    captured = captured_tables(store, keymap.tables)
    if captured is not None:
        require_writer(read_facts(connection))
    return source_problems(connection, settings, keymap, captured, read_undecided(store))


def begin(  # noqa: PLR0913 - collaborators, handed in once
    connect: Callable[[], Connection],
    client: KinesisClient,
    settings: Settings,
    keymap: Keymap,
    *,
    migration: Migration,
    lease: Lease,
    stop: Stop,
    ended: SourceChanged | None = None,
) -> Beginning:
    """Decide where to begin, and record it where it is for the first time. `ended`: what ended capture just now.

    Raises Problems with all that is wrong with the source or the stream, KeyshiftError where the checkpoint cannot be
    gone on from, LeaseLost, Stopped, SourceChanged where it changes while we look, Unreachable, StillReader.
    """
    require_digest(load(lease.store), keymap.digest)  # again: another may have been adopted while we stood by
    status, wanted = read_capture(lease.store), pending_wish(lease.store)
    anew = wanted is not None and wanted.anew
    with closing(connect()) as connection:
        found = start_problems(connection, settings, keymap, lease.store)
        _require_fit(*found, stream_problems(client, settings, migration), lease.store)
        facts = read_facts(connection)
        shapes = read_shapes(connection, keymap.tables)
    own_id = server_id(settings, migration)
    resumption = Resumption(settings.source, connect, client, migration, lease, stop, server_id=own_id)
    if status.start is None:
        require_own_stream(client, migration, stop)
        resumed = _started(resumption, facts, shapes)
    else:
        if not anew:
            require_same_tables(status, facts, {table: shape.schema for table, shape in shapes.items()})
        go_on = partial(resumption.go_on, status, ended)
        resumed = begin_wish(resumption, facts, shapes, status, go_on) or go_on()
    forget_lost(lease.store)
    history = read_histories(lease.store, keymap.tables)  # again: a raised epoch has a beginning of its own
    return _beginning(resumed, facts, shapes, history, started=status.started)


def _require_fit(
    errors: list[Problem], warnings: list[Problem], accepted: list[Answer], of_stream: list[Problem], store: Store
) -> None:
    """Raise Problems where anything is wrong; else keep what was answered for, and tell what somebody should know."""
    Problems.raise_if_any(errors + of_stream)
    record_answers(store, accepted)
    for warning in warnings:
        _log.warning("preflight", where=warning.where, what=warning.what, remedy=warning.remedy)


def _beginning(
    resumed: Resumed, facts: ServerFacts, shapes: Mapping[str, Shape], history: History, *, started: bool
) -> Beginning:
    return Beginning(
        resumed.progress,
        resumed.progress if resumed.saved else None,
        resumed.server,
        resumed.gtids,
        shapes,
        history,
        started=started,
        described=facts.describes_rows,
        mariadb=facts.flavour == "mariadb",
        epoch=resumed.epoch,
        ahead=resumed.ahead,
    )


def _started(resumption: Resumption, facts: ServerFacts, shapes: Mapping[str, Shape]) -> Resumed:
    """Choose the start, and record it, and what the tables look like there."""
    start = chosen_start(resumption, facts)
    lease, epoch = resumption.lease, read_epoch(resumption.lease.store)
    for table, shape in shapes.items():
        begin_history(lease.store, table, Since(place(epoch, start), shape))
    schemas = {table: shape.schema for table, shape in shapes.items()}
    record_start(lease, start, facts.identity, digest(schemas), epoch)
    ahead = Ahead(mark_ahead(lease, now_ms()))
    _log.info("capture_begins", position=f"{start.file}:{start.offset}", gtid_set=start.gtid_set)
    progress = Progress(start, ahead_since_ms=ahead.since_ms)
    return Resumed(progress, facts.identity, facts.gtid, epoch, ahead, saved=False)


def captured_tables(store: Store, tables: Iterable[str]) -> dict[str, TableSchema] | None:
    """The tables as they are where capture goes on, as far as that is recorded; None where it has not begun.

    Where it is to begin anew, nothing of them counts that was recorded.
    """
    status, wanted = read_capture(store), pending_wish(store)
    if status.position is None:
        return None
    if wanted is not None and wanted.anew:
        return {}
    at = place(status.epoch, status.position)
    found = {table: current(since, at) for table, since in read_histories(store, tables).items()}
    return {table: shape.schema for table, shape in found.items() if shape is not None}


def stream_problems(client: KinesisClient, settings: Settings, migration: Migration) -> list[Problem]:
    """What is wrong with the migration's stream. Raises KeyshiftError when AWS cannot be asked."""
    facts = resources.stream_facts(client, migration.stream)
    if facts is None:
        return [Problem(f"stream {migration.stream}", "it does not exist", "Run `keyshift init` again")]
    return resources.check_stream(facts, settings.stream.retention_hours)


def require_same_tables(status: CaptureStatus, facts: ServerFacts, schemas: Mapping[str, TableSchema]) -> None:
    """Raise Lost where rows are read by information_schema (no FULL metadata), and that has changed.

    What is in the binlog then was written with columns that nobody knows any more.
    """
    if not facts.describes_rows and status.schemas != digest(schemas):
        message = (
            "a captured table was altered since capture began, and this source's binlog does not describe its rows"
        )
        raise Lost(message, f"Finish the change, and load every captured table again: {LOAD_AGAIN}")


def require_own_stream(client: KinesisClient, migration: Migration, stop: Stop) -> None:
    """Read what the stream holds; raise KeyshiftError where a record is not this migration's.

    A consumer would stop at it later, in the middle of the replay.
    """
    with explaining(f"reading stream {migration.stream}"):
        for shard in kinesis.shards(client, migration.stream):
            for data in records(client, migration.stream, shard.id, stop):
                _require_own(data, migration)


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
