"""Templates (``${First},${Last}``) and simple expressions (``$FIRST||'_'||$LAST``) of DMS, as templates of a keymap."""

import re
from dataclasses import dataclass
from decimal import Decimal

from pydantic import JsonValue

_FIELD = re.compile(r"\$\{([^{}]*)\}")
_TERM = re.compile(
    r"\s*(?:\$(?P<column>[A-Za-z_][A-Za-z0-9_]*)|'(?P<text>(?:[^']|'')*)'|(?P<number>\d+(?:\.\d+)?))\s*(?P<more>\|\||$)"
)
_COLUMN = re.compile(r"[^{}.\[\]!:|'\"]+")  # what the name of a column in a template may be made of
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_DIGITS_MAX = 40  # of a whole number that is looked at: more than any in range, fewer than Python refuses
_INTEGERS = range(-(2**63), 2**64)  # what every integer column of MySQL holds, and a keymap's digest can be made of


@dataclass(frozen=True, slots=True)
class Expression:
    """Literal text and columns in turn: ``("", "First", ",", "Last", "")``, the columns at the odd places."""

    pieces: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns, in their order."""
        return self.pieces[1::2]

    @property
    def bare(self) -> str:
        """The one column that the expression is, "" when it is more."""
        return self.pieces[1] if len(self.pieces) == 3 and not self.pieces[0] + self.pieces[2] else ""  # noqa: PLR2004

    @property
    def constant(self) -> str | None:
        """The text, where there is no column."""
        return None if self.columns else self.pieces[0]

    @property
    def template(self) -> str:
        """The expression in the language of keymaps."""
        escaped = (text.replace("{", "{{").replace("}", "}}") for text in self.pieces[0::2])
        fields = (*(f"{{{column}}}" for column in self.columns), "")
        return "".join(text + field for text, field in zip(escaped, fields, strict=True))


def of_template(value: str | float) -> Expression:
    """A scalar's value. Raises ValueError naming a column whose name a keymap's template cannot hold."""
    if isinstance(value, bool):
        value = "true" if value else "false"
    pieces = _FIELD.split(str(value))
    pieces[1::2] = [column.strip() for column in pieces[1::2]]
    return _valid(Expression(tuple(pieces)))


def of_expression(text: str, known: dict[str, str]) -> Expression:
    """An expression of columns, texts and numbers joined by ``||``; `known` are names that stand for a fixed text.

    Raises ValueError for anything else.
    """
    pieces, at, more = [""], 0, True
    while more:
        term = _TERM.match(text, at)
        if term is None or term.end() == at:
            raise ValueError("it is more than columns and texts joined by ||")
        column = term["column"]
        if column in known:
            pieces[-1] += known[column]
        elif column is not None:
            pieces += [column, ""]
        else:
            pieces[-1] += term["number"] or term["text"].replace("''", "'")
        at, more = term.end(), bool(term["more"])
    return _valid(Expression(tuple(pieces)))


def _valid(expression: Expression) -> Expression:
    for column in expression.columns:
        if not _COLUMN.fullmatch(column) or not column.isprintable():
            raise ValueError(f"{column!r} cannot be the name of a column in a template")
        if column.startswith("AR_"):
            raise ValueError(f"${column} is a fact about the change or about DMS, and not a column")
    return expression


def columns_of(value: JsonValue) -> list[str]:
    """The columns that a document uses, each once, in its order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        found = [column for inner in value for column in columns_of(inner)]
    else:
        found = [name.strip() for name in _FIELD.findall(value)] if isinstance(value, str) else []
    return list(dict.fromkeys(found))


def number(text: str) -> int | float | None:
    """A decimal number; None where the text is none. Raises ValueError where a keymap cannot say it without loss."""
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text) if "." in text or len(text) > _DIGITS_MAX else int(text)
    if isinstance(value, int) and value in _INTEGERS:
        return value
    if isinstance(value, float) and "." in text and "e" not in repr(value) and Decimal(repr(value)) == Decimal(text):
        return value
    raise ValueError("a number of so many digits cannot be said exactly")
