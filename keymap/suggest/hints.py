"""What the author of a keymap should think about, table by table: things that no rule decides for them."""

import re
from collections.abc import Callable, Iterator

from keymap.attributes import NUMBER_DIGITS_MAX
from keymap.schema import Column
from keymap.suggest.columns import length
from keymap.suggest.facts import TableFacts
from keymap.suggest.names import unused

_ENDS = re.compile(r"(?i)expir|ttl|valid_?(un)?til")
_MOMENTS = frozenset({"date", "datetime", "timestamp"})
_LARGE = frozenset({"text", "mediumtext", "longtext", "blob", "mediumblob", "longblob"})
_EXACT_COLLATION = re.compile(r"_bin$|^binary$")
_TEXTS = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"})


def hints(table: TableFacts) -> Iterator[str]:
    """Hints for this table, each a sentence or two."""
    for hint in _HINTS:
        yield from hint(table)


def _lifetimes(table: TableFacts) -> Iterator[str]:
    for column in table.schema.columns:
        if column.data_type in _MOMENTS and _ENDS.search(column.name):
            call = "epoch" if column.data_type == "timestamp" else "epoch(zone='UTC')"
            zone = "" if column.data_type == "timestamp" else ", in the zone that its values are in"
            name = unused("ttl", table.schema.by_name)
            yield (
                f"DynamoDB can delete items by {column.name}: add to attributes {name}: "
                f'"{{{column.name}|{call}}}" (seconds since 1970{zone}), and switch TTL on for it after the cutover.'
            )


def _texts_as_keys(table: TableFacts) -> Iterator[str]:
    folded = [column.name for column in map(table.schema.column, table.schema.primary_key) if _is_folded(column)]
    folded += [
        name
        for reference in table.references
        for name in reference.columns
        if name not in table.schema.primary_key and _is_folded(table.schema.column(name))
    ]
    if folded:
        yield (
            f"MySQL takes 'A' and 'a' for one value of {', '.join(dict.fromkeys(folded))}, DynamoDB compares bytes: "
            "make sure that the application, and the tables that refer to each other, write them one way."
        )


def _is_folded(column: Column) -> bool:
    return column.data_type in _TEXTS and not _EXACT_COLLATION.search(column.collation or "_ci")


def _sizes(table: TableFacts) -> Iterator[str]:
    large = [column.name for column in table.schema.columns if column.data_type in _LARGE]
    if large:
        yield (
            f"An item has at most 400 KB, names and all: exclude {', '.join(large)} (keep it in S3) where a row may "
            "have more. Such rows stop the migration."
        )


def _long_numbers(table: TableFacts) -> Iterator[str]:
    long = [c.name for c in table.schema.columns if c.data_type == "decimal" and length(c) > NUMBER_DIGITS_MAX]
    if long:
        yield f"DynamoDB's numbers have {NUMBER_DIGITS_MAX} digits: longer values of {', '.join(long)} become text."


def _booleans(table: TableFacts) -> Iterator[str]:
    names = [column.name for column in table.schema.columns if column.column_type == "tinyint(1)"]
    if names:
        yield f"BOOL takes 0 and 1 only. Where {', '.join(names)} may hold other numbers, remove it from types."


_HINTS: tuple[Callable[[TableFacts], Iterator[str]], ...] = (
    _lifetimes,
    _texts_as_keys,
    _sizes,
    _long_numbers,
    _booleans,
)
