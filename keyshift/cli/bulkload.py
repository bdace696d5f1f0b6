"""`keyshift bulkload`: the existing rows, from MySQL through S3 into DynamoDB under their new keys."""

import click

from bulkload.dump import DumpReport
from bulkload.dump import dump as run_dump
from bulkload.estimate import read_estimates
from bulkload.load import LoadReport
from bulkload.load import load as run_load
from bulkload.plan import TablePlan, plan_tables
from keymap.check import check
from keymap.errors import Problems
from keyshift.cli import show
from keyshift.cli.progress import teller
from keyshift.cli.status import load_document
from keyshift.cli.verify import parts
from keyshift.cli.wiring import Wiring, pass_wiring
from keyshift.control.phase import read_phase
from keyshift.control.progress import TableProgress, progress
from keyshift.cutover.remains import ready
from keyshift.cutover.setup import remover
from keyshift.process.stop import Stopped


@click.group()
def bulkload() -> None:
    """Bring the rows that exist: dump them to S3, load them into DynamoDB."""


@bulkload.command()
@pass_wiring
def plan(wiring: Wiring) -> None:
    """Show how much there is to move, by the server's own estimate. Changes nothing."""
    keymap, chunk_rows = wiring.keymap, wiring.settings.bulkload.chunk_rows
    Problems.raise_if_any(check(keymap, wiring.schemas))
    with wiring.connection() as connection:
        estimates = read_estimates(connection, keymap.tables)
    tables = plan_tables(keymap, (wiring.schemas[table] for table in keymap.tables), estimates, chunk_rows)
    headings = ("table", "rows, about", "MiB, about", "chunks, about", "written slot by slot")
    show.columns(headings, [_line(table) for table in tables])
    hours = wiring.settings.stream.retention_hours
    click.echo(
        f"dump, load and catching up must be done within {hours} hours of the daemon's start (stream.retention_hours)"
    )


def _line(table: TablePlan) -> tuple[str, int, int, int, str]:
    return table.table, table.rows, round(table.bytes / 2**20), max(1, table.chunks), ", ".join(table.guarded) or "-"


@bulkload.command()
@pass_wiring
def dump(wiring: Wiring) -> None:
    """Write every captured table to S3, a chunk at a time. Goes on where it was interrupted."""
    wiring.log()
    _dump(wiring)


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


@bulkload.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@pass_wiring
def status(wiring: Wiring, *, as_json: bool) -> None:
    """Show how far dump and load are, by table."""
    phase, found = read_phase(wiring.store), progress(wiring.store, wiring.migration.tables)
    if as_json:
        show.as_json({"phase": phase.value, **load_document(found)})
        return
    show.columns(
        ("table", "chunks", "dumped", "loaded", "rows dumped", "rows loaded", "again"), list(map(_status, found.tables))
    )
    click.echo(f"phase {phase}: {'everything is loaded' if found.complete else 'not everything is loaded yet'}")


def _status(one: TableProgress) -> tuple[str, str | int, int, int, int, int, str]:
    chunks = "-" if one.chunks is None else one.chunks
    again = "" if one.reload is None else "done" if one.reload.done else f"from {one.reload.generation} on"
    return one.table, chunks, one.dumped, one.loaded, one.rows_dumped, one.rows_loaded, again


def _dump(wiring: Wiring) -> DumpReport:
    with teller() as progress:
        report = run_dump(wiring.settings, wiring.keymap, wiring.clients, wiring.stop, progress.at)
    click.echo(f"dumped {report.chunks:,} chunks: {report.rows:,} rows, {report.bytes:,} bytes compressed")
    if not report.complete:
        raise Stopped("asked to stop")
    return report


def _load(wiring: Wiring) -> LoadReport:
    with teller() as progress:
        report = run_load(wiring.settings, wiring.keymap, wiring.clients, wiring.stop, progress.at)
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
