"""`keyshift keymap check`: the keymap's file, the live schema, and real rows, before anything moves."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import click

from keymap.check import check as schema_problems
from keymap.check_indexes import index_risks
from keymap.check_risks import collation_risks, number_risks
from keymap.errors import Problem, Problems
from keymap.rules import Keymap, load_keymap
from keymap.schema import TableSchema
from keyshift.cli import errors, show
from keyshift.cli.checks import captured_by
from keyshift.cli.keymap_check_text import document, tell
from keyshift.cli.preview_text import clean
from keyshift.cli.progress import teller
from keyshift.cli.wiring import Wiring, pass_wiring
from keyshift.control.migration import draw_id
from keyshift.cutover.sides import MySQLSource
from keyshift.mysql.connection import Connection, Unreachable
from keyshift.mysql.schema import read_schemas
from keyshift.trial.report import Report
from keyshift.trial.run import Trial

ROWS_DEFAULT = 10_000  # seconds for a table
NOTHING = Report((), (), (), ())
ROWS_MAX = 1_000_000  # a sample's keys are kept in memory; --all keeps none


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option(
    "--rows",
    type=click.IntRange(min=0, max=ROWS_MAX),
    default=ROWS_DEFAULT,
    show_default=True,
    help="Rows of each table that are tried, a third of them from behind its middle; 0: none.",
)
@click.option("--all", "every", is_flag=True, help="Try all rows of all tables, in small pieces.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@pass_wiring
@click.pass_context
def check(  # noqa: PLR0913 - the options of a command
    context: click.Context, wiring: Wiring, file: Path | None, *, rows: int, every: bool, as_json: bool
) -> None:
    """Check a keymap: the file itself, against the source's tables, and on their rows. Nothing is written anywhere.

    FILE is the keymap; without it, the one that the settings name. Where there are no settings, or the source cannot be
    reached, FILE is all that is checked. Exits with 1 when the keymap does not fit the tables, or rows cannot become
    items; notes do not count. Messages name rows and items by their keys.
    """
    keymap = load_keymap(file) if file else wiring.keymap
    click.echo(
        f"{len(keymap.tables)} source tables into {len(keymap.targets)} DynamoDB tables, digest {keymap.digest}",
        err=as_json,
    )
    try:
        found: Report | None = _checked(wiring, keymap, _schemas(wiring, keymap, file), None if every else rows)
    except Unreachable as error:
        click.echo(f"not checked against the source's tables: {error.message}", err=as_json)
        found = None
    if as_json:
        show.as_json({"digest": keymap.digest, "against_source": found is not None, **document(found or NOTHING)})
    elif found:
        tell(found)
    if found and found.errors:
        errors.show(Problems(found.errors))
        context.exit(errors.EXIT_FOUND)


def _schemas(wiring: Wiring, keymap: Keymap, file: Path | None) -> dict[str, TableSchema]:
    """The source's tables. Raises Unreachable where nobody can ask it, also for want of settings."""
    if file and not wiring.config.exists():
        raise Unreachable(f"there is no {wiring.config}")
    with wiring.connection() as connection:
        return read_schemas(connection, keymap.tables)


def _checked(wiring: Wiring, keymap: Keymap, schemas: Mapping[str, TableSchema], rows: int | None) -> Report:
    """What the schema says, and then what the rows say."""
    problems = schema_problems(keymap, schemas)
    if problems and captured_by(wiring, keymap) is not None:
        problems = schema_problems(keymap, schemas, running=True)
    risks = [risk for risks in (index_risks, collation_risks, number_risks) for risk in risks(keymap, schemas)]
    unreadable = {problem.where for problem in problems}
    readable = {name: schema for name, schema in schemas.items() if f"table {name}" not in unreadable}
    found = tried(wiring, keymap, readable, rows) if rows != 0 else NOTHING
    return Report(
        found.tables, found.targets, tuple(_clean([*problems, *found.errors])), tuple(_clean([*risks, *found.notes]))
    )


def tried(
    wiring: Wiring,
    keymap: Keymap,
    schemas: Mapping[str, TableSchema],
    rows: int | None,
    connect: Callable[[], Connection] | None = None,
) -> Report:
    """The keymap tried on so many rows of each of these tables, None for all; `connect` says where."""
    wiring.log()
    source = MySQLSource(connect or wiring.connect, schemas, wiring.stop)
    try:
        with teller() as progress:
            trial = Trial(
                keymap,
                schemas,
                source,
                migration=draw_id(wiring.settings.migration),
                rows_max=rows,
                progress=lambda table, done, total: progress.at(table, done, total, "rows"),
            )
            return trial.run()
    finally:
        source.close()


def _clean(problems: Iterable[Problem]) -> list[Problem]:
    return [Problem(clean(one.where), clean(one.what), one.remedy) for one in problems]
