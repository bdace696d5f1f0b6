"""What a column's collation calls equal although its bytes differ. DynamoDB's keys are compared by bytes alone.

Told by the collation's name. MySQL: the UCA 9.0.0 collations (`_0900_`) and `binary` are NO PAD, all others, `_bin`
among them, PAD SPACE (the manual, "Unicode Character Sets"; a test compares with the server's PAD_ATTRIBUTE). MariaDB:
all but those with `nopad` are PAD SPACE. A name without `_cs` or `_bin` ignores case. Accents are ignored by
`_ai` and by the older `_general` and `_unicode`; a language's own collation knows which of its letters have accents,
and we do not.
"""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from keymap.schema import Column

_TEXTS = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext"})
_ACCENTS = range(0x300, 0x370)  # the combining marks of the alphabets that have capitals


@dataclass(frozen=True, slots=True)
class Equality:
    """What a collation ignores: `case`, `accents`, and `blanks` at the end of a text."""

    case: bool
    accents: bool
    blanks: bool

    @property
    def is_bytewise(self) -> bool:
        """Whether equal means equal bytes."""
        return not (self.case or self.accents or self.blanks)

    def folded(self, text: str) -> str:
        """A text in a form that it shares with those that the collation calls equal, as far as case, accents (of
        letters that have one apart) and blanks go; a collation may know of more (`ß` = `s`).
        """
        if self.blanks:
            text = text.rstrip(" ")
        if self.accents and not text.isascii():
            apart = unicodedata.normalize("NFD", text)
            text = unicodedata.normalize("NFC", "".join(letter for letter in apart if ord(letter) not in _ACCENTS))
        return text.casefold() if self.case else text


_ROOT_WORDS = frozenset("0900 uca1400 nopad ai as ci cs general unicode 520 mysql500".split())
BYTEWISE = Equality(case=False, accents=False, blanks=False)


def equality_of(column: Column) -> Equality:
    """What the column's collation ignores. Columns that are no text, ENUM and SET among them, are bytewise."""
    if column.data_type not in _TEXTS or column.collation is None:
        return BYTEWISE
    return _equality(column.collation.lower())


@lru_cache(maxsize=256)
def _equality(collation: str) -> Equality:
    words = frozenset(collation.split("_"))
    if collation == "binary":
        return BYTEWISE
    blanks = not words & {"0900", "nopad"}
    if "bin" in words:
        return Equality(case=False, accents=False, blanks=blanks)
    root = not words - _ROOT_WORDS - {collation.split("_", maxsplit=1)[0]}
    accents = root and ("ai" in words or bool(words & {"general", "unicode"} and "cs" not in words))
    return Equality(case="cs" not in words, accents=accents, blanks=blanks)
