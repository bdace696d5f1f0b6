"""Tables that join a migration or are loaded again, and a keymap that changes: one step, which the daemon begins.

The order makes every crash harmless: what is missing at AWS is made, then the keymap is recorded as the migration's,
and last what it changes is wanted (keyshift/control/wanted). In between no daemon starts; the same command goes on.
"""

import click

from cdc.begin import source_problems
from keymap.changes import Changes, changes
from keymap.errors import KeyshiftError, Problems
from keyshift.aws import resources
from keyshift.cli.init import create
from keyshift.cli.wiring import Wiring, pass_wiring
from keyshift.control import migration as migrations
from keyshift.control.keymaps import read_keymap, record_keymap
from keyshift.control.migration import Migration
from keyshift.control.phase import Phase, read_phase
from keyshift.control.wanted import Wanted, want

_REASON = click.option("--reason", required=True, help="Why; `keyshift status` shows it.")


@click.command()
@_REASON
@pass_wiring
def adopt(wiring: Wiring, *, reason: str) -> None:
    """Give the migration the keymap of now: tables whose rules have changed, or are new, are loaded (again).

    Replay goes on, and the other tables are not touched. Safe to repeat.
    """
    wiring.log()
    migration = _recorded(wiring, reason)
    if migration.digest == wiring.keymap.digest and not migration.adopting:
        click.echo(f"keymap {migration.digest} is the migration's already: nothing to do")
        return
    _adopt(wiring, migration, reason)


@click.group()
def tables() -> None:
    """Let tables join a running migration, or load them again."""


@tables.command()
@click.argument("names", nargs=-1, required=True, metavar="DATABASE.TABLE...")
@_REASON
@pass_wiring
def add(wiring: Wiring, *, names: tuple[str, ...], reason: str) -> None:
    """Let tables join that the keymap has by now: captured from a position on, read after it, loaded beside replay.

    Nothing else of the keymap may have changed. Safe to repeat.
    """
    wiring.log()
    migration = _recorded(wiring, reason)
    if not migration.adopting and set(names) <= set(migration.tables) and migration.digest == wiring.keymap.digest:
        click.echo("these tables are captured already: nothing to do")
        return
    if not migration.adopting:
        found = _changes(wiring, migration)
        if found.changed or set(found.added) != set(names):
            new, other = (", ".join(some) or "none" for some in (found.added, found.changed))
            message = f"the keymap's new tables are: {new}; and those with other rules than before: {other}"
            raise KeyshiftError(
                message, "Name all new tables; a keymap that changes otherwise: `keyshift keymap adopt`"
            )
    _adopt(wiring, migration, reason)


@tables.command()
@click.argument("names", nargs=-1, metavar="[DATABASE.TABLE]...")
@click.option("--all", "every", is_flag=True, help="All captured tables.")
@_REASON
@pass_wiring
def reload(wiring: Wiring, *, names: tuple[str, ...], every: bool, reason: str) -> None:
    """Load captured tables again, whatever the reason, from where the daemon's next run begins."""
    if bool(names) == every:
        raise click.UsageError("name the tables, or give --all")
    wiring.log()
    migration = _recorded(wiring, reason)
    names = migration.tables if every else names
    migrations.require_digest(migration, wiring.keymap.digest)
    migrations.require_adopted(migration)
    if unknown := sorted(set(names) - set(migration.tables)):
        raise KeyshiftError(f"{', '.join(unknown)}: no captured table", f"Captured are {', '.join(migration.tables)}")
    want(wiring.store, Wanted(names, "asked for", reason))
    _tell(names)


def _recorded(wiring: Wiring, reason: str) -> Migration:
    """The migration, in a phase in which tables can be loaded beside replay."""
    migration = wiring.migration
    if not reason.strip():
        raise KeyshiftError("the reason is empty", "Say why: whoever cuts over will read it")
    phase = read_phase(wiring.store)
    if phase is Phase.LOAD:
        message = "replay is not open yet"
        raise KeyshiftError(message, "Finish `keyshift bulkload run` first; or `keyshift destroy`, and begin anew")
    if phase is Phase.CLOSED:
        raise KeyshiftError("replay is closed: the application may have switched", "`keyshift cutover abort` opens it")
    return migration


def _changes(wiring: Wiring, migration: Migration) -> Changes:
    former = read_keymap(wiring.store, migration.digest)
    if former is None:
        message = f"keymap {migration.digest} of the migration was not kept, so nothing can be compared with it"
        raise KeyshiftError(message, "Run `keyshift init` once more with the keymap of before, which keeps it")
    return changes(former, wiring.keymap)


def _adopt(wiring: Wiring, migration: Migration, reason: str) -> None:
    if not migration.adopting:
        found = _changes(wiring, migration)
        _require_possible(wiring, found)
        for resource, ours in create(wiring, migration):
            if resource.kind == "table" and ours:
                click.echo(f"table         {resource.name}: created by this migration")
        touched = (*found.changed, *found.added)
        record_keymap(wiring.store, wiring.keymap)
        migrations.adopt(wiring.store, migration, wiring.keymap.digest, wiring.keymap.tables, touched)
        migration = migrations.load(wiring.store)
    migrations.require_digest(migration, wiring.keymap.digest)
    migrations.show_digest(wiring.store, migration.digest)
    last = migration.former[-1]
    if last.changed:
        what = f"the keymap changed from {last.digest}"
        stop = f"keymap {len(migration.former)}"
        wanted = Wanted(last.changed, what, reason, keymaps=(last.digest,), keymap=migration.digest, stop=stop)
        want(wiring.store, wanted)
    migrations.adopted(wiring.store)
    click.echo(f"keymap {migration.digest} is the migration's. It changes: {', '.join(last.changed) or 'no table'}")
    click.echo("start the daemon and every consumer again, with this keymap (deploy the Lambda function)")
    if last.changed:
        _tell(last.changed)


def _require_possible(wiring: Wiring, found: Changes) -> None:
    """Raise Problems with all that stands in the way."""
    problems = list(found.problems)
    for target in wiring.keymap.targets.values():  # None: it is not there yet, and will be made
        problems += resources.table_problems(wiring.clients.dynamodb, target) or []
    with wiring.connection() as connection:
        errors, _, _ = source_problems(connection, wiring.settings, wiring.keymap, {})
    Problems.raise_if_any([*problems, *errors])
    if found.added and wiring.settings.capture.row_metadata != "full":
        message = "this source's binlog does not describe its rows: no table can join"
        raise KeyshiftError(message, "Begin anew with all tables (keyshift destroy, then init)")


def _tell(names: tuple[str, ...]) -> None:
    click.echo(f"to be loaded (again): {', '.join(names)}")
    click.echo("restart `keyshift cdc run`, and then run `keyshift bulkload run`, while it and a consumer run")
