"""What can be wrong in AWS before a migration begins: control table, target tables, stream and bucket.

What is not there yet is no problem: `keyshift init` creates it. What it created, and is gone, is one.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Final

from bulkload.imports.allowed import import_problems, in_the_way
from keymap.errors import KeyshiftError, Problem
from keymap.item_units import TABLE
from keymap.prices import ASKED, REGION
from keymap.rules import Keymap
from keymap.targets import Target
from keymap.wire import WireError, decode_header
from keyshift.aws import resources, stream
from keyshift.aws.billing import creation_cost
from keyshift.aws.capacity import read_capacity
from keyshift.aws.clients import explaining
from keyshift.aws.probe import control_problems
from keyshift.aws.time_to_live import ttl_attribute, ttl_risks
from keyshift.cli.errors import SERVICE_ERRORS
from keyshift.cli.finding import Finding, attempt, failed
from keyshift.cli.importing import TO_COME, imports_tables, recorded_imports
from keyshift.cli.wiring import Wiring
from keyshift.control import migration as migrations
from keyshift.control.imports import ImportState
from keyshift.control.migration import Migration, NotInitialised
from keyshift.process.capacity import capacity_problems

PEEKS_MAX: Final = 5  # reads of one shard until its first record shows: Kinesis may answer with empty pages
_TO_COME: Final = "not there yet: `keyshift init` creates it"
_GONE: Final = "Run `keyshift init` again: it creates what is missing"


class AwsChecks:
    """Looks at AWS for one migration."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    def all(self, keymap: Keymap | None) -> list[Finding]:
        """Every finding; without those of the target tables where the keymap is None, since it has mistakes."""
        control = attempt("control table", self._control)
        found, recorded = [control], None
        if not control.problems:
            try:
                recorded = self._recorded()
            except (KeyshiftError, *SERVICE_ERRORS) as error:
                found.append(failed("migration", error))
        if self._wiring.settings.capacity and keymap is not None:
            found.append(attempt("capacity", partial(self._capacity, keymap)))
        targets = () if keymap is None else keymap.targets.values()
        if imports_tables(self._wiring):
            problems = import_problems(self._wiring.settings.bulkload, targets)
            found.append(Finding("import from S3", "possible", tuple(problems)))
        found += [attempt(f"table {target.name}", partial(self._table, target, recorded)) for target in targets]
        found.append(attempt("stream", partial(self._stream, recorded)))
        found.append(attempt("bucket", partial(self._bucket, recorded)))
        return found

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

    def _capacity(self, keymap: Keymap) -> Finding:
        wanted = self._wiring.settings.capacity
        problems = capacity_problems(wanted, keymap.targets.values())
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
