"""All ways to read a table's rows, which must agree: PyMySQL's cursor is the one that is not ours."""

from keymap.schema import TableSchema
from keymap.values import Row, converter
from keyshift import native
from keyshift.binlog.charsets import decoder
from keyshift.mysql.connection import Connection, query
from keyshift.mysql.result import select_rows
from keyshift.mysql.select import quote_name, quote_table, select_list, selected_charset
from keyshift.mysql.text_rows import FastRows, generate
from keyshift.mysql.text_values import text_columns


def rows_of(connection: Connection, schema: TableSchema) -> list[Row]:
    """The table's rows by its primary key, if it has one, as every reader gives them."""
    order = f" ORDER BY {', '.join(map(quote_name, schema.primary_key))}" if schema.primary_key else ""
    statement = f"SELECT {select_list(schema)} FROM {quote_table(schema.full_name)}{order}"
    rows = by_cursor(connection, schema, statement)
    columns = text_columns(schema.columns)
    scans = [generate(columns)]
    if core := native.load("keyshift.mysql._text"):
        scans.append(core.Scanner(columns, 0).scan)
    for scan in scans:
        found, _ = select_rows(connection, statement, FastRows(columns, 0, scan))
        assert found == rows
        assert repr(found) == repr(rows), "as equal as values of other types are"
    return rows


def by_cursor(connection: Connection, schema: TableSchema, statement: str) -> list[Row]:
    """By PyMySQL's own conversion and then keymap.values'."""
    names = [column.name for column in schema.columns]
    converters = [converter(column) for column in schema.columns]
    charsets = [selected_charset(column) for column in schema.columns]
    rows: list[Row] = []
    for raw in query(connection, statement):
        values = [
            decoder(charset)(value) if charset is not None and value is not None else value
            for charset, value in zip(charsets, raw, strict=True)
        ]
        rows.append({name: convert(v) for name, convert, v in zip(names, converters, values, strict=True)})
    return rows
