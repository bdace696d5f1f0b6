"""`keyshift apply`: the replay without Lambda, what could not be replayed, and the removal of tombstones meanwhile."""

import re
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

import click

from keymap.errors import KeyshiftError
from keyshift.apply import consumer
from keyshift.apply.redrive import Redriven, chosen, end, redriving
from keyshift.apply.refusals import position
from keyshift.apply.tidy import ReplayNotOpen, Tidied, Tidier
from keyshift.apply.tidy_tally import METRICS as TIDYING
from keyshift.apply.tidy_tally import TidyTally
from keyshift.apply.tidying import AGAIN_SECONDS, one_pass, tidier
from keyshift.aws.claims import ClaimStore
from keyshift.aws.clients import BotoCoreError, ClientError, explaining
from keyshift.aws.errors import loggable
from keyshift.aws.leases import this_process
from keyshift.cli import show
from keyshift.cli.errors import EXIT_AGAIN, EXIT_FOUND, exit_code
from keyshift.cli.wiring import Wiring, pass_wiring
from keyshift.control.lease import LeaseLost
from keyshift.control.setasides import SetAside, State, count_open, read_all
from keyshift.process.clock import now_ms
from keyshift.process.log import get_logger
from keyshift.process.metrics import Board, reported
from keyshift.process.stop import Stop, Stopped

_log = get_logger("tidy")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@click.group()
def apply() -> None:
    """Apply captured changes to DynamoDB."""


@apply.command()
@pass_wiring
def run(wiring: Wiring) -> None:
    """Read the stream and apply it, until stopped (SIGTERM, Ctrl-C). Waits until the bulk load has opened replay.

    A change that can never be applied as it is, is set aside: `keyshift apply failures` lists those.
    """
    wiring.log(json=wiring.settings.metrics.emf or None)
    consumer.run(wiring.settings, wiring.keymap, wiring.clients, wiring.stop)


@apply.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@pass_wiring
def failures(wiring: Wiring, *, as_json: bool) -> None:
    """List the changes that could not be applied and are set aside, with the reason. Exits with 1 where some are."""
    every = read_all(wiring.store)
    found = [one for one in every if one.is_open]
    if as_json:
        over = {state.value: sum(one.state is state for one in every) for state in State if state is not State.OPEN}
        show.as_json({"set_aside": list(map(_document, found)), **over})
    else:
        show.lines(show.Line(show.FAIL, one.id, _text(one), one.remedy) for one in found)
        click.echo(_sum(len(found)))
    click.get_current_context().exit(EXIT_FOUND if found else 0)


@apply.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--discard", metavar="ID", help="Give this change up instead, and apply none.")
@click.option("--reason", help="With --discard: why nothing is lost by it. It stands in the cutover's checklist.")
@pass_wiring
def redrive(wiring: Wiring, *, ids: tuple[str, ...], discard: str | None, reason: str | None) -> None:
    """Apply the changes that were set aside (these, or all), now that what was in their way is mended.

    What is found superseded is STALE, and what a table that was loaded again has brought is void: both are over too. It
    is safe to interrupt and to repeat. Exits with 1 where some are set aside still.
    """
    if discard is not None or reason is not None:
        _discard(wiring, discard, reason, ids)
        return
    wiring.log()
    wanted = chosen(read_all(wiring.store), ids)
    with (
        explaining("redriving"),
        redriving(wiring.settings, wiring.keymap, wiring.clients, wiring.stop) as redriver,
    ):
        for one in redriver.run(wanted):
            show.lines([_line(one)])
    left = count_open(wiring.store)
    click.echo(_sum(left))
    click.get_current_context().exit(EXIT_FOUND if left else 0)


def _discard(wiring: Wiring, discard: str | None, reason: str | None, ids: tuple[str, ...]) -> None:
    if not discard or not reason or ids:
        raise click.UsageError("--discard ID and --reason TEXT belong together, without other IDs")
    (one,) = chosen(read_all(wiring.store), [discard])
    objects = ClaimStore(wiring.clients, wiring.migration.bucket, wiring.stop)
    end(wiring.store, objects, one, State.DISCARDED, note=reason)
    click.echo(f"{one.id} is given up: `keyshift verify` tells whether it is missed, and the checklist that it was")


def _line(one: Redriven) -> show.Line:
    what = f"{one.one.source} at {one.one.place}"
    if one.state is State.OPEN:
        return show.Line(show.FAIL, one.one.id, _text(one.one), one.one.remedy)
    return show.Line(show.OK, one.one.id, f"{what}: {one.state}")


def _text(one: SetAside) -> str:
    target = f" into {one.target}" if one.target else ""
    when = datetime.fromtimestamp(one.at_ms / 1000, UTC)
    return f"{one.source} at {one.place}{target}, since {when:%Y-%m-%d %H:%M:%S}Z: {one.reason}"


def _sum(count: int) -> str:
    return f"{count:,} changes are set aside" if count else "no change is set aside"


def _document(one: SetAside) -> dict[str, Any]:
    return {"id": one.id, **asdict(one)}


def _seconds(_context: click.Context, _parameter: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    if not (found := re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", value)) or not float(found[1]):
        raise click.BadParameter("give a number and a unit, s, m, h or d: 24h, say")
    return float(found[1]) * _SECONDS[found[2]]


@apply.command()
@click.option("--every", "every_seconds", callback=_seconds, metavar="DURATION", help="Go on, once in 24h, say.")
@pass_wiring
def tidy(wiring: Wiring, *, every_seconds: float | None) -> None:
    """Take away what deleted rows have left behind, as far as nothing can need it any more.

    A pass asks for a barrier, waits some minutes, and reads the target tables whole, at half of the speed that one
    reader has. `keyshift apply run` does it by itself (`apply.tidy_hours`); beside a Lambda function run this. With
    --every the log tells what each pass did; it ends where a person is needed.
    """
    wiring.log(json=wiring.settings.metrics.emf or None)
    settings, migration, tally = wiring.settings, wiring.own_migration, TidyTally(now_ms)
    # One pass is over before anybody scrapes it, and may be beside a process that goes on and has the port.
    shown = settings.metrics if every_seconds else settings.metrics.model_copy(update={"port": None})
    board = Board(TIDYING, migration=migration.name, owner=this_process(), also=tally.figures)
    with (
        reported(board, shown),
        tidier(settings, wiring.keymap, migration, wiring.store, wiring.stop, tally) as found,
    ):
        board.enter("tidying")
        if every_seconds is None:
            _tell(one_pass(found, wiring.stop))
            return
        with explaining("tidying"), suppress(Stopped):
            while True:
                wiring.stop.sleep(_passed(found, wiring.stop, every_seconds))


def _passed(found: Tidier, stop: Stop, every_seconds: float) -> float:
    """Seconds until the next pass. Raises what no repetition mends."""
    try:
        one_pass(found, stop)
    except (KeyshiftError, ClientError, BotoCoreError) as error:
        # Before replay is open, and while a cutover has closed it, there is nothing to do yet, or perhaps again.
        if not (isinstance(error, LeaseLost | ReplayNotOpen) or exit_code(error) == EXIT_AGAIN):
            raise
        _log.warning("not_tidied", reason=str(loggable(error)))
        return min(every_seconds, AGAIN_SECONDS)
    return every_seconds


def _tell(done: Tidied) -> None:
    click.echo(f"horizon: {position(done.horizon) if done.horizon else 'none yet'}")
    if done.stays:
        click.echo(f"it does not rise: {done.stays}")
    if done.swept is None:
        click.echo("nothing is left to take away up to there")
        return
    swept = done.swept
    click.echo(f"{swept.items:,} items looked at: {swept.deleted:,} deleted, {swept.marks:,} marks removed from others")
