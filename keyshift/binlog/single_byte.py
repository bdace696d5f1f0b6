"""The character sets of one byte per character, as the servers convert them: Python's codecs and where they differ."""

import codecs
from collections.abc import Callable
from typing import Final

_UNDEFINED: Final = "\ufffe"  # how charmap_decode wants an undefined byte written
_LOW: Final = "".join(map(chr, range(128)))
_C1: Final = "".join(map(chr, range(128, 160)))

# Character sets of one byte that are a codec of Python, and the bytes in which the servers differ from it.
_CODECS: Final[dict[str, tuple[str, dict[int, str]]]] = {
    "ascii": ("ascii", {}),
    "cp1250": ("cp1250", {}),
    "cp1251": ("cp1251", {}),
    "cp1256": ("cp1256", dict.fromkeys((0x8A, 0x8F, 0x98, 0x9A, 0x9F, 0xAA, 0xC0, 0xFF), _UNDEFINED)),
    "cp1257": ("cp1257", {}),
    "cp850": ("cp850", {}),
    "cp852": ("cp852", {}),
    "cp866": ("cp866", {0xFC: "\u207f", 0xFD: "\u00b2"}),
    "greek": (
        "iso8859_7",
        {0xA1: "\u02bd", 0xA2: "\u02bc", 0xA4: _UNDEFINED, 0xA5: _UNDEFINED, 0xAA: _UNDEFINED},
    ),
    "hebrew": ("iso8859_8", {0xAF: "\u203e"}),
    "hp8": ("hp_roman8", {}),
    "koi8r": ("koi8_r", {}),
    "koi8u": ("koi8_u", {0x95: "\u2022"}),
    # cp1252, but each byte that cp1252 leaves undefined is the character of its number
    "latin1": ("cp1252", {byte: chr(byte) for byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D)}),
    "latin2": ("iso8859_2", {}),
    "latin5": ("iso8859_9", {}),
    "latin7": ("iso8859_13", {}),
    "macce": ("mac_latin2", {}),
    "macroman": ("mac_roman", {}),
    "tis620": ("tis_620", {}),
}
_U: Final = _UNDEFINED
# Those that Python has no codec for: all 256 characters.
_TABLES: Final[dict[str, str]] = {
    "armscii8": _LOW
    + _C1
    + "\xa0\u2741\xa7\u0589)(\xbb\xab\u2014.\u055d,-\u055f\u2026\u055c\u055b\u055e"
    + "".join(chr(0x531 + letter) + chr(0x561 + letter) for letter in range(38))
    + "\u2019'",
    "dec8": _LOW
    + _C1
    + f"\xa0¡¢£{_U}¥{_U}§¤©ª«{_U * 4}°±²³{_U}µ¶·{_U}¹º»¼½{_U}¿ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏ{_U}ÑÒÓÔÕÖŒØÙÚÛÜŸ{_U}ß"
    + f"àáâãäåæçèéêëìíîï{_U}ñòóôõöœøùúûüÿ{_U * 2}",
    "geostd8": _LOW
    + f"€{_U}\u201a{_U}„…†‡{_U}‰{_U}\u2039{_U * 5}\u2018\u2019“”•\u2013—{_U * 3}\u203a{_U * 4}"
    + "".join(map(chr, range(0xA0, 0xC0)))
    + "აბგდევზჱთიკლმნჲოპჟრსტჳუფქღყშჩცძწჭხჴჯჰჵ"
    + f"{_U * 23}№{_U * 2}",
    "keybcs2": _LOW
    + "ČüéďäĎŤčěĚĹÍľĺÄÁÉžŽôöÓůÚýÖÜŠĽÝŘťáíóúňŇŮÔšřŕŔ¼¡«»"
    + "░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\xa0",
    "swe7": _LOW[:64] + "É" + _LOW[65:91] + "ÄÖÅÜ_é" + _LOW[97:123] + f"äöåü{_U}" + _U * 128,
}


def _table(charset: str) -> str:
    if charset in _TABLES:
        return _TABLES[charset]
    codec, differences = _CODECS[charset]
    return "".join(differences.get(byte) or bytes([byte]).decode(codec, "ignore") or _UNDEFINED for byte in range(256))


SINGLE_BYTE: Final = frozenset(_CODECS) | frozenset(_TABLES)


def single_byte(charset: str) -> Callable[[bytes], str]:
    """The decoder of one of these character sets. Raises UnicodeDecodeError for a byte that is no character."""
    table = _table(charset)
    return lambda data: codecs.charmap_decode(data, "strict", table)[0]
