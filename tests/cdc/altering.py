"""Rows written between statements that alter their tables, and a daemon that stops at one."""

from tests.cdc.world import World

Statements = tuple[str, ...]
ROWS = (
    "INSERT INTO orders (id, customer_id, status, total) VALUES ({n}1, 1, 'new', 5.25), ({n}2, 2, 'draft', NULL)",
    "INSERT INTO purchase (customerid, orderid, productid, quantity) VALUES ({n}, 1, 1, 5), ({n}, 1, 2, 6)",
    "UPDATE orders SET total = total + 1, customer_id = customer_id + 1",
    "UPDATE purchase SET quantity = quantity + 1",
    "DELETE FROM orders WHERE id = {n}2",
)


def write(world: World, number: int) -> None:
    world.execute(*(statement.format(n=number) for statement in ROWS))


def wait_stopped(world: World) -> str:
    """A daemon stops by itself; gives what it said."""
    with world.daemon():
        world.wait_until_failed()
    (error,) = world.errors
    world.errors.clear()
    return str(error)
