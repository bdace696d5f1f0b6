"""Templates, as in ``"ORDER#{order_id:010d}"`` or ``"{created|date('%Y-%m')}"``: parsed once, rendered per row, and
understood well enough to prove things about them.

Three proofs are needed before anything is written: that two rows never render the same key (`recovers`), that two
rules never write the same item (`disjoint`), and that no part can be NULL (`keymap.check_templates`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from keymap.errors import KeyshiftError
from keymap.fields import Part as Part  # noqa: PLC0414 - what a template is made of
from keymap.fields import parse_parts
from keymap.kinds import Unfit
from keymap.values import Canonical, Json, Row


class PatchError(KeyshiftError):
    """A row that cannot become an item (a poison change): names table and column, never the row's contents."""


class NullInKey(PatchError):
    """A field that is NULL, and has no default, where a text needs it."""


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template."""

    text: str
    parts: tuple[Part, ...]

    @property
    def bare(self) -> str:
        """The one column that the template is, without text, format or functions; "" when it is more."""
        alone = self.alone
        return alone.column if alone and not alone.functions else ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the template uses, in its order; also those that `coalesce` names."""
        return tuple(column for part in self.parts for column in part.columns)

    @property
    def prefix(self) -> str:
        """The literal text before the first field (all of it, where there is no field)."""
        return self.parts[0].literal if self.parts else ""

    @property
    def suffix(self) -> str:
        """The literal text after the last field."""
        return self.parts[-1].literal if self.parts and not self.parts[-1].column else ""

    @property
    def alone(self) -> Part | None:
        """The one field that is the whole template, so that its value keeps its type."""
        if len(self.parts) != 1:
            return None
        (only,) = self.parts
        return only if only.column and not only.literal and not only.spec else None

    def render(self, row: Row, defaults: dict[str, str]) -> str:
        """The template's text for a row. Raises PatchError on values with no text, and NullInKey."""
        pieces = []
        for part in self.parts:
            pieces.append(part.literal)
            if part.column:
                # What nearly all fields of keys are is done here, because a call for each would double the time.
                value = None if part.functions else row.get(part.column)
                if type(value) is int:
                    pieces.append(format(value, part.spec))
                elif type(value) is str and not part.spec:
                    pieces.append(value)
                else:
                    pieces.append(_text(part, row, defaults))
        return "".join(pieces)

    def value(self, row: Row, defaults: dict[str, str]) -> Canonical:
        """The template's value for a row: of one field alone the field's own, else text; None where a field is NULL.

        Raises PatchError on values that a function does not take, and on those without a text that are put into one.
        """
        alone = self.alone
        if alone:
            value = _value(alone, row)
            return _default(alone, defaults) if value is None else value
        try:
            return self.render(row, defaults)
        except NullInKey:
            return None


def _value(part: Part, row: Row) -> Canonical:
    """A field's value, through its functions."""
    try:
        value = row[part.column]
        for function in part.functions:
            if value is not None:
                value = function.call(value)
            else:
                value = row[function.other] if function.other else function.null_value
    except KeyError:
        missing = ", ".join(column for column in part.columns if column not in row)
        raise PatchError(f"the row has no column {missing}", "Compare the keymap with the table's columns") from None
    except Unfit as unfit:
        raise PatchError(f"column {part.column}: {function.name} {unfit.message}", unfit.remedy) from None
    return value


def _default(part: Part, defaults: dict[str, str]) -> str | None:
    """What stands for a field that is NULL: the text for its column, or for the first of those that stand in for it."""
    return next((defaults[column] for column in part.columns if column in defaults), None) if defaults else None


def _text(part: Part, row: Row, defaults: dict[str, str]) -> str:
    value = _value(part, row)
    if value is not None:
        return text_of(value, part.spec, part.column)
    text = _default(part, defaults)
    if text is None:
        what = f"column {part.column} {'becomes' if part.functions else 'is'} NULL in a key"
        raise NullInKey(what, "Give it a default, with default('…') or under defaults, or filter such rows out")
    return text


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
    if isinstance(value, Json) and value.text in {"true", "false"}:
        return value.text
    raise PatchError(
        f"column {column} holds no text to put into a template",
        "Make text of it with hex or base64 (a document: text), or use the column alone as a key of type B",
    )


@lru_cache(maxsize=10_000)  # every pair of rules asks for both ones' templates
def parse_template(text: str) -> Template:
    """Parse a template. Raises ValueError saying what is wrong with it, and where."""
    return Template(text, parse_parts(text))


def recovers(template: Template, integers: frozenset[str], defaulted: frozenset[str] = frozenset()) -> frozenset[str]:
    """The columns whose values can be read back from the rendered text, whatever they are.

    `integers` are the NOT NULL columns that render as digits, `defaulted` those for whose NULL some text stands. A
    field of an integer ends where a digit cannot follow; a function's result of fixed width is skipped, as literal text
    is; any other field may hold any text, so one of those at most can be told apart: what lies between what is read
    from the left and what is read from the right. A function that is not one-to-one hides its column.
    """
    parts = template.parts
    from_left = _read(_ended_on_the_right(parts), integers, defaulted)
    from_right = _read(reversed(list(_ended_on_the_left(parts))), integers, defaulted)
    read = [*parts[:from_left], *parts[len(parts) - from_right :]]
    if from_left + from_right == len(parts) - 1:
        read.append(parts[from_left])  # the one that lies between
    return frozenset(part.column for part in read if part.column and _is_one_to_one(part))


def _ended_on_the_right(parts: tuple[Part, ...]) -> Iterable[tuple[Part, bool]]:
    """Each part, with whether digits in it end where its successor's literal text begins."""
    for index, part in enumerate(parts):
        following = parts[index + 1].literal if index + 1 < len(parts) else None
        yield part, following is None or (following != "" and not following[0].isdecimal())


def _ended_on_the_left(parts: tuple[Part, ...]) -> Iterable[tuple[Part, bool]]:
    """Each part, with whether digits in it end, leftwards, at its literal: neither digit nor sign."""
    for part in parts:
        yield part, part.literal != "" and part.literal[-1] not in "-0123456789"


def _read(parts: Iterable[tuple[Part, bool]], integers: frozenset[str], defaulted: frozenset[str]) -> int:
    """How many parts can be read, one after the other, before one whose end is not known."""
    count = 0
    for part, ended in parts:
        is_integer = part.column in integers and all(function.name == "text" for function in part.functions)
        if part.column and not (is_integer and ended) and not _is_fixed(part, defaulted):
            return count
        count += 1
    return count


def _is_fixed(part: Part, defaulted: frozenset[str]) -> bool:
    """Whether the field always has the width that its last function gives it, and no default's text takes its place."""
    return bool(part.functions) and part.functions[-1].width is not None and defaulted.isdisjoint(part.columns)


def _is_one_to_one(part: Part) -> bool:
    return all(function.one_to_one for function in part.functions)


def disjoint(one: Template, other: Template) -> bool:
    """Whether the two templates can never render the same text: their fixed beginnings or endings differ."""
    if not one.columns and not other.columns:
        return one.text != other.text
    return not _agree(one.prefix, other.prefix) or not _agree(one.suffix[::-1], other.suffix[::-1])


def _agree(left: str, right: str) -> bool:
    shared = min(len(left), len(right))
    return left[:shared] == right[:shared]
