"""Key templates, as in ``"ORDER#{order_id:010d}"``: parsed once, rendered per row, and understood well enough to prove
things about them.

Three proofs are needed before anything is written: that two rows never render the same key (`recovers`), that two
rules never write the same item (`disjoint`), and that no part can be NULL (`columns`).
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from string import Formatter

from keymap.errors import KeyshiftError
from keymap.values import Canonical, Row

_SPEC = re.compile(r"0?\d{1,3}d")


class PatchError(KeyshiftError):
    """A row that cannot become an item (a poison change): names table and column, never the row's contents."""


@dataclass(frozen=True, slots=True)
class Part:
    """A run of literal text and the field after it (`column` is "" at the end of the template)."""

    literal: str
    column: str = ""
    spec: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template. `bare` is the column's name where the template is just ``{column}``, else ""."""

    text: str
    parts: tuple[Part, ...]

    @property
    def bare(self) -> str:
        """The one column that the template is, without text or format; "" when it is more."""
        first = self.parts[0] if self.parts else Part("")
        alone = len(self.parts) == 1 and not first.literal and not first.spec
        return first.column if alone else ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the template uses, in its order."""
        return tuple(part.column for part in self.parts if part.column)

    @property
    def prefix(self) -> str:
        """The literal text before the first field (all of it, where there is no field)."""
        return self.parts[0].literal if self.parts else ""

    @property
    def suffix(self) -> str:
        """The literal text after the last field."""
        return self.parts[-1].literal if self.parts and not self.parts[-1].column else ""

    def render(self, row: Row, defaults: dict[str, str]) -> str:
        """The template's text for a row. Raises PatchError on NULL without a default, and on values with no text."""
        pieces = []
        for part in self.parts:
            pieces.append(part.literal)
            if part.column:
                pieces.append(_text(part, row, defaults))
        return "".join(pieces)


def _text(part: Part, row: Row, defaults: dict[str, str]) -> str:
    try:
        value = row[part.column]
    except KeyError:
        raise PatchError(
            f"the row has no column {part.column}", "Compare the keymap with the table's columns"
        ) from None
    if value is None:
        if part.column in defaults:
            return defaults[part.column]
        raise PatchError(
            f"column {part.column} is NULL in a key", "Give it a default, or filter such rows out"
        ) from None
    return text_of(value, part.spec, part.column)


def text_of(value: Canonical, spec: str, column: str) -> str:
    """A value's text within a template. Raises PatchError for a value that has none."""
    if isinstance(value, int):
        return format(value, spec) if spec else str(value)
    if spec:
        raise PatchError(f"column {column} is not an integer, as the format :{spec} wants it", "Remove the format")
    if isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return f"{value:f}"
    raise PatchError(f"column {column} holds no text to put into a template", "Use the column alone as a key of type B")


def parse_template(text: str) -> Template:
    """Parse a template. Raises ValueError saying what is wrong with it."""
    parts = []
    for literal, column, spec, conversion in Formatter().parse(text):
        if column is None:
            parts.append(Part(literal))
            continue
        if not column or not re.fullmatch(r"[^{}.\[\]!:]+", column) or conversion:
            raise ValueError(f"{{{column}}} is not a column: a field is {{column}} or {{column:010d}}")
        if spec and not _SPEC.fullmatch(spec):
            raise ValueError(f"the format :{spec} is not known: an integer can be padded, as in {{{column}:010d}}")
        parts.append(Part(literal, column, spec or ""))
    return Template(text, tuple(parts))


def recovers(template: Template, integers: frozenset[str]) -> frozenset[str]:
    """The columns whose values can be read back from the rendered text, whatever they are.

    `integers` are the NOT NULL columns that render as digits. Such a field ends where a digit cannot follow; a field
    of any other kind may hold any text, so one of those at most can be told apart: what lies between what is read from
    the left and what is read from the right. Literal text has a fixed length and is always skipped.
    """
    forward = _readable(template.parts, integers)
    if forward == len(template.parts):
        return frozenset(template.columns)
    return (
        frozenset(template.columns)
        if _free_fields(template, integers) == 1 and _framed(template, integers)
        else frozenset()
    )


def _readable(parts: tuple[Part, ...], integers: frozenset[str]) -> int:
    """How many parts can be read from the left: each field an integer that the next literal ends."""
    for index, part in enumerate(parts):
        following = parts[index + 1].literal if index + 1 < len(parts) else None
        ended = following is None or (following != "" and not following[0].isdecimal())
        if part.column and not (part.column in integers and ended):
            return index
    return len(parts)


def _free_fields(template: Template, integers: frozenset[str]) -> int:
    return sum(1 for column in template.columns if column not in integers)


def _framed(template: Template, integers: frozenset[str]) -> bool:
    """Whether the one free field is framed: integers before it end at text, those after it begin after a non-digit."""
    fields = [part for part in template.parts if part.column]
    literals = [part.literal for part in template.parts] + [""]
    free = next(index for index, part in enumerate(fields) if part.column not in integers)
    before = all(literals[index + 1] != "" and not literals[index + 1][0].isdecimal() for index in range(free))
    # From the right: an integer's digits end (leftwards) at a literal whose last character is neither digit nor sign.
    after = all(
        literals[index] != "" and literals[index][-1] not in "-0123456789" for index in range(free + 1, len(fields))
    )
    return before and after


def disjoint(one: Template, other: Template) -> bool:
    """Whether the two templates can never render the same text: their fixed beginnings or endings differ."""
    if not one.columns and not other.columns:
        return one.text != other.text
    return not _agree(one.prefix, other.prefix) or not _agree(one.suffix[::-1], other.suffix[::-1])


def _agree(left: str, right: str) -> bool:
    shared = min(len(left), len(right))
    return left[:shared] == right[:shared]
