"""YAML for people: what fits stands on one line, text is quoted where it must be, no name can break out of a comment.

What is written is read back as it was, by keymap.document as by any reader of YAML 1.1.
"""

import re
import textwrap
from collections.abc import Iterable, Mapping
from typing import Final

import yaml

WIDTH: Final = 118  # characters of a line
_KEY_MAX: Final = 1000  # characters: YAML takes keys of up to 1,024 without the mark of a long one, "? "
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def scalar(value: object) -> str:
    """A text, number or truth value as a YAML scalar: a text plain where it reads back as itself, else in quotes."""
    if not isinstance(value, str):
        return yaml.safe_dump(value).partition("\n")[0]
    if _PLAIN.fullmatch(value) and yaml.safe_load(value) == value:
        return value
    style = "'" if value.isprintable() and ('"' in value or "\\" in value) else '"'
    return yaml.safe_dump(value, default_style=style, allow_unicode=True, width=10**9).removesuffix("\n")


def flow(value: object) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(name)}: {flow(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def entry(name: str, value: object, indent: int) -> list[str]:
    """An entry of a map: on one line where it fits, else with a line for each thing in it."""
    margin, key = " " * indent, scalar(name)
    one = f"{margin}{key}: {flow(value)}"
    is_whole = not value or not isinstance(value, Mapping | list | tuple)
    if len(one) <= WIDTH or (is_whole and len(key) <= _KEY_MAX):
        return [one]
    if is_whole:
        return [f"{margin}? {key}", f"{margin}: {flow(value)}"]
    return [*opened(name, indent), *_inner(value, indent + 2)]


def opened(name: str, indent: int) -> list[str]:
    """The beginning of an entry whose value stands on the lines below."""
    margin, key = " " * indent, scalar(name)
    return [f"{margin}{key}:"] if len(key) <= _KEY_MAX else [f"{margin}? {key}", f"{margin}:"]


def _inner(value: object, indent: int) -> list[str]:
    if isinstance(value, Mapping):
        return [line for name, inner in value.items() for line in entry(name, inner, indent)]
    assert isinstance(value, list | tuple)
    return [f"{' ' * indent}- {flow(inner)}" for inner in value]


def comment(text: str, indent: int = 0, *, first: str = "", rest: str = "") -> list[str]:
    """A paragraph as comment lines, `first` before its first line and `rest` before the others."""
    margin = " " * indent + "# "
    plain = "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))
    lines = textwrap.wrap(plain, WIDTH - len(margin + rest), break_long_words=False, break_on_hyphens=False) or [""]
    return [(margin + (rest if at else first) + line).rstrip() for at, line in enumerate(lines)]


def commented(lines: Iterable[str], indent: int) -> list[str]:
    """Lines of YAML as comments, ready to have their '# ' removed."""
    return [f"{' ' * indent}# {line[indent:]}" for line in lines]
