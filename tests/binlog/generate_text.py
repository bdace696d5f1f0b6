"""Texts in MySQL's character sets, stored and decoded, for those whose tables Python shares or that are easily told."""

from dataclasses import dataclass

from hypothesis import strategies as st

_HOLES = {0x81, 0x8D, 0x8F, 0x90, 0x9D}  # of Windows' code page; MySQL's latin1 has the control characters there


@dataclass(frozen=True, slots=True)
class Charset:
    """A character set by one of its collations. `alphabet` are characters that MySQL and Python agree on, None: all."""

    name: str
    id: int
    collation: str
    bytes_max: int
    codec: str
    alphabet: str | None = None

    def encode(self, text: str) -> bytes:
        """As it is stored."""
        if self.name == "latin1":
            return b"".join(bytes([ord(c)]) if ord(c) in _HOLES else c.encode("cp1252") for c in text)
        return text.encode(self.codec)

    def decode(self, data: bytes) -> str:
        """The other way."""
        if self.name == "latin1":
            return "".join(chr(one) if one in _HOLES else bytes([one]).decode("cp1252") for one in data)
        return data.decode(self.codec)


_ASCII = "".join(map(chr, range(0x20, 0x7F)))
CHARSETS = (
    Charset("utf8mb4", 45, "utf8mb4_general_ci", 4, "utf-8"),
    Charset("utf8mb4", 255, "utf8mb4_0900_ai_ci", 4, "utf-8"),
    Charset("utf8mb4", 46, "utf8mb4_bin", 4, "utf-8"),
    Charset("utf8mb4", 309, "utf8mb4_0900_bin", 4, "utf-8"),
    Charset("utf8mb3", 33, "utf8mb3_general_ci", 3, "utf-8"),
    Charset("latin1", 8, "latin1_swedish_ci", 1, "cp1252"),
    Charset("ascii", 11, "ascii_general_ci", 1, "ascii", _ASCII),
    Charset("utf16", 54, "utf16_general_ci", 4, "utf-16-be"),
    Charset("utf16le", 56, "utf16le_general_ci", 4, "utf-16-le"),
    Charset("utf32", 60, "utf32_general_ci", 4, "utf-32-be"),
    Charset("ucs2", 35, "ucs2_general_ci", 2, "utf-16-be"),
    Charset("cp1251", 51, "cp1251_general_ci", 1, "cp1251", _ASCII + "приветЯЁё№"),
    Charset("koi8r", 7, "koi8r_general_ci", 1, "koi8-r", _ASCII + "приветЯ"),
    Charset("latin2", 9, "latin2_general_ci", 1, "iso8859-2", _ASCII + "Łódźżęą"),
    Charset("greek", 25, "greek_general_ci", 1, "iso8859-7", _ASCII + "αβγΩ"),
    Charset("gbk", 28, "gbk_chinese_ci", 2, "gbk", _ASCII + "中文汉字"),
    Charset("cp932", 95, "cp932_japanese_ci", 2, "cp932", _ASCII.replace("\\", "") + "日本語テスト"),
    Charset("ujis", 12, "ujis_japanese_ci", 3, "euc-jp", _ASCII.replace("\\", "").replace("~", "") + "日本語"),
    Charset("euckr", 19, "euckr_korean_ci", 2, "euc-kr", _ASCII + "한국어"),
)


def texts(charset: Charset, characters_max: int) -> st.SearchStrategy[tuple[bytes, str]]:
    """Pairs of stored bytes and text."""
    size = min(characters_max, 20)

    def pair(text: str) -> tuple[bytes, str]:
        return charset.encode(text), text

    if charset.name == "latin1":
        return st.binary(max_size=size).map(lambda data: (data, charset.decode(data)))
    if charset.alphabet:
        return st.text(charset.alphabet, max_size=size).map(pair)
    top = 0xFFFF if charset.name in {"utf8mb3", "ucs2"} else 0x10FFFF
    drawn = st.text(st.characters(max_codepoint=top, exclude_categories=["Cs"]), max_size=size)
    return (drawn | st.just("x" * characters_max)).map(pair)
