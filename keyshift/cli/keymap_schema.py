"""`keyshift keymap schema`: the language's JSON Schema, for editors."""

import click

from keymap.json_schema import schema_text


@click.command()
def schema() -> None:
    """Print the JSON Schema of keymap files, with which editors complete, explain and check what is written.

    docs/keymap.md says how an editor finds it.
    """
    click.echo(schema_text(), nl=False)
