"""Character sets: which one a collation's number means, and how text that is stored in it is decoded.

A decoder gives what the servers' own conversion to utf8mb4 gives, for every byte sequence that stands for a character.
Where that conversion has no character (it gives '?' or U+FFFD, the same for different bytes) a decoder raises instead.
Python's codecs agree with the servers but for the differences listed here; tests/binlog/test_charsets.py measures them
again on real servers. MySQL 9.7 and MariaDB 10.11 convert all of them alike.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

from keyshift.binlog.single_byte import SINGLE_BYTE, single_byte

Decode = Callable[[bytes], str]


class UnknownCharset(KeyError):
    """A collation or a character set that no server known to us has; the text names it."""

    def __str__(self) -> str:
        """The text as it is: KeyError would quote it."""
        return str(self.args[0])


# Collations by number. Both servers agree on every number that both have. From 576 on they are MariaDB's, 32 numbers to
# a character set (the blocks of MY_PAGE2_COLLATION_ID in its include/m_ctype.h).
_RANGES: Final[dict[str, str]] = {
    "armscii8": "32 64",
    "ascii": "11 65",
    "big5": "1 84",
    "binary": "63",
    "cp1250": "26 34 44 66 99",
    "cp1251": "14 23 50-52",
    "cp1256": "57 67",
    "cp1257": "29 58-59",
    "cp850": "4 80",
    "cp852": "40 81",
    "cp866": "36 68",
    "cp932": "95-96",
    "dec8": "3 69",
    "eucjpms": "97-98",
    "euckr": "19 85",
    "gb18030": "248-250",
    "gb2312": "24 86",
    "gbk": "28 87",
    "geostd8": "92-93",
    "greek": "25 70",
    "hebrew": "16 71",
    "hp8": "6 72",
    "keybcs2": "37 73",
    "koi8r": "7 74",
    "koi8u": "22 75",
    "latin1": "5 8 15 31 47-49 94",
    "latin2": "2 9 21 27 77",
    "latin5": "30 78",
    "latin7": "20 41-42 79",
    "macce": "38 43",
    "macroman": "39 53",
    "sjis": "13 88",
    "swe7": "10 82",
    "tis620": "18 89",
    "ucs2": "35 90 128-159 640-671",
    "ujis": "12 91",
    "utf16": "54-55 101-124 672-703",
    "utf16le": "56 62",
    "utf32": "60-61 160-183 736-767",
    "utf8mb3": "33 76 83 192-223 576-607",
    "utf8mb4": "45-46 224-247 255-323 608-639",
}
_NO_PAD: Final = 1024  # MariaDB: a collation's NO PAD variant
_UCA1400: Final = 2048  # MariaDB 10.10: from here 256 numbers for each of these character sets
_UCA1400_CHARSETS: Final = ("utf8mb3", "utf8mb4", "ucs2", "utf16", "utf32")


def _numbers(ranges: str) -> Iterator[int]:
    for part in ranges.split():
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


_CHARSETS: Final = {number: charset for charset, ranges in _RANGES.items() for number in _numbers(ranges)}


def charset_of(collation_id: int) -> str:
    """The character set of a collation, by the number that protocol and binlog know it by ("binary" for bytes).

    Raises UnknownCharset, naming the number. Source: information_schema of both servers, and MariaDB's
    strings/ctype-uca.h for the rule of its UCA 14.0.0 collations.
    """
    block = (collation_id - _UCA1400) >> 8
    if 0 <= block < len(_UCA1400_CHARSETS):
        return _UCA1400_CHARSETS[block]
    found = _CHARSETS.get(collation_id)
    if found is None and _NO_PAD <= collation_id < _UCA1400:
        found = _CHARSETS.get(collation_id - _NO_PAD)
    if found is None:
        raise UnknownCharset(f"collation number {collation_id} is not known")
    return found


def _ucs2(data: bytes) -> str:
    text = data.decode("utf-16-be")
    if len(text) * 2 != len(data):  # a surrogate pair is one character of UTF-16, but two that are none of ucs2
        raise UnicodeDecodeError("ucs2", data, 0, len(data), "surrogates")
    return text


def _sjis(data: bytes) -> str:
    return data.decode("shift_jis").replace("\uff3c", "\\")  # 0x815F is the only code of either


def _gb18030(data: bytes) -> str:
    return data.decode("gb18030").translate(_GB18030_2005)


_GB18030_2005: Final = {0xE7C7: 0x1E3F, 0x1E3F: 0xE7C7}  # 0xA8BC is U+1E3F since the edition of 2005
_BIG5: Final = {
    **dict(zip(range(0xF9D6, 0xF9DD), "碁銹裏墻恒粧嫺", strict=True)),
    **dict.fromkeys((0xA15A, 0xA1C3, 0xA1C5, 0xA1FE, 0xA240, 0xA2CC, 0xA2CE), ""),  # the servers: U+FFFD
}
_ROW: Final = range(0xA1, 0xFF)  # the second byte of a row of EUC
_SJIS_TRAIL: Final = (*range(0x40, 0x7F), *range(0x80, 0xFD))


def _decoded(code: bytes, codec: str) -> str:
    try:
        return code.decode(codec)
    except UnicodeDecodeError:
        return ""


def _user_defined() -> dict[int, str]:
    """The rows of EUC that users may define: the private use area, 94 to a row, JIS X 0208's before JIS X 0212's."""
    first = [row << 8 | cell for row in range(0xF5, 0xFF) for cell in _ROW]
    return {code: chr(0xE000 + index) for index, code in enumerate([*first, *(0x8F0000 | code for code in first)])}


def _eucjpms() -> dict[int, str]:
    """Row 13 of NEC, IBM's characters that JIS X 0212 lacks (cp932 has both), and Microsoft's choice of forms."""
    nec = "".join(_decoded(bytes([0x87, trail]), "cp932") for trail in _SJIS_TRAIL[:94])
    cells = [0xAD00 | cell for cell in (*range(0xA1, 0xBF), *range(0xC0, 0xD7), *range(0xDF, 0xFD))]
    supplement = {_decoded(bytes([0x8F, row, cell]), "euc_jp") for row in _ROW for cell in _ROW}
    ibm = "".join(_decoded(bytes([lead, trail]), "cp932") for lead in (0xFA, 0xFB, 0xFC) for trail in _SJIS_TRAIL)
    ibm = "".join(char for char in ibm if char == "№" or (char not in supplement and char not in "\uffe2\u2235\uffe4"))
    places = [*range(0x8FF3F3, 0x8FF3FF), *range(0x8FF4A1, 0x8FF4FF)]
    forms = {0xA1C1: "\uff5e", 0xA1C2: "\u2225", 0xA1DD: "\uff0d", 0xA1F1: "\uffe0", 0xA1F2: "\uffe1", 0xA2CC: "\uffe2"}
    return {
        **_user_defined(),
        **dict(zip(cells, nec, strict=True)),
        **dict(zip(places, ibm, strict=True)),
        **forms,
        0x8FA2B7: "\uff5e",
        0x8FA2C3: "\uffe4",
    }


class _Characters(dict[bytes, str]):
    """From one character's bytes to the character, filled as they are met. Raises UnicodeDecodeError for none."""

    def __init__(self, codec: str, differences: dict[int, str]) -> None:
        super().__init__()
        self._codec, self._differences = codec, differences

    def __missing__(self, code: bytes) -> str:
        char = self._differences.get(int.from_bytes(code, "big"))
        if char is None:
            char = code.decode(self._codec)
        if not char:
            raise UnicodeDecodeError(self._codec, code, 0, len(code), "no character")
        self[code] = char
        return char


def _by_character(codec: str, differences: dict[int, str], one: bytes) -> Decode:
    """A decoder that looks up each character by itself; `one` is the pattern of a character of several bytes."""
    split = re.compile(one + rb"|.", re.DOTALL).findall
    characters = _Characters(codec, differences)
    return lambda data: "".join([characters[code] for code in split(data)])


def _codec(name: str) -> Decode:
    return lambda data: data.decode(name)


_EUC: Final = rb"\x8f[\xa1-\xfe][\xa1-\xfe]|\x8e[\xa1-\xdf]|[\xa1-\xfe][\xa1-\xfe]"
_MULTI_BYTE: Final[dict[str, Callable[[], Decode]]] = {
    "utf8mb4": lambda: _codec("utf-8"),
    "utf8mb3": lambda: _codec("utf-8"),
    "utf8": lambda: _codec("utf-8"),
    "binary": lambda: _codec("utf-8"),  # of an ENUM or SET alone: the servers print such labels as if they were UTF-8
    "utf16": lambda: _codec("utf-16-be"),
    "utf16le": lambda: _codec("utf-16-le"),
    "utf32": lambda: _codec("utf-32-be"),
    "ucs2": lambda: _ucs2,
    "cp932": lambda: _codec("cp932"),
    "euckr": lambda: _codec("cp949"),
    "gb2312": lambda: _codec("gb2312"),
    "gbk": lambda: _codec("gbk"),
    "sjis": lambda: _sjis,
    "gb18030": lambda: _gb18030,
    "big5": lambda: _by_character("big5", _BIG5, rb"[\xa1-\xf9][\x40-\x7e\xa1-\xfe]"),
    "ujis": lambda: _by_character("euc_jp", {**_user_defined(), 0xA1C0: "\\"}, _EUC),
    "eucjpms": lambda: _by_character("euc_jp", _eucjpms(), _EUC),
}


@lru_cache(maxsize=64)
def decoder(charset: str) -> Decode:
    """The function from text as it is stored in this character set to str.

    It raises UnicodeDecodeError for bytes that stand for no character. Raises UnknownCharset, naming it.
    """
    if charset in _MULTI_BYTE:
        return _MULTI_BYTE[charset]()
    if charset in SINGLE_BYTE:
        return single_byte(charset)
    raise UnknownCharset(f"character set {charset} is not known")
