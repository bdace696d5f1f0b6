"""The demo's source database: its tables, its first rows, and the random statements of its busy application."""

import json
import random
from collections.abc import Iterator
from importlib.resources import files
from itertools import islice
from typing import Any

SCHEMA = "shop"
CUSTOMERS, ORDERS, PURCHASES = 400, 2_000, 6_000  # rows at scale 1
_BATCH_ROWS = 500
_LABEL_SHARE = 0.4  # of the orders that carry each label

Row = tuple[Any, ...]
Statement = tuple[str, Row]


def create_statements() -> list[str]:
    """The CREATE TABLE statements, one each."""
    return files(__package__).joinpath("shop.sql").read_text(encoding="utf-8").split(";")


def keymap_text() -> str:
    """The demo's keymap."""
    return files(__package__).joinpath("shop.yaml").read_text(encoding="utf-8")


class Shop:
    """Rows and statements of a made-up shop, all drawn from one random source, so that a seed repeats them."""

    def __init__(self, randomness: random.Random, scale: int) -> None:
        self._random = randomness
        self._customers, self._orders = CUSTOMERS * scale, ORDERS * scale
        self._purchases = PURCHASES * scale

    def fill(self) -> Iterator[tuple[str, list[Row]]]:
        """The first rows, as (INSERT statement, rows) of moderate size."""
        yield from self._batches(_CUSTOMER, (self._customer() for _ in range(self._customers)))
        yield from self._batches(_ORDER, (self._order() for _ in range(self._orders)))
        keys = {self._purchase_key() for _ in range(self._purchases)}
        yield from self._batches(_PURCHASE, ((*key, self._random.randint(1, 9)) for key in sorted(keys)))

    @staticmethod
    def _batches(statement: str, rows: Iterator[Row]) -> Iterator[tuple[str, list[Row]]]:
        while batch := list(islice(rows, _BATCH_ROWS)):
            yield statement, batch

    def transaction(self) -> list[Statement]:
        """One transaction of the application: mostly one statement, now and then several."""
        return [self._statement() for _ in range(self._random.choice((1, 1, 1, 2, 5)))]

    def _statement(self) -> Statement:
        kind = self._random.choices((self._insert, self._update, self._delete, self._move), weights=(30, 40, 15, 15))[0]
        return kind()

    def _insert(self) -> Statement:
        return self._random.choice(
            ((_CUSTOMER, self._customer()), (_ORDER, self._order()), (_PURCHASE, (*self._purchase_key(), 1)))
        )

    def _update(self) -> Statement:
        row = self._random
        return row.choice(
            (
                ("UPDATE customer SET vip = 1 - vip, city = %s WHERE id = %s", (self._city(), self._customer_id())),
                ("UPDATE orders SET status = %s, total = total + 1 WHERE id = %s", (self._status(), self._order_id())),
                ("UPDATE orders SET details = %s, note = %s WHERE id = %s", (self._details(), None, self._order_id())),
                ("UPDATE purchase SET quantity = quantity + 1 WHERE customerid = %s", (self._customer_id(),)),
            )
        )

    def _delete(self) -> Statement:
        return self._random.choice(
            (
                ("DELETE FROM orders WHERE id = %s", (self._order_id(),)),
                ("DELETE FROM purchase WHERE customerid = %s AND orderid = %s", self._purchase_key()[:2]),
                (
                    "DELETE FROM purchase WHERE customerid = %s AND orderid = %s AND productid = %s",
                    self._purchase_key(),
                ),
            )
        )

    def _move(self) -> Statement:
        """Changes of keys: of the primary key itself, and of a column that only the new key uses."""
        return self._random.choice(
            (
                ("UPDATE orders SET customer_id = %s WHERE id = %s", (self._customer_id(), self._order_id())),
                (
                    "UPDATE IGNORE orders SET id = %s WHERE id = %s",
                    (self._random.randint(10**9, 10**11), self._order_id()),
                ),
                (_MOVE_PURCHASE, self._purchase_key() + self._purchase_key()),
            )
        )

    def _customer_id(self) -> int:
        return self._random.randint(1, self._customers)

    def _order_id(self) -> int:
        return self._random.randint(1, self._orders)

    def _purchase_key(self) -> tuple[int, int, int]:
        return self._customer_id(), self._random.randint(1, 5), self._random.randint(1, 20)

    def _city(self) -> str | None:
        return self._random.choice(("Bern", "Málaga", "Århus", "São Paulo", None))

    def _status(self) -> str:
        return self._random.choice(("draft", "paid", "sent", "returned"))

    def _details(self) -> str | None:
        steps = [
            {"step": number, "ok": bool(number % 2), "cost": number * 1.25}
            for number in range(self._random.randint(0, 3))
        ]
        return self._random.choice((None, json.dumps({"steps": steps, "größe": self._random.randint(0, 10**12)})))

    def _customer(self) -> Row:
        number = self._random.randint(0, 10**9)
        token = self._random.randbytes(self._random.choice((4, 8))).ljust(8, b"\0")  # trailing zeros, as UUID keys have
        return (
            f"user{number}@example.com",
            self._city(),
            number % 2,
            token,
            f"20{number % 25:02d}-0{1 + number % 9}-17",
        )

    def _order(self) -> Row:
        pick = self._random
        day = f"2026-{pick.randint(1, 12):02d}-{pick.randint(1, 28):02d}"
        when = f"{day} {pick.randint(0, 23):02d}:30:00.{pick.randint(0, 999):03d}"
        labels = ",".join(label for label in ("gift", "express", "fragile") if pick.random() < _LABEL_SHARE)
        return (
            self._customer_id(),
            self._status(),
            f"{pick.randint(0, 10**8)}.{pick.randint(0, 99):02d}",
            pick.choice((None, 0.1, 1.5, 12345.678)),
            pick.choice((None, 0.3, 1e-7, 2.5e20)),
            labels,
            pick.randint(0, 31),
            pick.choice((None, "", "Please ring twice ☎", "x" * 300)),
            self._details(),
            when,
            pick.choice((None, "08:30:00", "-01:00:00", "120:15:00")),
            pick.choice((None, 1999, 2026)),
            pick.choice((None, b"", b"\x00\xff\x00", bytes(range(32)))),
        )


_CUSTOMER = "INSERT INTO customer (email, city, vip, token, registered) VALUES (%s, %s, %s, %s, %s)"
_ORDER = (
    "INSERT INTO orders (customer_id, status, total, weight, discount, labels, flags, note, details, placed_at, pickup,"
    " season, signature) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)
_PURCHASE = (
    "INSERT INTO purchase (customerid, orderid, productid, quantity) VALUES (%s, %s, %s, %s)"
    " ON DUPLICATE KEY UPDATE quantity = quantity + 1"
)
_MOVE_PURCHASE = (
    "UPDATE IGNORE purchase SET customerid = %s, orderid = %s, productid = %s"
    " WHERE customerid = %s AND orderid = %s AND productid = %s"
)
