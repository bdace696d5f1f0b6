"""`keyshift keymap suggest`: a first keymap from what the database says of itself."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from keymap.errors import KeyshiftError, Problem, Problems
from keymap.suggest import TableFacts
from keymap.suggest import suggest as propose
from keyshift.cli.wiring import Wiring, pass_wiring
from keyshift.mysql.connection import Connection
from keyshift.mysql.describe import describe, tables_of


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="DATABASE|DATABASE.TABLE...")
@click.option("--target", default="", help="The DynamoDB table's name; without it the database's.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file to write to, which must not exist yet; without it standard output.",
)
@pass_wiring
def suggest(wiring: Wiring, names: Sequence[str], target: str, output: Path | None) -> None:
    """Propose a keymap for whole databases, or for some tables.

    Reads keys, foreign keys, indexes and types, and no rows. The keymap's comments say why each part is as it is, and
    what to think about. It takes nothing but the source from the settings.
    """
    with wiring.connection() as connection:
        text = propose(_described(connection, names), target)
    if output is None:
        click.echo(text, nl=False)
        return
    _write(output, text)
    click.echo(f"{output} is written. Next: read it, edit it, and run `keyshift keymap check {output}`", err=True)


def _described(connection: Connection, names: Iterable[str]) -> list[TableFacts]:
    """The tables that the names stand for, each once. Raises Problems for names that stand for none."""
    wanted: list[str] = []
    problems = []
    for name in names:
        tables = [name] if "." in name else tables_of(connection, name)
        if not tables:
            remedy = "Correct the name, or grant SELECT on its tables"
            problems.append(Problem(f"database {name}", "it does not exist, has no tables, or may not be read", remedy))
        wanted += tables
    found = describe(connection, wanted)
    missing = set(wanted) - {table.name for table in found}
    remedy = "Correct the name, or grant SELECT on it (names are compared with their case)"
    what = "it does not exist as a plain table, or may not be read"
    problems += [Problem(f"table {name}", what, remedy) for name in names if name in missing]
    Problems.raise_if_any(problems)
    return found


def _write(file: Path, text: str) -> None:
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        raise KeyshiftError(
            f"{file} exists already, and is not overwritten", "Name another file, or remove it"
        ) from None
