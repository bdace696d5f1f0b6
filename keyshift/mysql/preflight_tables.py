"""May this table be captured? Preflight's rules about a single table; pure, over what keyshift.mysql.evidence gave."""

from collections.abc import Iterator
from dataclasses import dataclass

from keymap.errors import Problem
from keymap.schema import TableSchema
from keymap.values import UnsupportedType, converter
from keyshift.mysql.evidence import Evidence
from keyshift.mysql.facts import ServerFacts
from keyshift.mysql.keys import REMEDY as KEY_REMEDY
from keyshift.mysql.keys import usable
from keyshift.mysql.select import quote_table


@dataclass(frozen=True, slots=True)
class Refusal:
    """A problem that a team may answer for (docs/decisions/0023); the cutover then repairs the table."""

    kind: str
    table: str
    problem: Problem


def table_problems(evidence: Evidence, table: str) -> Iterator[Problem]:
    """What must be mended: nobody can answer for it."""
    where, schema = f"table {table}", evidence.schemas.get(table)
    if schema is None:
        what = "it does not exist as a plain table, or the user may not see it (names are compared with their case)"
        yield Problem(where, what, f"Correct the name, or run: GRANT SELECT ON {quote_table(table)} TO the user")
        return
    if table in evidence.unreadable:
        what = "the user may not read all its columns"
        yield Problem(where, what, f"Run: GRANT SELECT ON {quote_table(table)} TO the user")
    yield from _primary_key(evidence, schema)
    yield from _columns(schema)


def refusals_of(evidence: Evidence, table: str) -> Iterator[Refusal]:
    """What changes rows behind the binlog's back: in the write stop both sides can be compared, and repaired."""
    where, schema = f"table {table}", evidence.schemas.get(table)
    if schema is not None and schema.engine.upper() != "INNODB":
        what = f"its engine {schema.engine} has no transactions, so a ROLLBACK leaves changes behind"
        yield Refusal("engine", table, Problem(where, what, f"Run: ALTER TABLE {quote_table(table)} ENGINE = InnoDB"))
    for problem in _cascades(evidence, table):
        yield Refusal("fk_cascade", table, problem)


def _primary_key(evidence: Evidence, schema: TableSchema) -> Iterator[Problem]:
    where, parts = f"table {schema.full_name}", evidence.keys.get(schema.full_name, ())
    if not schema.primary_key:
        remedy = f"Run: ALTER TABLE {quote_table(schema.full_name)} ADD PRIMARY KEY (its identifying columns)"
        yield Problem(where, "it has no primary key, so its rows cannot be told from each other", remedy)
    if any(part.prefix for part in parts):
        names = ", ".join(part.column for part in parts if part.prefix)
        what = f"its primary key holds a prefix of {names} only, so it cannot be read in the order of its key"
        yield Problem(where, what, "Make the column short enough to be in the key whole")
    if len({part.descending for part in parts}) > 1:
        what = "its primary key sorts some columns up and some down, so it cannot be read in the order of its key"
        yield Problem(where, what, "Sort all its columns the same way")
    for name in schema.primary_key:
        if not usable(schema.column(name)):
            what = f"its primary key holds {name} of type {schema.column(name).data_type.upper()}, by which a row "
            yield Problem(where, what + "cannot be found again exactly", KEY_REMEDY)


def _columns(schema: TableSchema) -> Iterator[Problem]:
    for column in schema.columns:
        try:
            converter(column)
        except UnsupportedType as refusal:
            yield Problem(f"table {schema.full_name}", refusal.message, refusal.remedy)


def _logs_cascades(facts: ServerFacts) -> bool:
    if facts.flavour != "mysql" or facts.version < (9, 6):
        return False
    return facts.variables.get("innodb_native_foreign_keys", "OFF") != "ON"


def _cascades(evidence: Evidence, table: str) -> Iterator[Problem]:
    if _logs_cascades(evidence.facts):
        return
    for key in evidence.foreign_keys:
        if key.table == table and key.changes_rows:
            what = f"its foreign key {key.name} to {key.parent} changes rows (ON UPDATE {key.on_update}, "
            what += f"ON DELETE {key.on_delete}) without a trace in the binlog"
            remedy = "Make it RESTRICT and let the application change the rows, or use MySQL 9.6 or newer"
            yield Problem(f"table {table}", what, remedy)
