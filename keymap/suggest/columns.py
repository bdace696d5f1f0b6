"""Columns as fields of key templates: padded where they are to sort, in hexadecimal digits where they have no text."""

import re

from keymap.schema import Column

_DIGITS = {"tinyint": (3, 3), "smallint": (5, 5), "mediumint": (7, 8), "int": (10, 10), "bigint": (19, 20)}
_YEAR_DIGITS = 4
_BINARY = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_FEW_DIGITS = 5  # a key of at most this many digits names few things: a status, a country, a shop
_FEW_CHARACTERS = 4
_BYTES_PER_CHARACTER = 4  # of UTF-8, at most
_OTHER_BYTES = 80  # more than any number, date or address as text


def digits(column: Column) -> int:
    """How many digits the column's largest whole number has; 0 for other types."""
    if column.data_type in _DIGITS:
        return _DIGITS[column.data_type]["unsigned" in column.column_type]
    if column.data_type == "bit":
        return len(str(2 ** (length(column) or 1) - 1))
    return _YEAR_DIGITS if column.data_type == "year" else 0


def length(column: Column) -> int:
    """The length in the column's type, in characters, bytes or bits; 0 where it says none."""
    found = re.match(r"\w+\((\d+)[,)]", column.column_type)
    return int(found.group(1)) if found else 0


def is_binary(column: Column) -> bool:
    """Whether the column holds bytes, which have no text."""
    return column.data_type in _BINARY


def names_few(column: Column) -> bool:
    """Whether the column can hold few values only, so that rows under one value are many."""
    if column.data_type in {"enum", "set", "bit", "year"}:
        return True
    if column.data_type in {"char", "varchar"}:
        return 0 < length(column) <= _FEW_CHARACTERS
    return 0 < digits(column) <= _FEW_DIGITS


def bytes_max(column: Column) -> int:
    """How many bytes the column's text may have in a key."""
    if column.data_type in {"char", "varchar"}:
        return _BYTES_PER_CHARACTER * length(column)
    if is_binary(column):
        return 2 * length(column)  # as hexadecimal digits
    if column.data_type == "enum":
        return _BYTES_PER_CHARACTER * len(column.column_type)
    return _OTHER_BYTES


def field_of(column: Column, *, padded: bool, coded: bool = False) -> str:
    """The column as a field of a template."""
    if coded:
        return f"{{{column.name}|hex}}"
    width = digits(column) if padded else 0
    return f"{{{column.name}:0{width}d}}" if width else f"{{{column.name}}}"
