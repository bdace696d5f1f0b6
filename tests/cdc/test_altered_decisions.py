"""A decision about a statement that capture stopped at: for one place, whenever the daemon is killed."""

import time
from collections.abc import Callable

import pytest

from keyshift.control.halts import accept, read_accepted, read_stop, undecided
from tests.cdc.altering import wait_stopped, write
from tests.cdc.world import World


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
