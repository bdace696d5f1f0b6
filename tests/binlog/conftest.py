"""Servers of one flavour, for what only that one has."""

import pytest

from keyshift.cli.demo.database import Database


@pytest.fixture
def mysql(database: Database) -> Database:
    if database.flavour != "mysql":
        pytest.skip("about what only MySQL does: KEYSHIFT_TEST_SERVERS=mysql+local")
    return database


@pytest.fixture
def mariadb(database: Database) -> Database:
    if database.flavour != "mariadb":
        pytest.skip("about what only MariaDB does: KEYSHIFT_TEST_SERVERS=mariadb+embedded")
    return database
