"""RDS and Aurora: the same rules, asked of Amazon's own settings, with remedies that can be run there.

No such server can run here. The variables in `recorded/` are as these servers report them; each file says whence.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keymap.errors import Problem
from keyshift.cli.demo.database import Database
from keyshift.mysql.connection import Connection
from keyshift.mysql.evidence import Evidence, rds_retention_hours
from keyshift.mysql.facts import Flavour, ServerFacts, identity_of, version_of
from keyshift.mysql.preflight import judge
from tests.mysql.evidence import evidence
from tests.mysql.sources import execute

RECORDED = Path(__file__).parent / "recorded"
READY = ["rds-mysql-ready", "aurora-writer-ready"]
FOR_THE_LOCK = ("GRANT RELOAD, LOCK TABLES ON *.* TO x",)


def recorded(name: str, **changed: str) -> ServerFacts:
    lines = (RECORDED / f"{name}.txt").read_text().splitlines()
    variables = dict(line.split("\t") for line in lines if not line.startswith("#")) | changed
    flavour: Flavour = "mariadb" if "MariaDB" in variables["version"] else "mysql"
    return ServerFacts(flavour, version_of(variables["version"]), identity_of(variables), variables)


def server(name: str, hours: int | None = 168, **changed: str) -> Evidence:
    right = evidence()
    return replace(
        right,
        facts=recorded(name, **changed),
        grants=(*right.grants, *FOR_THE_LOCK),
        rds_retention_hours=hours,
    )


def errors(found: Evidence, retention_hours: int = 168) -> tuple[Problem, ...]:
    return judge(found, retention_hours=retention_hours).errors


def only(found: Evidence, **arguments: int) -> Problem:
    (problem,) = errors(found, **arguments)
    return problem


@pytest.mark.parametrize(
    ("name", "platform", "called"),
    [
        ("rds-mysql-as-created", "rds", "RDS for MySQL 8.0.41"),
        ("rds-mariadb", "rds", "RDS for MariaDB 10.11.9"),
        ("aurora-writer-as-created", "aurora", "Aurora MySQL 8.0.28"),
    ],
)
def test_amazons_servers_are_known_by_their_variables(name: str, platform: str, called: str) -> None:
    facts = recorded(name)
    assert (facts.platform, facts.name) == (platform, called)
    assert evidence().facts.platform == "own"


@pytest.mark.parametrize("name", READY)
def test_a_server_of_amazon_that_is_set_up_has_no_problem(name: str) -> None:
    found = judge(server(name), retention_hours=168)
    assert (found.errors, found.warnings) == ((), ())


@pytest.mark.parametrize("name", READY)
@pytest.mark.parametrize("hours", [0, 24])
def test_retention_is_amazons_own_setting_and_not_the_servers_variable(name: str, hours: int) -> None:
    problem = only(server(name, hours))  # NULL is read as 0
    assert ("as short as possible" if hours == 0 else "kept for 24 hours") in problem.what
    assert problem.remedy == "Run: CALL mysql.rds_set_configuration('binlog retention hours', 168)"


def test_retention_that_nobody_may_ask_for_is_not_taken_for_enough() -> None:
    problem = only(server("rds-mysql-ready", None))
    assert "may not ask for how long the binlog is kept" in problem.what
    assert "GRANT SELECT ON mysql.rds_configuration" in problem.remedy


def test_a_week_is_the_most_that_rds_keeps_and_aurora_keeps_more() -> None:
    """Its procedure refuses more than 168 hours, so the stream's retention is what must give way."""
    remedy = only(server("rds-mysql-ready"), retention_hours=336).remedy
    assert "'binlog retention hours', 168)" in remedy
    assert "set stream.retention_hours to 168" in remedy
    remedy = only(server("aurora-writer-ready"), retention_hours=336).remedy
    assert remedy.endswith("'binlog retention hours', 336)")


def test_rds_logs_as_long_as_it_makes_backups() -> None:
    no_log, undescribed = errors(server("rds-mysql-as-created"))
    assert "it writes no binlog" in no_log.what
    assert "aws rds modify-db-instance" in no_log.remedy
    assert "--backup-retention-period 7" in no_log.remedy
    parameters = '--parameters "ParameterName=binlog_row_metadata,ParameterValue=FULL,ApplyMethod=immediate"'
    assert f"aws rds modify-db-parameter-group --db-parameter-group-name GROUP {parameters}" in undescribed.remedy


def test_mariadb_on_rds_is_set_in_its_parameter_group_too() -> None:
    wrong = {problem.what.split("(")[1]: problem.remedy for problem in errors(server("rds-mariadb"))}
    assert set(wrong) == {"binlog_format=MIXED)", "binlog_row_metadata=NO_LOG)"}
    for remedy in wrong.values():
        assert remedy.startswith("Run: aws rds modify-db-parameter-group --db-parameter-group-name GROUP")


def test_aurora_is_set_in_the_clusters_group_and_logs_after_a_restart_of_its_writer() -> None:
    no_log, undescribed = errors(server("aurora-writer-as-created"))
    assert "it writes no binlog" in no_log.what
    assert '"ParameterName=binlog_format,ParameterValue=ROW,ApplyMethod=pending-reboot"' in no_log.remedy
    assert "modify-db-cluster-parameter-group --db-cluster-parameter-group-name GROUP" in no_log.remedy
    assert "aws rds reboot-db-instance" in no_log.remedy
    assert "ParameterName=binlog_row_metadata,ParameterValue=FULL,ApplyMethod=immediate" in undescribed.remedy


def test_a_reader_of_aurora_is_refused_for_that_alone() -> None:
    problem = only(server("aurora-reader", None))
    assert "reader of an Aurora cluster" in problem.what
    assert "writer endpoint" in problem.remedy


def test_a_readonly_mysql_elsewhere_is_no_aurora_reader() -> None:
    assert not recorded("rds-mysql-ready", innodb_read_only="ON").aurora_reader


@pytest.mark.parametrize("name", ["rds-mysql-as-created", "rds-mariadb", "aurora-writer-as-created"])
def test_no_remedy_for_amazons_servers_asks_for_what_nobody_may_do_there(name: str) -> None:
    wrong: dict[str, Any] = {
        "binlog_format": "MIXED",
        "binlog_row_image": "MINIMAL",
        "binlog_checksum": "NONE",
        "sync_binlog": "0",
        "innodb_flush_log_at_trx_commit": "2",
        "log_slave_updates": "OFF",
        "log_replica_updates": "OFF",
    }
    found = judge(replace(server(name, 0, **wrong), replica=True), retention_hours=168)
    remedies = [problem.remedy for problem in (*found.errors, *found.warnings)]
    assert len(remedies) >= 7
    assert [remedy for remedy in remedies if "SET GLOBAL" in remedy or "configuration and restart" in remedy] == []


def test_both_of_amazons_ways_to_tell_the_retention_are_asked(database: Database, connection: Connection) -> None:
    """With a look-alike of the table and the procedure on a server of ours."""
    assert rds_retention_hours(connection) is None
    table = "CREATE TABLE mysql.rds_configuration (name VARCHAR(100), value VARCHAR(100), description VARCHAR(300))"
    row = "INSERT INTO mysql.rds_configuration VALUES ('source delay', '0', ''), ('binlog retention hours', {}, '')"
    try:
        execute(database, table, row.format("NULL"))
        assert rds_retention_hours(connection) == 0
        execute(database, "DELETE FROM mysql.rds_configuration", row.format("'72'"))
        assert rds_retention_hours(connection) == 72
        procedure = "CREATE PROCEDURE mysql.rds_show_configuration() SELECT * FROM mysql.other"
        execute(database, "RENAME TABLE mysql.rds_configuration TO mysql.other", procedure)
        assert rds_retention_hours(connection) == 72
    finally:
        execute(
            database,
            "DROP TABLE IF EXISTS mysql.rds_configuration, mysql.other",
            "DROP PROCEDURE IF EXISTS mysql.rds_show_configuration",
        )
