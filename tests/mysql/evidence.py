"""A server as it should be, and what one thing about it that is wrong makes of it."""

from typing import Any

from keymap.errors import Problem
from keymap.schema import Column, TableSchema
from keyshift.mysql.evidence import Evidence
from keyshift.mysql.facts import BinlogStatus, Flavour, ServerFacts
from keyshift.mysql.preflight import Findings
from keyshift.mysql.schema import KeyPart

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
