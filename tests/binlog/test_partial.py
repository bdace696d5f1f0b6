"""Updates that log only what changed within JSON documents: the documents are whole again, as on the server."""

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from keymap.values import Row
from keyshift.binlog.errors import Malformed
from keyshift.binlog.packets import PARTIAL_UPDATE, UPDATES
from keyshift.cli.demo.database import Database
from keyshift.mysql.connection import connect
from keyshift.mysql.table_reader import read_chunk
from tests.binlog import logfile
from tests.binlog.decoded import images, partial_images
from tests.cdc.sources import schemas_of
from tests.mysql.sources import execute, source_of

SESSION = "SET SESSION binlog_row_value_options = 'PARTIAL_JSON', sql_mode = 'NO_BACKSLASH_ESCAPES'"

Pair = tuple[Row, Row]


def updates(events: Sequence[bytes]) -> Iterator[tuple[int, list[Pair]]]:
    """The type of each event of updated rows, and its rows."""
    for kind, body, table in logfile.with_tables(events):
        if kind == PARTIAL_UPDATE:
            yield kind, partial_images(body, table)
        elif kind in UPDATES:
            yield kind, images(kind, body, table)  # type: ignore[misc] - updates have both images


def selected(database: Database, table: str) -> list[Row]:
    connection = connect(source_of(database))
    try:
        return read_chunk(connection, schemas_of(database, table)[table], None, 1_000_000).rows
    finally:
        connection.close()


def check_history(database: Database, schema: str, columns: str, first: str, changes: Sequence[str]) -> list[int]:
    """Make the changes one by one; every row must go on from what it was, and end as SELECT has it.

    `first` are the values of row 1, to which all changes apply. Gives the types of the events.
    """
    table = f"CREATE TABLE t (id INT PRIMARY KEY, {columns})"
    execute(database, table, f"INSERT INTO t VALUES (1, {first})", schema=schema)
    rows = selected(database, f"{schema}.t")
    kinds = []
    for start in range(0, len(changes), 100):
        for kind, pairs in updates(logfile.logged(database, schema, SESSION, *changes[start : start + 100])):
            kinds.append(kind)
            for before, after in pairs:
                assert [before] == rows
                rows = [after]
    assert rows == selected(database, f"{schema}.t")
    return kinds


DOCUMENT = {
    "a": [1, 2, {"b": ["x", [True, None]], "c d": 1.5}, "last"],
    "é": {"ключ": 1, "日本": {"😀": [0]}},
    'q"u\\o/te': {"tab\there": 1, "new\nline": 2, "": {"": 0}},
    "$": {"[0]": 1, "*": 2, "a.b": 3, "last": 4, "'": 5, "\x01": 6, "1a": 7, "a-b": 8, "_x$1": 9},
    "long": "x" * 300,
    "number": 1,
}
PATHS = [
    ("SET", "$.a[0]", "10"),
    ("SET", "$.a[last]", "JSON_OBJECT('deep', JSON_ARRAY(1, 2))"),
    ("SET", "$.a[last-1].b[1][0]", "false"),
    ("SET", '$.a[2]."c d"', "CAST(1.50 AS DECIMAL(10,2))"),
    ("SET", "$.a[99]", "'appended'"),
    ("SET", "$.a[last-99]", "'nowhere'"),
    ("SET", "$.number[0]", "5"),
    ("SET", "$.number[last]", "6"),
    ("SET", "$.number[7]", "'wrapped'"),
    ("SET", "$.number[0][0][0]", "3"),
    ("REPLACE", "$.nothing", "1"),
    ("REPLACE", '$.é."ключ"', "REPEAT('я', 200)"),
    ("SET", '$.é."ключ"', "NULL"),
    ("SET", '$.é."日本"."😀"[0]', "'😀'"),
    ("SET", '$."q\\"u\\\\o/te"."tab\\there"', "CAST('{\"a\": [1e300, -0.0, 18446744073709551615]}' AS JSON)"),
    ("SET", '$."q\\"u\\\\o/te"."new\\nline"', "TIMESTAMP'2024-01-01 01:02:03.5'"),
    ("SET", '$."q\\"u\\\\o/te"."".""', "CAST('abc' AS BINARY)"),
    ("REMOVE", '$."q\\"u\\\\o/te".""', None),
    *(("SET", f'$."$"."{name}"', f"'{number}'") for number, name in enumerate(["[0]", "*", "a.b", "last", "''", "1a"])),
    *(("SET", f'$."$".{name}', "1234567") for name in ["last", "_x$1", "\\u0061b", "neŵ‿x"]),
    ("SET", '$."$"."\\u0001"', "1"),
    ("SET", '$."$"."back\\\\u0041slash"', "1"),
    ("SET", '$."$"."back\\\\u0041slash"', "2"),
    ("REMOVE", "$.a[1]", None),
    ("REMOVE", "$.a[last-1]", None),
    ("REMOVE", "$.a[50]", None),
    ("REMOVE", "$.long", None),
    ("REMOVE", "$.é", None),
    ("SET", "$ . \n number", "CAST(123456789012345678901234567890.5 AS DECIMAL(40,1))"),
    ("SET", "$", "JSON_OBJECT('all', 'new')"),
]


def as_json(document: Any) -> str:
    """A document as an SQL expression."""
    return f"CAST(CONVERT(x'{json.dumps(document).encode().hex()}' USING utf8mb4) AS JSON)"


def test_every_kind_of_change_of_a_document_is_followed(mysql: Database, schema: str) -> None:
    changes = [
        f"UPDATE t SET j = JSON_{function}(j, '{path}'{'' if value is None else f', {value}'})"
        for function, path, value in PATHS
    ]
    kinds = check_history(mysql, schema, "j JSON", as_json(DOCUMENT), changes)
    assert kinds.count(PARTIAL_UPDATE) >= 30


MANY = [
    # several changes of one column, and of several; columns that did not change; others than JSON
    "UPDATE t SET j1 = JSON_SET(j1, '$.a', 1, '$.b', 2, '$.l[0]', 3), j3 = JSON_REMOVE(j3, '$.l[1]', '$.l[0]')",
    "UPDATE t SET j1 = JSON_REMOVE(JSON_REPLACE(JSON_SET(j1, '$.c', '\\\"'), '$.a', NULL), '$.b'), n = n + 1",
    "UPDATE t SET j9 = JSON_SET(j9, '$.l[last]', j1), j2 = JSON_SET(j2, '$.x', n), v = REPEAT('é', 300)",
    "UPDATE t SET n = n + 1",
    # no change at all within a column that would be partial
    "UPDATE t SET j1 = JSON_SET(j1, '$.l[0]', 3), j2 = JSON_REPLACE(j2, '$.none', 1), n = 40",
    # these cannot be partial, or not all of it
    "UPDATE t SET j1 = JSON_MERGE_PATCH(j1, '{\"m\": [1]}'), j2 = JSON_SET(j2, '$.y', 1)",
    "UPDATE t SET j4 = NULL, j5 = JSON_SET(j5, '$.y', 1)",
    "UPDATE t SET j4 = JSON_SET(j4, '$.y', 1), j5 = JSON_SET(j5, '$.y', 2)",
    "UPDATE t SET j4 = '[]', j5 = JSON_SET(j5, '$.y', '3')",
    "UPDATE t SET j4 = JSON_SET(j4, '$[0]', '3', '$[5]', '4', '$[last]', 5), j5 = JSON_SET('{}', '$.y', 1)",
    "UPDATE t SET j6 = JSON_ARRAY_APPEND(j6, '$.l', 1), j7 = JSON_SET(j7, '$.l', CAST('[]' AS JSON))",
    "UPDATE t SET j2 = JSON_SET(j2, '$', CAST('{\"l\": []}' AS JSON))",
    "UPDATE t SET j8 = JSON_SET(j8, '$.l[0]', j8, '$.l[0].l[1]', 'x')",
]


def test_columns_are_partial_each_for_itself(mysql: Database, schema: str) -> None:
    columns = ", ".join(f"j{number} JSON" for number in range(1, 10))
    kinds = check_history(
        mysql,
        schema,
        f"n INT, {columns}, v VARCHAR(300), g INT AS (n + 1) STORED, w INT AS (n) VIRTUAL",
        ", ".join(["1", *[as_json({"l": [1, 2, "x" * 50], "long": "y" * 200})] * 9, "''", "DEFAULT", "DEFAULT"]),
        MANY,
    )
    assert kinds.count(PARTIAL_UPDATE) == len(kinds) == len(MANY)


def test_one_event_has_many_rows_with_changes_of_their_own(mysql: Database, schema: str) -> None:
    rows = ", ".join(
        f"({number}, JSON_OBJECT('a', JSON_ARRAY({number}), 'pad', REPEAT('x', 99)))" for number in range(50)
    )
    execute(mysql, "CREATE TABLE t (id INT PRIMARY KEY, j JSON)", f"INSERT INTO t VALUES {rows}", schema=schema)
    state = {row["id"]: row for row in selected(mysql, f"{schema}.t")}
    change = "UPDATE t SET j = IF(id % 3, JSON_SET(j, '$.a[1]', id), JSON_OBJECT())"
    partial = "UPDATE t SET j = JSON_SET(j, '$.a[0]', id * 2, '$.a[5]', CAST(id AS CHAR)) WHERE id % 3"
    kinds = set()
    for kind, pairs in updates(logfile.logged(mysql, schema, SESSION, change, partial)):
        kinds.add((kind, len(pairs) > 1))
        for before, after in pairs:
            assert state[before["id"]] == before
            state[before["id"]] = after
    assert (PARTIAL_UPDATE, True) in kinds
    assert list(state.values()) == selected(mysql, f"{schema}.t")


def test_changes_of_a_document_that_was_not_logged_are_refused(mysql: Database, schema: str) -> None:
    document = as_json({"a": 1, "pad": "x" * 100})
    table = "CREATE TABLE t (id INT PRIMARY KEY, i JSON, j JSON)"
    execute(mysql, table, f"INSERT INTO t VALUES (1, {document}, {document})", schema=schema)
    minimal = "SET SESSION binlog_row_image = 'MINIMAL'"
    events = logfile.logged(mysql, schema, SESSION, minimal, "UPDATE t SET j = JSON_SET(j, '$.a', 2)")
    with pytest.raises(Malformed, match="no document"):
        list(updates(events))


class Walk:
    """Random changes of a document that is only known from its own copy: some hit something, some nothing."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._names = ["a", "b", "long name", "é", '"', "\\", "", "日本", "1", "x" * 100]

    def changes(self, column: str, count: int) -> str:
        expression = column
        for _ in range(count):
            function = self._random.choice(["SET", "SET", "REPLACE", "REMOVE"])
            value = "" if function == "REMOVE" else f", {self._value()}"
            expression = (
                f"JSON_{function}({expression}, CONVERT(x'{self._path().encode().hex()}' USING utf8mb4){value})"
            )
        return f"{column} = {expression}"

    def _path(self) -> str:
        return "$" + "".join(self._leg() for _ in range(self._random.choice([1, 1, 2, 2, 3, 4])))

    def _leg(self) -> str:
        if self._random.random() < 0.6:
            return "." + json.dumps(self._random.choice(self._names))
        return self._random.choice(["[0]", "[0]", "[1]", "[2]", "[9]", "[last]", "[last-1]", "[last-7]"])

    def _value(self) -> str:
        return as_json(self.document(self._random.choice([0, 0, 0, 1, 2, 3])))

    def document(self, depth: int) -> Any:
        if depth:
            kind = self._random.random()
            count = self._random.randint(0, 4)
            if kind < 0.5:
                return {self._random.choice(self._names): self.document(depth - 1) for _ in range(count)}
            return [self.document(depth - 1) for _ in range(count)]
        return self._random.choice(
            [None, True, False, 0, -1, 70_000, 2**40, 2**64 - 1, 0.1, -1e-300, "", "short", "é" * 200, "😀"]
        )


@pytest.mark.parametrize("seed", [1, 2])
def test_a_random_walk_of_changes_is_followed(mysql: Database, schema: str, seed: int) -> None:
    walk = Walk(seed)
    changes = [
        f"UPDATE t SET n = {step}, {walk.changes('j', 1 + step % 3)}, {walk.changes('k', step % 2)}"
        for step in range(250)
    ]
    first = f"0, {as_json(walk.document(4))}, {as_json(walk.document(3))}"
    kinds = check_history(mysql, schema, "n INT, j JSON, k JSON", first, changes)
    assert kinds.count(PARTIAL_UPDATE) > 200
