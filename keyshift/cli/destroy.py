"""`keyshift destroy`: remove what this migration created, and nothing else, and say what is left to a person.

Once replay is closed the target tables may be what the application lives on: they stay then, unless asked for by name.
The first step takes the phase out of the control table: from then on no process of the migration can write or begin.
What names the migration goes last, so that a destroy that was killed is simply run again.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import click

from bulkload.folder import remove_dump
from keymap.errors import KeyshiftError
from keyshift.aws import items, resources
from keyshift.aws.clients import explaining
from keyshift.cli import show
from keyshift.cli.importing import require_none_running
from keyshift.cli.wiring import Wiring, pass_wiring
from keyshift.control import migration as migrations
from keyshift.control.migration import Migration, NotInitialised, Resource
from keyshift.control.phase import Phase, read_phase
from keyshift.control.store import HEAD, PHASE, Store


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--with-targets", is_flag=True, help="After the cutover too, remove the target tables and all they hold.")
@pass_wiring
def destroy(wiring: Wiring, *, yes: bool, with_targets: bool) -> None:
    """Remove everything that `keyshift init` created, after asking. Safe to repeat.

    After `keyshift cutover run` the target tables stay: the application may have switched to them.
    """
    wiring.log()
    try:
        migration = wiring.migration
    except NotInitialised as error:
        click.echo(f"nothing to destroy: {error.message}")
        return
    require_none_running(wiring)
    keep_targets = not with_targets and _is_cut_over(wiring)
    if keep_targets:
        migration = replace(migration, created=tuple(one for one in migration.created if one.kind != "table"))
    _announce(wiring, migration)
    if not yes:
        click.confirm("Remove all of this?", abort=True)
    if keep_targets:
        migrations.give_away(wiring.store, "table")
    wiring.store.delete([PHASE])
    for resource in migration.created:
        _remove(wiring, migration, resource)
    _empty_kept_bucket(wiring, migration)
    _forget(wiring, migration)
    click.echo(f"migration {migration.name} ({migration.id}) is gone")
    _say_what_is_left(wiring, migration)


def _is_cut_over(wiring: Wiring) -> bool:
    """Whether replay is closed. A destroy that was killed has taken the phase, and given away what it had to before."""
    phase = wiring.store.get(PHASE)
    return phase is not None and read_phase(wiring.store) is Phase.CLOSED


def _announce(wiring: Wiring, migration: Migration) -> None:
    click.echo(f"Migration {migration.name} ({migration.id}) created, and this removes with all they hold:")
    for resource in migration.created:
        click.echo(f"  {resource.kind.replace('_', ' ')} {resource.name}{_except(resource)}")
    click.echo(f"  what the control table {wiring.settings.control_table} knows of the migration")
    if not _is_created(migration, "bucket", migration.bucket):
        click.echo(f"  the objects s3://{migration.bucket}/{_folder(migration)}/")
    if folder := wiring.settings.bulkload.folder:
        click.echo(f"  the folder {folder / _folder(migration)}")


def _except(resource: Resource) -> str:
    kept = {
        "control_table": " (unless other migrations use it)",
        "bucket": " (unless it holds anything else)",
        "table": ": THE MIGRATED DATA",
    }
    return kept.get(resource.kind, "")


def _remove(wiring: Wiring, migration: Migration, resource: Resource) -> None:
    clients, stop = wiring.clients, wiring.stop
    match resource.kind:
        case "stream":
            resources.delete_stream(clients.kinesis, resource.name, stop=stop)
        case "table":
            resources.delete_table(clients.dynamodb, resource.name, stop=stop)
        case "bucket":
            if not resources.delete_bucket(clients.s3, resource.name, _folder(migration), stop=stop):
                click.echo(f"bucket {resource.name} stays: it holds objects that are not this migration's")
                return
        case _:
            return  # the control table comes last
    click.echo(f"removed {resource.kind} {resource.name}")


def _empty_kept_bucket(wiring: Wiring, migration: Migration) -> None:
    if not _is_created(migration, "bucket", migration.bucket):
        count = resources.empty_bucket(wiring.clients.s3, migration.bucket, _folder(migration), stop=wiring.stop)
        click.echo(f"removed {count:,} objects under s3://{migration.bucket}/{_folder(migration)}/")
    folder = wiring.settings.bulkload.folder
    if folder and remove_dump(folder, migration):
        click.echo(f"removed {folder / _folder(migration)}")


def _forget(wiring: Wiring, migration: Migration) -> None:
    """Remove the migration from the control table; the table too, if it is ours and nobody else is in it."""
    name, dynamodb = wiring.settings.control_table, wiring.clients.control
    if not _is_created(migration, "control_table", name):
        migrations.forget(wiring.store)
        return
    others = sorted(set(_migrations(wiring)) - {migration.name})
    if not others:
        resources.delete_table(dynamodb, name, stop=wiring.stop)
        click.echo(f"removed control table {name}")
        return
    # Somebody must remove it in the end: the duty passes to one of those who still use it.
    migrations.record_created(Store(dynamodb, name, others[0]), Resource("control_table", name))
    migrations.forget(wiring.store)
    click.echo(
        f"control table {name} stays: {', '.join(others)} use it; destroying {others[0]} removes it if it is last"
    )


def _migrations(wiring: Wiring) -> Iterator[str]:
    """The names of all migrations that the control table knows."""
    name = wiring.settings.control_table
    options = {
        "FilterExpression": "#item = :head",
        "ProjectionExpression": "#migration",
        "ExpressionAttributeNames": {"#item": "item", "#migration": "migration"},
        "ExpressionAttributeValues": {":head": {"S": HEAD}},
    }
    with explaining(f"reading control table {name}"):
        for item in items.scan(wiring.clients.control, name, options=options, stop=wiring.stop):
            yield item["migration"]["S"]


_GRANTS = (
    "user {user} at {host}: drop it, or revoke what was granted for capture and dump (REPLICATION SLAVE, REPLICATION "
    "CLIENT or BINLOG MONITOR, XA_RECOVER_ADMIN or SLAVE MONITOR, SELECT on the captured tables)"
)
_ROWS_GRANTS = (
    "user {user} at {host}: drop it, or revoke what was granted for the dump there (REPLICATION CLIENT, SELECT on the "
    "captured tables), unless it is replicated"
)
_BINLOG = (
    "binlog settings that were changed for the migration (binlog_format, binlog_row_image, binlog_row_metadata, "
    "binlog_expire_logs_seconds or RDS' `binlog retention hours`): set them back if nobody else needs them"
)


def _say_what_is_left(wiring: Wiring, migration: Migration) -> None:
    source = wiring.settings.source
    left = [_GRANTS.format(user=source.user, host=source.host), _BINLOG]
    rows = wiring.settings.rows
    if (rows.host, rows.user) != (source.host, source.user):
        left.append(_ROWS_GRANTS.format(user=rows.user, host=rows.host))
    kept = [f"{kind.replace('_', ' ')} {name}" for kind, name in _kept(wiring, migration)]
    if kept:
        left.append(f"was there before init, or is the application's now, and stays: {', '.join(kept)}")
    tables = [name for kind, name in _kept(wiring, migration) if kind == "table"]
    if tables:
        left.append(
            f"items in {', '.join(tables)} keep their bookkeeping attributes (_ks_…, unless the keymap names another)"
        )
    click.echo("Left to you:")
    show.lines(show.Line(show.NOTE, "", text) for text in left)


def _kept(wiring: Wiring, migration: Migration) -> list[tuple[str, str]]:
    control = ("control_table", wiring.settings.control_table)
    wanted = [("stream", migration.stream), ("bucket", migration.bucket), control]
    with contextlib.suppress(KeyshiftError):  # destroy works without the keymap; only this list is then shorter
        wanted += [("table", name) for name in wiring.keymap.targets]
    return [(kind, name) for kind, name in wanted if not _is_created(migration, kind, name)]


def _is_created(migration: Migration, kind: str, name: str) -> bool:
    return Resource(kind, name) in migration.created


def _folder(migration: Migration) -> str:
    return f"{migration.prefix}/{migration.id}"
