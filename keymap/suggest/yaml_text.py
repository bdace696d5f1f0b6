"""YAML for people: short maps on one line, text quoted where it must be, comments that no name can break out of."""

import re
import textwrap
from collections.abc import Iterable, Mapping

import yaml

WIDTH = 118  # characters of a line
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def scalar(text: str) -> str:
    """A text as a YAML scalar: plain where it reads back as itself, else in double quotes."""
    if _PLAIN.fullmatch(text) and yaml.safe_load(text) == text:
        return text
    return yaml.safe_dump(text, default_style='"', allow_unicode=True, width=1_000_000).removesuffix("\n")


def flow(pairs: Mapping[str, str]) -> str:
    """A map on one line."""
    return "{" + ", ".join(f"{scalar(name)}: {scalar(value)}" for name, value in pairs.items()) + "}"


def block(name: str, pairs: Mapping[str, str], indent: int) -> list[str]:
    """An entry that is a map: on one line where it fits, else an entry of it a line; nothing where it is empty."""
    one = f"{' ' * indent}{name}: {flow(pairs)}"
    if not pairs:
        return []
    if len(one) <= WIDTH:
        return [one]
    return [
        f"{' ' * indent}{name}:",
        *(f"{' ' * indent}  {scalar(key)}: {scalar(value)}" for key, value in pairs.items()),
    ]


def comment(text: str, indent: int = 0, *, first: str = "", rest: str = "") -> list[str]:
    """A paragraph as comment lines, `first` before its first line and `rest` before the others."""
    margin = " " * indent + "# "
    plain = "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))
    lines = textwrap.wrap(plain, WIDTH - len(margin + rest), break_long_words=False, break_on_hyphens=False) or [""]
    return [(margin + (rest if at else first) + line).rstrip() for at, line in enumerate(lines)]


def commented(lines: Iterable[str], indent: int) -> list[str]:
    """Lines of YAML as comments, ready to have their '# ' removed."""
    return [f"{' ' * indent}# {line[indent:]}" for line in lines]
