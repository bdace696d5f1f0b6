"""The SELECT adapter: a SELECT list shaped so that what comes back equals what the binlog holds.

`*` leaves out invisible columns, which the binlog has, so every column is named. Some are selected in another form:

* FLOAT, which the server prints with six digits, and DOUBLE(m,d), which it rounds, as a double with all its digits;
* BIT as a whole number; a SET with an empty member too, since its text does not tell that from the empty set (any
  other comes as text: information_schema prints '?' for a label's characters beyond the basic plane, SELECT does not);
* text of a character set that has codes without a character as its bytes: the server would print '?' for all of them;
* VECTOR as bytes, for PyMySQL does not know the type.

All other types come right as they are on connections of keyshift.mysql.connection: text in utf8mb4, TIMESTAMP in UTC,
dates and times as MySQL's text, BINARY at its full length, GEOMETRY as SRID and WKB, and JSON as text. The rest is
keymap.values' conversion.
"""

from keymap.schema import Column, TableSchema
from keymap.values import has_empty_member


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


_TEXTS = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext"})
# Every byte sequence that they can store is text, so the server converts it without loss.
_WHOLE = frozenset(
    "utf8mb4 utf8mb3 utf8 latin1 latin2 latin5 latin7 cp850 cp852 cp866 koi8r koi8u macce macroman keybcs2 "
    "armscii8".split()
)


def selected_charset(column: Column) -> str | None:
    """The character set in which the column's text is selected, as bytes; None where it comes as text (or is none)."""
    return column.charset if column.data_type in _TEXTS and column.charset not in _WHOLE else None


def select_expression(column: Column) -> str:
    """The SQL expression that gives the column's raw value, as keymap.values.converter takes it.

    Text with a `selected_charset` comes as bytes, and is to be decoded first.
    """
    name = quote_name(column.name)
    kind = column.data_type
    if kind == "float" or (kind == "double" and "(" in column.column_type):
        return f"{name} * 1e0"  # exact: a double, printed with all its digits; keeps the sign of -0
    if kind == "bit":
        return f"{name} + 0"
    if kind == "set" and has_empty_member(column):
        return f"CAST({name} AS UNSIGNED)"  # adding 0 would make a double of it
    if kind == "vector" or selected_charset(column):
        return f"CAST({name} AS BINARY)"
    if kind == "enum" and column.charset in {None, "binary"}:
        return f"CONVERT({name} USING utf8mb4)"
    return name


def select_list(schema: TableSchema) -> str:
    """All columns of the table, in its order, each in the form that keyshift.mysql.text_values reads."""
    return ", ".join(map(select_expression, schema.columns))
