"""`keyshift cutover`: the checklist, the closing of replay, the way back, and the removal of tombstones."""

from functools import partial
from typing import Any

import click

from keyshift.cli import show
from keyshift.cli.errors import EXIT_FOUND
from keyshift.cli.progress import teller
from keyshift.cli.verify import WAIT, compare, document, parts
from keyshift.cli.wiring import Wiring, pass_wiring
from keyshift.control.phase import Phase, read_phase, reopen
from keyshift.cutover.basis import BARRIERS
from keyshift.cutover.checklist import Check, Facts, Outcome, evaluate, passed
from keyshift.cutover.conduct import Conductor, require_closed
from keyshift.cutover.setup import sweeper


@click.group()
def cutover() -> None:
    """Decide whether the application may switch, and let it."""


@cutover.command()
@click.option("--rehearse", is_flag=True, help="While the application writes: everything but the write stop.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@WAIT
@pass_wiring
@click.pass_context
def checklist(context: click.Context, wiring: Wiring, *, rehearse: bool, as_json: bool, wait_seconds: float) -> None:
    """Look at every condition of the switch. Exits with 1 unless all of them are met."""
    wiring.log()
    facts = _conductor(wiring, wait_seconds).facts(rehearsal=rehearse)
    checks = evaluate(facts)
    if as_json:
        show.as_json(_document(facts, checks))
    else:
        _tell(checks)
    context.exit(0 if passed(checks) else EXIT_FOUND)


@cutover.command()
@WAIT
@pass_wiring
@click.pass_context
def run(context: click.Context, wiring: Wiring, *, wait_seconds: float) -> None:
    """With the application's writes stopped: go through the checklist, and close replay.

    Tables of which a refusal was accepted (`accept` in the settings) are repaired from the source first.

    When it exits with 0, the application may switch (after `keyshift cutover sweep`, if it must not meet items that
    hold only a tombstone). Killed or interrupted, it goes on where it was. `keyshift cutover abort` takes it back.
    """
    wiring.log()
    conductor = _conductor(wiring, wait_seconds)
    if read_phase(wiring.store) is not Phase.CLOSED:
        facts = conductor.facts(rehearsal=False, repair=True)
        checks = evaluate(facts)
        _tell(checks)
        if not passed(checks) or facts.again is None:
            click.echo("replay stays open: mend what failed, or let the application write again", err=True)
            context.exit(EXIT_FOUND)
        conductor.close(facts.again, wiring.settings.bulkload.signature_validity_seconds)
    click.echo("replay is closed; waiting until no earlier write can arrive", err=True)
    conductor.finish(wiring.settings.apply.request_life_seconds)
    click.echo("Replay is closed in every lane. The application may switch to DynamoDB.")
    click.echo("Before that, `keyshift cutover sweep` removes what deleted rows left behind.")


@cutover.command()
@pass_wiring
def abort(wiring: Wiring) -> None:
    """Take a cutover back before the application has switched: replay is open again, nothing is lost."""
    parts(wiring)  # a mistaken keymap or migration is told before anything is changed
    before = read_phase(wiring.store)
    reopen(wiring.store)
    if before is Phase.REPLAY:
        click.echo("replay was open: nothing to take back")
    else:
        click.echo("replay is open again: the source is the one to write to, and the target follows it")


@cutover.command()
@pass_wiring
def sweep(wiring: Wiring) -> None:
    """Remove tombstones from the target tables, between `keyshift cutover run` and the switch.

    Refused unless replay is closed. Items with data are never deleted; running it again, also after it was killed, is
    harmless. Do not run it once the application writes to the tables.
    """
    wiring.log()
    ready = parts(wiring)
    require_closed(wiring.store)
    wiring.stop.sleep(wiring.settings.apply.request_life_seconds)  # a run that was killed may not have waited
    with teller() as progress, sweeper(ready, progress.more) as sweeping:
        swept = sweeping.run()
    click.echo(f"{swept.items:,} items looked at: {swept.deleted:,} deleted, {swept.marks:,} marks removed from others")
    if swept.refused:
        click.echo(f"{swept.refused:,} were written to meanwhile, and kept: sweep again")


def _conductor(wiring: Wiring, wait_seconds: float) -> Conductor:
    made = parts(wiring, wait_seconds)
    return Conductor(made, partial(compare, wiring, made, basis=BARRIERS))


def _tell(checks: list[Check]) -> None:
    states = {Outcome.PASS: show.OK, Outcome.FAIL: show.FAIL, Outcome.SKIPPED: show.NOTE, Outcome.NOTE: show.NOTE}
    show.lines(show.Line(states[one.outcome], one.name, one.evidence, one.remedy) for one in checks)


def _document(facts: Facts, checks: list[Check]) -> dict[str, Any]:
    listed = [
        {"name": one.name, "outcome": one.outcome.value, "evidence": one.evidence, "do": one.remedy} for one in checks
    ]
    report = document(facts.report) if facts.report else None
    return {"passed": passed(checks), "rehearsal": facts.rehearsal, "checks": listed, "verify": report}
