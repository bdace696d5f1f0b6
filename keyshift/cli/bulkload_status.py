"""`keyshift bulkload status`: how far dump and load are by table, how fast they go, and what they wait for."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import click

from keyshift.cli import importing, show
from keyshift.cli.silence import last_heard, silent_seconds
from keyshift.cli.status import load_document
from keyshift.cli.wiring import Wiring, pass_wiring
from keyshift.control.lease import DUMP, LOAD
from keyshift.control.pace import Pace, read_pace
from keyshift.control.phase import read_phase
from keyshift.control.progress import TableProgress, progress
from keyshift.control.record import Record
from keyshift.control.store import Store
from keyshift.process.clock import now_ms

TOGETHER_SECONDS: Final = 10  # each table that is being done is told of every two, or after its chunk


@dataclass(frozen=True, slots=True)
class Job:
    """A job on one table now: rows done and about how many there are (0: unknown), rate, ETA (None: unknown).

    `running`: its process holds the lease, and renews it, as far as clocks of two hosts tell. What it `waits` for is
    told only then; the rate too, while it is not done.
    """

    running: bool
    rows: int
    rows_total: int
    rows_per_second: int
    eta_seconds: int | None
    waits: str
    told_seconds_ago: int | None


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@pass_wiring
def status(wiring: Wiring, *, as_json: bool) -> None:
    """Show how far dump and load are, by table: chunks, rows, rate, ETA, and what they wait for."""
    store, phase = wiring.store, read_phase(wiring.store)
    found, now = progress(store, wiring.migration.tables), now_ms()
    jobs = {name: [_job(store, name, table, now) for table in found.tables] for name in (DUMP, LOAD)}
    whole = {name: together(of_tables) for name, of_tables in jobs.items()}
    silent = {name: seconds for name in jobs if (seconds := _silent_seconds(store.get(name), now))}
    imports = importing.standings(wiring)
    if as_json:
        document: dict[str, Any] = load_document(found) | {"imports": importing.document(imports)}
        for table, dump, load in zip(document["tables"], jobs[DUMP], jobs[LOAD], strict=True):
            table |= {"dump": asdict(dump), "load": asdict(load)}
        show.as_json({"phase": phase.value, **document, **{name: asdict(job) for name, job in whole.items()}})
        return
    show.columns(_HEADINGS, [_line(*one) for one in zip(found.tables, jobs[DUMP], jobs[LOAD], strict=True)])
    for name, job in whole.items():
        if job.running:
            left = "" if job.eta_seconds is None else f", {_span(job.eta_seconds)} left"
            click.echo(f"{name}: {job.rows:,} of about {job.rows_total:,} rows, {job.rows_per_second:,} rows/s{left}")
        if job.waits:
            click.echo(f"the {name} waits: {job.waits}")
    for name, seconds in silent.items():
        click.echo(f"the {name} was {last_heard(seconds)}")
    if found.rejected:
        click.echo(f"{found.rejected:,} rows could not become items (rejects-*.jsonl beside their chunks)")
    importing.tell(imports)
    click.echo(f"phase {phase}: {'everything is loaded' if found.complete else 'not everything is loaded yet'}")


def together(jobs: Sequence[Job]) -> Job:
    """All tables of a job. Several may be at it, and their rates add up: those told of lately, which are not done."""
    told = [(job.told_seconds_ago, job.rows_per_second) for job in jobs if job.told_seconds_ago is not None]
    last = min((ago for ago, _ in told), default=None)
    rows, total = sum(job.rows for job in jobs), sum(job.rows_total for job in jobs)
    rate = sum(rate for ago, rate in told if last is not None and ago - last <= TOGETHER_SECONDS)
    return Job(
        running=any(job.running for job in jobs),
        rows=rows,
        rows_total=total,
        rows_per_second=rate,
        eta_seconds=-(-max(0, total - rows) // rate) if rate else None,
        waits=next((job.waits for job in jobs if job.waits), ""),
        told_seconds_ago=last,
    )


_HEADINGS = (
    *("table", "chunks", "dumped", "loaded", "rows dumped", "of about", "rows/s", "rows loaded", "rows/s", "ETA"),
    "again",
)


def _line(table: TableProgress, dump: Job, load: Job) -> tuple[object, ...]:
    chunks = "-" if table.chunks is None else table.chunks
    left = [job.eta_seconds for job in (dump, load) if job.running and job.eta_seconds]
    rates = [job.rows_per_second if job.running and job.rows < job.rows_total else "-" for job in (dump, load)]
    about = table.rows_dumped if table.chunks is not None else dump.rows_total or "-"
    done = (chunks, table.dumped, table.loaded, table.rows_dumped, about, rates[0], table.rows_loaded, rates[1])
    again = "" if table.reload is None else "done" if table.reload.done else f"from {table.reload.generation} on"
    return table.table, *done, _span(max(left)) if left else "-", again


def _span(seconds: int) -> str:
    """``1:05:09``."""
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _job(store: Store, job: str, table: TableProgress, now: int) -> Job:
    pace, lease = read_pace(store, job, table.table), store.get(job)
    running = _is_held(lease) and not _silent_seconds(lease, now)
    is_done = table.loaded_whole if job == LOAD else table.chunks is not None
    return Job(
        running=running,
        rows=table.rows_dumped if job == DUMP else table.rows_loaded,
        rows_total=max(pace.rows_total, table.rows_dumped),
        rows_per_second=pace.rows_per_second if running and not is_done else 0,
        eta_seconds=_eta(pace) if running else None,
        waits=pace.waits if running else "",
        told_seconds_ago=max(0, now - pace.at_ms) // 1000 if pace.at_ms else None,
    )


def _is_held(lease: Record | None) -> bool:
    return lease is not None and bool(lease.text("owner")) and not lease.flag("released")


def _silent_seconds(lease: Record | None, now: int) -> int:
    """For how long a lease that is held was not renewed; 0 where that is no reason to worry."""
    if lease is None or not _is_held(lease):
        return 0
    return silent_seconds(lease.at_ms, lease.number("lease_ms") / 1000, now)


def _eta(pace: Pace) -> int | None:
    left = max(0, pace.rows_total - pace.rows)
    return -(-left // pace.rows_per_second) if pace.rows_per_second else None
