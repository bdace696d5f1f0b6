"""May this server be captured without losing anything silently? Pure rules over what keyshift.mysql.evidence gathered.

Each rule is one way in which a source hides changes from the binlog, shows them in a form that cannot be read exactly,
or purges them too early (docs/design, "Nothing is lost silently"). All problems come at once, each with what to do.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from keymap.errors import Problem
from keyshift.mysql.connection import Connection
from keyshift.mysql.evidence import Evidence, gather
from keyshift.mysql.facts import Flavour, ServerFacts
from keyshift.mysql.grants import database_privileges, global_privileges, has
from keyshift.mysql.preflight_tables import Refusal, refusals_of, table_problems
from keyshift.mysql.remedies import (
    keep_binlog,
    log_replicated,
    remove_filters,
    retention_hours_max,
    set_variable,
    switch_on_binlog,
)

SERVER = "server"
RETENTION_HOURS_MIN = 24  # less does not survive one night of an outage


Answers = Mapping[tuple[str, str], str]  # why a refusal is accepted, by its kind and its table


@dataclass(frozen=True, slots=True)
class Findings:
    """`errors` must be mended before capture; `warnings` are risks that somebody should know of.

    `accepted` would be errors, if nobody answered for them.
    """

    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    accepted: tuple[Refusal, ...] = ()


def preflight(
    connection: Connection,
    tables: Iterable[str],
    *,
    retention_hours: int,
    described: bool = True,
    answers: Answers | None = None,
) -> Findings:
    """Ask the server and judge. `retention_hours` is the stream's retention: the binlog must last as long.

    `described`: the binlog must describe its rows where the server can do that (capture.row_metadata is "full").
    `answers`: the refusals that a team answers for.
    """
    evidence = gather(connection, tables)
    return judge(evidence, retention_hours=retention_hours, described=described, answers=answers)


def judge(
    evidence: Evidence, *, retention_hours: int, described: bool = True, answers: Answers | None = None
) -> Findings:
    """All problems of this evidence."""
    if alone := [*_too_old(evidence.facts), *_reader(evidence.facts)]:
        return Findings(tuple(alone), ())  # all else would be noise
    errors = [problem for rule in _SERVER_RULES for problem in rule(evidence)]
    undescribed = list(_metadata(evidence)) if described else []
    errors += undescribed
    errors += _retention(evidence, max(RETENTION_HOURS_MIN, retention_hours))
    answers = answers or {}
    refusals = {table: list(refusals_of(evidence, table)) for table in evidence.tables}
    for table, found in refusals.items():
        errors += table_problems(evidence, table)
        errors += [_with_way_on(refusal) for refusal in found if (refusal.kind, table) not in answers]
    warnings = [*_warnings(evidence), *([] if undescribed else _undescribed(evidence))]
    everywhere = [refusal for found in refusals.values() for refusal in found]
    accepted = [refusal for refusal in everywhere if (refusal.kind, refusal.table) in answers]
    warnings += [_told(refusal, answers) for refusal in accepted]
    unneeded = answers.keys() - {(refusal.kind, refusal.table) for refusal in everywhere}
    warnings += [_unneeded(kind, table) for kind, table in sorted(unneeded)]
    return Findings(tuple(errors), tuple(warnings), tuple(accepted))


def _with_way_on(refusal: Refusal) -> Problem:
    problem = refusal.problem
    remedy = f"{problem.remedy}; or answer for it: accept.{refusal.kind} in the settings, with a reason"
    return Problem(problem.where, problem.what, f"{remedy}, and the cutover repairs the table in the write stop")


def _told(refusal: Refusal, answers: Answers) -> Problem:
    problem, reason = refusal.problem, answers[refusal.kind, refusal.table]
    what = f"{problem.what} (accepted: {reason})"
    return Problem(problem.where, what, "The cutover compares the table, and repairs it, inside the write stop")


def _unneeded(kind: str, table: str) -> Problem:
    return Problem(f"table {table}", f"accept.{kind} names it, and there is nothing to accept", "Remove it")


_OLDEST: Mapping[Flavour, tuple[int, ...]] = {"mysql": (5, 7), "mariadb": (10, 2)}


def _too_old(facts: ServerFacts) -> Iterator[Problem]:
    oldest = _OLDEST[facts.flavour]
    if facts.version < oldest:
        needed = f"{'MariaDB' if facts.flavour == 'mariadb' else 'MySQL'} {'.'.join(map(str, oldest))}"
        what = f"{facts.name} is too old: this version reads the binlog of {needed} and newer"
        yield Problem(SERVER, what, "Upgrade it, or capture from a newer replica with a binlog")


def _reader(facts: ServerFacts) -> Iterator[Problem]:
    if facts.aurora_reader:
        what = "it is a reader of an Aurora cluster, and only the writer has a binlog (innodb_read_only=ON)"
        remedy = "Set source.host to the cluster's writer endpoint (NAME.cluster-ID.REGION.rds.amazonaws.com, not -ro-)"
        yield Problem(SERVER, what, remedy)


# Variable, the value it must have, what goes wrong otherwise. A variable that a server does not have is a feature that
# it does not have.
_VARIABLES = (
    ("binlog_format", "ROW", "changes are logged as statements, not as rows"),
    ("binlog_row_image", "FULL", "rows are logged without all their columns"),
)


def _binlog(evidence: Evidence) -> Iterator[Problem]:
    facts, variables = evidence.facts, evidence.facts.variables
    logs = variables.get("log_bin") == "ON"
    if not logs:
        yield Problem(SERVER, "it writes no binlog (log_bin=OFF)", switch_on_binlog(facts))
    for name, wanted, what in _VARIABLES:
        value = variables.get(name, wanted)
        if name == "binlog_format" and facts.platform == "aurora" and not logs:
            continue  # the one parameter is both there, and was told
        if value.upper() != wanted:
            yield Problem(SERVER, f"{what} ({name}={value})", set_variable(facts, name, wanted))
    if variables.get("server_id") == "0":
        yield Problem(SERVER, "server_id is 0, so no replica may connect", "Run: SET GLOBAL server_id = 1")


def _metadata(evidence: Evidence) -> Iterator[Problem]:
    """Where table maps can be complete, they must be, unless the settings say that nobody may change it."""
    value = evidence.facts.variables.get("binlog_row_metadata")
    if value is not None and not evidence.facts.describes_rows:
        what = f"rows are logged without column names, labels and keys (binlog_row_metadata={value})"
        remedy = f"{set_variable(evidence.facts, 'binlog_row_metadata', 'FULL')}. Where that is not permitted, set"
        yield Problem(SERVER, what, f"{remedy} capture.row_metadata to schema, and change no captured table meanwhile")


def _undescribed(evidence: Evidence) -> Iterator[Problem]:
    if not evidence.facts.describes_rows:
        what = (
            f"the binlog of {evidence.facts.name} does not describe its rows: they are read by the tables' columns as"
        )
        what += " they are when capture begins, so any DDL on a captured table ends the migration"
        yield Problem(SERVER, what, "Change no captured table until the cutover")


def _filters(evidence: Evidence) -> Iterator[Problem]:
    if evidence.status and (evidence.status.do_db or evidence.status.ignore_db):
        what = f"it logs some databases only (binlog-do-db={evidence.status.do_db!r}, "
        what += f"binlog-ignore-db={evidence.status.ignore_db!r})"
        yield Problem(SERVER, what, remove_filters(evidence.facts))
    if evidence.replica and not _logs_replicated(evidence.facts):
        what = "it is a replica that does not log the changes it applies (log_replica_updates=OFF)"
        yield Problem(SERVER, what, log_replicated(evidence.facts))


def _logs_replicated(facts: ServerFacts) -> bool:
    return facts.variables.get("log_replica_updates", facts.variables.get("log_slave_updates", "ON")) == "ON"


_FOR_THE_LOCK = "which the start of capture needs: without GTIDs it locks the tables for an instant"


def _grants(evidence: Evidence) -> Iterator[Problem]:
    privileges, mariadb = global_privileges(evidence.grants), evidence.facts.flavour == "mariadb"
    if not has(privileges, "REPLICATION SLAVE", "REPLICATION REPLICA"):
        yield _missing_grant("REPLICATION SLAVE", "which reading the binlog needs")
    client = "BINLOG MONITOR" if mariadb else "REPLICATION CLIENT"
    if not has(privileges, client, "REPLICATION CLIENT"):
        yield _missing_grant(client, "which asking for the binlog's position needs")
    if mariadb or evidence.facts.gtid:
        return  # the start of capture needs no lock
    if not has(privileges, "RELOAD", "FLUSH_TABLES"):
        yield _missing_grant("RELOAD", _FOR_THE_LOCK)
    for database in sorted({table.partition(".")[0] for table in evidence.tables}):
        if not has(database_privileges(evidence.grants, database), "LOCK TABLES"):
            yield _missing_grant("LOCK TABLES", _FOR_THE_LOCK, on=f"`{database}`.*")


def _missing_grant(privilege: str, why: str, on: str = "*.*") -> Problem:
    return Problem(
        SERVER,
        f"the user lacks {privilege}, {why}",
        f"Run: GRANT {privilege} ON {on} TO the user (see SELECT CURRENT_USER())",
    )


def _xa(evidence: Evidence) -> Iterator[Problem]:
    if evidence.prepared_xa:
        what = f"{evidence.prepared_xa} XA transactions are prepared: their rows are in the binlog before their outcome"
        yield Problem(SERVER, what, "End them (XA RECOVER lists them; XA COMMIT or XA ROLLBACK) and use none meanwhile")


_SERVER_RULES: tuple[Callable[[Evidence], Iterator[Problem]], ...] = (_binlog, _filters, _grants, _xa)


def binlog_retention_hours(facts: ServerFacts) -> float | None:
    """For how long the server keeps its binlog files; None: forever."""
    variables = facts.variables
    seconds = float(variables.get("binlog_expire_logs_seconds", 0))
    days = float(variables.get("expire_logs_days", 0))
    if variables.get("binlog_expire_logs_auto_purge") == "OFF" or not (seconds or days):
        return None
    return (seconds or days * 86_400) / 3_600


def _retention(evidence: Evidence, wanted: int) -> Iterator[Problem]:
    facts = evidence.facts
    if facts.platform != "own" and evidence.rds_retention_hours is None:
        what = "the user may not ask for how long the binlog is kept (`binlog retention hours`)"
        yield Problem(SERVER, what, "Run: GRANT SELECT ON mysql.rds_configuration TO the user")
        return
    hours = binlog_retention_hours(facts) if facts.platform == "own" else evidence.rds_retention_hours
    if hours is None or hours >= wanted:
        return
    most = retention_hours_max(facts)
    kept = f"for {hours:g} hours" if hours else "as short as possible"
    what = f"the binlog is kept {kept}; {wanted} are needed to survive the load and an outage"
    remedy = keep_binlog(facts, min(wanted, most or wanted))
    if most is not None and wanted > most:
        remedy += f", and set stream.retention_hours to {most}: {facts.name} keeps it no longer"
    yield Problem(SERVER, what, remedy)


def _warnings(evidence: Evidence) -> Iterator[Problem]:
    variables = evidence.facts.variables
    if variables.get("binlog_checksum", "CRC32").upper() != "CRC32":
        what = "binlog_checksum=NONE: damage of the binlog on its way would not be noticed"
        yield Problem(SERVER, what, set_variable(evidence.facts, "binlog_checksum", "CRC32"))
    for name in ("sync_binlog", "innodb_flush_log_at_trx_commit"):
        if variables.get(name, "1") != "1":
            what = f"{name}={variables[name]}: a crash may lose transactions that were captured already"
            yield Problem(SERVER, what, set_variable(evidence.facts, name, 1))
    if evidence.replica is None and not _logs_replicated(evidence.facts):
        what = "the user may not ask whether it is a replica, and as one it would not log the changes it applies"
        privilege = "SLAVE MONITOR" if evidence.facts.flavour == "mariadb" else "REPLICATION CLIENT"
        yield Problem(SERVER, what, f"Run: GRANT {privilege} ON *.* TO the user, or make sure that it is none")
    if evidence.prepared_xa is None:
        what = "the user may not ask for prepared XA transactions, so their absence is not proven"
        yield Problem(SERVER, what, "Run: GRANT XA_RECOVER_ADMIN ON *.* TO the user, or make sure that none is used")
