"""A table as its primary key orders it: what is fixed of the statements that read it, and the conditions on keys.

Every comparison of keys is left to the server, since only it knows the collations.
"""

from functools import lru_cache

from keymap.errors import KeyshiftError
from keymap.schema import TableSchema
from keymap.values import Row
from keyshift.mysql.connection import Connection
from keyshift.mysql.keys import REMEDY, Key, canonical_key, key_select, literal, usable
from keyshift.mysql.result import read_packets, select_rows
from keyshift.mysql.select import quote_name, quote_table, select_list
from keyshift.mysql.text_lines import LineForm, LineRows
from keyshift.mysql.text_rows import Extra, compile_text


class KeyPlan:
    """What is fixed for one table: its statement, and how rows and keys are taken from what comes back."""

    def __init__(self, schema: TableSchema) -> None:
        columns = [schema.column(name) for name in schema.primary_key]
        if not all(map(usable, columns)) or not columns:
            raise KeyshiftError(f"table {schema.full_name} has no primary key to read it by", REMEDY)
        self._schema = schema
        self._columns = columns
        self._names = [quote_name(column.name) for column in columns]
        extra = [(name, key_select(column)) for name, column in zip(schema.primary_key, columns, strict=True)]
        expressions = {name: expression for name, expression in extra if expression is not None}
        self._extra = {name: int if schema.column(name).data_type == "enum" else bytes for name in expressions}
        self._list = ", ".join([select_list(schema), *expressions.values()])
        self._reader = compile_text(schema.columns, len(expressions))
        self.lines = LineForm(schema.columns, len(expressions))
        self.order = "ORDER BY " + ", ".join(self._names)
        self.backwards = "ORDER BY " + ", ".join(f"{name} DESC" for name in self._names)

    def select(self, connection: Connection, where: str) -> tuple[list[Row], list[Extra]]:
        """The rows, and of each what `key` needs besides."""
        return select_rows(connection, self._statement(where), self._reader)

    def copy(self, connection: Connection, where: str, lines: LineRows) -> None:
        """The same rows, as lines."""
        read_packets(connection, self._statement(where), lines)

    def estimate(self, connection: Connection, where: str) -> int:
        """How many rows the optimizer believes to be there."""
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN FORMAT=TRADITIONAL {self._statement(where, 'USE')}")  # forced, MySQL does not look
            names = [str(column[0]) for column in cursor.description or ()]
            plan = dict(zip(names, cursor.fetchall()[0], strict=True))
        return int(plan["rows"] or 0)

    def _statement(self, where: str, hint: str = "FORCE") -> str:
        table = quote_table(self._schema.full_name)
        return f"SELECT {self._list} FROM {table} {hint} INDEX (PRIMARY) WHERE {where}"  # noqa: S608 - quoted parts

    def key(self, row: Row, extra: Extra) -> Key:
        """The row's key. An ENUM's number was selected as digits, and text of a charset as its stored bytes."""
        found = dict(row)
        for (name, read), value in zip(self._extra.items(), extra, strict=True):
            found[name] = read(value or b"")
        return canonical_key(self._schema, found)

    def equal(self, key: Key) -> str:
        """Whose first values are these."""
        return " AND ".join(f"{name} = {value}" for name, value in self._compared(key))

    def within(self, after: Key | None, until: Key | None) -> str:
        """Between the two (None: the table's beginning, and its end)."""
        both = [*([self.after(after)] if after else []), *([self.until(until)] if until else [])]
        return " AND ".join(both) or "TRUE"

    def after(self, key: Key) -> str:
        """Greater than the key, column by column; both servers turn this form, not a row constructor, into a range."""
        return self._beside(key, ">", ">")

    def until(self, key: Key) -> str:
        """Not greater than the key. Of first values of a key: nor than any key that begins with them."""
        return self._beside(key, "<", "<=")

    def _beside(self, key: Key, way: str, way_of_last: str) -> str:
        pairs = self._compared(key)
        if len(pairs) == 1:
            return f"{pairs[0][0]} {way_of_last} {pairs[0][1]}"
        ways = []
        for last, (name, value) in enumerate(pairs):
            same = [f"{other} = {equal}" for other, equal in pairs[:last]]
            compared = f"{name} {way_of_last if last == len(pairs) - 1 else way} {value}"
            ways.append("(" + " AND ".join([*same, compared]) + ")")
        first_name, first_value = pairs[0]
        return f"({first_name} {way}= {first_value} AND ({' OR '.join(ways)}))"

    def _compared(self, key: Key) -> list[tuple[str, str]]:
        return [
            (name, literal(column, value)) for name, column, value in zip(self._names, self._columns, key, strict=False)
        ]


@lru_cache(maxsize=256)
def plan_of(schema: TableSchema) -> KeyPlan:
    """The plan of a table. Raises KeyshiftError where it has no usable primary key."""
    return KeyPlan(schema)
