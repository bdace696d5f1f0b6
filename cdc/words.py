"""The words of a statement that was logged as text. It is not parsed: comments go, and quotes are heeded."""

import re
from collections.abc import Iterable, Iterator
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
