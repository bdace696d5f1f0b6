"""The encoder builds, byte by byte, what a real server writes; else what is tested with it would prove little."""

import struct
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from keyshift.cli.demo.database import Database
from tests.binlog import encode, encode_json, logfile
from tests.binlog import encode_values as store
from tests.binlog.encode import Column, string_meta
from tests.mysql.sources import execute

MODE = "SET SESSION sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00'"
LABELS = tuple(f"l{number}".encode() for number in range(300))
MEMBERS = tuple(f"m{number}".encode() for number in range(40))
UTF8, LATIN1 = 46, 8


def _of(type_: int, meta: bytes = b"", **more: object) -> Column:
    return replace(Column("", type_, meta), **more)  # type: ignore[arg-type] - fields by name


def _quoted(labels: Sequence[bytes]) -> str:
    return ",".join(f"'{label.decode()}'" for label in labels)


_TEXT_META = string_meta(encode.STRING, 1020)
CASES = [
    ("INT NOT NULL", "-5", _of(encode.LONG, nullable=False), store.integer(-5, 4)),
    ("BIGINT UNSIGNED", "18446744073709551615", _of(encode.LONGLONG, unsigned=True), b"\xff" * 8),
    ("MEDIUMINT", "-8388608", _of(encode.INT24), store.integer(-8388608, 3)),
    ("SMALLINT UNSIGNED", "65535", _of(encode.SHORT, unsigned=True), b"\xff\xff"),
    ("TINYINT", "-128", _of(encode.TINY), b"\x80"),
    *(
        (f"DECIMAL({precision},{scale})", text, _of(encode.NEWDECIMAL, bytes([precision, scale])), stored)
        for precision, scale, text in [
            (10, 2, "-12345678.90"),
            (65, 30, "-" + "9" * 35 + "." + "8" * 30),
            (5, 5, "0.00001"),
            (18, 9, "-0.000000001"),
            (20, 0, "12345678901234567890"),
            (1, 0, "0"),
        ]
        for stored in [store.decimal(Decimal(text), precision, scale)]
    ),
    ("FLOAT", "-1.5", _of(encode.FLOAT, b"\4"), store.single(-1.5)),
    ("DOUBLE", "1e300", _of(encode.DOUBLE, b"\x08"), store.double(1e300)),
    ("BIT(13)", "b'1000000000001'", _of(encode.BIT, b"\5\1"), store.bits(0x1001, 2)),
    ("BIT(64)", "1", _of(encode.BIT, b"\0\x08"), store.bits(1, 8)),
    ("YEAR", "2155", _of(encode.YEAR, unsigned=True), b"\xff"),
    ("YEAR", "0", _of(encode.YEAR, unsigned=True), b"\0"),
    ("DATE", "'2024-02-31'", _of(encode.DATE), store.date(2024, 2, 31)),
    ("DATETIME", "'0000-00-00'", _of(encode.DATETIME2, b"\0"), store.datetime2((0, 0, 0), (0, 0, 0, 0), 0)),
    (
        "DATETIME(3)",
        "'9999-12-31 23:59:59.987'",
        _of(encode.DATETIME2, b"\3"),
        store.datetime2((9999, 12, 31), (23, 59, 59, 987_000), 3),
    ),
    *(
        (f"TIME({digits})", f"'-00:00:01.{'000001'[-digits:]}'", _of(encode.TIME2, bytes([digits])), stored)
        for digits in range(1, 7)
        for stored in [store.time2(-1, (0, 0, 1, 10 ** (6 - digits)), digits)]
    ),
    ("TIME", "'838:59:59'", _of(encode.TIME2, b"\0"), store.time2(1, (838, 59, 59, 0), 0)),
    ("TIME", "'-838:59:59'", _of(encode.TIME2, b"\0"), store.time2(-1, (838, 59, 59, 0), 0)),
    (
        "TIMESTAMP(5) NULL",
        "'2001-09-09 01:46:40.12345'",
        _of(encode.TIMESTAMP2, b"\5"),
        store.timestamp2(10**9, 123_450, 5),
    ),
    (f"ENUM({_quoted(LABELS)})", "'l299'", _of(encode.ENUM, b"\xf7\2", collation=UTF8, labels=LABELS), b"\x2c\1"),
    ("ENUM('a')", "''", _of(encode.ENUM, b"\xf7\1", collation=UTF8, labels=(b"a",)), b"\0"),
    (
        "ENUM('é') CHARACTER SET latin1",
        "'é'",
        _of(encode.ENUM, b"\xf7\1", collation=LATIN1, labels=(b"\xe9",)),
        b"\1",
    ),
    (
        f"SET({_quoted(MEMBERS)})",
        "'m39,m0'",
        _of(encode.SET, b"\xf8\x08", collation=UTF8, labels=MEMBERS),
        store.integer(1 << 39 | 1, 8),
    ),
    (
        "VARCHAR(63)",
        "'é'",
        _of(encode.VARCHAR, struct.pack("<H", 252), collation=UTF8),
        store.prefixed("é".encode(), 1),
    ),
    ("VARCHAR(64)", "'é'", _of(encode.VARCHAR, b"\0\1", collation=UTF8), store.prefixed("é".encode(), 2)),
    ("CHAR(255)", "'é  '", _of(encode.STRING, _TEXT_META, collation=UTF8), store.prefixed("é".encode(), 2)),
    (
        "CHAR(9) CHARACTER SET latin1",
        "'é'",
        _of(encode.STRING, string_meta(encode.STRING, 9), collation=LATIN1),
        store.prefixed(b"\xe9", 1),
    ),
    ("BINARY(8)", "x'00FF0000'", _of(encode.STRING, string_meta(encode.STRING, 8)), store.prefixed(b"\0\xff", 1)),
    ("VARBINARY(300)", "x'0000'", _of(encode.VARCHAR, struct.pack("<H", 300)), store.prefixed(b"\0\0", 2)),
    ("TINYBLOB", "''", _of(encode.BLOB, b"\1"), b"\0"),
    ("LONGTEXT", "'x'", _of(encode.BLOB, b"\4", collation=UTF8), store.prefixed(b"x", 4)),
    (
        "POINT",
        "ST_GeomFromText('POINT(1 2)')",
        _of(encode.GEOMETRY, b"\4", geometry=1),
        store.prefixed(struct.pack("<IBIdd", 0, 1, 1, 1.0, 2.0), 4),
    ),
    ("INT", "NULL", _of(encode.LONG), None),
]


def _logged(database: Database, schema: str, metadata: str, *statements: str) -> tuple[bytes, list[bytes]]:
    """The table map's body and those of the rows events."""
    execute(database, f"SET GLOBAL binlog_row_metadata = {metadata}")
    try:
        found = logfile.logged(database, schema, MODE, *statements)
    finally:
        execute(database, "SET GLOBAL binlog_row_metadata = FULL")
    maps = [logfile.body(one) for one in found if one[4] == encode.TABLE_MAP_EVENT]
    rows = [one for one in found if one[4] in encode.ROWS_EVENT.values()]
    assert {rows_event[4] for rows_event in rows} <= {
        kind for (_, version), kind in encode.ROWS_EVENT.items() if version == (database.flavour == "mysql") + 1
    }
    return maps[0], [logfile.body(one) for one in rows]


@pytest.mark.parametrize("metadata", ["FULL", "MINIMAL", "NONE"])
def test_every_type_is_encoded_as_the_server_does(database: Database, schema: str, metadata: encode.Metadata) -> None:
    if metadata == "NONE" and database.flavour == "mysql":
        metadata = "MINIMAL"  # as little as it goes there
    ddl = ", ".join(f"c{at} {kind}" for at, (kind, *_) in enumerate(CASES))
    execute(
        database,
        MODE,
        f"CREATE TABLE t ({ddl}, PRIMARY KEY (c0, c1)) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin",
        schema=schema,
    )
    values = ", ".join(literal for _, literal, _, _ in CASES)
    level = "NO_LOG" if metadata == "NONE" else metadata
    statements = [f"INSERT INTO t VALUES ({values})", "UPDATE t SET c4 = 7", "DELETE FROM t"]
    table_map, (insert, update, delete) = _logged(database, schema, level, *statements)
    columns = [replace(one, name=f"c{at}") for at, (_, _, one, _) in enumerate(CASES)]
    columns[1] = replace(columns[1], nullable=False)
    row = [stored for *_, stored in CASES]
    after = [b"\7" if at == 4 else stored for at, stored in enumerate(row)]

    def same(found: bytes, built: bytes) -> None:
        assert found[8:].hex(" ") == built[8:].hex(" ")  # but for the table's number and the flags

    version = 2 if database.flavour == "mysql" else 1
    key = [(0, 0), (1, 0)]
    same(
        table_map,
        encode.table_map(columns, database=schema, metadata=metadata, flavour=database.flavour, primary_key=key),
    )
    same(insert, encode.rows([row], len(columns), version=version, flavour=database.flavour))
    same(update, encode.rows([row, after], len(columns), kind="update", version=version, flavour=database.flavour))
    same(delete, encode.rows([after], len(columns), kind="delete", version=version, flavour=database.flavour))


def test_prefix_keys_many_columns_and_visibility_are_encoded_as_the_server_does(
    database: Database, schema: str
) -> None:
    many = ", ".join(f"n{at} TINYINT UNSIGNED" for at in range(300))
    hidden = "INVISIBLE" if database.flavour == "mysql" else ""
    ddl = f"CREATE TABLE t (a VARCHAR(20) NOT NULL, b BLOB NOT NULL, {many}, z INT {hidden}, PRIMARY KEY (b(7), a))"
    execute(database, f"{ddl} DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin", schema=schema)
    table_map, (insert,) = _logged(database, schema, "FULL", "INSERT INTO t (a, b, n299) VALUES ('k', x'00', 5)")
    columns = [
        Column("a", encode.VARCHAR, b"\x50\0", nullable=False, collation=UTF8),
        Column("b", encode.BLOB, b"\2", nullable=False),
        *(Column(f"n{at}", encode.TINY, unsigned=True) for at in range(300)),
        Column("z", encode.LONG, visible=not hidden),
    ]
    key = [(1, 7), (0, 0)]
    built = encode.table_map(columns, database=schema, flavour=database.flavour, primary_key=key)
    assert table_map[8:].hex(" ") == built[8:].hex(" ")
    row = [store.prefixed(b"k", 1), store.prefixed(b"\0", 2), *([None] * 299), b"\5", None]
    version = 2 if database.flavour == "mysql" else 1
    assert insert[8:] == encode.rows([row], len(columns), version=version, flavour=database.flavour)[8:]


DOCUMENTS = {
    "JSON_OBJECT('long', REPEAT('x', 200), 'a', 1, 'b', JSON_ARRAY())": {"long": "x" * 200, "a": 1, "b": []},
    "CAST('[true, null, 1.5, -32769, 65536, 18446744073709551615, \"é\", {}]' AS JSON)": [
        *(True, None, 1.5, -32769, 65536, (1 << 64) - 1, "é", {}),
    ],
    "JSON_ARRAY(REPEAT('x', 70000), JSON_OBJECT('k', 1))": ["x" * 70_000, {"k": 1}],
    "JSON_ARRAY(TIME'-01:02:03.000004', CAST(-1.5 AS DECIMAL(30,5)), DATE'2024-02-29')": [
        encode_json.opaque_moment(encode_json.TYPE_TIME, (0, 0, 0), (1, 2, 3, 4), -1),
        encode_json.opaque_decimal(Decimal("-1.5"), 14, 5),
        encode_json.opaque_moment(encode_json.TYPE_DATE, (2024, 2, 29), (0, 0, 0, 0)),
    ],
    "CAST('\"text\"' AS JSON)": "text",
    "CAST('null' AS JSON)": None,
}


def test_json_is_encoded_as_mysql_does(database: Database, schema: str) -> None:
    execute(database, "CREATE TABLE t (j JSON)", schema=schema)
    if database.flavour == "mariadb":  # it logs the text itself
        _, (insert,) = _logged(database, schema, "FULL", "INSERT INTO t VALUES ('[1]')")
        assert insert[8:] == encode.rows([[store.prefixed(b"[1]", 4)]], 1, version=1, flavour=database.flavour)[8:]
        return
    inserts = [f"INSERT INTO t VALUES ({expression})" for expression in DOCUMENTS]
    _, found = _logged(database, schema, "FULL", *inserts)
    for event, document in zip(found, DOCUMENTS.values(), strict=True):
        built = encode.rows([[store.prefixed(encode_json.document(document), 4)]], 1)
        assert event[8:].hex(" ") == built[8:].hex(" ")


def test_an_event_is_built_as_the_server_does(database: Database, schema: str) -> None:
    execute(database, "CREATE TABLE t (id INT)", schema=schema)
    for event in logfile.logged(database, schema, "INSERT INTO t VALUES (1)"):
        timestamp, kind, _, _, end, flags = struct.unpack_from("<IBIIIH", event)
        built = encode.event(kind, logfile.body(event), timestamp=timestamp, end=end, flags=flags)
        assert flags & 1 or built == event  # a file still open says so in its first event, which its checksum ignores
