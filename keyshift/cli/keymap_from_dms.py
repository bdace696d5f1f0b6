"""`keyshift keymap from-dms`: a table mapping of AWS DMS as a keymap."""

from pathlib import Path

import click

from keymap.dms.convert import Imported, convert
from keymap.dms.listed import parse_listed
from keymap.dms.printing import told
from keymap.errors import KeyshiftError
from keyshift.cli.errors import EXIT_FOUND


@click.command("from-dms")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--tables",
    metavar="TABLES",
    default="",
    help="The source's tables, for selections with wildcards: shop.orders,shop.line. A table without an object mapping "
    "needs its primary key column, shop.line:id, and :N where that is a number, shop.line:id:N.",
)
@click.pass_context
def from_dms(context: click.Context, file: Path, tables: str) -> None:
    """Turn a DMS table mapping into a keymap, and list what could not be carried over.

    FILE is the JSON of the task's table mappings. The keymap goes to standard output. Exit code 0: all is carried over;
    1: something is left out, and listed there and on standard error; 2: there is no keymap.
    """
    made = convert(_text(file), file.name, parse_listed(tables))
    click.echo(made.text, nl=False)
    _tell(made)
    context.exit(EXIT_FOUND if made.left_out else 0)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyshiftError(
            f"the table mapping {file} cannot be read: {error}", "Name the JSON file of the task"
        ) from None


def _tell(made: Imported) -> None:
    for title, problems, colour in (("left out", made.left_out, "yellow"), ("to look at", made.notes, "cyan")):
        if problems:
            click.secho(f"{title}: {len(problems)}", fg=colour, bold=True, err=True)
        for problem in problems:
            click.echo("\n".join(told(problem)), err=True)
