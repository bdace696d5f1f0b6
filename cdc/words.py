"""The words of a statement that was logged as text: comments go, and quotes are heeded.

What has to be understood to its last word takes them one by one (`Words`).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple


class Word(NamedTuple):
    """A word of a statement: a keyword, name, number or sign. `upper` is "" for quoted names and for strings.

    `literal` is a string as it is written, with its quotes.
    """

    text: str
    upper: str
    literal: str = ""


# Comments go, but those that the servers execute (/*!40000 ... */, /*M! ... */) are code.
_COMMENT = re.compile(r"/\*(?!M?!).*?\*/|(?:--(?=[\s\x00-\x1f]|\Z)|\#)[^\n]*|/\*M?!\d*|\*/", re.DOTALL)
_WORD = re.compile(
    r"""(?P<quoted>`(?:[^`]|``)*`)|(?P<string>"(?:[^"\\]|\\.|"")*"|'(?:[^'\\]|\\.|'')*')"""
    r"""|(?P<plain>[\w$@\x80-\U0010ffff]+)|(?P<sign>\S)""",
    re.DOTALL,
)


def words(text: str) -> Iterator[Word]:
    """The words of a statement. Text in double quotes may be a name (ANSI_QUOTES), so it is given as one."""
    for found in _WORD.finditer(_without_comments(text)):
        kind, value = found.lastgroup, found.group()
        if kind == "quoted":
            yield Word(value[1:-1].replace("``", "`"), "")
        elif kind == "string":
            yield Word(value[1:-1].replace('""', '"') if value[0] == '"' else "", "", value)
        else:
            yield Word(value, value.upper())


def _without_comments(text: str) -> str:
    """Comments become a blank; what looks like one inside quotes stays."""
    if "/*" not in text and "--" not in text and "#" not in text:
        return text
    pieces, at = [], 0
    while at < len(text):
        comment, quoted = _COMMENT.search(text, at), _QUOTED.search(text, at)
        if comment is None or (quoted and quoted.start() < comment.start()):
            end = quoted.end() if quoted else len(text)
            pieces.append(text[at:end])
        else:
            pieces += [text[at : comment.start()], " "]
            end = comment.end()
        at = end
    return "".join(pieces)


_QUOTED = re.compile(r"""`(?:[^`]|``)*`|"(?:[^"\\]|\\.|"")*"|'(?:[^'\\]|\\.|'')*'""", re.DOTALL)


def split(found: Iterable[Word]) -> list[list[Word]]:
    """What commas separate, outside parentheses, each as its words."""
    parts: list[list[Word]] = [[]]
    depth = 0
    for word in found:
        depth += (word.upper == "(") - (word.upper == ")")
        if word.upper == "," and not depth:
            parts.append([])
        elif word.upper != ";":
            parts[-1].append(word)
    return parts


class NotUnderstood(Exception):
    """A part of a statement whose meaning is not known here; the text is its first word."""


class Words:
    """The words of one clause, taken from the front."""

    def __init__(self, found: Sequence[Word], at: int = 0) -> None:
        self._found, self._at = found, at

    def __bool__(self) -> bool:
        return self._at < len(self._found)

    def peek(self) -> str:
        """The next word, in capitals; "" for a quoted name, a string, and the end."""
        return self._found[self._at].upper if self else ""

    def here(self) -> str:
        """The next word, for a message: no text of a string."""
        return self.peek() or "what follows a name"

    def rest(self) -> list[str]:
        """All that is left, in capitals."""
        return [word.upper for word in self._found[self._at :]]

    def take(self) -> Word:
        """The next word. Raises NotUnderstood where there is none."""
        if not self:
            raise NotUnderstood("its end")
        self._at += 1
        return self._found[self._at - 1]

    def back(self) -> "Words":
        """These words with the last one that was taken."""
        self._at -= 1
        return self

    def all(self) -> Sequence[Word]:
        """Take all that is left."""
        found, self._at = self._found[self._at :], len(self._found)
        return found

    def skip(self, *keywords: str) -> bool:
        """Take these words if they are next."""
        if self.rest()[: len(keywords)] != list(keywords):
            return False
        self._at += len(keywords)
        return True

    def require(self, keyword: str) -> None:
        """Take this word. Raises NotUnderstood where another is next."""
        if not self.skip(keyword):
            raise NotUnderstood(self.here())

    def require_end(self) -> None:
        """Raise NotUnderstood where a word is left."""
        if self:
            raise NotUnderstood(self.here())

    def name(self) -> str:
        """A name, quoted or not."""
        word = self.take()
        if word.literal.startswith("'") or (word.upper and not re.match(r"[\w$\x80-\U0010ffff]", word.text)):
            raise NotUnderstood("a name")
        return word.text

    def option(self) -> str:
        """A table option's value, with or without a sign before it; of a string, its text between the quotes."""
        self.skip("=")
        word = self.take()
        return word.literal[1:-1] or word.text

    def parenthesised(self) -> list[Word]:
        """What stands between this parenthesis and its end."""
        self.require("(")
        inner: list[Word] = []
        depth = 1
        while True:
            word = self.take()
            depth += (word.upper == "(") - (word.upper == ")")
            if not depth:
                return inner
            inner.append(word)
