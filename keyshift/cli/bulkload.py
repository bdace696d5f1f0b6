"""`keyshift bulkload`: the existing rows, from MySQL through S3 into DynamoDB under their new keys."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from bulkload.board import Board
from bulkload.dump.run import DumpReport
from bulkload.dump.run import dump as run_dump
from bulkload.load.run import Engine, LoadReport
from bulkload.load.run import load as run_load
from keymap.errors import KeyshiftError
from keyshift.cli.bulkload_pack import pack
from keyshift.cli.bulkload_plan import plan
from keyshift.cli.bulkload_status import status
from keyshift.cli.bulkload_throttle import throttle
from keyshift.cli.errors import EXIT_FOUND
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
@click.pass_context
def load(context: click.Context, wiring: Wiring) -> None:
    """Load every chunk of the dump into DynamoDB, and open replay when all are. Goes on where it was interrupted.

    Rows that cannot become items are written down beside the chunks, and the exit code is then 1. Of tables that are
    loaded again, what is left of before is then removed: the daemon and a consumer must run.
    """
    wiring.log()
    _load(wiring)
    _tell_rejects(context, wiring)


@bulkload.command()
@pass_wiring
@click.pass_context
def run(context: click.Context, wiring: Wiring) -> None:
    """Dump, then load. Goes on where it was interrupted."""
    wiring.log()
    _dump(wiring)
    _load(wiring)
    _tell_rejects(context, wiring)


bulkload.add_command(status)
bulkload.add_command(throttle)
bulkload.add_command(pack)


def _dump(wiring: Wiring, tables: tuple[str, ...] = ()) -> DumpReport:
    with teller() as progress:
        report = run_dump(wiring.settings, wiring.keymap, wiring.clients, wiring.stop, progress.at, tables=tables)
    click.echo(f"dumped {report.chunks:,} chunks: {report.rows:,} rows, {report.bytes:,} bytes compressed")
    if not report.complete:
        raise Stopped("asked to stop")
    return report


def _load(wiring: Wiring) -> LoadReport:
    with teller() as progress, _engine(wiring) as engine:
        board = Board(wiring.store, LOAD, progress.at, wiring.stop, boottime)
        report = run_load(wiring.settings, wiring.keymap, wiring.clients, wiring.stop, board, engine=engine)
    click.echo(f"loaded {report.chunks:,} chunks: {report.rows:,} rows in {report.writes:,} writes")
    if not report.complete:
        raise Stopped("asked to stop")
    click.echo("everything is loaded, and replay is open")
    _finish_reloads(wiring)
    return report


@contextmanager
def _engine(wiring: Wiring) -> Iterator[Engine | None]:
    """Who loads, where it is not this machine alone."""
    if wiring.settings.bulkload.engine == "local":
        yield None
        return
    try:
        from bulkload.spark.engine import spark  # noqa: PLC0415 - Spark is there where it was asked for only
    except ModuleNotFoundError as error:
        if error.name != "pyspark":
            raise
        message = "there is no Spark here: this Python has no module pyspark"
        raise KeyshiftError(message, "Start it by spark-submit (docs/bulkload.md), or install pyspark") from None
    with spark(f"keyshift {wiring.settings.migration}") as engine:
        wiring.stop.install()  # once more: Spark has a handler of its own for SIGINT
        yield engine


def _tell_rejects(context: click.Context, wiring: Wiring) -> None:
    """End with an exit code of its own where rows could not become items, in this run or an earlier one."""
    found = progress_of(wiring.store, wiring.migration.tables)
    for table in found.tables:
        if table.rejected:
            click.echo(
                f"{table.table}: {table.rejected:,} rows could not become items (rejects-*.jsonl beside its chunks)"
            )
    if found.rejected:
        click.echo("verify finds them again, until the rows are corrected at their source, or filtered out")
        context.exit(EXIT_FOUND)


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
