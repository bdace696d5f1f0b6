"""`keyshift apply`: the replay without Lambda."""

import click

from keyshift.apply import consumer
from keyshift.cli.wiring import Wiring, pass_wiring


@click.group()
def apply() -> None:
    """Apply captured changes to DynamoDB."""


@apply.command()
@pass_wiring
def run(wiring: Wiring) -> None:
    """Read the stream and apply it, until stopped (SIGTERM, Ctrl-C). Waits until the bulk load has opened replay."""
    wiring.log(json=wiring.settings.metrics.emf or None)
    consumer.run(wiring.settings, wiring.keymap, wiring.clients, wiring.stop)
