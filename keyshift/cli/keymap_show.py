"""`keyshift keymap show`: a keymap in its normal form."""

from pathlib import Path

import click

from keymap.printing import keymap_text
from keymap.rules import load_keymap
from keyshift.cli.wiring import Wiring, pass_wiring


@click.command("show")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@pass_wiring
def show_keymap(wiring: Wiring, file: Path | None) -> None:
    """Print what a keymap means: in one form, without comments, and without what is left at its default.

    FILE is the keymap; without it, the one that the settings name. Two keymaps whose digests differ are compared by
    comparing what this prints of them. The output is a keymap too.
    """
    found = load_keymap(file) if file else wiring.keymap
    click.echo(f"# digest {found.digest}")
    for module in found.hook_modules:
        click.echo(f"# counts in it: the text of module {module}")
    click.echo(keymap_text(found.document), nl=False)
