"""`keyshift keymap`: tools for the author of a keymap."""

import click

from keyshift.cli.adopt import adopt
from keyshift.cli.keymap_check import check
from keyshift.cli.keymap_from_dms import from_dms
from keyshift.cli.keymap_preview import preview
from keyshift.cli.keymap_schema import schema
from keyshift.cli.keymap_show import show_keymap
from keyshift.cli.keymap_suggest import suggest


@click.group()
def keymap() -> None:
    """Propose, check and preview a keymap, before anything moves; adopt a changed one later."""


for command in (suggest, from_dms, check, preview, show_keymap, schema, adopt):
    keymap.add_command(command)
