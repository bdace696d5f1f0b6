"""DDL on captured tables, on real servers: followed where no item changes, else stopped at until somebody decides."""

import time
from collections.abc import Callable

import pytest
from pymysql.err import IntegrityError

from keyshift.control.halts import accept, read_accepted, read_stop, undecided
from keyshift.control.shapes import read_histories
from tests.cdc.world import World, Writer

Statements = tuple[str, ...]

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
ROWS = (
    "INSERT INTO orders (id, customer_id, status, total) VALUES ({n}1, 1, 'new', 5.25), ({n}2, 2, 'draft', NULL)",
    "INSERT INTO purchase (customerid, orderid, productid, quantity) VALUES ({n}, 1, 1, 5), ({n}, 1, 2, 6)",
    "UPDATE orders SET total = total + 1, customer_id = customer_id + 1",
    "UPDATE purchase SET quantity = quantity + 1",
    "DELETE FROM orders WHERE id = {n}2",
)


def write(world: World, number: int) -> None:
    world.execute(*(statement.format(n=number) for statement in ROWS))


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


def wait_stopped(world: World) -> str:
    """A daemon stops by itself; gives what it said."""
    with world.daemon():
        world.wait_until_failed()
    (error,) = world.errors
    world.errors.clear()
    return str(error)


_PARTITIONS = "PARTITION low VALUES LESS THAN (15), PARTITION rest VALUES LESS THAN MAXVALUE"
PARTITIONED = (f"ALTER TABLE orders PARTITION BY RANGE (id) ({_PARTITIONS})",)
STOPS: dict[str, tuple[Statements, str]] = {
    "added with values": (("ALTER TABLE orders ADD COLUMN note INT NOT NULL DEFAULT 5",), "may have values in rows"),
    "narrowed": (("ALTER TABLE orders MODIFY total DECIMAL(10,1)",), "may change its values"),
    "dropped": (
        ("ALTER TABLE orders ADD note INT", "ALTER TABLE orders DROP COLUMN note"),
        "is dropped, and is stored",
    ),
    "truncated": (("TRUNCATE orders",), "none of the rows that it changes"),
    "a statement": (
        (
            "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "SET SESSION binlog_format = STATEMENT",
            "UPDATE orders SET total = 3",
        ),
        "none of the rows that it changes",
    ),
    "inserted from another table": (
        (
            "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "SET SESSION binlog_format = MIXED",
            "INSERT INTO orders SELECT id + 500, customer_id, status, total FROM orders",
        ),
        "none of the rows that it changes",
    ),
    "without its primary key": (("DROP INDEX `PRIMARY` ON orders",), "the table loses its primary key"),
    "without its rows": (("ALTER TABLE orders DISCARD TABLESPACE",), "loses its rows"),
    "a partition dropped": ((*PARTITIONED, "ALTER TABLE orders DROP PARTITION low"), "loses the rows of a partition"),
    "a partition emptied": ((*PARTITIONED, "ALTER TABLE orders TRUNCATE PARTITION low"), "the rows of a partition"),
    "a partition exchanged": (
        (
            "CREATE TABLE aside LIKE orders",
            *PARTITIONED,
            "ALTER TABLE orders EXCHANGE PARTITION low WITH TABLE aside",
        ),
        "exchanges the rows of a partition",
    ),
    # What gh-ost and pt-online-schema-change run when they put their copy in place, word for word.
    "through a view": (
        (
            "CREATE VIEW paid AS SELECT * FROM orders",
            "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "SET SESSION binlog_format = STATEMENT",
            "UPDATE paid SET total = 3",
        ),
        "a view, a trigger or a function may have changed",
    ),
    "by a trigger": (
        (
            "CREATE TRIGGER marks AFTER INSERT ON elsewhere FOR EACH ROW UPDATE orders SET total = 9",
            "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "SET SESSION binlog_format = STATEMENT",
            "INSERT INTO elsewhere VALUES (77, 'x')",
        ),
        "a view, a trigger or a function may have changed",
    ),
    "gh-ost": (
        (
            "create /* gh-ost */ table `_orders_gho` like `orders`",
            "alter /* gh-ost */ table `_orders_gho` ADD COLUMN note INT NULL",
            (
                "insert /* gh-ost */ ignore into `_orders_gho` (id, customer_id, status, total)"
                " (select id, customer_id, status, total from `orders` lock in share mode)"
            ),
            (
                "create /* gh-ost */ table `_orders_del` (id int auto_increment primary key)"
                " engine=InnoDB comment='ghost-cut-over-sentry'"
            ),
            "drop /* gh-ost */ table if exists `_orders_del`",
            "rename /* gh-ost */ table `orders` to `_orders_del`, `_orders_gho` to `orders`",
        ),
        "gh-ost put its copy in the place of",
    ),
    "pt-osc": (
        (
            "CREATE TABLE `_orders_new` LIKE `orders`",
            "ALTER TABLE `_orders_new` ADD COLUMN note INT NULL",
            (
                "CREATE TRIGGER pt_osc_del AFTER DELETE ON orders FOR EACH ROW"
                " DELETE IGNORE FROM `_orders_new` WHERE `_orders_new`.id <=> OLD.id"
            ),
            (
                "INSERT LOW_PRIORITY IGNORE INTO `_orders_new` (id, customer_id, status, total)"
                " SELECT id, customer_id, status, total FROM `orders` LOCK IN SHARE MODE"
            ),
            "DROP TRIGGER IF EXISTS pt_osc_del",
            "RENAME TABLE `orders` TO `_orders_old`, `_orders_new` TO `orders`",
            "DROP TABLE IF EXISTS `_orders_old`",
        ),
        "pt-online-schema-change put its copy in the place of",
    ),
}
EQUAL_AFTERWARDS = ("gh-ost", "pt-osc")  # whatever else happened, these copies held the same rows


# What leaves the tables such that rows cannot be written, or preflight refuses them, once somebody has answered for it.
INDIRECT = ("through a view", "by a trigger")  # any captured table of the database may be meant
ENDS = ("without its primary key", "without its rows")


@pytest.mark.parametrize("case", STOPS)
def test_what_cannot_be_followed_stops_at_its_place_and_is_passed_once_somebody_answers_for_it(
    world: World, case: str
) -> None:
    statements, why = STOPS[case]
    with world.daemon():
        world.wait_started()
        write(world, 1)
        world.execute(*statements)
        if case not in ENDS:
            write(world, 2)
        world.wait_until_failed()
    (error,) = world.errors
    first = str(error)
    world.errors.clear()
    assert why in first
    assert "keyshift cdc resume --decision accept" in first
    halt = read_stop(world.store)
    assert halt is not None
    assert halt.place in first
    assert f"{world.schema}.orders" in halt.tables
    assert (len(halt.tables) > 1) == (case in INDIRECT)
    assert undecided(halt, read_accepted(world.store)) == halt
    before = world.capture().checkpoint
    assert before is not None
    assert before.changes == 6  # all before it was sent, and nothing behind it
    if case in ENDS:
        return
    assert wait_stopped(world) == first
    assert world.capture().checkpoint == before
    accept(world.store, "the team looked at it")
    for _ in range(2):
        with world.daemon():
            world.wait_caught_up()
    assert world.errors == []
    after = world.capture().checkpoint
    assert after is not None
    versions = [change.version for changes in world.lanes().values() for change in changes]
    assert after.changes == len({*versions}), "nothing was read twice"
    assert any(change.after and change.after.get("id") == 21 for lane in world.lanes().values() for change in lane)
    if case in EQUAL_AFTERWARDS:
        world.require_same()


def killed_before(world: World) -> None:
    """Killed at any moment from the statement on, and started again before anybody decides."""
    for seconds in (0.6, 0.9, 1.2):
        process = world.spawn()
        time.sleep(seconds)
        process.kill()
        process.wait()
    wait_stopped(world)
    accept(world.store, "a reason")


def killed_after(world: World) -> None:
    """Killed right after the decision, as it passes the statement."""
    wait_stopped(world)
    accept(world.store, "a reason")
    for seconds in (0.6, 1.0, 1.4):
        process = world.spawn()
        time.sleep(seconds)
        process.kill()
        process.wait()


@pytest.mark.parametrize("killed", [killed_before, killed_after])
def test_a_daemon_that_is_killed_around_the_decision_loses_nothing(
    world: World, killed: Callable[[World], None]
) -> None:
    with world.daemon():
        world.wait_started()
        write(world, 1)
        world.wait_caught_up()
    write(world, 2)
    world.execute("ALTER TABLE orders DROP COLUMN total, ADD COLUMN total DECIMAL(10,2) NULL")
    world.execute("UPDATE orders SET total = 1")
    write(world, 3)
    killed(world)
    with world.daemon():
        world.wait_caught_up()
    assert world.errors == []
    world.require_same()
    (accepted,) = read_accepted(world.store)
    assert accepted.reason == "a reason"


def test_a_decision_is_for_one_place_only(world: World) -> None:
    with world.daemon():
        world.wait_started()
        world.execute("TRUNCATE orders", "TRUNCATE orders")
        world.wait_until_failed()
    world.errors.clear()
    first = read_stop(world.store)
    accept(world.store, "it was empty")
    assert "was changed at" in wait_stopped(world)
    second = read_stop(world.store)
    assert first is not None
    assert second is not None
    assert second.offset > first.offset
    assert undecided(second, read_accepted(world.store)) == second
    assert accept(world.store, "again").reason == "again"
    assert accept(world.store, "changed my mind").reason == "again"
    with world.daemon():
        world.wait_caught_up()
    assert world.errors == []


RENAMED_APART = (
    "create table `_orders_gho` like `orders`",
    "insert into `_orders_gho` select * from `orders`",
    "alter /* gh-ost */ table `orders` RENAME `_orders_del`",
    "alter /* gh-ost */ table `_orders_gho` RENAME `orders`",
)


def test_gh_osts_renames_in_two_steps_are_recognised_one_after_the_other(world: World) -> None:
    with world.daemon():
        world.wait_started()
        write(world, 1)
        world.execute(*RENAMED_APART)
        write(world, 2)
        world.wait_until_failed()
    world.errors.clear()
    for _ in range(2):
        assert "gh-ost put its copy in the place of" in wait_stopped(world)
        accept(world.store, "the copy holds the same rows")
    with world.daemon():
        world.wait_caught_up()
    assert world.errors == []
    world.require_same()


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


MARIADBS: dict[str, tuple[Statements, str]] = {
    "replaced": (("CREATE OR REPLACE TABLE orders (id INT PRIMARY KEY)",), "none of the rows that it changes"),
    "versioned": (("ALTER TABLE orders ADD SYSTEM VERSIONING",), "gets system versioning"),
    "a partition made a table": (
        (*PARTITIONED, "ALTER TABLE orders CONVERT PARTITION low TO TABLE aside"),
        "CONVERT is not understood",
    ),
    "rows that a new key refuses": (
        ("ALTER IGNORE TABLE orders ADD UNIQUE (customer_id)",),
        "ALTER IGNORE is not understood",
    ),
}


@pytest.mark.parametrize("case", MARIADBS)
def test_what_only_mariadb_has_stops_too(world: World, case: str) -> None:
    statements, why = MARIADBS[case]
    if world.database.flavour != "mariadb":
        return  # MySQL knows none of these
    with world.daemon():
        world.wait_started()
        write(world, 1)
        world.execute(*statements)
        world.wait_until_failed()
    assert why in str(world.errors.pop())


def test_a_file_that_a_statement_loads_stops(world: World) -> None:
    file = world.database.directory / "orders.txt"
    file.write_text("7\t1\tnew\t5\n")
    file.chmod(0o644)
    with world.daemon():
        world.wait_started()
        write(world, 1)
        world.execute(
            "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "SET SESSION binlog_format = STATEMENT",
            f"LOAD DATA INFILE '{file}' INTO TABLE orders",
        )
        world.wait_until_failed()
    error = str(world.errors.pop())
    assert "(LOAD DATA ...)" in error
    assert "none of the rows that it changes" in error
