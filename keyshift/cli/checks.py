"""Everything that can be wrong before a migration begins, found without changing anything, and all of it at once.

`keyshift init` refuses on what is found here, `keyshift doctor` shows it line by line.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from bulkload.imports.allowed import import_problems, in_the_way
from cdc.begin import captured_tables, source_problems
from keymap.errors import KeyshiftError, Problem, Problems
from keymap.item_units import TABLE
from keymap.prices import ASKED, REGION
from keymap.rules import Keymap
from keymap.schema import TableSchema
from keymap.targets import Target
from keymap.wire import WireError, decode_header
from keyshift.aws import resources, stream
from keyshift.aws.billing import creation_cost
from keyshift.aws.capacity import read_capacity
from keyshift.aws.clients import explaining
from keyshift.aws.probe import control_problems
from keyshift.aws.time_to_live import ttl_attribute, ttl_risks
from keyshift.cli.errors import SERVICE_ERRORS, told
from keyshift.cli.importing import TO_COME, imports_tables, recorded_imports
from keyshift.cli.wiring import Wiring
from keyshift.control import migration as migrations
from keyshift.control.answers import Answer
from keyshift.control.imports import ImportState
from keyshift.control.migration import Migration, NotInitialised
from keyshift.mysql.connection import Connection
from keyshift.mysql.facts import read_facts
from keyshift.mysql.preflight import preflight
from keyshift.process.capacity import capacity_problems
from keyshift.process.settings import BulkloadSettings

PEEKS_MAX: Final = 5  # reads of one shard until its first record shows: Kinesis may answer with empty pages
_TO_COME: Final = "not there yet: `keyshift init` creates it"
_GONE: Final = "Run `keyshift init` again: it creates what is missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what was seen where all is well, what is wrong, and what one should know.

    `present` says that a resource is there, ready to be tried; `gone` that init made one which is not there any more;
    `accepted` are the refusals that the settings answer for.
    """

    name: str
    evidence: str = ""
    problems: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()
    gone: tuple[Problem, ...] = ()
    present: bool = False
    accepted: tuple[Answer, ...] = ()


class Checks:
    """Looks at keymap, source and AWS for one migration."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    def all(self) -> list[Finding]:
        """Every finding. What cannot be looked at, because something before it is wrong, is left out."""
        found = self.source()
        keymap = found[0]
        control = attempt("control table", self._control)
        found.append(control)
        recorded = None
        if not control.problems:
            try:
                recorded = self._recorded()
            except (KeyshiftError, *SERVICE_ERRORS) as error:
                found.append(_failed("migration", error))
        if self._wiring.settings.capacity and not keymap.problems:
            found.append(attempt("capacity", self._capacity))
        targets = () if keymap.problems else self._wiring.keymap.targets.values()
        if imports_tables(self._wiring):
            found.append(Finding("import from S3", "possible", tuple(import_problems(self._bulkload, targets))))
        found += [attempt(f"table {target.name}", partial(self._table, target, recorded)) for target in targets]
        found.append(attempt("stream", partial(self._stream, recorded)))
        found.append(attempt("bucket", partial(self._bucket, recorded)))
        return found

    def source(self) -> list[Finding]:
        """What concerns keymap and source only."""
        keymap = attempt("keymap", self._keymap)
        return [keymap, *self._source(None if keymap.problems else self._wiring.keymap)]

    def _keymap(self) -> Finding:
        keymap = self._wiring.keymap
        evidence = f"{len(keymap.tables)} source tables into {len(keymap.targets)} DynamoDB tables"
        return Finding("keymap", f"{evidence}, digest {keymap.digest}")

    def _source(self, keymap: Keymap | None) -> Iterator[Finding]:
        settings = self._wiring.settings.source
        try:
            connection = self._wiring.connect()
        except KeyshiftError as error:
            yield _failed("source", error)
            return
        try:
            place = f"{read_facts(connection).name} at {settings.host}:{settings.port}"
            yield Finding("source", f"{place}, as {settings.user}")
            yield attempt("source settings", partial(self._preflight, connection, keymap))
        finally:
            connection.close()

    def _preflight(self, connection: Connection, keymap: Keymap | None) -> Finding:
        settings = self._wiring.settings
        if keymap is None:  # the server alone can still be looked at
            found = preflight(
                connection,
                (),
                retention_hours=settings.stream.retention_hours,
                described=settings.capture.row_metadata == "full",
            )
            return Finding("source settings", "the server is as it must be", found.errors, found.warnings)
        errors, warnings, accepted = source_problems(connection, settings, keymap)
        if errors and (captured := captured_by(self._wiring, keymap)) is not None:
            errors, warnings, accepted = source_problems(connection, settings, keymap, captured)
        evidence = f"row binlog, grants and {len(keymap.tables)} tables are as they must be"
        return Finding("source settings", evidence, tuple(errors), tuple(warnings), accepted=tuple(accepted))

    def _control(self) -> Finding:
        name = self._wiring.settings.control_table
        client = self._wiring.clients.control
        lacking = control_problems(client, name)
        keys = resources.table_keys(client, name)
        if keys is None:
            return Finding("control table", f"{name} is {_TO_COME}", tuple(lacking))
        problems = [*lacking, *resources.check_keys(name, keys, resources.CONTROL_KEYS)]
        return Finding("control table", name, tuple(problems), present=not problems)

    def _recorded(self) -> Migration | None:
        try:
            return migrations.load(self._wiring.store)
        except NotInitialised:
            return None

    @property
    def _bulkload(self) -> BulkloadSettings:
        return self._wiring.settings.bulkload

    def _table(self, target: Target, recorded: Migration | None) -> Finding:
        name = target.name
        problems = resources.table_problems(self._wiring.clients.dynamodb, target)
        if imports_tables(self._wiring):
            made = recorded_imports(self._wiring).get(name)
            if made is None or made.state is ImportState.WRITTEN:
                if problems is not None:
                    return Finding(f"table {name}", "", (in_the_way(name),))
                return Finding(f"table {name}", f"{name} is {TO_COME}")
            if made.state is not ImportState.DONE:
                return Finding(f"table {name}", f"{name} is being imported")
        if problems is None:
            return replace(_missing("table", name, recorded), notes=tuple(self._warm_notes(name)))
        evidence = "its key and indexes are the keymap's" if target.indexes else "its key is the keymap's"
        notes = [*ttl_risks(name, ttl_attribute(self._wiring.clients.dynamodb, name)), *self._colder(name)]
        return Finding(f"table {name}", evidence, tuple(problems), tuple(notes), present=not problems)

    def _capacity(self) -> Finding:
        wanted = self._wiring.settings.capacity
        problems = capacity_problems(wanted, self._wiring.keymap.targets.values())
        return Finding("capacity", f"is set for {', '.join(sorted(wanted))}", tuple(problems))

    def _warm_notes(self, name: str) -> Iterator[Problem]:
        """What a table that is to come costs for being warm."""
        wanted = self._wiring.settings.capacity.get(name)
        if wanted and (dollars := creation_cost(wanted)):
            what = (
                f"its warm throughput costs about ${dollars:,.2f} once, when it is made ({REGION}, prices of {ASKED})"
            )
            yield Problem(f"table {name}", what, "Take warm_write_units and warm_read_units out if it should not")

    def _colder(self, name: str) -> Iterator[Problem]:
        """What a table that is there has less of than the settings want: nothing is raised unasked."""
        wanted = self._wiring.settings.capacity.get(name)
        units = wanted.warm_write_units if wanted else None
        if not units or not (told := read_capacity(self._wiring.clients.dynamodb, name)):
            return
        warm = told.throughputs[TABLE].warm_write
        if (warm or 0) < units and not told.warming:
            what = f"{warm or 'no'} write units a second are warm, and the settings want {units:,}"
            remedy = (
                f"`keyshift bulkload warm --table {name} --write-units {units}`, where the endpoint has such a thing"
            )
            yield Problem(f"table {name}", what, remedy)

    def _stream(self, recorded: Migration | None) -> Finding:
        wanted, kinesis = self._wiring.settings.stream, self._wiring.clients.kinesis
        facts = resources.stream_facts(kinesis, wanted.name)
        if facts is None:
            return _missing("stream", wanted.name, recorded)
        problems = resources.check_stream(facts, wanted.retention_hours) if not _created(recorded, "stream") else []
        problems += self._others_records(wanted.name, recorded)
        evidence = f"{wanted.name}: {facts.shards} shards, {facts.retention_hours} h retention"
        return Finding("stream", evidence, tuple(problems), present=True)

    def _others_records(self, name: str, recorded: Migration | None) -> Iterator[Problem]:
        owner = recorded.id if recorded else ""
        with explaining(f"reading stream {name}"):
            records = [
                self._first_record(name, shard.id) for shard in stream.shards(self._wiring.clients.kinesis, name)
            ]
        others = sorted({whose for data in records if data is not None and (whose := _whose(data)) != owner})
        for whose in others:
            remedy = "Name another stream (stream.name), or delete this one if nobody needs what it holds"
            yield Problem(f"stream {name}", f"it holds records of {whose}", remedy)

    def _first_record(self, name: str, shard: str) -> bytes | None:
        kinesis = self._wiring.clients.kinesis
        iterator: str | None = stream.iterator_for(kinesis, name, shard, None)
        for _ in range(PEEKS_MAX):
            if iterator is None:
                break
            page = stream.get_records(kinesis, iterator, 1)
            if page.records:
                return page.records[0].data
            if not page.behind_ms:
                break
            iterator = page.next_iterator
        return None

    def _bucket(self, recorded: Migration | None) -> Finding:
        name = self._wiring.settings.bucket.name
        if resources.bucket_exists(self._wiring.clients.s3, name):
            return Finding("bucket", name, present=True)
        return _missing("bucket", name, recorded)


def captured_by(wiring: Wiring, keymap: Keymap) -> dict[str, TableSchema] | None:
    """The tables where capture of this very keymap goes on; None where it has not begun, or nobody can tell.

    A column that no rule looks at may have been dropped since, which would be a mistake before.
    """
    try:
        if migrations.load(wiring.store).digest == keymap.digest:
            return captured_tables(wiring.store, keymap.tables)
    except (KeyshiftError, *SERVICE_ERRORS):
        return None
    return None


def _created(recorded: Migration | None, kind: str) -> bool:
    return recorded is not None and any(one.kind == kind for one in recorded.created)


def _missing(kind: str, name: str, recorded: Migration | None) -> Finding:
    label = f"table {name}" if kind == "table" else kind
    if recorded is None or not any((one.kind, one.name) == (kind, name) for one in recorded.created):
        return Finding(label, f"{name} is {_TO_COME}")
    return Finding(label, "", gone=(Problem(f"{kind} {name}", "it was created and is not there any more", _GONE),))


def _whose(data: bytes) -> str:
    try:
        return decode_header(data).migration
    except WireError:
        return "something other than Keyshift"


def attempt(name: str, look: Callable[[], Finding]) -> Finding:
    """What `look` finds, or, where it is refused, the refusal as a problem of `name`."""
    try:
        return look()
    except (KeyshiftError, *SERVICE_ERRORS) as error:
        return _failed(name, error)


def _failed(name: str, error: BaseException) -> Finding:
    ours = told(error)
    problems = ours.problems if isinstance(ours, Problems) else (Problem(name, ours.message, ours.remedy),)
    return Finding(name, "", tuple(problems))
