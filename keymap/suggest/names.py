"""Names that a proposal gives: of entities (the beginnings of keys), of the target table, of attributes."""

import re
from collections.abc import Collection, Iterable

_ENDINGS = (
    (re.compile(r"(?i)ies$"), "y"),
    (re.compile(r"(?i)(ss|x|z|ch|sh)es$"), r"\1"),
    (re.compile(r"(?i)(ss|us|is)$"), r"\1"),
    (re.compile(r"(?i)(\w)s$"), r"\1"),
)
_TARGET_LENGTH_MIN, _TARGET_LENGTH_MAX = 3, 255  # DynamoDB's limits for a table's name


def singular(name: str) -> str:
    """A table's name as one row of it would be called, by the plain rules of English."""
    for pattern, ending in _ENDINGS:
        if pattern.search(name):
            return pattern.sub(ending, name)
    return name


def unused(wanted: str, taken: Collection[str]) -> str:
    """`wanted`, with a number where it is taken."""
    number, name = 1, wanted
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    return name


def capitals(name: str) -> str:
    """A name as it stands in keys: capitals, digits and _."""
    return re.sub(r"\W+", "_", name.upper())


def entity_names(tables: Iterable[str]) -> dict[str, str]:
    """An entity's name for each table ('db.table'): capitals, digits and _, no two alike.

    They hold no '#', so that `NAME#` is never the beginning of another `NAME#`.
    """
    names: dict[str, str] = {}
    for table in tables:
        plain = table.partition(".")[2]
        names[table] = unused(capitals(singular(plain)), set(names.values()))
    return names


def target_name(databases: Collection[str]) -> str:
    """A name for the DynamoDB table: the database's, where there is one and DynamoDB allows it."""
    if len(databases) != 1:
        return "app"
    name = re.sub(r"[^a-zA-Z0-9_.-]", "-", next(iter(databases)))
    return (name if len(name) >= _TARGET_LENGTH_MIN else f"{name}-app")[:_TARGET_LENGTH_MAX]


def constant_name(columns: Collection[str]) -> str:
    """The attribute that tells what an item is: one that no column has."""
    for name in ("type", "entity", "item_type"):
        if name not in columns:
            return name
    return unused("item_type", columns)
