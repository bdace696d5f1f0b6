"""One captured change of one source row, in the words that this field reads: Debezium's envelope."""

from dataclasses import dataclass

from keymap.values import Row


@dataclass(frozen=True, slots=True)
class Source:
    """Where a change comes from: binlog `file`, the event's offset `pos` in bytes, the `row` ordinal within it."""

    file: str
    pos: int
    row: int
    gtid: str
    server_uuid: str
    ts_ms: int


@dataclass(frozen=True, slots=True)
class Change:
    """`op` is c (insert), u (update), d (delete) or r (read by the bulk load); `table` is ``db.table``.

    `before` is None for an insert, `after` for a delete. `version` orders it among all changes (keymap.version).
    """

    op: str
    table: str
    before: Row | None
    after: Row | None
    version: str
    source: Source
