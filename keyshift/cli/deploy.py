"""`keyshift deploy`: what runs in AWS, as text that AWS's own tools deploy."""

import click

from keyshift.cli.wiring import Wiring, pass_wiring
from keyshift.deploy.template import template_text


@click.group()
def deploy() -> None:
    """Render what runs in AWS."""


@deploy.command()
@pass_wiring
def template(wiring: Wiring) -> None:
    """Print the migration's CloudFormation template: stream, tables, function, roles, alarms, dashboard.

    `aws cloudformation deploy --template-file FILE --stack-name NAME --capabilities CAPABILITY_IAM` makes all of it.
    It calls no service, and reads nothing but the settings and the keymap.
    """
    click.echo(template_text(wiring.settings, wiring.keymap), nl=False)
