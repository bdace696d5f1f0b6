"""Table maps, as both servers wrote them and as no server does."""

from collections.abc import Callable

import pytest

from keyshift.binlog.errors import Malformed
from keyshift.binlog.tablemap import parse_table_map
from keyshift.binlog.tables import KeyColumn, LoggedColumn, TableMap
from keyshift.cli.demo.database import Database
from tests.binlog import encode
from tests.binlog.logfile import body, logged

# Written with binlog_row_metadata=FULL by MariaDB 10.11 and MySQL 9.7 for
# t (g GEOMETRY, a VARCHAR(9), b VARCHAR(9) latin1, c TEXT, d BLOB, e VARCHAR(300), f CHAR(255), h ENUM('é','b') latin1,
# i SET('ä','q') ucs2, j BINARY(16), k ENUM('é')), in utf8mb4 where nothing else is said.
MARIADB_STRINGS = bytes.fromhex(
    "16000000000001000d746573745f623363623538323500026131000bff0f0ffcfc0ffefefefefe1304240009000202b004cefcf701f801fe10"
    "f701ff0703083f2d082d3f2d2d3f0701000416016701610162016301640165016601680169016a016b0b0308232d0507020200e40200710609"
    "0201e901620102c3a9"
)
MYSQL_STRINGS = bytes.fromhex(
    "70000000000001000d746573745f633231366463386100026131000bff0f0ffcfc0ffefefefefe1304240009000202b004cefcf701f801fe10"
    "f701ff070209fcff000108033f063f0701000416016701610162016301640165016601680169016a016b0b050823fcff000507020200e40200"
    "7106090201e901620102c3a90c02ffe0"
)
# (a VARCHAR(20) latin1 COMPRESSED, x VARCHAR(20) utf8mb3, b BLOB COMPRESSED, c UUID, d INET6, e INET4,
# f TEXT latin2 COMPRESSED), by MariaDB
MARIADB_ONLY = bytes.fromhex(
    "1b000000000001000d746573745f62336362353832350002623000078d0f8cfefefe8c0c15003c0002fe10fe10fe04027f02073f0008012106"
    "09040e0161017801620163016401650166"
)
# (a VECTOR(3), b VARCHAR(5) latin1, c JSON, d VARCHAR(5) utf8mb4, e CHAR(5) utf8mb4, f VARCHAR(5) utf8mb3), by MySQL
MYSQL_ONLY = bytes.fromhex(
    "75000000000001000d746573745f6332313664633861000262300006f20ff50ffe0f0a040500041400fe140f003f03093f08fcff00fcff0021"
    "0d0103040c0161016201630164016501660c01fc"
)
# (a VARCHAR(20), b INT, c INT, PRIMARY KEY (c, a(5))), by MySQL
PREFIX_KEY = bytes.fromhex(
    "72000000000001000d746573745f63323136646338610002613300030f0303025000020101000203fcff0004060161016201630904020000050c01e0"
)
ALL = [MARIADB_STRINGS, MYSQL_STRINGS, MARIADB_ONLY, MYSQL_ONLY, PREFIX_KEY]


@pytest.mark.parametrize(("stored", "mariadb"), [(MARIADB_STRINGS, True), (MYSQL_STRINGS, False)])
def test_character_sets_belong_to_their_columns(stored: bytes, mariadb: bool) -> None:
    """MariaDB counts the GEOMETRY among the columns with a character set, MySQL does not."""
    found = parse_table_map(stored, mariadb=mariadb)
    assert found.full
    assert [(column.name, column.type, column.charset, column.labels) for column in found.columns[1:]] == [
        ("a", 15, "utf8mb4", ()),
        ("b", 15, "latin1", ()),
        ("c", 252, "utf8mb4", ()),
        ("d", 252, "binary", ()),
        ("e", 15, "utf8mb4", ()),
        ("f", 254, "utf8mb4", ()),
        ("h", 247, "latin1", (b"\xe9", b"b")),
        ("i", 248, "ucs2", (b"\0\xe4", b"\0q")),
        ("j", 254, "binary", ()),
        ("k", 247, "utf8mb4", ("é".encode(),)),
    ]
    assert (found.columns[0].name, found.columns[0].type, found.columns[0].geometry) == ("g", 255, 0)


def test_a_map_of_mariadb_that_is_read_as_mysqls_is_refused_where_that_shows() -> None:
    with pytest.raises(Malformed, match="describes 8 columns where it has 7"):
        parse_table_map(MARIADB_STRINGS)


def test_the_types_of_one_server_alone_are_described() -> None:
    mariadb = parse_table_map(MARIADB_ONLY, mariadb=True)
    assert [(column.name, column.type, column.charset) for column in mariadb.columns] == [
        ("a", 141, "latin1"),
        ("x", 15, "utf8mb3"),
        ("b", 140, "binary"),
        ("c", 254, "binary"),
        ("d", 254, "binary"),
        ("e", 254, "binary"),
        ("f", 140, "latin2"),
    ]
    mysql = parse_table_map(MYSQL_ONLY)
    assert [(column.name, column.type, column.charset, column.dimensions) for column in mysql.columns] == [
        ("a", 242, "binary", 3),
        ("b", 15, "latin1", None),
        ("c", 245, None, None),
        ("d", 15, "utf8mb4", None),
        ("e", 254, "utf8mb4", None),
        ("f", 15, "utf8mb3", None),
    ]


def test_the_primary_key_is_in_key_order_with_its_prefixes() -> None:
    assert parse_table_map(PREFIX_KEY).primary_key == (KeyColumn(2), KeyColumn(0, 5))


@pytest.mark.parametrize("stored", ALL, ids=range(len(ALL)))
def test_a_map_that_ends_early_is_refused_unless_only_whole_options_are_missing(stored: bytes) -> None:
    """Options are optional, and nothing tells how many there are: the event's size is what a checksum protects."""
    mariadb = stored in (MARIADB_STRINGS, MARIADB_ONLY)
    whole, refused = parse_table_map(stored, mariadb=mariadb), 0
    for size in range(len(stored)):
        try:
            found = parse_table_map(stored[:size], mariadb=mariadb)
        except Malformed:
            refused += 1
        else:
            assert [column.type for column in found.columns] == [column.type for column in whole.columns]
    assert refused >= len(stored) - 10


def number_column(**changes: object) -> encode.Column:
    return encode.Column(**({"name": "n", "type": encode.LONG} | changes))


def table_map(*columns: encode.Column, options: bytes = b"") -> bytes:
    return encode.table_map(columns, metadata="NONE") + options


def test_options_of_unknown_types_are_passed_over() -> None:
    options = b"\x63\x02ab" + b"\x04\x02\x01n" + b"\xff\xfc\x00\x01" + bytes(256)
    assert parse_table_map(table_map(number_column(), options=options)) == TableMap(
        "db", "t", (LoggedColumn(encode.LONG, 0, nullable=True, name="n"),), full=True
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (b"\x04\x04\x01a\x01b", "describes 2 columns where it has 1"),
        (b"\x04\x02\x05a", "5 bytes are wanted"),
        (b"\x04\x02\x01\xff", "name that is not UTF-8"),
        (b"\x01\x02\x80\x80", "longer than what it is about"),
        (b"\x01\x00", "1 bytes are wanted"),
        (b"\x03\x01\x2d", "describes 1 columns where it has 0"),
        (b"\x02\x03\x2d\x07\x2d", "a character set for a column that it has not"),
        (b"\x08\x01\x01", "a primary key of columns that it has not"),
        (b"\x09\x02\x01\x05", "a primary key of columns that it has not"),
        (b"\x09\x01\x00", "a primary key of columns that it has not"),
        (b"\x63\x05ab", "5 bytes are wanted where 2 are left"),
        (b"\x63\xfb", "a number that begins with"),
    ],
)
def test_options_that_do_not_fit_the_columns_are_refused(options: bytes, text: str) -> None:
    with pytest.raises(Malformed, match=text):
        parse_table_map(table_map(number_column(), options=options))


def test_a_character_set_that_no_server_has_is_refused_by_its_number() -> None:
    column = encode.Column("v", encode.VARCHAR, b"\x0a\0")
    with pytest.raises(Malformed, match="1023"):
        parse_table_map(table_map(column, options=b"\x03\x03\xfc\xff\x03"))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda data: data.replace(b"\x02db\0", b"\x02db\1"), "does not end where it should"),
        (lambda data: data.replace(b"\x02db\0", b"\x02d\xff\0"), "not UTF-8"),
        (lambda data: data.replace(b"\xfe\x02\xfe\x0a", b"\xfe\x02\xa1\x0a"), "a string of unknown type"),
        (lambda data: data.replace(b"\xfe\x02\xfe\x0a", b"\xfe\x03\xfe\x0a\x0a"), "more metadata than its columns"),
        (lambda data: data.replace(b"\xfe\x02\xfe\x0a", b"\xfe\x01\xfe"), "2 bytes are wanted where 1 are left"),
        (lambda data: data[:8], "1 bytes are wanted"),
        (lambda _: b"", "wanted"),
    ],
)
def test_a_map_with_a_broken_head_is_refused(change: Callable[[bytes], bytes], text: str) -> None:
    whole = table_map(encode.Column("c", encode.STRING, b"\xfe\x0a"))
    assert parse_table_map(whole).columns[0].meta == 0x0AFE
    with pytest.raises(Malformed, match=text):
        parse_table_map(change(whole))


COLUMNS = """
    y YEAR, t TINYINT UNSIGNED, u INT, f FLOAT UNSIGNED, d DECIMAL(9,3), b BIGINT UNSIGNED NOT NULL, s DATE,
    v VARCHAR(300) CHARACTER SET cp1251, e ENUM('ж','b') CHARACTER SET koi8r, m SET('x','y') CHARACTER SET utf8mb4,
    p POINT, w VARBINARY(9), z CHAR(200) CHARACTER SET utf8mb4, PRIMARY KEY (b, u)
"""


def live_map(database: Database, schema: str, mode: str) -> TableMap:
    """The map of a new row's table, written with this binlog_row_metadata."""
    create = f"CREATE TABLE t_{mode} ({COLUMNS})"
    before, after = f"SET GLOBAL binlog_row_metadata = {mode}", "SET GLOBAL binlog_row_metadata = FULL"
    events = logged(database, schema, create, before, f"INSERT INTO t_{mode} (b, u) VALUES (1, 2)", after)
    (found,) = [body(event) for event in events if event[4] == encode.TABLE_MAP_EVENT]
    return parse_table_map(found, mariadb=database.flavour == "mariadb")


def test_all_that_a_server_knows_of_a_table_is_read(database: Database, schema: str) -> None:
    found = live_map(database, schema, "FULL")
    assert (found.full_name, found.full) == (f"{schema}.t_FULL", True)
    assert [(c.name, c.unsigned, c.charset, c.nullable) for c in found.columns if c.name != "p"] == [
        ("y", True, None, True),
        ("t", True, None, True),
        ("u", False, None, False),
        ("f", True, None, True),
        ("d", False, None, True),
        ("b", True, None, False),
        ("s", None, None, True),
        ("v", None, "cp1251", True),
        ("e", None, "koi8r", True),
        ("m", None, "utf8mb4", True),
        ("w", None, "binary", True),
        ("z", None, "utf8mb4", True),
    ]
    assert found.columns[8].labels == ("ж".encode("koi8_r"), b"b")
    assert found.columns[9].labels == (b"x", b"y")
    assert found.columns[10].geometry == 1
    assert found.primary_key == (KeyColumn(5), KeyColumn(2))


def test_minimal_metadata_tells_signs_and_character_sets_but_no_names(database: Database, schema: str) -> None:
    found = live_map(database, schema, "MINIMAL")
    assert (found.full, found.primary_key) == (False, ())
    assert {(c.name, c.labels) for c in found.columns} == {(None, ())}
    assert [c.unsigned for c in found.columns[:6]] == [True, True, False, True, False, True]
    assert [found.columns[at].charset for at in (7, 8, 9, 11, 12)] == ["cp1251", None, None, "binary", "utf8mb4"]


def test_an_invisible_column_is_known_where_the_server_logs_it(database: Database, schema: str) -> None:
    """MySQL does, MariaDB 10.11 does not."""
    statements = ["CREATE TABLE t (a INT, b INT INVISIBLE, c INT)", "INSERT INTO t (b) VALUES (1)"]
    (found,) = [body(one) for one in logged(database, schema, *statements) if one[4] == encode.TABLE_MAP_EVENT]
    visible = [column.visible for column in parse_table_map(found).columns]
    assert visible == ([True, False, True] if database.flavour == "mysql" else [True] * 3)
