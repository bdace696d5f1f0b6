"""How one value of a text result set becomes canonical: what the faster readers of whole rows are measured by.

MySQL sends every value of a SELECT as text, except bytes, which come as they are. `TextColumn.read` is the whole truth
about one column: the raw shape that keymap.values.converter asks for, then that converter. `TextColumn.form` tells a
reader of rows that it may do the same faster, for the forms that it knows by itself; for the rest it calls `read`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from functools import lru_cache
from typing import Any

from keymap.schema import Column
from keymap.values import Canonical, converter
from keyshift.binlog.charsets import decoder
from keyshift.mysql.select import selected_charset


class Form(IntEnum):
    """What the server sends for a column, as far as a reader of rows may know it by itself."""

    OTHER = 0  # only `read` knows
    INT = 1  # digits -> int
    DECIMAL = 2  # -> Decimal with the places that were sent
    DOUBLE = 3  # all digits of a double -> Decimal(repr(float))
    FLOAT = 4  # all digits of a float32's value as a double -> Decimal with the shortest digits of the float32
    TEXT = 5  # UTF-8 -> str as it is; dates and times of day too
    BYTES = 6  # -> bytes as they are
    DATETIME = 7  # "YYYY-MM-DD HH:MM:SS[.f]" -> with a T
    TIMESTAMP = 8  # the same in UTC -> with a T and a Z
    JSON = 9  # -> keymap.values.Json


@dataclass(frozen=True, slots=True)
class TextColumn:
    """One column of a result. NULL is not its business. `read` raises ValueError or the like on any other text."""

    name: str
    form: Form
    read: Callable[[bytes], Canonical]


_KINDS = {
    Form.INT: "tinyint smallint mediumint int bigint year bit",
    Form.DECIMAL: "decimal",
    Form.DOUBLE: "double",
    Form.FLOAT: "float",
    Form.TEXT: "char varchar tinytext text mediumtext longtext enum date time uuid inet4 inet6",
    Form.BYTES: "binary varbinary tinyblob blob mediumblob longblob vector geometry point linestring polygon "
    "multipoint multilinestring multipolygon geometrycollection geomcollection",
    Form.DATETIME: "datetime",
    Form.TIMESTAMP: "timestamp",
    Form.JSON: "json",
}
_FORMS = {kind: form for form, kinds in _KINDS.items() for kind in kinds.split()}
_SETS_MAX = 4096  # combinations of one SET that are kept


def text_columns(columns: Iterable[Column]) -> tuple[TextColumn, ...]:
    """The columns as `keyshift.mysql.select.select_list` selects them. Raises UnsupportedType, naming the column."""
    return tuple(_text_column(column) for column in columns)


def _text_column(column: Column) -> TextColumn:
    convert, charset = converter(column), selected_charset(column)
    if charset is not None:
        return TextColumn(column.name, Form.OTHER, decoder(charset))
    form = _FORMS.get(column.data_type, Form.OTHER)
    shape = _SHAPES.get(form, _text)

    def read(data: bytes) -> Canonical:
        return convert(shape(data))

    if column.data_type == "set":
        read = lru_cache(_SETS_MAX)(read)
    return TextColumn(column.name, form, read)


def _text(data: bytes) -> str:
    return data.decode("utf-8")


_SHAPES: dict[Form, Callable[[bytes], Any]] = {
    Form.INT: int,
    Form.DECIMAL: lambda data: Decimal(_text(data)),
    Form.DOUBLE: float,
    Form.FLOAT: float,
    Form.BYTES: bytes,
}
