"""Each rule of preflight by its own sentence, on evidence that is right but for one thing."""

from dataclasses import replace
from typing import Any

import pytest

from keymap.errors import Problem
from keymap.schema import Column, TableSchema
from keyshift.mysql.evidence import Evidence
from keyshift.mysql.facts import BinlogStatus, Flavour, ServerFacts
from keyshift.mysql.preflight import Findings, judge
from keyshift.mysql.schema import ForeignKey, KeyPart

NOTE = Column("note", "varchar", "varchar(9)", True, "utf8mb4")
ORDERS = TableSchema("shop", "orders", (Column("id", "int", "int", False), NOTE), ("id",))
ID_UP, ID_DOWN = KeyPart("id", prefix=False, descending=False), KeyPart("id", prefix=False, descending=True)
COMMON = {
    "log_bin": "ON",
    "binlog_format": "ROW",
    "binlog_row_image": "FULL",
    "binlog_row_metadata": "FULL",
    "binlog_checksum": "CRC32",
    "server_id": "1",
    "sync_binlog": "1",
    "innodb_flush_log_at_trx_commit": "1",
    "log_slave_updates": "ON",
    "binlog_expire_logs_seconds": "2592000",
}
MYSQL = COMMON | {
    "gtid_mode": "ON",
    "gtid_executed": "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5",
    "binlog_row_value_options": "",
    "binlog_transaction_compression": "OFF",
    "innodb_native_foreign_keys": "OFF",
}
MARIADB = COMMON | {"log_bin_compress": "OFF", "expire_logs_days": "30.000000"}
GRANT, OTHER_GRANT = "GRANT REPLICATION SLAVE ON *.* TO x", "GRANT REPLICATION CLIENT ON *.* TO x"
GRANTS = ("GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `keyshift`@`%`",)


def evidence(flavour: Flavour = "mysql", version: tuple[int, ...] | None = None, **changed: Any) -> Evidence:
    """A server as it should be, but for the variables and the evidence that are given."""
    version = version or ((8, 4, 3) if flavour == "mysql" else (10, 11, 6))
    right = MYSQL if flavour == "mysql" else MARIADB
    variables = right | {name: changed.pop(name) for name in list(changed) if name in MYSQL or name in MARIADB}
    usual: dict[str, Any] = {
        "facts": ServerFacts(flavour, version, "id", variables),
        "tables": ("shop.orders",),
        "grants": GRANTS,
        "schemas": {"shop.orders": ORDERS},
        "keys": {"shop.orders": (ID_UP,)},
        "status": BinlogStatus("binlog.000001", 4, "", ""),
        "prepared_xa": 0,
        "replica": False,
    }
    return Evidence(**(usual | changed))


def only_error(findings: Findings) -> Problem:
    assert findings.warnings == ()
    (problem,) = findings.errors
    assert problem.remedy
    return problem


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


def with_table(schema: TableSchema, *parts: KeyPart) -> Evidence:
    return evidence(schemas={"shop.orders": schema}, keys={"shop.orders": parts})


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (with_table(replace(ORDERS, primary_key=())), "no primary key"),
        (with_table(replace(ORDERS, engine="MyISAM"), ID_UP), "MyISAM has no transactions"),
        (with_table(ORDERS, KeyPart("id", prefix=True, descending=False)), "a prefix of id only"),
        (
            with_table(ORDERS, ID_UP, ID_DOWN),
            "some columns up and some down",
        ),
        (
            with_table(replace(ORDERS, columns=(Column("id", "float", "float", False),)), ID_UP),
            "id of type FLOAT",
        ),
        (
            with_table(replace(ORDERS, columns=(*ORDERS.columns, Column("x", "xmltype", "xmltype", True)))),
            "column x has type xmltype",
        ),
        (
            with_table(replace(ORDERS, columns=(*ORDERS.columns, Column("u", "text", "text", True, "ebcdic")))),
            "column u has character set ebcdic",
        ),
    ],
)
def test_a_table_that_cannot_be_followed_is_refused(wrong: Evidence, what: str) -> None:
    problem = only_error(judge(wrong, retention_hours=24))
    assert what in problem.what
    assert problem.where == "table shop.orders"


CASCADE = ForeignKey("shop.orders", "fk", "shop.customers", on_update="RESTRICT", on_delete="CASCADE")
SET_NULL = replace(CASCADE, on_update="SET NULL", on_delete="NO ACTION")


@pytest.mark.parametrize(
    ("flavour", "version", "native", "refused"),
    [
        ("mariadb", (11, 4, 2), "OFF", True),
        ("mysql", (8, 4, 3), "OFF", True),
        ("mysql", (9, 5, 0), "OFF", True),
        ("mysql", (9, 6, 0), "OFF", False),
        ("mysql", (9, 7, 4), "ON", True),
    ],
)
@pytest.mark.parametrize("key", [CASCADE, SET_NULL])
def test_foreign_keys_that_change_rows_are_refused_where_the_binlog_does_not_show_it(
    flavour: Flavour, version: tuple[int, ...], native: str, refused: bool, key: ForeignKey
) -> None:
    server = evidence(flavour, version, foreign_keys=(key,), innodb_native_foreign_keys=native)
    found = judge(server, retention_hours=24)
    assert bool(found.errors) == refused
    if refused:
        assert "foreign key fk to shop.customers changes rows" in only_error(found).what


def test_foreign_keys_that_restrict_are_no_problem() -> None:
    harmless = replace(CASCADE, on_delete="RESTRICT")
    assert not judge(evidence(foreign_keys=(harmless,)), retention_hours=24).errors


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


HIDES = replace(ORDERS, engine="MyISAM")
BOTH = replace(with_table(HIDES, ID_UP), foreign_keys=(CASCADE,))


def test_what_a_team_answers_for_is_told_and_not_refused() -> None:
    answers = {("engine", "shop.orders"): "nobody rolls back", ("fk_cascade", "shop.orders"): "no parent goes"}
    engine, cascade = judge(BOTH, retention_hours=24).errors
    assert "accept.engine in the settings" in engine.remedy
    assert "accept.fk_cascade in the settings" in cascade.remedy
    found = judge(BOTH, retention_hours=24, answers=answers)
    assert found.errors == ()
    assert {(one.kind, one.table) for one in found.accepted} == set(answers)
    assert all(any(f"(accepted: {reason})" in one.what for one in found.warnings) for reason in answers.values())
    (left,) = judge(BOTH, retention_hours=24, answers={("engine", "shop.orders"): "x"}).errors
    assert "accept.fk_cascade" in left.remedy


def test_an_answer_to_nothing_is_told() -> None:
    found = judge(evidence(), retention_hours=24, answers={("fk_cascade", "shop.orders"): "no parent goes"})
    assert (found.errors, found.accepted) == ((), ())
    (warning,) = found.warnings
    assert "nothing to accept" in warning.what


def test_nobody_can_answer_for_what_capture_cannot_read() -> None:
    """Only what a comparison in the write stop mends is offered to be accepted."""
    keyless = replace(BOTH, schemas={"shop.orders": replace(HIDES, primary_key=())})
    found = judge(keyless, retention_hours=24)
    assert [("accept." in one.remedy) for one in found.errors] == [False, True, True]


def test_each_of_two_foreign_keys_is_told_under_one_answer() -> None:
    two = evidence(foreign_keys=(CASCADE, replace(SET_NULL, name="other")))
    found = judge(two, retention_hours=24, answers={("fk_cascade", "shop.orders"): "no parent goes"})
    assert found.errors == ()
    assert [("fk " in one.what, "other " in one.what) for one in found.warnings] == [(True, False), (False, True)]
