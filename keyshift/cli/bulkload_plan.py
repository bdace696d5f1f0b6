"""`keyshift bulkload plan`: how much there is, how long it takes, what it costs, and are changes kept so long?"""

from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import Any

import click

from bulkload.dump.limits import Limits
from bulkload.estimate import read_estimates
from bulkload.forecast import MARGIN, Costs, Hours, Payer, Work, costs, hours, refusals
from bulkload.imports.allowed import IMPORT, import_problems
from bulkload.plan import TablePlan, plan_tables
from keymap.check import check
from keymap.errors import Problem, Problems
from keymap.prices import ASKED, REGION
from keyshift.cli import show
from keyshift.cli.checks_rows import rows_findings
from keyshift.cli.in_force import StreamNow, limits_now, stream_now
from keyshift.cli.keymap_check import tried
from keyshift.cli.target_capacity import payers
from keyshift.cli.wiring import Wiring, pass_wiring
from keyshift.mysql.evidence import rds_retention_hours
from keyshift.mysql.facts import read_facts
from keyshift.mysql.preflight import binlog_retention_hours
from keyshift.mysql.strain import read_changes_per_second

SAMPLE_ROWS = 1_000  # of each table, to weigh items by: a second


@dataclass(frozen=True, slots=True)
class Plan:
    """All figures."""

    work: Work
    hours: Hours
    costs: Costs
    stream: StreamNow
    limits: Limits
    binlog_hours: float | None
    engine: str
    load_hours: float = 0.0  # that were asked for

    @property
    def refusals(self) -> list[Problem]:
        """Why the load must not begin."""
        return refusals(self.work, self.stream.retention_hours, self.binlog_hours)


@click.command()
@click.option(
    "--rows",
    type=click.IntRange(min=0),
    default=SAMPLE_ROWS,
    show_default=True,
    help="Rows of each table that are tried, to weigh their items; 0: none, and no cost of DynamoDB.",
)
@click.option(
    "--changes-per-second",
    type=click.FloatRange(min=0),
    help="Row changes of the captured tables; default: of the whole server, on average since it started.",
)
@click.option(
    "--load-hours",
    type=click.FloatRange(min=0, min_open=True),
    help="For how long the load may take, in what the tables would have to take a second; default: what else it takes.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@pass_wiring
def plan(
    wiring: Wiring, /, *, rows: int, changes_per_second: float | None, load_hours: float | None, as_json: bool
) -> None:
    """Show how much there is to move, how long it takes and what it costs, by estimates. Changes nothing.

    Refuses, with what to do, where the stream or the binlog would lose changes before the load has ended.
    """
    wanted = import_problems(wiring.settings.bulkload, wiring.keymap.targets.values())
    rows_from = rows_findings(wiring.settings, wiring.keymap.tables)
    wrong = [problem for finding in rows_from for problem in finding.problems]
    Problems.raise_if_any([*check(wiring.keymap, wiring.schemas), *wanted, *wrong])
    made = replace(_plan(wiring, rows, changes_per_second), load_hours=load_hours or 0.0)
    if as_json:
        show.as_json(_document(made))
    else:
        _tell(made)
    Problems.raise_if_any(made.refusals)


def _plan(wiring: Wiring, rows: int, changes_per_second: float | None) -> Plan:
    keymap, settings = wiring.keymap, wiring.settings
    stream, limits = stream_now(wiring), limits_now(wiring)
    with closing(wiring.connect_to_rows()) as connection:
        estimates = read_estimates(connection, keymap.tables)
    with wiring.connection() as connection:
        facts = read_facts(connection)
        changes = read_changes_per_second(connection) if changes_per_second is None else changes_per_second
        binlog = binlog_retention_hours(facts) if facts.platform == "own" else rds_retention_hours(connection)
    targets = tried(wiring, keymap, wiring.schemas, rows, wiring.connect_to_rows).targets if rows else ()
    schemas = (wiring.schemas[table] for table in keymap.tables)
    work = Work(
        tables=tuple(plan_tables(keymap, schemas, estimates, settings.bulkload.chunk_rows)),
        payers=payers(wiring, targets),
        month_cost=sum(target.month_cost for target in targets),
        shards=0 if stream.on_demand else stream.shards,
        rows_per_second_max=limits.rows_per_second_max,
        bytes_per_second_max=limits.bytes_per_second_max,
        changes_per_second=changes,
        item_bytes={one.target: one.data_bytes + one.bookkeeping_bytes for one in targets},
        imported=settings.bulkload.engine == IMPORT,
        open_shards=stream.shards,
    )
    taken = hours(work)
    cost = costs(work, taken, stream.retention_hours)
    return Plan(work, taken, cost, stream, limits, binlog, settings.bulkload.engine)


def _document(made: Plan) -> dict[str, Any]:
    cost = {name.rstrip("_"): value for name, value in asdict(made.costs).items()}
    return {
        "tables": [asdict(table) for table in made.work.tables],
        "rows": made.work.rows,
        "bytes": made.work.bytes,
        "chunks": sum(table.chunks for table in made.work.tables),
        "write_units": made.work.write_units,
        "targets": [asdict(payer) | {"wanted_units_per_second": _wanted(made, payer)} for payer in made.work.payers],
        "import_bytes": round(made.work.import_bytes),
        "engine": made.engine,
        "changes_per_second": made.work.changes_per_second,
        "hours": asdict(made.hours) | {"needed": made.hours.needed},
        "retention_hours": {"stream": made.stream.retention_hours, "binlog": made.binlog_hours},
        "stream": asdict(made.stream),
        "limits": asdict(made.limits),
        "dollars": cost | {"together": made.costs.together, "region": REGION, "asked": ASKED},
        "refused": [asdict(problem) for problem in made.refusals],
    }


def _tell(made: Plan) -> None:
    headings = ("table", "rows, about", "MiB, about", "chunks, about", "written slot by slot")
    show.columns(headings, [_line(table) for table in made.work.tables])
    show.columns(
        ("table or index", "write units", "takes a second", "by", "would like a second"),
        [_capacity_line(made, payer) for payer in made.work.payers],
    )
    taken, cost, binlog, stream = made.hours, made.costs, made.binlog_hours, made.stream.retention_hours
    catch_up = "never" if taken.catch_up is None else f"{taken.catch_up:.1f}"
    more = " and AWS's import, of which nothing is known before" if made.work.imported else ""
    click.echo(f"hours    dump {taken.dump:.1f}, load {taken.load:.1f}{more}, catching up {catch_up}")
    click.echo(
        f"kept     stream {stream} hours, binlog {'for ever' if binlog is None else f'{binlog:g} hours'}; "
        f"{'-' if taken.needed is None else f'{taken.needed:.1f}'} needed (the estimate times {MARGIN:g})"
    )
    click.echo(f"stream   {_stream_text(made.stream)}")
    if limits := _limits_text(made.limits):
        click.echo(f"dump     {limits}")
    click.echo(f"changes  {made.work.changes_per_second:,.1f} a second while it runs")
    click.echo(
        f"rows     {cost.load_local:,.2f} dollars by write units (engine local), {cost.load_import:,.2f} by an import "
        f"of {made.work.import_bytes / 2**30:,.1f} GiB (engine import); set is {made.engine}"
    )
    click.echo(
        f"dollars  {cost.together:,.2f}: DynamoDB {cost.dynamodb:,.2f}, Kinesis {cost.kinesis:,.2f}, "
        f"Lambda {cost.lambda_:,.2f}, S3 {cost.s3:,.2f} ({REGION}, prices of {ASKED}); "
        f"then {cost.dynamodb_month:,.2f} a month for the items"
    )


def _stream_text(stream: StreamNow) -> str:
    size = "on demand" if stream.on_demand else f"{stream.shards} shards"
    return f"{size}, as it is" if stream.there else f"{size}, as `keyshift init` will make it"


def _limits_text(limits: Limits) -> str:
    """What holds the dump back; "": nothing."""
    rates = (("rows", limits.rows_per_second_max), ("bytes", limits.bytes_per_second_max))
    found = [f"at most {rate:,} {unit} a second" for unit, rate in rates if rate]
    return ", ".join([*found, *(["paused (`keyshift bulkload throttle --resume`)"] if limits.paused else [])])


def _wanted(made: Plan, payer: Payer) -> int:
    return made.work.wanted_units_per_second(payer, made.load_hours)


def _capacity_line(made: Plan, payer: Payer) -> tuple[str, int, int, str, int]:
    name = f"  index {payer.index}" if payer.index else payer.table
    return name, payer.write_units, round(payer.units_per_second), payer.origin, _wanted(made, payer)


def _line(table: TablePlan) -> tuple[str, int, int, int, str]:
    return table.table, table.rows, round(table.bytes / 2**20), max(1, table.chunks), ", ".join(table.guarded) or "-"
