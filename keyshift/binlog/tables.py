"""A table as one of its table maps describes it: the metadata that was logged with the rows."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LoggedColumn:
    """One column. What only binlog_row_metadata=FULL logs is None (or empty) where it was not logged.

    `type` is the protocol's type number (STRING resolved to ENUM 247, SET 248 or STRING 254; BLOB is 252, JSON 245),
    `meta` its one or two bytes of metadata as defined for that type, as one number with the first byte lowest.
    `labels` of an ENUM or SET are as they were logged, in the character set `charset`. `charset` is MySQL's name,
    "binary" for bytes.
    """

    type: int
    meta: int
    nullable: bool
    name: str | None = None
    unsigned: bool | None = None
    charset: str | None = None
    labels: tuple[bytes, ...] = ()
    visible: bool = True
    geometry: int | None = None
    dimensions: int | None = None  # of a VECTOR


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """A column of the primary key, by its index; `prefix` characters of it are in the key, 0 for all."""

    index: int
    prefix: int = 0


@dataclass(frozen=True, slots=True)
class TableMap:
    """`primary_key` is in key order, () where there is none or where it was not logged (`full` is False)."""

    database: str
    table: str
    columns: tuple[LoggedColumn, ...]
    primary_key: tuple[KeyColumn, ...] = ()
    full: bool = False

    @property
    def full_name(self) -> str:
        """`db.table`."""
        return f"{self.database}.{self.table}"
