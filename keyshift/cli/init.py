"""`keyshift init`: look at everything, refuse with all that is wrong, else create what is missing and record it.

Nothing is created before all of it could be. Then the control table comes first, in it the migration, and only then the
other resources. What is not there is recorded as ours before it is created, and tagged with the migration's id by the
very call that creates it; so an init that is killed anywhere is repeated, and destroy removes all that we created, and
nothing else. (The tag alone would do at AWS; DynamoDB Local keeps none.)
"""

from collections.abc import Callable, Iterator
from functools import partial

import click

from keymap.errors import KeyshiftError, Problems
from keymap.targets import Target
from keyshift.aws import resources
from keyshift.cli import show
from keyshift.cli.checks import Checks
from keyshift.cli.importing import TO_COME, imports_tables
from keyshift.cli.wiring import Wiring, pass_wiring
from keyshift.control import migration as migrations
from keyshift.control.answers import record_answers
from keyshift.control.keymaps import record_keymap
from keyshift.control.migration import Migration, Resource
from keyshift.process.clock import now_ms


@click.command()
@pass_wiring
def init(wiring: Wiring) -> None:
    """Check everything, then create what is missing and record the migration. Safe to repeat."""
    wiring.log()
    wiring.settings  # noqa: B018 - a mistake in it is told by itself: nothing else can be looked at
    findings = Checks(wiring).all()
    Problems.raise_if_any(problem for finding in findings for problem in finding.problems)
    show.lines(
        show.Line(show.NOTE, note.where, note.what, note.remedy) for finding in findings for note in finding.notes
    )
    migration = record(wiring)
    record_answers(wiring.store, [answer for finding in findings for answer in finding.accepted])
    control = Resource("control_table", wiring.settings.control_table)
    _tell(control, ours=control in migrations.load(wiring.store).created)
    for resource, ours in create(wiring, migration):
        _tell(resource, ours=ours)
    if imports_tables(wiring):
        click.echo(f"table          {', '.join(wiring.keymap.targets)}: {TO_COME}")
    click.echo(f"migration {migration.name} is ready, as {migration.id}. Next: start `keyshift cdc run`")


def _tell(resource: Resource, *, ours: bool) -> None:
    state = "created by this migration" if ours else "was there before, and stays when the migration is destroyed"
    click.echo(f"{resource.kind.replace('_', ' '):13}  {resource.name}: {state}")


def record(wiring: Wiring) -> Migration:
    """Make sure of the control table and of the migration in it. Raises KeyshiftError where another is recorded."""
    settings, keymap = wiring.settings, wiring.keymap
    ours = resources.ensure_control_table(
        wiring.clients.control, settings.control_table, settings.migration, stop=wiring.stop
    )
    migration = migrations.create(
        wiring.store,
        Migration(
            name=settings.migration,
            id=migrations.draw_id(settings.migration),
            tables=keymap.tables,
            lanes=settings.lanes,
            digest=keymap.digest,
            stream=settings.stream.name,
            bucket=settings.bucket.name,
            prefix=settings.bucket.prefix,
            created_at_ms=now_ms(),
        ),
    )
    if not migration.epoch:
        message = f"migration {migration.name} is being destroyed"
        raise KeyshiftError(message, "Finish `keyshift destroy`, then run `keyshift init` again")
    if ours:
        migrations.record_created(wiring.store, Resource("control_table", settings.control_table))
    record_keymap(wiring.store, keymap)
    return migration


def create(wiring: Wiring, migration: Migration) -> Iterator[tuple[Resource, bool]]:
    """Make sure of all other resources, one after the other; each with whether it is our own creation.

    Tables that imports will make are left to them.
    """
    yield _stream(wiring, migration)
    for target in () if imports_tables(wiring) else wiring.keymap.targets.values():
        yield _table(wiring, migration, target)
    bucket, s3 = wiring.settings.bucket.name, wiring.clients.s3
    yield _made(
        wiring,
        Resource("bucket", bucket),
        there=resources.bucket_exists(s3, bucket),
        ensure=partial(resources.ensure_bucket, s3, bucket, migration.id),
    )


def _stream(wiring: Wiring, migration: Migration) -> tuple[Resource, bool]:
    wanted, kinesis = wiring.settings.stream, wiring.clients.kinesis
    ensure = partial(
        resources.ensure_stream,
        kinesis,
        wanted.name,
        migration.id,
        shards=wanted.shards,
        on_demand=wanted.on_demand,
        retention_hours=wanted.retention_hours,
        stop=wiring.stop,
    )
    there = resources.stream_facts(kinesis, wanted.name) is not None
    return _made(wiring, Resource("stream", wanted.name), there=there, ensure=ensure)


def _table(wiring: Wiring, migration: Migration, target: Target) -> tuple[Resource, bool]:
    dynamodb, capacity = wiring.clients.dynamodb, wiring.settings.capacity.get(target.name)
    ensure = partial(resources.ensure_table, dynamodb, target, migration.id, capacity=capacity, stop=wiring.stop)
    there = resources.table_keys(dynamodb, target.name) is not None
    return _made(wiring, Resource("table", target.name), there=there, ensure=ensure)


def _made(wiring: Wiring, resource: Resource, *, there: bool, ensure: Callable[[], bool]) -> tuple[Resource, bool]:
    store = wiring.store
    if not there:
        migrations.record_created(store, resource)
    ours = ensure()
    if ours:
        migrations.record_created(store, resource)
    elif not there:
        migrations.forget_created(store, resource)
    return resource, resource in migrations.load(store).created
