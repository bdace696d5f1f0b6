"""What is read from version texts and variables."""

import pytest

from keymap.errors import KeyshiftError
from keymap.gtid import GtidSet
from keyshift.cli.demo.database import Database
from keyshift.mysql.connection import Connection
from keyshift.mysql.facts import (
    first_binlog,
    identity_of,
    read_facts,
    read_gtid_executed,
    read_gtid_purged,
    read_gtid_seen,
    version_of,
)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("9.7.4-2", (9, 7, 4)),
        ("8.0.36", (8, 0, 36)),
        ("8.0.mysql_aurora.3.05.2", (8, 0)),
        ("10.11.6-MariaDB-log", (10, 11, 6)),
        ("5.5.5-10.6.12-MariaDB", (10, 6, 12)),
        ("", ()),
    ],
)
def test_versions(text: str, version: tuple[int, ...]) -> None:
    assert version_of(text) == version


def test_a_server_is_told_from_another_by_the_best_that_it_has() -> None:
    common = {"server_id": "7", "hostname": "db1", "port": "3306"}
    assert identity_of(common | {"server_uuid": "3e11"}) == "3e11"
    assert identity_of(common | {"server_uid": "E56k"}) == "E56k:7"
    assert identity_of(common) == "server_id:7:db1:3306"


def test_what_a_select_has_seen_is_named_while_it_is_being_committed(
    database: Database, connection: Connection
) -> None:
    """A transaction is visible an instant before `gtid_executed` has it; `gtid_owned` has it from before."""
    if database.flavour == "mariadb":
        assert read_gtid_seen(connection) == ""
        return
    uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
    with database.connect() as other, other.cursor() as cursor:
        cursor.execute(f"SET SESSION gtid_next = '{uuid}:7'")
        seen = GtidSet(read_gtid_seen(connection))
        assert seen.contains(GtidSet(f"{uuid}:7"))
        assert seen.contains(GtidSet(read_gtid_executed(connection)))
        cursor.execute("ROLLBACK")
        cursor.execute("SET SESSION gtid_next = AUTOMATIC")
    assert not GtidSet(read_gtid_seen(connection)).contains(GtidSet(f"{uuid}:7"))
    assert GtidSet(read_gtid_executed(connection)).contains(GtidSet(read_gtid_purged(connection)))


def test_the_oldest_binlog_file_of_a_name(connection: Connection) -> None:
    facts = read_facts(connection)
    assert facts.binlog_base == "binlog"
    assert facts.binlog_retention.startswith("binlog_expire_logs_seconds=")
    assert first_binlog(connection, "binlog") == first_binlog(connection, "") == "binlog.000001"
    with pytest.raises(KeyshiftError, match=r"no binlog file named other\.\*"):
        first_binlog(connection, "other")


def test_a_live_server_is_recognised(database: Database, connection: Connection) -> None:
    facts = read_facts(connection)
    assert (facts.flavour, facts.gtid) == (database.flavour, database.flavour == "mysql")
    assert facts.version >= (9 if database.flavour == "mysql" else 10,)
    assert facts.identity
    assert facts.identity == read_facts(connection).identity
