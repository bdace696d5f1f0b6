"""What can be wrong with the server that the dump reads rows from, where `bulkload.source` names one."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial

from keymap.errors import Problem
from keyshift.cli.finding import Finding, attempt
from keyshift.mysql.connection import Connection, connect
from keyshift.mysql.evidence import readable
from keyshift.mysql.facts import ServerFacts, read_facts, read_gtid_seen
from keyshift.mysql.replica import place_of, strays, unfit
from keyshift.mysql.select import quote_table
from keyshift.process.settings import Settings


def rows_findings(settings: Settings, tables: Sequence[str]) -> list[Finding]:
    """That it can be reached, is one that rows may be read from, and lets the user read these tables."""
    if settings.bulkload.source is None:
        return []
    return [attempt(place_of(settings.rows), partial(_look, settings, tables))]


def _look(settings: Settings, tables: Sequence[str]) -> Finding:
    place = place_of(settings.rows)
    with closing(connect(settings.rows)) as connection:
        facts = read_facts(connection)
        problems = list(_unreadable(connection, tables))
        if settings.rows_elsewhere:
            problems += _unfit(settings, connection, facts)
    return Finding(place, f"{facts.name}, as {settings.rows.user}: rows may be read from it", tuple(problems))


def _unreadable(connection: Connection, tables: Sequence[str]) -> Iterator[Problem]:
    for table in tables:
        if not readable(connection, table):
            what = "the server that rows are read from does not have it, or the user may not read all its columns"
            yield Problem(f"table {table}", what, f"Run there: GRANT SELECT ON {quote_table(table)} TO the user")


def _unfit(settings: Settings, connection: Connection, facts: ServerFacts) -> Iterator[Problem]:
    place = place_of(settings.rows)
    yield from unfit(connection, facts, place)
    if facts.gtid:
        shown = read_gtid_seen(connection)
        with closing(connect(settings.source)) as source:
            known = read_gtid_seen(source)
        yield from strays(shown, known, place)
