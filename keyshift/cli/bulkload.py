"""`keyshift bulkload`: the existing rows, from MySQL through S3 into DynamoDB under their new keys."""

import click

from bulkload.board import Board
from bulkload.dump.run import DumpReport
from bulkload.dump.run import dump as run_dump
from bulkload.imports.allowed import IMPORT
from bulkload.imports.run import load as run_import
from bulkload.load.run import LoadReport
from bulkload.load.run import load as run_load
from keyshift.cli.bulkload_plan import plan
from keyshift.cli.bulkload_status import status
from keyshift.cli.bulkload_throttle import throttle
from keyshift.cli.progress import teller
from keyshift.cli.verify import parts
from keyshift.cli.wiring import Wiring, pass_wiring
from keyshift.control.lease import LOAD
from keyshift.control.progress import progress as progress_of
from keyshift.cutover.remains import ready
from keyshift.cutover.setup import remover
from keyshift.process.clock import boottime
from keyshift.process.stop import Stopped


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
def load(wiring: Wiring) -> None:
    """Load every chunk of the dump into DynamoDB, and open replay when all are. Goes on where it was interrupted.

    Of tables that are loaded again, what is left of before is then removed: the daemon and a consumer must run.
    """
    wiring.log()
    _load(wiring)


@bulkload.command()
@pass_wiring
def run(wiring: Wiring) -> None:
    """Dump, then load. Goes on where it was interrupted."""
    wiring.log()
    _dump(wiring)
    _load(wiring)


bulkload.add_command(status)
bulkload.add_command(throttle)


def _dump(wiring: Wiring, tables: tuple[str, ...] = ()) -> DumpReport:
    with teller() as progress:
        report = run_dump(wiring.settings, wiring.keymap, wiring.clients, wiring.stop, progress.at, tables=tables)
    click.echo(f"dumped {report.chunks:,} chunks: {report.rows:,} rows, {report.bytes:,} bytes compressed")
    if not report.complete:
        raise Stopped("asked to stop")
    return report


def _load(wiring: Wiring) -> LoadReport:
    with teller() as progress:
        board = Board(wiring.store, LOAD, progress.at, wiring.stop, boottime)
        run = run_import if wiring.settings.bulkload.engine == IMPORT else run_load
        report = run(wiring.settings, wiring.keymap, wiring.clients, wiring.stop, board)
    click.echo(f"loaded {report.chunks:,} chunks: {report.rows:,} rows in {report.writes:,} writes")
    if not report.complete:
        raise Stopped("asked to stop")
    click.echo("everything is loaded, and replay is open")
    _finish_reloads(wiring)
    return report


def _finish_reloads(wiring: Wiring) -> None:
    """Remove what tables that were loaded again have left of before."""
    reloads = ready(wiring.store, wiring.own_migration.tables)
    if not reloads:
        return
    made = parts(wiring)
    click.echo(f"waiting until all that was captured before is applied, for {', '.join(one.table for one in reloads)}")
    made.barrier.drain()
    with teller() as progress, remover(made, progress.more) as removing:
        cleared = removing.run(wiring.store, reloads)
    click.echo(f"{cleared.items:,} items looked at: {cleared.removed:,} that no row stands for any more were removed")
