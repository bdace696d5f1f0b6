"""Primary key values as they go back to the server: to continue a read after a key, and to find a row by it.

A key value is a canonical value (keymap.values), so it can be stored and sent anywhere, with two exceptions. ENUM is
ordered by its number and not by its text, so that is what we continue from. And a character set other than Unicode may
have several characters with one Unicode form, so there the stored bytes are the value. Both are selected in addition to
the row. Refused are FLOAT, since what the server prints of it does not find it again, and SET, which both servers
compare as a double: of 64 members they tell 53 apart.
"""

import re
from decimal import Decimal

from keymap.errors import KeyshiftError
from keymap.schema import Column, TableSchema
from keymap.values import Canonical, Row
from keyshift.mysql.select import quote_name, quote_text

Key = tuple[Canonical, ...]

TEXTS = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext"})
_UNUSABLE = frozenset({"float", "set"})
_TEMPORAL = frozenset({"date", "datetime", "timestamp", "time"})
_SAME_IN_UNICODE = frozenset({"utf8mb4", "utf8mb3", "utf8", "ascii", "latin1"})
_TEMPORAL_TEXT = re.compile(r"[0-9:. -]+\Z")


def usable(column: Column) -> bool:
    """Whether the column's values can be compared exactly by the server when they come back."""
    return column.data_type not in _UNUSABLE


def key_select(column: Column) -> str | None:
    """The extra SQL expression for this key column's value; None where the row's canonical value serves."""
    if column.data_type == "enum":
        return f"CAST({quote_name(column.name)} AS UNSIGNED)"
    if column.data_type in TEXTS and column.charset not in _SAME_IN_UNICODE:
        return f"CAST({quote_name(column.name)} AS BINARY)"
    return None


def literal(column: Column, value: Canonical) -> str:
    """The SQL literal that this key column compares with as with its own value, by its own collation and index.

    Takes what `key_select` gives as well as the canonical value. Raises KeyshiftError for a type that cannot be a key.
    """
    kind = column.data_type
    if isinstance(value, bytes):
        introducer = f"_{column.charset}" if kind in TEXTS else "_binary"
        return f"{introducer} x'{value.hex()}'" if value else "''"
    if kind == "double" and isinstance(value, Decimal | int):
        return f"{float(value)!r}" if "e" in repr(float(value)) else f"{float(value)!r}e0"
    if isinstance(value, int | Decimal) and usable(column):
        return f"{value:f}" if isinstance(value, Decimal) else str(value)
    if isinstance(value, str) and kind in _TEMPORAL:
        return _temporal_literal(column, value)
    if isinstance(value, str):
        return quote_text(value)
    raise KeyshiftError(f"column {column.name} of type {column.column_type} cannot be read by its key", REMEDY)


REMEDY = "Give the table a primary key of whole numbers, text, bytes, dates or exact decimals"


def _temporal_literal(column: Column, value: str) -> str:
    text = value.removesuffix("Z").replace("T", " ")
    if not _TEMPORAL_TEXT.match(text):
        message = f"a key value of column {column.name} ({column.column_type}) is not in the form that was read from it"
        raise KeyshiftError(message, "Whatever holds it (a manifest, an item) was changed since: load the table again")
    return f"'{text}'"


def canonical_key(schema: TableSchema, row: Row) -> Key:
    """The row's primary key in key order, in canonical values: what identifies it to everybody else."""
    return tuple(row[name] for name in schema.primary_key)
