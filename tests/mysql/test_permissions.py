"""docs/permissions.md: the grants that it names are enough, and each of them is needed and missed by its name."""

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from keyshift.cli.demo.database import Database
from keyshift.mysql.connection import connect
from keyshift.mysql.grants import database_privileges
from keyshift.mysql.preflight import Findings, preflight
from tests.mysql.sources import execute, source_of
from tests.mysql.test_preflight_live import server

PAGE = Path(__file__).parents[2] / "docs" / "permissions.md"
HEADINGS = {"mysql": "MySQL 8.0 to 9", "mariadb": "MariaDB 10.5 and newer"}


def statements(heading: str) -> list[str]:
    """The SQL under a heading, one statement each."""
    section = PAGE.read_text().split(f"### {heading}\n")[1]
    block = section.split("```sql\n")[1].split("```")[0]
    return [line.partition(";")[0] for line in block.splitlines()]


def documented(flavour: str, user: str, schema: str, *, locks: bool = False) -> tuple[str, list[str]]:
    """CREATE USER and the grants, for another user and another database than the page's."""
    create, *grants = statements(HEADINGS[flavour])
    if locks:
        grants += statements("MySQL without GTIDs, in addition")
    renamed = [text.replace("'keyshift'@", f"'{user}'@").replace(" shop.*", f" `{schema}`.*") for text in grants]
    return create.replace("'keyshift'@", f"'{user}'@").replace("'…'", "'pw'"), renamed


def privilege(grant: str) -> str:
    found = re.match(r"GRANT (.+) ON ", grant)
    assert found
    return found[1]


@pytest.fixture
def user(database: Database) -> Iterator[str]:
    name = f"u{secrets.token_hex(4)}"
    yield name
    execute(database, f"DROP USER IF EXISTS '{name}'@'%'")


def looked_at(database: Database, user: str, schema: str) -> Findings:
    connection = connect(source_of(database, user=user, password=SecretStr("pw")))
    try:
        return preflight(connection, [f"{schema}.t"], retention_hours=24)
    finally:
        connection.close()


def risks(found: Findings) -> list[str]:
    """What preflight warns of, but for the durability that the tests' servers do without."""
    durability = ("sync_binlog", "innodb_flush_log_at_trx_commit")
    return [str(warning) for warning in found.warnings if not warning.what.startswith(durability)]


def test_the_documented_grants_are_enough(database: Database, schema: str, user: str) -> None:
    create, grants = documented(database.flavour, user, schema)
    execute(database, create, *grants, "CREATE TABLE t (id INT PRIMARY KEY)", schema=schema)
    found = looked_at(database, user, schema)
    assert found.errors == ()
    assert risks(found) == []


def test_each_documented_grant_is_needed_and_preflight_names_it(database: Database, schema: str, user: str) -> None:
    execute(database, "CREATE TABLE t (id INT PRIMARY KEY)", schema=schema)
    create, grants = documented(database.flavour, user, schema)
    assert len(grants) == 4
    for missing in grants:
        execute(database, f"DROP USER IF EXISTS '{user}'@'%'", create, *(one for one in grants if one != missing))
        found = looked_at(database, user, schema)
        told = [*map(str, found.errors), *risks(found)]
        assert len(told) == 1, (missing, told)
        assert f"GRANT {privilege(missing)} ON" in told[0], missing


def test_without_gtids_the_grants_of_the_lock_are_needed_too(servers: str) -> None:
    if servers.startswith("mariadb"):
        return  # its start takes no lock
    with server("mysql", "--gtid-mode=OFF", "--enforce-gtid-consistency=OFF") as database:
        execute(database, "CREATE DATABASE sh_p", "CREATE TABLE sh_p.t (id INT PRIMARY KEY)")
        create, grants = documented("mysql", "u", "sh_p", locks=True)
        execute(database, create, *grants)
        assert looked_at(database, "u", "sh_p").errors == ()
        for missing in grants[-2:]:
            execute(database, "DROP USER 'u'@'%'", create, *(one for one in grants if one != missing))
            (told,) = looked_at(database, "u", "sh_p").errors
            assert f"GRANT {privilege(missing)} ON" in told.remedy


@pytest.mark.parametrize(
    ("grant", "database", "held"),
    [
        (r"GRANT SELECT, LOCK TABLES ON `shop`.* TO `u`@`%`", "shop", True),
        (r"GRANT LOCK TABLES ON `sh\_p`.* TO `u`@`%`", "sh_p", True),
        (r"GRANT LOCK TABLES ON `sh\_p`.* TO `u`@`%`", "shop", False),
        (r"GRANT LOCK TABLES ON `sh_p`.* TO `u`@`%`", "shop", True),
        (r"GRANT LOCK TABLES ON `s%`.* TO `u`@`%`", "shop", True),
        (r"GRANT ALL PRIVILEGES ON `sh.p`.* TO `u`@`%`", "shop", False),
        (r"GRANT LOCK TABLES ON *.* TO `u`@`%`", "shop", True),
        (r"GRANT LOCK TABLES ON `a``b`.* TO `u`@`%`", "a`b", True),
        (r"GRANT LOCK TABLES ON `shop`.`orders` TO `u`@`%`", "shop", False),
    ],
)
def test_a_grants_database_is_a_pattern(grant: str, database: str, held: bool) -> None:
    assert ("LOCK TABLES" in database_privileges([grant], database)) == held


def test_the_older_mysqls_grants_are_those_of_today_without_what_it_does_not_know() -> None:
    newer = [" ".join(one.split()) for one in statements("MySQL 8.0 to 9") if "XA_RECOVER_ADMIN" not in one]
    assert [" ".join(one.split()) for one in statements("MySQL 5.7")] == newer
