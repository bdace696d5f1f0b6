"""Edge values of every type and character set, by SELECT and from the binlog of real servers."""

from keyshift.binlog.charsets import decoder
from keyshift.binlog.single_byte import SINGLE_BYTE
from keyshift.cli.demo.database import Database
from tests.types.both import require
from tests.types.cases import MARIADB, MYSQL, TRAPS, Case

# Codes in which the servers differ from Python's codecs, or which are of several bytes.
CODES = {
    "big5": "61A140A451F9D6F9DC",
    "cp932": "61815F8160879CFA40A1",
    "eucjpms": "61ADA18FA2B78FF3F38EB1F5A1",
    "euckr": "61B0A1814141",
    "gb2312": "61B0A1A1AA",
    "gbk": "61B0A181408FFE",
    "gb18030": "61B0A1A8BC8135F43790308130",
    "sjis": "61815F5C8161889FB1",
    "ujis": "61A1C08FF5A1F5A18EB1B0A1",
    "ucs2": "006100E965E5E000FFFF",
    "utf16": "006100E965E5D83DDE00FEFF",
    "utf16le": "6100E900E5653DD800DEFFFE",
    "utf32": "00000061000065E50001F6000010FFFF",
    "utf8mb3": "61C3A9E697A5EE8080",
    "utf8mb4": "61C3A9E697A5F09F9880F48FBFBF",
}


def test_where_the_two_are_known_to_disagree_they_agree(database: Database, schema: str) -> None:
    require(database, schema, TRAPS)


def test_the_types_of_one_server_alone_are_the_same_on_both_paths(database: Database, schema: str) -> None:
    require(database, schema, MARIADB if database.flavour == "mariadb" else MYSQL)


def codes(charset: str) -> str:
    """Text in this character set: every byte that is a character, but NUL, or some characters of several bytes."""
    if charset in CODES:
        return CODES[charset]
    return "".join(f"{byte:02X}" for byte in range(1, 256) if _is_character(charset, byte))


def _is_character(charset: str, byte: int) -> bool:
    try:
        return bool(decoder(charset)(bytes([byte])))
    except UnicodeDecodeError:
        return False


def charset_cases(charset: str) -> list[Case]:
    stored = codes(charset)
    text = decoder(charset)(bytes.fromhex(stored))
    label = [char for char in text if char.isalpha()][-1]
    literal = f"_{charset} x'{stored}'"
    return [
        (f"varchar(255) CHARACTER SET {charset}", literal, text),
        (f"char(255) CHARACTER SET {charset}", literal, text),
        (f"text CHARACTER SET {charset}", literal, text),
        (f"enum('0','{label}') CHARACTER SET {charset}", "2", label),
        (f"set('0','{label}') CHARACTER SET {charset}", "2", (label,)),
    ]


def test_text_of_every_character_set_is_the_same_on_both_paths(database: Database, schema: str) -> None:
    names = sorted(SINGLE_BYTE | CODES.keys())
    if database.flavour == "mariadb":
        names.remove("gb18030")
    for half in (names[::2], names[1::2]):  # a row holds 64 KiB of CHAR and VARCHAR at most
        require(database, schema, [case for name in half for case in charset_cases(name)])
