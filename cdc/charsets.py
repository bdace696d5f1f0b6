"""MySQL's character sets as Python's codecs, for text as it is stored."""

import codecs
from collections.abc import Callable
from typing import Final

_CODECS: Final = {"utf8mb4": "utf-8", "utf8mb3": "utf-8", "utf8": "utf-8", "koi8r": "koi8_r", "koi8u": "koi8_u"}
_LIBRARY: Final = {
    "utf8mb4": "utf8",
    "utf8mb3": "utf8",
    "utf8": "utf8",
    "latin1": "cp1252",
    "koi8r": "koi8_r",
    "koi8u": "koi8_u",
}
# MySQL's latin1 is cp1252, but for the five bytes that cp1252 leaves undefined: each is the character of its number.
_LATIN1: Final = "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(256))


def decoder(charset: str) -> Callable[[bytes], str]:
    """The function from stored bytes to text. It raises UnicodeDecodeError where they are not of the character set."""
    if charset == "latin1":
        return lambda data: codecs.charmap_decode(data, "strict", _LATIN1)[0]
    codec = _CODECS.get(charset, charset)
    codecs.lookup(codec)
    return lambda data: data.decode(codec)


def library_encoding(charset: str | None) -> str:
    """How the library names the character set of a column; a column of bytes has none."""
    return "binary" if charset is None else _LIBRARY.get(charset, charset)
