"""`keyshift apply`: the replay without Lambda, and the removal of tombstones while replay goes on."""

import re
from typing import Final

import click

from keymap.errors import KeyshiftError
from keyshift.apply import consumer
from keyshift.apply.refusals import position
from keyshift.apply.tidy import Tidied
from keyshift.apply.tidying import one_pass, tidier
from keyshift.aws.clients import BotoCoreError, ClientError, explain
from keyshift.cli.wiring import Wiring, pass_wiring
from keyshift.process.stop import Stopped

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@click.group()
def apply() -> None:
    """Apply captured changes to DynamoDB."""


@apply.command()
@pass_wiring
def run(wiring: Wiring) -> None:
    """Read the stream and apply it, until stopped (SIGTERM, Ctrl-C). Waits until the bulk load has opened replay."""
    wiring.log(json=wiring.settings.metrics.emf or None)
    consumer.run(wiring.settings, wiring.keymap, wiring.clients, wiring.stop)


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
    reader has. `keyshift apply run` does it by itself (`apply.tidy_hours`); beside a Lambda function run this.
    """
    wiring.log()
    with tidier(wiring.settings, wiring.keymap, wiring.own_migration, wiring.store, wiring.stop) as found:
        if every_seconds is None:
            _tell(one_pass(found, wiring.stop))
            return
        try:
            while True:
                try:
                    _tell(one_pass(found, wiring.stop))
                except (ClientError, BotoCoreError) as error:
                    click.echo(str(explain(error, "tidying")), err=True)
                except KeyshiftError as error:
                    click.echo(str(error), err=True)
                wiring.stop.sleep(every_seconds)
        except Stopped:
            pass


def _tell(done: Tidied) -> None:
    click.echo(f"horizon: {position(done.horizon) if done.horizon else 'none yet'}")
    if done.stays:
        click.echo(f"it does not rise: {done.stays}")
    if done.swept is None:
        click.echo("nothing is left to take away up to there")
        return
    swept = done.swept
    click.echo(f"{swept.items:,} items looked at: {swept.deleted:,} deleted, {swept.marks:,} marks removed from others")
