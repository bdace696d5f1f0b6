"""`keyshift bulkload throttle`: how gentle a dump that runs is to be, asked from any host."""

import click

from bulkload.dump.limits import Limits
from keyshift.cli import show
from keyshift.cli.wiring import Wiring, pass_wiring
from keyshift.control.throttle import LIMITS, Throttle, change_throttle, read_throttle

_NOT_NEGATIVE = click.IntRange(min=0)


@click.command()
@click.option("--rows-per-second", "rows_per_second_max", type=_NOT_NEGATIVE, help="Rows read in a second at most.")
@click.option("--bytes-per-second", "bytes_per_second_max", type=_NOT_NEGATIVE, help="Bytes of rows, uncompressed.")
@click.option("--threads-running", "threads_running_max", type=_NOT_NEGATIVE, help="Statements above which it waits.")
@click.option("--replica-lag", "replica_lag_seconds_max", type=_NOT_NEGATIVE, help="Seconds above which it waits.")
@click.option("--pause/--resume", "paused", default=None, help="Read nothing, until resumed.")
@click.option("--reset", is_flag=True, help="Take back what was asked for before: the settings are in force again.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@pass_wiring
def throttle(wiring: Wiring, /, *, paused: bool | None, reset: bool, as_json: bool, **limits: int | None) -> None:
    """Slow a dump down, stop it or let it go, while it runs: it obeys within seconds. 0 stands for no limit.

    What is asked for stays in force, for later runs too, until it is changed or taken back (--reset). Without options
    this shows what is in force.
    """
    wanted = {name: value for name, value in limits.items() if value is not None}
    if wanted or reset or paused is not None:
        asked = change_throttle(wiring.store, wanted, paused=paused, reset=reset)
    else:
        asked = read_throttle(wiring.store)
    _tell(Limits.of(wiring.settings.bulkload.throttle, asked), asked, as_json=as_json)


def _tell(limits: Limits, asked: Throttle, *, as_json: bool) -> None:
    if as_json:
        show.as_json({"paused": limits.paused, **{name: getattr(limits, name) for name in LIMITS}})
        return
    rows = [(name, getattr(limits, name) or "no limit", _origin(name, asked)) for name in LIMITS]
    show.columns(("limit", "in force", "from"), rows)
    if limits.paused:
        click.echo("the dump is paused (--resume lets it go)")


def _origin(name: str, asked: Throttle) -> str:
    return "this command" if name in asked.limits else "the settings"
