"""Capture stops at a statement that cannot be followed, and passes it once somebody answers for it."""

import pytest

from keyshift.control.halts import accept, read_accepted, read_stop, read_undecided, undecided
from tests.cdc.altering import Statements, wait_stopped, write
from tests.cdc.world import World

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


def test_a_table_that_was_renamed_is_missed_as_such_until_it_is_renamed_back(world: World) -> None:
    with world.daemon():
        world.wait_started()
        write(world, 1)
        world.execute("RENAME TABLE orders TO orders_old")
        world.wait_until_failed()
    first = str(world.errors.pop())
    assert f"no row changes by it, but the table is {world.schema}.orders_old from here on" in first
    assert "Rename it back" in first
    halt = read_stop(world.store)
    assert halt is not None
    told = wait_stopped(world)
    assert told.startswith(f"table {world.schema}.orders: it was captured, and is not there under this name any more")
    assert halt.place in told
    assert "docs/ddl.md" in told
    assert read_undecided(world.store) == halt
    world.execute("RENAME TABLE orders_old TO orders")
    write(world, 2)
    assert wait_stopped(world) == first
    accept(world.store, "nobody wrote to it meanwhile")
    assert f"{world.schema}.orders_old takes the name {world.schema}.orders" in wait_stopped(world)
    accept(world.store, "it is the same table")
    with world.daemon():
        world.wait_caught_up()
    world.require_same()


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
