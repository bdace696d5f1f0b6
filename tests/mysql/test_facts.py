"""What is read from version texts and variables."""

import pytest

from keyshift.cli.demo.database import Database
from keyshift.mysql.connection import Connection
from keyshift.mysql.facts import identity_of, read_facts, version_of


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


def test_a_live_server_is_recognised(database: Database, connection: Connection) -> None:
    facts = read_facts(connection)
    assert (facts.flavour, facts.gtid) == (database.flavour, database.flavour == "mysql")
    assert facts.version >= (9 if database.flavour == "mysql" else 10,)
    assert facts.identity
    assert facts.identity == read_facts(connection).identity
