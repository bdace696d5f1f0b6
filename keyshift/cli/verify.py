"""`keyshift verify`: is everything in DynamoDB what the source says, and nothing else?"""

from typing import Any

import click

from keyshift.cli import show
from keyshift.cli.errors import EXIT_FOUND
from keyshift.cli.importing import require_imported
from keyshift.cli.progress import teller
from keyshift.cli.verify_text import tell_difference
from keyshift.cli.wiring import Wiring, pass_wiring
from keyshift.cutover.barriers import DRAIN_SECONDS_MAX
from keyshift.cutover.basis import Basis, find_basis
from keyshift.cutover.compare import Kind
from keyshift.cutover.setup import EXAMPLES_MAX, Parts, verifier
from keyshift.cutover.tally import Report
from keyshift.process.clock import boottime

WAIT = click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(min=0),
    default=DRAIN_SECONDS_MAX,
    show_default=True,
    help="Seconds that the daemon and the consumers are each given to catch up.",
)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=EXAMPLES_MAX,
    show_default=True,
    help="Differences shown of each kind.",
)
@WAIT
@pass_wiring
@click.pass_context
def verify(context: click.Context, wiring: Wiring, *, as_json: bool, limit: int, wait_seconds: float) -> None:
    """Compare every source row with its items, and look for items without a row.

    Exits with 1 when anything differs or is still changing. While the application writes and replay is open, changes on
    their way are told apart from differences by barriers through the stream. Where no barrier can be had (the load is
    not finished, the daemon does not run, a lane has a gap), it says so first, and proves nothing: it exits with 1,
    whatever it finds. A barrier that is not answered in time ends it with 2.

    THIS COMMAND PRINTS WHAT ROWS HOLD, where they differ: values are cut, but with --json they are whole. Mind where
    its output goes; --limit 0 shows counts only.
    """
    wiring.log()
    require_imported(wiring)
    made = parts(wiring, wait_seconds)
    basis = find_basis(made.store, made.migration.tables, made.stop, boottime)
    tell_basis(basis, err=as_json)
    report = compare(wiring, made, basis=basis, examples_max=limit)
    if as_json:
        stands_on = {"ground": basis.ground.value, "evidence": basis.evidence, "do": basis.remedy}
        show.as_json({"basis": stands_on, **document(report)})
    else:
        tell(report)
    context.exit(0 if report.clean else EXIT_FOUND)


def parts(wiring: Wiring, wait_seconds: float = DRAIN_SECONDS_MAX) -> Parts:
    """What the cutover works on. Raises KeyshiftError where the migration is not this keymap's."""
    return Parts(
        wiring.store,
        wiring.own_migration,
        wiring.keymap,
        wiring.clients.dynamodb,
        wiring.connect,
        wiring.stop,
        wait_seconds,
    )


def compare(  # noqa: PLR0913 - the choices of its callers
    wiring: Wiring, made: Parts, start: str = "", repair: str = "", *, basis: Basis, examples_max: int = EXAMPLES_MAX
) -> Report:
    """Verify, showing progress; `start` is the version of a barrier that has just passed, if one has.

    With `repair`, repair at that version what may be repaired.
    """
    rounds = wiring.settings.verify.recheck_rounds
    with (
        teller() as progress,
        verifier(
            made,
            wiring.schemas,
            basis=basis,
            rounds=rounds,
            examples_max=examples_max,
            progress=progress.more,
            repair=repair,
        ) as ready,
    ):
        return ready.run(start)


def tell_basis(basis: Basis, *, err: bool) -> None:
    """Where the comparison is not settled, say so before it begins: it may take hours, and be read wrongly."""
    if basis.settled:
        return
    head = click.style("not settled", fg="yellow", bold=True)
    click.echo(
        f"{head}: no barrier was reached. {basis.evidence[:1].upper()}{basis.evidence[1:]}. "
        "What differs may only not be applied yet, and what is equal is not proven so: repair nothing by it",
        err=err,
    )
    click.echo(f"  {click.style('do:', fg='cyan')} {basis.remedy}; then `keyshift verify` again", err=err)


def document(report: Report) -> dict[str, Any]:
    """The report as JSON."""
    return {
        "clean": report.clean,
        "rows": report.rows,
        "slots": report.slots,
        "items": report.items,
        "tombstones": report.tombstones,
        "differences": report.total,
        "repairable": report.repairable,
        "by_kind": {kind.value: report.differences[kind] for kind in Kind},
        "changing": report.changing,
        "in_motion": report.in_motion,
        "pending": list(report.pending),
        "live": report.live,
        "settled": report.settled,
        "seconds": round(report.seconds, 3),
        "examples": [
            {
                "kind": one.kind.value,
                "table": one.table,
                "key": list(one.key),
                "slot": one.slot,
                "source": one.expected,
                "dynamodb": one.found,
                "note": one.note,
            }
            for one in report.examples
        ],
    }


def tell(report: Report) -> None:
    """The report as text."""
    for one in report.examples:
        tell_difference(one)
    for kind in Kind:
        hidden = report.differences[kind] - sum(one.kind is kind for one in report.examples)
        if hidden:
            click.echo(f"… and {hidden:,} more {kind} (--limit shows more)")
    counts = ", ".join(f"{report.differences[kind]:,} {kind}" for kind in Kind)
    tombstones = f" ({report.tombstones:,} of them tombstones)" if report.tombstones else ""
    click.echo(f"{report.rows:,} rows against {report.items:,} items{tombstones}: {counts}")
    if report.repairable:
        click.echo(
            f"{report.repairable:,} of the differences are in tables of which a refusal was accepted: the cutover "
            "repairs them in the write stop"
        )
    if report.changing:
        click.echo(f"{report.changing:,} rows were still changing after all rounds: verify again, or stop the writes")
    if report.pending:
        click.echo(
            f"not compared: {', '.join(report.pending)}, to be loaded again: `keyshift bulkload run` finishes it"
        )
    if report.in_motion:
        click.echo(f"{report.in_motion:,} slots were written while they were looked at")
    click.echo(f"{_verdict(report)}, after {report.seconds:.1f} seconds")


def _verdict(report: Report) -> str:
    if not report.settled:
        return click.style("not settled", fg="yellow", bold=True) + " (see the first line)"
    return (
        click.style("equal", fg="green", bold=True) if report.clean else click.style("not equal", fg="red", bold=True)
    )
