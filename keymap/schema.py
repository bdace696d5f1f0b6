"""The shape of a source table as the source itself describes it. Facts only; reading them is keyshift.mysql's job."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class Column:
    """One column, in the words of information_schema.

    `data_type` is the bare type ("int", "varchar"), `column_type` the full one ("int unsigned", "enum('a','b')",
    "datetime(3)"); `charset` and `collation` are None for types that have none.
    """

    name: str
    data_type: str
    column_type: str
    nullable: bool
    charset: str | None = None
    collation: str | None = None
    generated: bool = False


@dataclass(frozen=True)  # no slots: `by_name` is computed once and kept
class TableSchema:
    """One table: its columns in table order and its primary key in key order (empty: it has none)."""

    database: str
    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    engine: str = "InnoDB"

    @property
    def full_name(self) -> str:
        """`db.table`, the name by which keymap, records and control table know it."""
        return f"{self.database}.{self.name}"

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """The columns by name."""
        return {column.name: column for column in self.columns}

    def column(self, name: str) -> Column:
        """The column of that name. Raises KeyError when there is none."""
        return self.by_name[name]


@dataclass(frozen=True, slots=True)
class Shape:
    """A table, and what else decides what an ALTER does to its rows.

    `charset` is that of text columns for which none is given, `counter` the AUTO_INCREMENT column, "" for none.
    """

    schema: TableSchema
    charset: str = ""
    counter: str = ""


def digest(schemas: Mapping[str, TableSchema]) -> str:
    """What these tables look like, as 64 hexadecimal digits: equal only where names, types and keys all are."""
    return sha256("\n".join(repr(schemas[name]) for name in sorted(schemas)).encode()).hexdigest()
