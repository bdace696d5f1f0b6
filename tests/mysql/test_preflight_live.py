"""Preflight on real servers: one that is right, some that are configured wrongly, and users with few rights."""

import secrets
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from keyshift.cli.demo.database import Database
from keyshift.mysql.connection import Connection, connect
from keyshift.mysql.evidence import gather
from keyshift.mysql.preflight import preflight
from keyshift.process.source import SourceSettings
from tests.mysql.sources import execute, source_of
from tests.servers.mariadb import find_mariadb
from tests.servers.oracle_mysql import oracle_mysql

WRONG = (
    "--binlog-format=STATEMENT",
    "--binlog-row-image=MINIMAL",
    "--binlog-row-metadata=MINIMAL",
    "--binlog-checksum=NONE",
    "--binlog-expire-logs-seconds=3600",
    "--binlog-ignore-db=blog",
)
WRONG_BY_FLAVOUR = {
    "mariadb": ("--log-bin-compress=ON",),
    "mysql": ("--binlog-transaction-compression=ON", "--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"),
}


def server(flavour: str, *options: str) -> Database:
    return Database(find_mariadb() if flavour == "mariadb" else oracle_mysql(), options)


@pytest.fixture(scope="module")
def flavour(servers: str) -> str:
    return servers.partition("+")[0]


@pytest.fixture(scope="module")
def wrong(flavour: str) -> Iterator[Database]:
    """A server of which nearly everything is configured wrongly."""
    with server(flavour, *WRONG, *WRONG_BY_FLAVOUR[flavour]) as database:
        yield database


def test_the_demo_server_is_right_but_for_its_durability(
    database: Database, connection: Connection, schema: str
) -> None:
    execute(database, "CREATE TABLE t (id INT PRIMARY KEY)", schema=schema)
    found = preflight(connection, [f"{schema}.t"], retention_hours=168)
    assert found.errors == ()
    assert {warning.what.partition("=")[0] for warning in found.warnings} == {
        "sync_binlog",
        "innodb_flush_log_at_trx_commit",
    }


def test_a_server_configured_wrongly_gets_every_mistake_at_once(wrong: Database) -> None:
    execute(wrong, "CREATE DATABASE IF NOT EXISTS shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)")
    connection = connect(source_of(wrong))
    found = "\n".join(map(str, preflight(connection, ["shop.t"], retention_hours=168).errors))
    connection.close()
    expected = ["binlog_format=STATEMENT", "binlog_row_image=MINIMAL", "binlog_row_metadata=MINIMAL"]
    expected += ["kept for 1 hours", "binlog-ignore-db='blog'"]
    assert [text for text in expected if text not in found] == []


def test_a_server_without_binlog_is_refused(flavour: str) -> None:
    with server(flavour, "--skip-log-bin") as database:
        connection = connect(source_of(database))
        found = preflight(connection, [], retention_hours=24).errors
        connection.close()
    assert [problem.what for problem in found] == ["it writes no binlog (log_bin=OFF)"]


def test_tables_that_cannot_be_followed_are_found(database: Database, connection: Connection, schema: str) -> None:
    execute(
        database,
        "CREATE TABLE parent (id INT PRIMARY KEY)",
        "CREATE TABLE child (id INT PRIMARY KEY, p INT, "
        "CONSTRAINT fk FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE)",
        "CREATE TABLE keyless (id INT)",
        "CREATE TABLE isam (id INT PRIMARY KEY) ENGINE = MyISAM",
        "CREATE TABLE prefixed (t TEXT NOT NULL, PRIMARY KEY (t(5)))",
        "CREATE TABLE mixed (a INT, b INT, PRIMARY KEY (a, b DESC))",
        schema=schema,
    )
    names = ["child", "gone", "isam", "keyless", "mixed", "parent", "prefixed"]
    found = preflight(connection, [f"{schema}.{name}" for name in names], retention_hours=24).errors
    cascades_are_logged = database.flavour == "mysql"  # the tests' MySQL is 9.6 or newer
    wrong = [name for name in names if name != "parent" and not (name == "child" and cascades_are_logged)]
    assert [problem.where for problem in found] == [f"table {schema}.{name}" for name in wrong]


def test_a_prepared_xa_transaction_is_found(database: Database, connection: Connection, schema: str) -> None:
    execute(database, "CREATE TABLE t (id INT PRIMARY KEY)", schema=schema)
    xid, insert = secrets.token_hex(4), "INSERT INTO t VALUES (1)"
    execute(database, f"XA START '{xid}'", insert, f"XA END '{xid}'", f"XA PREPARE '{xid}'", schema=schema)
    try:
        assert any(
            "XA" in problem.what for problem in preflight(connection, [f"{schema}.t"], retention_hours=24).errors
        )
    finally:
        execute(database, f"XA ROLLBACK '{xid}'")


@pytest.fixture
def poor(database: Database, schema: str) -> Iterator[SourceSettings]:
    """A user who may read the table `t` of the schema, two columns of `u`, and nothing else."""
    name = f"u{secrets.token_hex(4)}"
    execute(
        database,
        "CREATE TABLE p (id INT PRIMARY KEY)",
        "CREATE TABLE t (id INT PRIMARY KEY, p INT, CONSTRAINT fk FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE)",
        "CREATE TABLE u (id INT PRIMARY KEY, a INT, b INT)",
        f"CREATE USER '{name}'@'%' IDENTIFIED BY 'pw'",
        f"GRANT SELECT ON {schema}.t TO '{name}'@'%'",
        f"GRANT SELECT (id, a) ON {schema}.u TO '{name}'@'%'",
        schema=schema,
    )
    yield source_of(database, user=name, password=SecretStr("pw"))
    execute(database, f"DROP USER '{name}'@'%'")


def test_a_user_with_few_rights_is_told_what_is_missing(database: Database, poor: SourceSettings, schema: str) -> None:
    connection = connect(poor)
    found = preflight(connection, [f"{schema}.{name}" for name in "tup"], retention_hours=24)
    connection.close()
    text = "\n".join(map(str, found.errors))
    assert "lacks REPLICATION SLAVE" in text
    assert ("lacks BINLOG MONITOR" if database.flavour == "mariadb" else "lacks REPLICATION CLIENT") in text
    assert f"table {schema}.u: the user may not read all its columns" in text
    assert f"table {schema}.p: it does not exist as a plain table, or the user may not see it" in text
    assert f"table {schema}.t: the user" not in text


def test_a_reader_sees_the_foreign_keys_of_what_it_may_read(poor: SourceSettings, schema: str) -> None:
    """Or a cascade would pass preflight unseen."""
    connection = connect(poor)
    found = gather(connection, [f"{schema}.t"])
    connection.close()
    assert [key.name for key in found.foreign_keys] == ["fk"]


def test_rights_that_come_by_a_role_count(database: Database, poor: SourceSettings, schema: str) -> None:
    role = f"r{schema[-8:]}"
    default = f"{role} FOR" if database.flavour == "mariadb" else f"{role} TO"
    execute(
        database,
        f"CREATE ROLE {role}",
        f"GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {role}",
        f"GRANT {role} TO '{poor.user}'@'%'",
        f"SET DEFAULT ROLE {default} '{poor.user}'@'%'",
    )
    connection = connect(poor)
    found = preflight(connection, [f"{schema}.t"], retention_hours=24)
    connection.close()
    execute(database, f"DROP ROLE {role}")
    assert [problem.what for problem in found.errors if "lacks" in problem.what] == []
