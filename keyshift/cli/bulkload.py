"""`keyshift bulkload`: the existing rows, from MySQL through S3 into DynamoDB under their new keys."""

from functools import partial
from typing import TypeVar

import click

from bulkload.both import dump_and_load
from bulkload.dump.run import DumpReport
from bulkload.dump.run import dump as run_dump
from bulkload.load.run import LoadReport
from keyshift.apply.redrive import held_off
from keyshift.cli.bulkload_pack import pack
from keyshift.cli.bulkload_plan import plan
from keyshift.cli.bulkload_report import Timed, tell_dump, tell_load, tell_tables
from keyshift.cli.bulkload_status import status
from keyshift.cli.bulkload_throttle import throttle
from keyshift.cli.bulkload_warm import warm
from keyshift.cli.engines import loader
from keyshift.cli.errors import EXIT_FOUND
from keyshift.cli.progress import teller
from keyshift.cli.verify import parts
from keyshift.cli.wiring import Wiring, pass_wiring
from keyshift.control.phase import Phase, read_phase
from keyshift.control.progress import progress as progress_of
from keyshift.cutover.remains import ready
from keyshift.cutover.setup import remover
from keyshift.process.stop import Stopped

R = TypeVar("R", DumpReport, LoadReport)


@click.group()
def bulkload() -> None:
    """Bring the rows that exist: dump them to S3, load them into DynamoDB."""


bulkload.add_command(plan)


@bulkload.command()
@click.option("--tables", multiple=True, metavar="DB.TABLE", help="Dump this table only; may be repeated.")
@pass_wiring
def dump(wiring: Wiring, tables: tuple[str, ...]) -> None:
    """Write every captured table to S3, a chunk at a time. Goes on where it was interrupted."""
    wiring.log()
    _dump(wiring, tables)
    found = progress_of(wiring.store, wiring.migration.tables)
    left = [one.table for one in found.tables if one.chunks is None]
    if left:
        click.echo(f"not dumped yet: {', '.join(left)}")


@bulkload.command()
@pass_wiring
@click.pass_context
def load(context: click.Context, wiring: Wiring) -> None:
    """Load every chunk of the dump into DynamoDB, and open replay when all are. Goes on where it was interrupted.

    Rows that cannot become items are written down beside the chunks, and the exit code is then 1. Of tables that are
    loaded again, what is left of before is then removed: the daemon and a consumer must run.
    """
    wiring.log()
    _load(wiring)
    _end(context, wiring)


@bulkload.command()
@pass_wiring
@click.pass_context
def run(context: click.Context, wiring: Wiring) -> None:
    """Dump and load, each chunk as soon as it is dumped. Goes on where it was interrupted.

    With another engine than local, and of tables that are loaded again beside replay, all is dumped first.
    """
    wiring.log()
    if read_phase(wiring.store) is Phase.LOAD and wiring.settings.bulkload.engine == "local":
        _both(wiring)
    else:
        _dump(wiring)
        _load(wiring)
    _end(context, wiring)


bulkload.add_command(status)
bulkload.add_command(throttle)
bulkload.add_command(warm)
bulkload.add_command(pack)


def _dump(wiring: Wiring, tables: tuple[str, ...] = ()) -> DumpReport:
    with teller() as progress, Timed() as timed:
        report = run_dump(wiring.settings, wiring.keymap, wiring.clients, wiring.stop, progress.at, tables=tables)
    tell_dump(report, timed.seconds)
    return _whole(report)


def _load(wiring: Wiring) -> LoadReport:
    with teller() as progress, Timed() as timed, loader(wiring) as run:
        report = run(wiring.settings, wiring.keymap, wiring.clients, wiring.stop, progress.at)
    tell_load(report, timed.seconds)
    return _whole(report)


def _both(wiring: Wiring) -> None:
    schemas = wiring.rows_schemas
    with teller() as progress, Timed() as timed:
        dumped, loaded = dump_and_load(
            wiring.settings,
            wiring.keymap,
            wiring.clients,
            schemas,
            wiring.stop,
            dumping=partial(progress.at, doing="dump"),
            loading=partial(progress.at, doing="load"),
        )
    tell_dump(dumped, timed.seconds)
    tell_load(loaded, timed.seconds)
    _whole(dumped)
    _whole(loaded)


def _whole(report: R) -> R:
    """The report of something that has come to its end. Raises Stopped."""
    if not report.complete:
        raise Stopped("asked to stop")
    return report


def _end(context: click.Context, wiring: Wiring) -> None:
    """What comes when everything is loaded. The exit code tells of rows that could not become items, whenever."""
    click.echo("everything is loaded, and replay is open")
    _finish_reloads(wiring)
    found = progress_of(wiring.store, wiring.migration.tables)
    tell_tables(found)
    if found.rejected:
        context.exit(EXIT_FOUND)


def _finish_reloads(wiring: Wiring) -> None:
    """Remove what tables that were loaded again have left of before."""
    reloads = ready(wiring.store, wiring.own_migration.tables)
    if not reloads:
        return
    made = parts(wiring)
    click.echo(f"waiting until all that was captured before is applied, for {', '.join(one.table for one in reloads)}")
    made.barrier.drain()
    validity_seconds = wiring.settings.bulkload.signature_validity_seconds
    with (
        held_off(
            wiring.store, wiring.stop, validity_seconds
        ),  # what is redriven later sees that the tables are reloaded
        teller() as progress,
        remover(made, progress.more) as removing,
    ):
        cleared = removing.run(wiring.store, reloads)
    click.echo(f"{cleared.items:,} items looked at: {cleared.removed:,} that no row stands for any more were removed")
