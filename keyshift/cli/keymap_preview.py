"""`keyshift keymap preview`: real rows and the items they become, side by side.

It is the one command whose purpose is to show what rows hold, and it says so.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import click

from keymap.check import check
from keymap.errors import KeyshiftError, Problems
from keymap.rules import Keymap, load_keymap
from keymap.schema import TableSchema
from keyshift.cli import errors, show
from keyshift.cli.preview import TableSample, document, sample_of
from keyshift.cli.preview_text import tell
from keyshift.cli.wiring import Wiring, pass_wiring
from keyshift.mysql.connection import Connection
from keyshift.mysql.sample import read_sample
from keyshift.mysql.schema import read_schemas

ROWS_DEFAULT = 5
ROWS_MAX = 1_000  # more than anybody reads


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--table", "tables", multiple=True, metavar="DATABASE.TABLE", help="Only this table; may be repeated.")
@click.option(
    "--rows",
    type=click.IntRange(min=1, max=ROWS_MAX),
    default=ROWS_DEFAULT,
    show_default=True,
    help="Rows of each table: the first by primary key, a third of them from the middle.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@pass_wiring
@click.pass_context
def preview(  # noqa: PLR0913 - the options of a command
    context: click.Context, wiring: Wiring, file: Path | None, *, tables: tuple[str, ...], rows: int, as_json: bool
) -> None:
    """Show real rows, and the items that the keymap makes of them. Nothing is written anywhere.

    FILE is the keymap; without it, the one that the settings name. THIS COMMAND PRINTS WHAT ROWS HOLD: mind where its
    output goes. Exits with 1 when the keymap does not fit the tables, or a row shown cannot become an item.
    """
    keymap = load_keymap(file) if file else wiring.keymap
    wanted = tables or keymap.tables
    _require_known(keymap, wanted)
    with wiring.connection() as connection:
        schemas = read_schemas(connection, keymap.tables)
        problems = check(keymap, schemas)
        click.echo("what follows is what rows hold: mind where it goes", err=True)
        found = list(_samples(connection, keymap, schemas, wanted, rows))
    if as_json:
        show.as_json(document(found))
    else:
        tell(found)
    if problems:
        errors.show(Problems(problems))
    failed = any(table.error or any(sample.error for sample in table.samples) for table in found)
    context.exit(errors.EXIT_FOUND if problems or failed else 0)


def _require_known(keymap: Keymap, tables: Iterable[str]) -> None:
    unknown = ", ".join(table for table in tables if table not in keymap.tables)
    if unknown:
        known = ", ".join(keymap.tables)
        raise KeyshiftError(f"the keymap has no table {unknown}", f"Write DATABASE.TABLE as the keymap does: {known}")


def _samples(
    connection: Connection, keymap: Keymap, schemas: Mapping[str, TableSchema], tables: Iterable[str], rows: int
) -> Iterator[TableSample]:
    for table in tables:
        schema = schemas.get(table)
        if schema is None:
            missing = KeyshiftError(
                f"table {table} does not exist, or may not be read", "Correct the name, or grant SELECT"
            )
            yield TableSample(table, (), missing)
            continue
        try:
            found = read_sample(connection, schema, rows)
        except KeyshiftError as error:
            yield TableSample(table, (), error)
        else:
            yield TableSample(table, tuple(sample_of(keymap, schema, row) for row in found))
