"""Binary JSON: the same document as SELECT prints on a real server, and nothing but that or a refusal on bad bytes."""

import contextlib
import json
import random
import struct
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymap.values import Json, Row
from keyshift.binlog.errors import Malformed
from keyshift.binlog.jsonb import DEPTH_MAX, canonical, decode
from keyshift.binlog.packets import INSERTS
from keyshift.cli.demo.database import Database
from keyshift.mysql.connection import connect
from keyshift.mysql.table_reader import read_chunk
from tests.binlog import generate_json, logfile
from tests.binlog.decoded import images
from tests.binlog.encode_json import Opaque, document
from tests.cdc.sources import schemas_of
from tests.mysql.sources import execute, source_of

UTC = "SET SESSION time_zone = '+00:00', sql_mode = 'ALLOW_INVALID_DATES,NO_BACKSLASH_ESCAPES'"


def inserted(events: Sequence[bytes]) -> list[Row]:
    rows: list[Row] = []
    for kind, body, table in logfile.with_tables(events):
        if kind in INSERTS:
            rows += [after for _, after in images(kind, body, table) if after is not None]
    return rows


def both_ways(database: Database, schema: str, expressions: Sequence[str]) -> tuple[list[Json], list[Json]]:
    """The documents of these SQL expressions by SELECT and from the binlog."""
    execute(database, "CREATE TABLE t (id INT PRIMARY KEY, j JSON)", schema=schema)
    inserts = [f"INSERT INTO t VALUES ({number}, {value})" for number, value in enumerate(expressions)]
    logged = inserted(logfile.logged(database, schema, UTC, *inserts))
    connection = connect(source_of(database))
    try:
        rows = read_chunk(connection, schemas_of(database, f"{schema}.t")[f"{schema}.t"], None, 1_000_000).rows
    finally:
        connection.close()
    return [row["j"] for row in rows], [row["j"] for row in logged]  # type: ignore[misc] - JSON, never NULL


def as_json(text: str) -> str:
    return f"CAST(CONVERT(x'{text.encode().hex()}' USING utf8mb4) AS JSON)"


DOUBLES = ["1e-300", "1e22", "1e23", "0.30000000000000004", "5e-324", "2.2250738585072011e-308", "-0.0", "1e15", "1e16"]
DOUBLES += [
    "1.7976931348623157e308",
    "-1e-7",
    "0.0001",
    "0.00001",
    "123456789012345680.0",
    "1e100",
    "9007199254740993.0",
]
TEXTS = [
    '{"b": 1, "a": [1.50, 18446744073709551615, -9223372036854775808, true, false, null, "ä\\n"]}',
    *("null", "true", "false", '"text"', '""', "1e2", "[]", "{}", "0.1", "[[]]", "[{}]", '{"":{}}'),
    f"[{','.join(DOUBLES)}]",
    *DOUBLES,
    "[1, -1, 32767, -32768, 32768, -32769, 65535, 65536, 2147483647, -2147483648, -2147483649, 4294967295, 4294967296]",
    "[9223372036854775807, 9223372036854775808, 18446744073709551616, -9223372036854775809, 123456789012345678901234]",
    '{"a": {"b": {"c": [[[1]]]}}, "": 0, "é": "😀", "\\u0000": "\\u001f\\u007f\\u2028", "a\\"b\\\\": 1, "z": "\\/"}',
    '{"bb": 1, "a": 2, "aaa": 3, "ab": 4, "": 5, "日本": 6, "😀": 7, "ﬀ": 8, "é": 9, "A": 10}',
    "[" * 100 + "]" * 100,
    '{"a":' * 99 + "1" + "}" * 99,
    json.dumps({"x" * 65535: 1, "y": "x" * 127, "z": "x" * 128, "w": "x" * 16384}),
    json.dumps({str(number): [number * 70_000, -number, number / 7, None, "é" * number] for number in range(300)}),
    json.dumps([["x" * 70_000], 1, 65535, 70_000, -70_000, 2**40, True, {"k": 40_000}]),
]
EXPRESSIONS = [
    f"JSON_OBJECT('long', REPEAT('x', 200), 'list', CAST('[{','.join(['1234567'] * 30_000)}]' AS JSON))",
    "JSON_ARRAY(CAST('2024-02-29' AS DATE), CAST('10:11:12.5' AS TIME(6)), CAST('-838:59:59' AS TIME))",
    "JSON_ARRAY(CAST('-00:00:00.000001' AS TIME(6)), CAST('838:59:59' AS TIME), CAST('00:00:00' AS TIME))",
    "JSON_ARRAY(CAST('2024-02-29 01:02:03.000004' AS DATETIME(6)), CAST('2024-02-31' AS DATE))",
    "JSON_ARRAY(CAST(-12.340 AS DECIMAL(30,3)), 0.000, -0.0, 1.0, 10, 1.10, 0.000000001, -999999999.999999999)",
    "JSON_ARRAY(CAST(REPEAT('9', 65) AS DECIMAL(65)), CAST('-0.000000000000000000000000000001' AS DECIMAL(65,30)))",
    "JSON_ARRAY(1234567890123456789012345678901234.5678, 12345678901234567890123456789012345678901234567890.5)",
    "JSON_ARRAY(CAST('abc' AS BINARY), CAST(REPEAT('x', 100) AS BINARY), b'101', x'', TIMESTAMP'2024-01-01 00:00:00')",
    *(f"JSON_ARRAY(CAST(REPEAT('x', {size}) AS BINARY))" for size in (56, 57, 58, 114, 115, 70_000)),
    "JSON_ARRAY(123456789012345678901234567890.5, CAST(1.0 AS DOUBLE), 1e-7, 123456789.123e3, CAST(0.1 AS FLOAT))",
    "JSON_ARRAY(CAST('2024' AS YEAR), ST_GeomFromText('POINT(1 2)'), TRUE, NULL, PI(), ~0)",
    "JSON_OBJECT('nested', JSON_ARRAY(CAST('[1.0]' AS JSON), '[1.0]'))",
    "CAST(CAST(1.50 AS DECIMAL(5,2)) AS JSON)",
    "CAST(TIMESTAMP'2024-01-01 00:00:00.5' AS JSON)",
    "CAST(x'C0' AS JSON)",
]


def test_documents_are_the_same_by_select_and_from_the_binlog(mysql: Database, schema: str) -> None:
    expressions = [*map(as_json, TEXTS), *EXPRESSIONS]
    selected, logged = both_ways(mysql, schema, expressions)
    assert len(logged) == len(expressions)
    for expression, by_select, from_binlog in zip(expressions, selected, logged, strict=True):
        assert from_binlog == by_select, expression[:200]


def test_doubles_of_every_magnitude_are_the_same(mysql: Database, schema: str) -> None:
    chosen = random.Random(3)
    bits = [struct.pack("<Q", chosen.getrandbits(64)) for _ in range(3000)]
    doubles = [value for (value,) in map(struct.Struct("<d").unpack, bits) if value - value == 0]
    doubles += [round(chosen.uniform(-1e6, 1e6), chosen.randint(0, 8)) for _ in range(500)]
    selected, logged = both_ways(
        mysql, schema, [as_json(json.dumps(doubles[at : at + 500])) for at in range(0, 3000, 500)]
    )
    assert logged == selected
    assert len(logged) == 6


@given(generate_json.documents())
def test_every_encoded_document_is_read(one: tuple[bytes, Json]) -> None:
    data, expected = one
    assert canonical(data) == expected


def test_no_bytes_are_the_json_null_as_for_the_server() -> None:
    assert canonical(b"") == Json("null")


def test_numbers_are_exact() -> None:
    values = [0.1, 1e22, -0.0, 5e-324, 2**64 - 1, -(2**63), 1]
    assert decode(document(values)) == [Decimal(repr(one)) if isinstance(one, float) else one for one in values]


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


def test_nesting_is_read_to_the_limit_of_the_server_and_refused_beyond_it() -> None:
    assert canonical(document(nested(DEPTH_MAX))).text == "[" * DEPTH_MAX + "]" * DEPTH_MAX
    with pytest.raises(Malformed, match="deeper"):
        canonical(document(nested(DEPTH_MAX + 1)))


def array(entries: bytes, count: int, size: int) -> bytes:
    return b"\2" + struct.pack("<HH", count, size) + entries


SHARED = array((b"\2" + struct.pack("<H", 4 + 3 * 200)) * 200, 200, 4 + 3 * 200 + 4) + b"\0\0\4\0"
TWICE = document({"a": 1, "b": 2}).replace(b"b", b"a")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\2", "beyond its end"),
        (b"\2\0\0", "beyond its end"),
        (array(b"", 1, 4), "beyond its end"),
        (array(b"", 0, 5), "beyond its end"),
        (array(b"", 0xFFFF, 0xFFFF), "beyond its end"),
        (array(b"\2\0\0", 1, 7), "lie within each other"),  # an array that holds itself
        (array(b"\x0c\7\0", 1, 7), "beyond its end"),
        (array(b"\x0c\xff\xff", 1, 7), "beyond its end"),
        (array(b"\x0c\7\0", 1, 9) + b"\2x", "beyond its end"),
        (array(b"\x0b\7\0", 1, 14) + bytes(7), "beyond its end"),
        (array(b"\7\0\0", 1, 7)[:-1], "beyond its end"),
        (array(b"\4\3\0", 1, 7), "unknown literal 3"),
        (array(b"\x0d\0\0", 1, 7), "unknown type 13"),
        (SHARED, "lie within each other"),
        (array(b"\x0c\x0a\0" * 2, 2, 112) + b"\x65" + b"x" * 101, "beyond its end"),
        (TWICE, "a key twice"),
        (document({"abc": 1}).replace(b"\3\0\5", b"\4\0\5"), "beyond its end"),
        (document("é").replace(b"\xa9", b"e"), "not UTF-8"),
        (document({"é": 1}).replace(b"\xa9", b"e"), "not UTF-8"),
        (document("abc")[:-1], "beyond its end"),
        (b"\x0c", "beyond its end"),
        (b"\x0c\xff\xff\xff\xff\xff\xff\xff\xff\1x", "without an end"),
        (b"\x0c\x80", "without an end"),
        (document(float("nan")), "not finite"),
        (document([float("inf")]), "not finite"),
        (document(7 << 40)[:-1], "beyond its end"),
        (b"\4", "beyond its end"),
        (b"\4\xff", "unknown literal"),
        (b"\x0f\xf6", "beyond its end"),
        (document(Opaque(246, b"")), "beyond its end"),
        (document(Opaque(246, b"\x05\x06\x80")), "a decimal of 5 digits"),
        (document(Opaque(246, b"\x63\x00" + bytes(50))), "a decimal of 99 digits"),
        (document(Opaque(246, b"\x04\x02\x81")), "a decimal of 3 bytes"),
        (document(Opaque(246, b"\x04\x02\xff\x01")), "group of digits"),
        (document(Opaque(10, b"\0" * 7)), "a time of 7 bytes"),
        (document(Opaque(11, struct.pack("<q", 0xFFFFFF))), "fraction"),
        (document(Opaque(12, struct.pack("<q", -1 << 40))), "negative date"),
    ],
)
def test_bytes_that_are_no_document_are_refused(data: bytes, says: str) -> None:
    with pytest.raises(Malformed, match=says):
        canonical(data)


def test_containers_that_share_their_parts_cannot_take_long() -> None:
    """Twelve levels, each of which points at the next one many times: more values than could ever be read."""
    inner = b"\0\0\4\0"
    for _ in range(12):
        count = 40
        inner = (
            struct.pack("<HH", count, 4 + 3 * count + len(inner))
            + (b"\2" + struct.pack("<H", 4 + 3 * count)) * count
            + inner
        )
    with pytest.raises(Malformed, match="within each other"):
        canonical(b"\2" + inner)


@given(generate_json.documents(), st.data())
def test_changed_bytes_are_read_or_refused(one: tuple[bytes, Json], data: st.DataObject) -> None:
    changed = bytearray(one[0])
    for _ in range(data.draw(st.integers(0, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    del changed[data.draw(st.integers(0, len(changed))) :]
    with contextlib.suppress(Malformed):
        found = canonical(bytes(changed))
        assert len(found.text) < 100 + 8 * len(changed)
        json.loads(found.text)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        json.loads(canonical(data).text)
