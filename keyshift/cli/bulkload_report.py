"""What a dump or a load tells when it has ended: how much was done, how fast, and by table where everything stands."""

from types import TracebackType
from typing import Self

import click

from bulkload.dump.run import DumpReport
from bulkload.load.run import LoadReport
from keyshift.cli import show
from keyshift.control.progress import Progress
from keyshift.process.clock import boottime


class Timed:
    """How long a block took, in seconds; a context manager."""

    seconds = 0.0

    def __enter__(self) -> Self:
        self._began = boottime()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = boottime() - self._began


def tell_dump(report: DumpReport, seconds: float) -> None:
    """What this run has dumped."""
    done = f"dumped {report.chunks:,} chunks: {report.rows:,} rows, {report.bytes:,} bytes compressed"
    click.echo(f"{done}{_rate(report.rows, seconds)}")


def tell_load(report: LoadReport, seconds: float) -> None:
    """What this run has loaded."""
    done = f"loaded {report.chunks:,} chunks: {report.rows:,} rows in {report.writes:,} writes"
    click.echo(f"{done}{_rate(report.rows, seconds)}")


def _rate(rows: int, seconds: float) -> str:
    return f", in {seconds:,.1f} s ({rows / seconds:,.0f} rows/s)" if rows and seconds else ""


def tell_tables(found: Progress) -> None:
    """Every table, whichever run loaded it, and the rows that are no items."""
    rows = [(one.table, one.loaded, one.rows_loaded, one.rejected) for one in found.tables]
    show.columns(("table", "chunks", "rows", "rejected"), rows)
    if found.rejected:
        click.echo(
            f"{found.rejected:,} rows could not become items: rejects-*.jsonl beside their chunks says why. `keyshift "
            "verify` finds them until they are corrected at their source, or filtered out"
        )
