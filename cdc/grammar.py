"""A transaction's own grammar, where the binlog has it as text: where it begins and ends, and its savepoints."""

import re
from dataclasses import dataclass
from typing import Final

from cdc.words import words


@dataclass(frozen=True, slots=True)
class Control:
    """A statement of a transaction's grammar; `name` is the savepoint's, folded as the servers compare it."""

    kind: str
    name: str = ""


BEGIN, COMMIT, ROLLBACK, XA_END = Control("begin"), Control("commit"), Control("rollback"), Control("xa end")
SAVEPOINT, ROLLBACK_TO, RELEASE = "savepoint", "rollback to", "release"
_SIMPLE: Final = {"BEGIN": BEGIN, "COMMIT": COMMIT, "ROLLBACK": ROLLBACK}
# First words, longest first. XA COMMIT and XA ROLLBACK are the end of their own group, like their namesakes.
_FIRST_WORDS: Final[tuple[tuple[tuple[str, ...], Control | str], ...]] = (
    (("ROLLBACK", "WORK", "TO"), ROLLBACK_TO),
    (("ROLLBACK", "TO"), ROLLBACK_TO),
    (("RELEASE", "SAVEPOINT"), RELEASE),
    (("START", "TRANSACTION"), BEGIN),
    (("XA", "START"), BEGIN),
    (("XA", "BEGIN"), BEGIN),
    (("XA", "END"), XA_END),
    (("XA", "COMMIT"), COMMIT),
    (("XA", "ROLLBACK"), ROLLBACK),
    (("SAVEPOINT",), SAVEPOINT),
    (("BEGIN",), BEGIN),
    (("COMMIT",), COMMIT),
    (("ROLLBACK",), ROLLBACK),
)
_CONTROL_LENGTH_MAX = 1000  # no statement of the grammar is longer, and a megabyte of DDL need not be cut in words
_GRAMMAR = re.compile(r"SAVEPOINT|ROLLBACK|RELEASE|XA|BEGIN|START|COMMIT|/\*|--|#")


def control(text: str) -> Control | None:
    """What the statement does to the open transaction; None where it is none of the grammar."""
    if simple := _SIMPLE.get(text):
        return simple
    if len(text) > _CONTROL_LENGTH_MAX or not _GRAMMAR.match(text.lstrip().upper()):
        return None
    found = [word for word in words(text) if word.text != ";"]
    uppers = tuple(word.upper for word in found)
    kind = next((kind for first, kind in _FIRST_WORDS if uppers[: len(first)] == first), None)
    return Control(kind, found[-1].text.casefold()) if isinstance(kind, str) else kind
