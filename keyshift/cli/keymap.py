"""`keyshift keymap`: tools for the author of a keymap."""

from pathlib import Path

import click

from keymap.check import check as check_schema
from keymap.check_indexes import index_risks
from keymap.errors import Problems
from keymap.rules import load_keymap
from keyshift.cli import show
from keyshift.cli.keymap_from_dms import from_dms
from keyshift.cli.keymap_preview import preview
from keyshift.cli.keymap_schema import schema
from keyshift.cli.keymap_show import show_keymap
from keyshift.cli.keymap_suggest import suggest
from keyshift.cli.wiring import Wiring, pass_wiring
from keyshift.mysql.connection import Unreachable
from keyshift.mysql.schema import read_schemas


@click.group()
def keymap() -> None:
    """Propose, check and preview a keymap, before anything moves."""


for command in (suggest, from_dms, preview, show_keymap, schema):
    keymap.add_command(command)


@keymap.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@pass_wiring
def check(wiring: Wiring, file: Path | None) -> None:
    """Check a keymap: the file itself, and against the source's tables where the source can be reached.

    FILE is the keymap; without it, the one that the settings name. Where there are no settings, FILE is all that is
    checked.
    """
    found = load_keymap(file) if file else wiring.keymap
    click.echo(f"{len(found.tables)} source tables into {len(found.targets)} DynamoDB tables, digest {found.digest}")
    if file and not wiring.config.exists():
        click.echo(f"not checked against the source's tables: there is no {wiring.config}")
        return
    try:
        with wiring.connection() as connection:
            schemas = read_schemas(connection, found.tables)
    except Unreachable as error:
        click.echo(f"not checked against the source's tables: {error.message}")
        return
    Problems.raise_if_any(check_schema(found, schemas))
    click.echo("it fits the source's tables")
    risks = index_risks(found, schemas)
    show.lines(show.Line(show.NOTE, risk.where, risk.what, risk.remedy) for risk in risks)
