"""Each rule of preflight about a server by its own sentence, on evidence that is right but for one thing."""

from dataclasses import replace
from typing import Any

import pytest

from keyshift.mysql.facts import BinlogStatus, Flavour
from keyshift.mysql.preflight import Findings, judge
from tests.mysql.evidence import GRANT, GRANTS, OTHER_GRANT, evidence, only_error


@pytest.mark.parametrize(
    ("flavour", "version"), [("mysql", (8, 0, 36)), ("mysql", (9, 7, 4)), ("mariadb", (10, 11, 6))]
)
def test_a_server_as_it_should_be_has_no_problem(flavour: Flavour, version: tuple[int, ...]) -> None:
    assert judge(evidence(flavour, version), retention_hours=168) == Findings((), ())


@pytest.mark.parametrize(
    ("flavour", "changed", "what", "remedy"),
    [
        ("mysql", {"log_bin": "OFF"}, "no binlog", "log_bin"),
        ("mysql", {"binlog_format": "MIXED"}, "binlog_format=MIXED", "SET GLOBAL binlog_format = 'ROW'"),
        ("mysql", {"binlog_row_image": "MINIMAL"}, "without all their columns", "SET GLOBAL binlog_row_image = 'FULL'"),
        (
            "mysql",
            {"binlog_row_metadata": "MINIMAL"},
            "without column names",
            "SET GLOBAL binlog_row_metadata = 'FULL'",
        ),
        ("mariadb", {"binlog_row_metadata": "NO_LOG"}, "without column names", "SET GLOBAL binlog_row_metadata"),
        ("mysql", {"server_id": "0"}, "server_id is 0", "SET GLOBAL server_id"),
        (
            "mysql",
            {"binlog_expire_logs_seconds": "3600"},
            "kept for 1 hours; 168",
            "seconds = 604800",
        ),
        ("mysql", {"prepared_xa": 2}, "2 XA transactions are prepared", "XA RECOVER"),
        ("mysql", {"status": BinlogStatus("binlog.1", 4, "", "shop")}, "some databases only", "binlog-ignore-db"),
        ("mysql", {"status": BinlogStatus("binlog.1", 4, "blog", "")}, "some databases only", "binlog-do-db"),
        ("mariadb", {"replica": True, "log_slave_updates": "OFF"}, "does not log the changes", "log_replica_updates"),
        (
            "mysql",
            {"unreadable": frozenset({"shop.orders"})},
            "all its columns",
            "GRANT SELECT ON `shop`.`orders`",
        ),
        ("mysql", {"tables": ("shop.orders", "shop.gone")}, "does not exist", "GRANT SELECT ON `shop`.`gone`"),
        (
            "mysql",
            {"gtid_mode": "OFF", "grants": (*GRANTS, "GRANT LOCK TABLES ON *.* TO x")},
            "lacks RELOAD",
            "RELOAD",
        ),
        (
            "mysql",
            {"gtid_mode": "OFF", "grants": (*GRANTS, "GRANT FLUSH_TABLES ON *.* TO x")},
            "lacks LOCK TABLES",
            "",
        ),
        (
            "mysql",
            {"grants": (GRANT,)},
            "lacks REPLICATION CLIENT",
            "GRANT REPLICATION",
        ),
        ("mariadb", {"grants": (GRANT,)}, "lacks BINLOG MONITOR", "GRANT BINLOG"),
        (
            "mysql",
            {"grants": (OTHER_GRANT,)},
            "lacks REPLICATION SLAVE",
            "GRANT REPLICATION",
        ),
        ("mariadb", {"grants": ("GRANT BINLOG MONITOR ON *.* TO x",)}, "lacks REPLICATION SLAVE", "GRANT REPLICATION"),
    ],
)
def test_what_a_server_does_wrong_is_told_with_its_remedy(
    flavour: Flavour, changed: dict[str, Any], what: str, remedy: str
) -> None:
    problem = only_error(judge(evidence(flavour, **changed), retention_hours=168))
    assert what in problem.what
    assert remedy in problem.remedy


def test_all_problems_come_at_once() -> None:
    wrong = evidence(binlog_format="MIXED", binlog_row_image="MINIMAL", tables=("a.b", "shop.orders"), prepared_xa=1)
    assert len(judge(wrong, retention_hours=168).errors) == 4


@pytest.mark.parametrize(
    ("flavour", "changed"),
    [
        ("mysql", {"binlog_row_value_options": "PARTIAL_JSON"}),
        ("mysql", {"binlog_transaction_compression": "ON"}),
        ("mysql", {"gtid_executed": "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:app:1-2"}),
        ("mariadb", {"log_bin_compress": "ON"}),
    ],
)
def test_what_can_be_read_is_no_problem(flavour: Flavour, changed: dict[str, str]) -> None:
    assert judge(evidence(flavour, **changed), retention_hours=168) == Findings((), ())


def test_a_binlog_without_checksums_is_a_risk() -> None:
    found = judge(evidence(binlog_checksum="NONE"), retention_hours=168)
    assert found.errors == ()
    assert ["damage" in problem.what for problem in found.warnings] == [True]


@pytest.mark.parametrize(
    ("flavour", "version", "needed"), [("mysql", (5, 6, 51), "MySQL 5.7"), ("mariadb", (10, 1), "MariaDB 10.2")]
)
def test_a_server_that_is_too_old_is_refused_for_that_alone(
    flavour: Flavour, version: tuple[int, ...], needed: str
) -> None:
    problem = only_error(judge(evidence(flavour, version, binlog_format="STATEMENT"), retention_hours=168))
    assert "too old" in problem.what
    assert needed in problem.what


@pytest.mark.parametrize(("flavour", "version"), [("mysql", (5, 7, 44)), ("mariadb", (10, 4, 34))])
def test_a_server_whose_binlog_cannot_describe_its_rows_is_read_by_its_tables(
    flavour: Flavour, version: tuple[int, ...]
) -> None:
    older = evidence(flavour, version)
    variables = {name: value for name, value in older.facts.variables.items() if name != "binlog_row_metadata"}
    found = judge(replace(older, facts=replace(older.facts, variables=variables)), retention_hours=168)
    assert found.errors == ()
    assert ["any DDL on a captured table ends" in problem.what for problem in found.warnings] == [True]


def test_a_server_that_lets_nobody_set_its_metadata_is_read_by_its_tables_when_the_settings_say_so() -> None:
    found = judge(evidence(binlog_row_metadata="MINIMAL"), retention_hours=168, described=False)
    assert found.errors == ()
    assert ["any DDL on a captured table ends" in problem.what for problem in found.warnings] == [True]


@pytest.mark.parametrize(
    "changed",
    [
        {"binlog_expire_logs_seconds": "0"},
        {"binlog_expire_logs_seconds": "0", "expire_logs_days": "7"},
        {"binlog_expire_logs_seconds": "604800"},
    ],
)
def test_a_binlog_that_lasts_as_long_as_the_stream_will_do(changed: dict[str, Any]) -> None:
    assert not judge(evidence("mariadb", **changed), retention_hours=168).errors


def test_less_than_a_day_of_binlog_is_too_little_whatever_the_stream_keeps() -> None:
    assert "24 are needed" in only_error(judge(evidence(binlog_expire_logs_seconds="7200"), retention_hours=1)).what


@pytest.mark.parametrize(
    "grant",
    [
        "GRANT ALL PRIVILEGES ON *.* TO `root`@`%` IDENTIFIED BY PASSWORD '*X' WITH GRANT OPTION",
        "GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO x",
        "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO x",
    ],
)
def test_grants_are_understood_as_both_servers_write_them(grant: str) -> None:
    assert not judge(evidence("mariadb", grants=("GRANT USAGE ON *.* TO x", grant)), retention_hours=24).errors


def test_a_privilege_on_one_schema_is_not_a_privilege_on_the_server() -> None:
    only_here = evidence(grants=("GRANT ALL PRIVILEGES ON `shop`.* TO x", "GRANT USAGE ON *.* TO x"))
    assert len(judge(only_here, retention_hours=24).errors) == 2


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"sync_binlog": "0"}, "sync_binlog=0"),
        ({"innodb_flush_log_at_trx_commit": "2"}, "innodb_flush_log_at_trx_commit=2"),
        ({"prepared_xa": None}, "XA"),
    ],
)
def test_a_risk_is_a_warning(changed: dict[str, Any], what: str) -> None:
    found = judge(evidence(**changed), retention_hours=24)
    assert found.errors == ()
    (warning,) = found.warnings
    assert what in warning.what
