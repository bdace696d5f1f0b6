"""The grammar of templates: literal text, and fields in braces (decision 0011).

    field    = "{" column [ ":" format | { "|" call } ] "}"
    call     = name [ "(" [ argument { "," argument } ] ")" ]
    argument = [ name "=" ] ( whole number | 'text' | column )

Within text in quotes, a quote is written twice, and braces are plain. Every mistake is a ValueError that says what is
wrong and where.
"""

import re
from dataclasses import dataclass
from typing import Final, NoReturn

from keymap.functions import Function, compile_function
from keymap.parameters import Argument, Name

_LITERAL: Final = re.compile(r"(?:[^{}]|\{\{|\}\})+")
_COLUMN: Final = re.compile(r"[^{}.\[\]!:|]+")
_SPEC: Final = re.compile(r"[^{}|]*")
_PADDED: Final = re.compile(r"0?[0-9]{1,3}d").fullmatch
_BLANKS: Final = re.compile(r"\s*")
_WORD: Final = re.compile(r"[^\W\d]\w*")
_WHOLE: Final = re.compile(r"-?[0-9]{1,18}(?!\w)")
_QUOTED: Final = re.compile(r"'(?:[^']|'')*'")
_BARE: Final = re.compile(r"[\w$]+")


@dataclass(frozen=True, slots=True)
class Part:
    """A run of literal text and the field after it (`column` is "" at the end of the template).

    `spec` is the format of an integer; `functions` are applied from left to right. A field has at most one of both.
    """

    literal: str
    column: str = ""
    spec: str = ""
    functions: tuple[Function, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the field uses: its own, then those that stand in for NULL."""
        others = tuple(function.other for function in self.functions if function.other)
        return (self.column, *others) if self.column else ()


def parse_parts(text: str) -> tuple[Part, ...]:
    """The parts of a template; none where it is empty. Raises ValueError."""
    return tuple(_Reader(text).parts())


class _Reader:
    """A place in a template's text, which moves forward."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def parts(self) -> list[Part]:
        parts = []
        while self.at < len(self.text):
            literal = (self._take(_LITERAL) or "").replace("{{", "{").replace("}}", "}")
            if self.at < len(self.text):
                parts.append(self._field(literal))
            else:
                parts.append(Part(literal))
        return parts

    def _field(self, literal: str) -> Part:
        if not self._skip("{"):
            self._fail("a } stands alone: write }} for a brace")
        column = (self._take(_COLUMN) or "").rstrip()  # no column's name ends with a blank
        if not column or self.text[self.at : self.at + 1] not in {"}", ":", "|"}:
            self._fail(
                "this is not a column: a field is {column}, {column:010d} or {column|function}", self.at - len(column)
            )
        spec = self._spec(column) if self._skip(":") else ""
        functions = [] if spec else list(self._functions())
        if not self._skip("}"):
            self._fail("a format stands alone, without functions: use pad" if spec else "the field does not end with }")
        return Part(literal, column, spec, tuple(functions))

    def _spec(self, column: str) -> str:
        start = self.at
        spec = self._take(_SPEC) or ""
        if not _PADDED(spec):
            self._fail(f"the format :{spec} is not known: an integer can be padded, as in {{{column}:010d}}", start)
        return spec

    def _functions(self) -> list[Function]:
        found = []
        while self._skip("|"):
            found.append(self._call())
            self._take(_BLANKS)
        return found

    def _call(self) -> Function:
        self._take(_BLANKS)
        start = self.at
        name = self._take(_WORD)
        if name is None:
            self._fail("a function's name must follow |")
        positional: list[Argument] = []
        named: dict[str, Argument] = {}
        self._take(_BLANKS)
        if self._skip("("):
            self._arguments(positional, named)
        try:
            return compile_function(name, positional, named)
        except ValueError as mistake:
            self._fail(str(mistake), start)

    def _arguments(self, positional: list[Argument], named: dict[str, Argument]) -> None:
        self._take(_BLANKS)
        if self._skip(")"):
            return
        while True:
            self._argument(positional, named)
            self._take(_BLANKS)
            if self._skip(")"):
                return
            if not self._skip(","):
                self._fail("arguments are set apart by commas, and end with )")
            self._take(_BLANKS)

    def _argument(self, positional: list[Argument], named: dict[str, Argument]) -> None:
        start = self.at
        name = self._take(_WORD)
        self._take(_BLANKS)
        if name is None or not self._skip("="):
            self.at = start
            if named:
                self._fail("arguments without a name come before those with one")
            positional.append(self._value())
            return
        if name in named:
            self._fail(f"argument {name} is given twice", start)
        self._take(_BLANKS)
        named[name] = self._value()

    def _value(self) -> Argument:
        whole = self._take(_WHOLE)
        if whole is not None:
            return int(whole)
        quoted = self._take(_QUOTED)
        if quoted is not None:
            return quoted[1:-1].replace("''", "'")
        bare = self._take(_BARE)
        if bare is None:
            self._fail("an argument is a whole number, 'text' in single quotes, or a column's name")
        return Name(bare)

    def _take(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self.text, self.at)
        if not found:
            return None
        self.at = found.end()
        return found[0]

    def _skip(self, character: str) -> bool:
        here = self.text.startswith(character, self.at)
        self.at += here
        return here

    def _fail(self, what: str, at: int | None = None) -> NoReturn:
        place = self.at if at is None else max(at, 0)
        raise ValueError(f"{what} (character {place + 1} of {self.text!r})")
