"""The source's tables as a person gives them on the command line: ``shop.orders,shop.line:id,shop.item:id:N``."""

import re
from dataclasses import dataclass

from keymap.errors import Problem, Problems

_ENTRY = re.compile(r"(?P<table>[^.\s:]+\.[^.\s:]+)(?::(?P<column>[^:]+?)(?::(?P<type>[SNB]))?)?")


@dataclass(frozen=True, slots=True)
class PrimaryKey:
    """A table's primary key column, and the type (S, N or B) of the partition key that it becomes."""

    column: str
    type: str = "S"


def parse_listed(text: str) -> dict[str, PrimaryKey | None]:
    """The tables, and the primary keys of those that have one given. Raises Problems with all that are no tables."""
    found: dict[str, PrimaryKey | None] = {}
    problems = []
    for entry in filter(None, map(str.strip, text.split(","))):
        given = _ENTRY.fullmatch(entry)
        if given is None:
            what = f"{entry!r} is no table"
            problems.append(
                Problem("--tables", what, "Write DATABASE.TABLE, DATABASE.TABLE:KEY or DATABASE.TABLE:KEY:N")
            )
        else:
            key = PrimaryKey(given["column"], given["type"] or "S") if given["column"] else None
            found[given["table"]] = key
    Problems.raise_if_any(problems)
    return found
