"""What looks as if it hid changes, or showed them otherwise, and does not: capture reads through it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
from tests.cdc.test_daemon import started
from tests.cdc.world import World, make_world
from tests.mysql.test_preflight_live import server

SMALL_EVENTS = "--binlog-row-event-max-size=256"  # a statement's rows lie in many events


@pytest.fixture(scope="module")
def odd(servers: str) -> Iterator[Database]:
    """A server that logs the text of statements beside rows, in small events."""
    flavour = servers.partition("+")[0]
    texts = {"mysql": "--binlog-rows-query-log-events=ON", "mariadb": "--binlog-annotate-row-events=ON"}
    with server(flavour, SMALL_EVENTS, texts[flavour]) as database:
        with database.connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE odd")
        yield database


@pytest.fixture
def world(odd: Database, endpoints: Endpoints, tmp_path: Path) -> Iterator[World]:
    made = make_world(odd, endpoints, "odd", tmp_path)
    yield made
    made.clients.close()


def test_odd_ways_of_logging_and_rows_that_triggers_write_are_read(world: World) -> None:
    fill = ", ".join(f"({number}, {number % 5}, 'new', {number})" for number in range(300))
    marked = ["SET SESSION skip_replication = ON"] if world.database.flavour == "mariadb" else []
    with started(world):
        world.execute(
            "CREATE TRIGGER copies AFTER INSERT ON elsewhere FOR EACH ROW"
            " INSERT INTO orders VALUES (NEW.id + 1000, 1, NEW.v, 1)",
            f"INSERT INTO orders VALUES {fill}",
            "INSERT INTO elsewhere (v) VALUES ('new'), ('draft'), ('paid')",
            "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "SET SESSION binlog_format = MIXED",  # a function that is not deterministic makes it rows
            "INSERT INTO orders SELECT 2000 + id, 1, LEFT(UUID(), 8), 5 FROM elsewhere",
            "SET SESSION binlog_format = ROW",
            *marked,  # a replica may ask not to be sent these
            "UPDATE orders SET total = total + 1",
            "DELETE FROM orders WHERE id % 3 = 0",
            "FLUSH BINARY LOGS",
            "INSERT INTO purchase VALUES (1, 1, 1, 1)",
        )
        world.wait_caught_up()
    assert world.errors == []
    world.require_same()
    assert any(change.after and change.after.get("id") == 1001 for lane in world.lanes().values() for change in lane)
