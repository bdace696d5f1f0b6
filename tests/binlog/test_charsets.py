"""Every character set, code by code, against the server's own conversion to Unicode."""

from collections.abc import Iterable, Iterator

import pytest

from keymap.values import CHARSETS
from keyshift.binlog.charsets import UnknownCharset, charset_of, decoder
from keyshift.binlog.single_byte import SINGLE_BYTE
from keyshift.cli.demo.database import Database

DOUBLE_BYTE = ("big5", "cp932", "euckr", "gb2312", "gbk", "sjis")
EUC = ("ujis", "eucjpms")
UNICODE = ("utf8mb4", "utf8mb3", "ucs2", "utf16", "utf16le", "utf32")
ROWS_PER_INSERT = 8192


def collations(database: Database) -> dict[int, str]:
    """The character set of each collation's number, as the server tells it."""
    table, columns = "collations", "id, character_set_name"
    if database.flavour == "mariadb":  # there the other table lacks what all character sets share
        table = "collation_character_set_applicability"
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM information_schema.{table}")
        return dict(cursor.fetchall())


def test_every_collation_of_the_server_has_its_character_set(database: Database) -> None:
    known = collations(database)
    assert len(known) > 280
    assert {number: charset_of(number) for number in known} == known
    assert set(known.values()) <= CHARSETS


def codes(charset: str) -> Iterator[bytes]:
    """All bytes, and all that may be a character of several bytes."""
    yield from (bytes([byte]) for byte in range(256))
    if charset in SINGLE_BYTE:
        return
    yield from (bytes([lead, trail]) for lead in range(0x80, 0x100) for trail in range(0x30, 0x100))
    if charset in EUC:
        yield from (bytes([0x8F, row, cell]) for row in range(0xA0, 0x100) for cell in range(0xA0, 0x100))


def stored(database: Database, schema: str, charset: str, wanted: Iterable[bytes]) -> dict[bytes, str]:
    """Those of the byte sequences that the server stores as they are, and the text that it makes of each."""
    literals = [f"(x'{code.hex()}')" for code in wanted]
    with database.connect(schema) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = '', max_heap_table_size = 268435456")
        cursor.execute("CREATE TEMPORARY TABLE codes (code VARBINARY(4)) ENGINE = MEMORY")
        cursor.execute(
            f"CREATE TEMPORARY TABLE kept (code VARBINARY(4), v VARCHAR(4) CHARACTER SET {charset}) ENGINE = MEMORY"
        )
        for begin in range(0, len(literals), ROWS_PER_INSERT):
            cursor.execute(f"INSERT INTO codes VALUES {','.join(literals[begin : begin + ROWS_PER_INSERT])}")
        cursor.execute("INSERT IGNORE INTO kept SELECT code, code FROM codes")
        cursor.execute("SELECT code, CONVERT(v USING utf8mb4) FROM kept WHERE CAST(v AS BINARY) = code")
        return dict(cursor.fetchall())


def expected(code: bytes, text: str) -> str | None:
    """None where the server has no character for the code, and says so by its replacement characters."""
    lost = "\ufffd" in text or text.count("?") != code.count(b"?")
    return None if lost else text


def decoded(charset: str, code: bytes) -> str | None:
    try:
        return decoder(charset)(code)
    except UnicodeDecodeError:
        return None


@pytest.mark.parametrize("charset", [*sorted(SINGLE_BYTE), *DOUBLE_BYTE, *EUC, "gb18030"])
def test_each_code_is_the_servers_character_or_is_refused(database: Database, schema: str, charset: str) -> None:
    if charset == "gb18030" and database.flavour == "mariadb":
        assert charset not in collations(database).values(), "it has it now: remove this line"
        return
    texts = stored(database, schema, charset, codes(charset))
    assert len(texts) >= 128
    differing = {
        code.hex(): (expected(code, text), decoded(charset, code))
        for code, text in texts.items()
        if expected(code, text) != decoded(charset, code)
    }
    assert differing == {}


def gb18030_codes() -> Iterator[bytes]:
    """Of four bytes: those of the basic plane, one in seven, and those of the other planes, a few of each lead."""
    last = range(0x30, 0x3A)
    for lead in (*range(0x81, 0x85), *range(0x90, 0xE4)):
        thirds = range(0x81, 0xFF, 7) if lead < 0x90 else (0x81, 0xFE)
        yield from (bytes([lead, second, third, fourth]) for second in last for third in thirds for fourth in last)


def test_gb18030s_codes_of_four_bytes_are_the_servers_characters(database: Database) -> None:
    if database.flavour == "mariadb":
        assert "gb18030" not in collations(database).values(), "it has it now: remove this line"
        return
    wanted = [*gb18030_codes(), bytes.fromhex("8135F437")]
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT CONVERT(CONVERT(x'{b''.join(wanted).hex()}' USING gb18030) USING utf32)")
        ((text,),) = cursor.fetchall()
    assert len(text) == len(wanted)
    differing = [
        (code.hex(), found, decoded("gb18030", code))
        for code, found in zip(wanted, text, strict=True)
        if (None if found == "?" else found) != decoded("gb18030", code)
    ]
    assert differing == []


@pytest.mark.parametrize("charset", UNICODE)
def test_each_character_of_unicode_is_decoded_from_how_the_server_stores_it(
    database: Database, schema: str, charset: str
) -> None:
    points = [*range(1, 0xD800, 5), 0xD7FF, *range(0xE000, 0x10000, 5), 0xFEFF, 0xFFFE, 0xFFFF]
    if charset not in {"ucs2", "utf8mb3"}:
        points += [0x10000, *range(0x1F000, 0x1FB00, 3), 0x10FFFF]
    text = "".join(map(chr, points))
    with database.connect(schema) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE t (v LONGTEXT CHARACTER SET {charset})")
        cursor.execute(f"INSERT INTO t VALUES (_utf8mb4 x'{text.encode().hex()}')")
        cursor.execute("SELECT CAST(v AS BINARY) FROM t")
        ((found,),) = cursor.fetchall()
    assert decoder(charset)(found) == text


@pytest.mark.parametrize(
    ("charset", "code"),
    [
        ("ucs2", "d800"),
        ("ucs2", "d83dde00"),
        ("ucs2", "00"),
        ("utf16", "d8000041"),
        ("utf16le", "00d8"),
        ("utf32", "00110000"),
        ("utf8mb4", "eda080"),
        ("utf8mb3", "c080"),
        ("ascii", "80"),
        ("cp1251", "98"),
        ("tis620", "a0"),
        ("big5", "a15a"),
        ("ujis", "8ea0"),
        ("ujis", "a1"),
        ("gbk", "81"),
    ],
)
def test_bytes_that_are_no_character_are_refused(charset: str, code: str) -> None:
    with pytest.raises(UnicodeDecodeError):
        decoder(charset)(bytes.fromhex(code))


@pytest.mark.parametrize(
    ("charset", "code", "text"),
    [
        ("latin1", "80818d8f909dff", "€\x81\x8d\x8f\x90\x9dÿ"),
        ("sjis", "815f5c7e", "\\\\~"),
        ("cp932", "815f5c", "\uff3c\\"),
        ("eucjpms", "8ff3f341ada1", "\u2170A①"),
        ("big5", "f9d641a451", "碁A十"),
        ("utf16", "feff0041", "\ufeffA"),
    ],
)
def test_text_of_several_characters_is_decoded(charset: str, code: str, text: str) -> None:
    assert decoder(charset)(bytes.fromhex(code)) == text


def test_what_no_server_has_is_refused_by_its_number_or_name() -> None:
    with pytest.raises(UnknownCharset, match="collation number 4711 is not known"):
        charset_of(4711)
    with pytest.raises(UnknownCharset, match="character set ebcdic is not known"):
        decoder("ebcdic")


@pytest.mark.parametrize("charset", sorted(CHARSETS - {"binary"}))
def test_each_character_set_that_the_keymap_knows_has_a_decoder(charset: str) -> None:
    assert decoder(charset)(b"") == ""
