"""`keyshift cdc`: the daemon that captures changes, its preflight, and how it is doing."""

from typing import Any

import click

from cdc import daemon
from keymap.errors import KeyshiftError, Problems
from keyshift.cli import show
from keyshift.cli.checks import Checks
from keyshift.cli.errors import EXIT_FOUND
from keyshift.cli.status import capture_document, capture_line, decisions_document, tell_decisions
from keyshift.cli.wiring import Wiring, pass_wiring
from keyshift.control.checkpoint import read_capture
from keyshift.control.halts import Halt, accept, read_stop
from keyshift.control.wanted import Wanted, want
from keyshift.cutover.liveness import captured_position, watch
from keyshift.mysql.facts import read_facts, read_position
from keyshift.process.clock import boottime, now_ms


@click.group()
def cdc() -> None:
    """Capture every change of the source, from before the first row is read until after the switch."""


@cdc.command()
@pass_wiring
def check(wiring: Wiring) -> None:
    """Look at everything at the source that capture needs, and tell all that is wrong at once. Changes nothing."""
    wiring.log()
    findings = Checks(wiring).source()
    Problems.raise_if_any(problem for finding in findings for problem in finding.problems)
    show.lines(show.Line(show.OK, finding.name, finding.evidence) for finding in findings)
    notes = [note for finding in findings for note in finding.notes]
    show.lines(show.Line(show.NOTE, note.where, note.what, note.remedy) for note in notes)


@cdc.command()
@pass_wiring
def run(wiring: Wiring) -> None:
    """Capture until stopped (SIGTERM, Ctrl-C). A second one waits, and takes over when the first is gone.

    It looks at the source and the stream before it waits, and ends at once with what is wrong with them, as the first
    one does. Where they are out of reach just then, it waits all the same.
    """
    wiring.log(json=wiring.settings.metrics.emf or None)
    daemon.run(wiring.settings, wiring.keymap, wiring.clients, wiring.stop)


@cdc.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@pass_wiring
@click.pass_context
def status(context: click.Context, wiring: Wiring, *, as_json: bool) -> None:
    """Watch the daemon for a moment: is it alive, and has it caught up? Exits with 1 unless it is alive."""
    wiring.log()
    wiring.migration  # noqa: B018 - whether there is one at all is told first
    seen = watch(wiring.store, wiring.stop, boottime)
    server, caught_up = _server(wiring)
    answer = {
        "alive": seen.alive,
        **watched(capture_document(read_capture(wiring.store), now_ms()), alive=seen.alive),
        "server_position": server,
        "caught_up": caught_up,
        **decisions_document(wiring.store),
    }
    if as_json:
        show.as_json(answer)
    else:
        click.echo(f"{'alive' if seen.alive else 'not alive'}: {capture_line(answer)}")
        click.echo(
            f"the server is at {server}: {'caught up' if caught_up else 'behind'}" if server else "source not reached"
        )
        tell_decisions(answer)
    context.exit(0 if seen.alive else EXIT_FOUND)


def watched(capture: dict[str, Any], *, alive: bool) -> dict[str, Any]:
    """Capture as JSON, once its lease was watched for as long as it lasts: that tells sooner, and for sure."""
    if alive or not capture["running"]:
        return capture
    return capture | {"running": False, "silent_seconds": max(1, int(capture["seconds_since_update"] or 0))}


@cdc.command()
@click.option(
    "--decision",
    "decisions",
    multiple=True,
    required=True,
    metavar="accept|reload[:TABLE]",
    help="accept: answer for the statement. reload: load its tables again; reload:TABLE names them, one by one.",
)
@click.option("--reason", required=True, help="Why; whoever cuts over will read it.")
@pass_wiring
def resume(wiring: Wiring, *, decisions: tuple[str, ...], reason: str) -> None:
    """Decide about the statement that capture stopped at: the next run passes it, and what follows is captured.

    Either you answer for it (accept), or its tables are loaded again from there on, while replay goes on (reload).
    Where changes are lost to capture (a purged binlog, another server), all tables are loaded again.
    """
    wiring.log()
    wiring.migration  # noqa: B018 - whether there is one at all is told first
    if not reason.strip():
        raise KeyshiftError("the reason is empty", "Say why: whoever cuts over will read it")
    accepted = accept(wiring.store, reason, reload=_is_reload(decisions, read_stop(wiring.store)))
    halt = accepted.halt
    if halt.lost:
        wanted = Wanted(halt.tables, halt.what, accepted.reason, anew=True, stop=halt.name)
        want(wiring.store, wanted)
    verb = "to be loaded again" if accepted.reload else "accepted"
    click.echo(f"{verb}: {', '.join(halt.tables)} at {halt.place}: {halt.what}")
    click.echo(f"reason: {accepted.reason}")
    where = "begins anew from what the source is then" if halt.lost else "goes on behind the statement"
    click.echo(f"start `keyshift cdc run`: it {where}")
    if accepted.reload:
        click.echo("then run `keyshift bulkload run`, while the daemon and a consumer run")


def _is_reload(decisions: tuple[str, ...], halt: Halt | None) -> bool:
    """Whether tables are to be loaded again. Raises UsageError for what is no decision, or not one about all of it."""
    if decisions == ("accept",):
        return False
    named = {one.removeprefix("reload:") for one in decisions if one.startswith("reload:")}
    if decisions != ("reload",) and (not named or len(named) < len(decisions)):
        raise click.UsageError("--decision is accept, or reload, or reload:TABLE for each table that the stop names")
    if named and halt and named != set(halt.tables):
        remedy = "Name each of them with --decision reload:TABLE, and no other; or write --decision reload"
        raise KeyshiftError(f"capture stopped at what changes {', '.join(halt.tables)}", remedy)
    return True


def _server(wiring: Wiring) -> tuple[str | None, bool | None]:
    """The server's position, and whether the checkpoint, read after it, contains it; None where it cannot be asked."""
    try:
        with wiring.connection() as connection:
            server = read_position(connection, read_facts(connection))
    except KeyshiftError:
        return None, None
    captured = captured_position(read_capture(wiring.store))
    return f"{server.file}:{server.offset}", captured is not None and captured.contains(server)
