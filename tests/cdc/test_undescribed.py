"""A source whose binlog does not describe its rows: the tables' columns at the start of capture stand in for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdc.continuity import Lost
from keymap.errors import KeyshiftError, Problems
from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
from tests.cdc.world import World, make_world
from tests.cdc.writer import Writer
from tests.mysql.sources import execute


@pytest.fixture
def undescribed(database: Database) -> Iterator[Database]:
    minimal = "NO_LOG" if database.flavour == "mariadb" else "MINIMAL"
    execute(database, f"SET GLOBAL binlog_row_metadata = {minimal}")
    yield database
    execute(database, "SET GLOBAL binlog_row_metadata = FULL")


@pytest.fixture
def world(undescribed: Database, endpoints: Endpoints, schema: str, tmp_path: Path) -> Iterator[World]:
    made = make_world(undescribed, endpoints, schema, tmp_path, capture="row_metadata: schema")
    yield made
    made.clients.close()


def test_everything_is_captured_by_the_tables_columns(world: World) -> None:
    with world.daemon():
        world.wait_started()
        with Writer(world) as writer:
            world.wait_until(lambda: writer.commits > 50, "the application to write")
        world.wait_caught_up()
    with world.daemon():  # a second one goes on by the same columns
        world.execute("INSERT INTO purchase VALUES (100, 1, 1, 5)")
        world.wait_caught_up()
    assert world.errors == []
    world.require_same()


def test_a_table_that_was_altered_while_the_daemon_was_away_is_refused(world: World) -> None:
    """The columns that its earlier rows were written with are known to nobody."""
    with world.daemon():
        world.wait_started()
    world.execute("INSERT INTO purchase VALUES (1, 1, 1, 5)")
    world.execute("ALTER TABLE purchase CHANGE quantity amount INT NOT NULL, ADD COLUMN quantity INT NOT NULL")
    with world.daemon():
        world.wait_until_failed()
    (error,) = world.errors
    assert isinstance(error, KeyshiftError)
    assert "was altered since capture began" in error.message
    assert isinstance(error, Lost)
    assert "keyshift cdc resume --decision reload" in error.remedy


def test_any_ddl_on_a_captured_table_stops_the_daemon(world: World) -> None:
    with world.daemon():
        world.wait_started()
        world.execute("INSERT INTO purchase VALUES (1, 1, 1, 5)", "ALTER TABLE purchase ADD COLUMN note INT")
        world.wait_until_failed()
    (error,) = world.errors
    assert "was changed at binlog" in str(error)


def test_it_is_refused_unless_the_settings_say_so(
    undescribed: Database, endpoints: Endpoints, schema: str, tmp_path: Path
) -> None:
    world = make_world(undescribed, endpoints, schema, tmp_path)
    with world.daemon():
        world.wait_until_failed()
    world.clients.close()
    (error,) = world.errors
    assert isinstance(error, Problems)
    assert "capture.row_metadata" in str(error)
