"""The bench's one table: twelve columns of the usual types, among them JSON, about 110 bytes a row; and its keymap."""

import json
import random
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import cycle, islice
from typing import Any

from keymap.rules import Keymap, parse_keymap
from keymap.values import Row, json_text

SCHEMA, TABLE, TARGET = "bench", "event", "bench-event"
CREATE = """
CREATE TABLE event (
  id BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  account INT UNSIGNED NOT NULL,
  name VARCHAR(64) CHARACTER SET utf8mb4 NOT NULL,
  kind SMALLINT NOT NULL,
  amount DECIMAL(10, 2) NOT NULL,
  score DOUBLE NOT NULL,
  state ENUM('new', 'open', 'done') CHARACTER SET utf8mb4 NOT NULL,
  flag TINYINT NOT NULL,
  note VARCHAR(255) CHARACTER SET utf8mb4 NULL,
  made_at DATETIME NOT NULL,
  seen_at TIMESTAMP(6) NOT NULL DEFAULT '2026-01-02 03:04:05.678901',
  details JSON NOT NULL
) ENGINE=InnoDB
"""
COLUMNS = ("id", "account", "name", "kind", "amount", "score", "state", "flag", "note", "made_at", "details")
INSERT = f"INSERT INTO event ({', '.join(COLUMNS)}) VALUES ({', '.join(['%s'] * len(COLUMNS))})"
KEYMAP = f"""
keyshift: 1
targets:
  {TARGET}:
    partition_key: {{pk: S}}
    sort_key: {{sk: S}}
tables:
  {SCHEMA}.{TABLE}:
    - target: {TARGET}
      key: {{pk: "ACCOUNT#{{account}}", sk: "EVENT#{{id:012d}}"}}
      types: {{details: JSON}}
"""


def keymap() -> Keymap:
    """The compiled keymap."""
    return parse_keymap(KEYMAP, "bench.yaml")


def plain_keymap() -> Keymap:
    """The same for rows whose `details` are text, and stay it."""
    return parse_keymap(KEYMAP.replace("types: {details: JSON}", ""), "bench.yaml")


def values(count: int, first: int = 1) -> Iterator[tuple[Any, ...]]:
    """Rows as an application would insert them, always the same."""
    draw = random.Random(12)
    for number in range(first, first + count):
        yield (
            number,
            draw.randint(1, 5_000),
            f"event number {number}",
            number % 300,
            Decimal(draw.randint(0, 10**7)).scaleb(-2),
            draw.random(),
            draw.choice(("new", "open", "done")),
            number % 2,
            draw.choice((None, "a short note", "a note of some forty characters or so..")),
            "2026-01-02 03:04:05",
            json.dumps({"step": number % 7, "ok": True, "tags": ["a", "b"]}),
        )


def canonical_rows(count: int) -> Iterator[Row]:
    """The same rows as every reader of ours gives them."""
    for row in values(count):
        found: Row = dict(zip(COLUMNS, row, strict=True))
        found["score"] = Decimal(repr(found["score"]))
        found["made_at"] = "2026-01-02T03:04:05"
        found["seen_at"] = "2026-01-02T03:04:05.678901Z"
        found["details"] = json_text(str(found["details"]))
        yield found


def fill(  # a PyMySQL cursor, of a connection that has autocommit on
    cursor: Any,  # noqa: ANN401
    first: int,
    count: int,
    rows_per_transaction: int,
    names: Sequence[str] = (TABLE,),
) -> None:
    """Insert `count` rows from id `first` on, so many to a transaction, into the tables by turns."""
    rows, turn = values(count, first), cycle(names)
    while batch := list(islice(rows, rows_per_transaction)):
        cursor.executemany(INSERT.replace(TABLE, next(turn), 1), batch)


def names(count: int) -> list[str]:
    """The names of so many tables of this shape, this one first."""
    return [TABLE, *(f"{TABLE}_{number}" for number in range(2, count + 1))]


def keymap_text(count: int) -> str:
    """The keymap's text for so many tables, each with items of its own."""
    return KEYMAP + "".join(_RULE.format(name=name, upper=name.upper()) for name in names(count)[1:])


_RULE = f"""\
  {SCHEMA}.{{name}}:
    - target: {TARGET}
      key: {{{{pk: "ACCOUNT#{{{{account}}}}", sk: "{{upper}}#{{{{id:012d}}}}"}}}}
      types: {{{{details: JSON}}}}
"""
