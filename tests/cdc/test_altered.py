"""DDL on captured tables that changes no item, on real servers: followed, whoever writes or dies meanwhile."""

import time

import pytest
from pymysql.err import IntegrityError

from keyshift.control.halts import accept, read_stop
from keyshift.control.shapes import read_histories
from tests.cdc.altering import Statements, wait_stopped, write
from tests.cdc.world import World
from tests.cdc.writer import Writer

FOLLOWED: dict[str, Statements] = {
    "added": ("ALTER TABLE orders ADD COLUMN note VARCHAR(50) NULL AFTER id",),
    "widened": (
        "ALTER TABLE orders MODIFY id BIGINT NOT NULL, MODIFY status VARCHAR(80) NOT NULL",
        "ALTER TABLE orders MODIFY total DECIMAL(14,2) NULL",
    ),
    "another character set": ("ALTER TABLE orders CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",),
    "added and dropped where nobody looks": (
        "ALTER TABLE purchase ADD COLUMN price DECIMAL(9,3) NOT NULL DEFAULT 1.5, ADD COLUMN v INT AS (quantity + 1)",
        "ALTER TABLE purchase MODIFY price DOUBLE",
        "ALTER TABLE purchase DROP COLUMN v, CHANGE price cost VARCHAR(9)",
    ),
    "indexes and options": (
        "ALTER TABLE orders ADD INDEX s (status), COMMENT='x', ADD CHECK (total < 1000000)",
        "CREATE INDEX t ON orders (total)",
        "DROP INDEX t ON orders",
        "ALTER TABLE orders ALTER COLUMN total SET DEFAULT 7, ALGORITHM=INPLACE",
    ),
}


@pytest.mark.parametrize("case", FOLLOWED)
@pytest.mark.parametrize("running", [True, False])
def test_what_can_be_followed_is_with_rows_of_every_shape(world: World, case: str, running: bool) -> None:
    """Read while it happens, or by a daemon that comes back to tables that look otherwise by now."""
    with world.daemon():
        world.wait_started()
        write(world, 1)
        if running:
            for number, statement in enumerate(FOLLOWED[case], 2):
                world.execute(statement)
                write(world, number)
            world.wait_caught_up()
    if not running:
        write(world, 9)
        for number, statement in enumerate(FOLLOWED[case], 2):
            world.execute(statement)
            write(world, number)
    for _ in range(2):
        with world.daemon():
            world.wait_caught_up()
    assert world.errors == []
    assert read_stop(world.store) is None
    world.require_same()


def test_a_new_columns_values_are_captured(world: World) -> None:
    with world.daemon():
        world.wait_started()
        write(world, 1)
        kind = "UUID" if world.database.flavour == "mariadb" else "JSON"
        world.execute(f"ALTER TABLE orders ADD COLUMN note {kind}")
        value = "'123e4567-e89b-12d3-a456-426655440000'" if kind == "UUID" else "'[1]'"
        world.execute(f"UPDATE orders SET note = {value}")
        world.wait_caught_up()
    assert world.errors == []
    world.require_same()
    assert any("note" in (attributes or {}) for attributes in world.replayed().values())


def test_an_application_that_writes_meanwhile_is_captured_by_daemons_that_are_killed(world: World) -> None:
    with world.daemon():
        world.wait_started()
    world.execute("ALTER TABLE orders ADD COLUMN last INT")  # the writer's REPLACE names no columns
    world.execute("ALTER TABLE orders DROP COLUMN last")
    wait_stopped(world)
    accept(world.store, "it was NULL everywhere")
    with Writer(world) as writer:
        for number in range(4):
            process = world.spawn()
            time.sleep(1.5)
            world.execute(f"ALTER TABLE orders MODIFY status VARCHAR({20 + number}) NOT NULL")
            time.sleep(0.5)
            process.kill()
            process.wait()
    assert writer.commits > 50
    with world.daemon():
        world.wait_caught_up()
    assert world.errors == []
    world.require_same()
    (shapes,) = (
        since for table, since in read_histories(world.store, world.keymap.tables).items() if "orders" in table
    )
    assert shapes[-1].shape.schema.column("status").column_type == "varchar(23)"


@pytest.mark.parametrize("running", [True, False])
def test_an_alter_that_mariadb_logs_at_its_start_and_at_its_end_is_followed_at_its_end(
    world: World, running: bool
) -> None:
    """Rows between the two look as before; one that is rolled back, whatever it was to do, has done nothing."""
    if world.database.flavour != "mariadb":
        return  # MySQL has no such thing
    statements = (
        "SET SESSION binlog_alter_two_phase = ON",
        "ALTER TABLE orders ADD COLUMN note VARCHAR(20) NULL AFTER id",
        "UPDATE orders SET note = 'new', total = 1",
        "CREATE INDEX s ON orders (status)",
        "ALTER TABLE orders MODIFY status VARCHAR(30) NOT NULL, MODIFY id BIGINT NOT NULL",
    )
    with world.daemon() as stop:
        world.wait_started()
        write(world, 1)
        if not running:
            stop.set()
    with world.database.connect(world.schema) as connection, connection.cursor() as cursor, world.daemon():
        for statement in statements:
            cursor.execute(statement)
        with pytest.raises(IntegrityError):
            cursor.execute("ALTER TABLE purchase ADD COLUMN more INT NOT NULL DEFAULT 5, ADD UNIQUE (customerid)")
        write(world, 2)
        world.wait_caught_up()
        cursor.execute("ALTER TABLE orders ADD COLUMN weight INT NOT NULL DEFAULT 3")
        world.wait_until_failed()
    assert "may have values in rows that were there before" in str(world.errors.pop())
    accept(world.store, "nobody needs it")
    with world.daemon():
        world.wait_caught_up()
    assert world.errors == []
