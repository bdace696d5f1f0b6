"""An application that writes to the tables of a world all the time."""

import threading
import time
from collections.abc import Sequence
from typing import Any, Self

from tests.cdc.world import World


class Writer:
    """An application that writes to the tables in a thread, all the time: every kind of change, some rolled back."""

    def __init__(self, world: World, seed: int = 1) -> None:
        self._world = world
        self._seed = seed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.commits = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        import random

        import pymysql

        chance = random.Random(self._seed)
        while not self._stop.is_set():
            try:
                with self._world.database.connect(self._world.schema) as connection, connection.cursor() as cursor:
                    while not self._stop.is_set():
                        for statement in self._transaction(chance):
                            cursor.execute(statement)
                        self.commits += 1
                        time.sleep(0.002)
            except (pymysql.MySQLError, OSError):
                time.sleep(0.1)  # the server is being restarted

    @staticmethod
    def _transaction(chance: Any) -> Sequence[str]:
        customer, order, product, quantity = (chance.randrange(n) for n in (6, 4, 5, 100))
        key = f"customerid = {customer} AND orderid = {order} AND productid = {product}"
        status = chance.choice(["'new'", "'draft'", "'paid'"])
        statements = [
            f"REPLACE INTO purchase VALUES ({customer}, {order}, {product}, {quantity})",
            f"UPDATE purchase SET quantity = quantity + 1 WHERE {key}",
            f"DELETE FROM purchase WHERE {key}",
            f"UPDATE IGNORE purchase SET productid = productid + 5, orderid = orderid + 1 WHERE {key}",
            f"REPLACE INTO orders VALUES ({order * 10 + product}, {customer}, {status}, {quantity}.5)",
            f"UPDATE orders SET customer_id = {customer}, status = {status} WHERE id = {order * 10 + product}",
            f"DELETE FROM orders WHERE id = {order * 10 + product}",
            "INSERT INTO elsewhere (v) VALUES ('x')",
        ]
        chosen = [chance.choice(statements) for _ in range(chance.randint(1, 4))]
        end = chance.choice(["COMMIT", "COMMIT", "COMMIT", "ROLLBACK"])
        return ["BEGIN", *chosen[:2], "SAVEPOINT s", *chosen[2:3], "ROLLBACK TO s", *chosen[3:], end]
