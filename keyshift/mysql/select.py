"""The SELECT adapter: a SELECT list shaped so that what comes back equals what the binlog holds.

The server prints FLOAT with six digits and BIT as bytes; and `*` leaves out invisible columns, which the binlog has. So
every column is named, and these two are selected as numbers. All other types come right as they are on connections of
keyshift.mysql.connection: text in utf8mb4, TIMESTAMP in UTC, dates and times as MySQL's text, BINARY at its full
length, GEOMETRY as SRID and WKB, and JSON as text. The rest is keymap.values' one conversion for both paths.
"""

from collections.abc import Callable
from typing import Any

from keymap.schema import Column, TableSchema
from keymap.values import Row, converter


def quote_name(name: str) -> str:
    """A name of a column, table or database, quoted."""
    return "`" + name.replace("`", "``") + "`"


def quote_table(table: str) -> str:
    """`db.table`, quoted in its two parts."""
    database, _, name = table.partition(".")
    return f"{quote_name(database)}.{quote_name(name)}"


def quote_text(text: str) -> str:
    """A string literal that no SQL mode and no character can break out of: its UTF-8 bytes in hexadecimal."""
    return f"_utf8mb4 x'{text.encode().hex()}'" if text else "''"


def select_expression(column: Column) -> str:
    """The SQL expression that gives the column's raw value, as keymap.values.converter takes it."""
    name = quote_name(column.name)
    if column.data_type == "float" or (column.data_type == "double" and "(" in column.column_type):
        return f"{name} * 1e0"  # exact: a double, printed with all its digits; keeps the sign of -0
    if column.data_type == "bit":
        return f"{name} + 0"
    return name


def select_list(schema: TableSchema) -> str:
    """All columns of the table, in its order, each in the form that `row_reader` takes."""
    return ", ".join(map(select_expression, schema.columns))


def row_reader(schema: TableSchema) -> Callable[[tuple[Any, ...]], Row]:
    """The function from a row selected by `select_list` to the canonical row; values beyond its columns are ignored.

    Raises UnsupportedType, naming the column, where the table has one that cannot be read exactly.
    """
    columns = [(column.name, converter(column)) for column in schema.columns]
    return lambda values: {name: convert(value) for (name, convert), value in zip(columns, values, strict=False)}
