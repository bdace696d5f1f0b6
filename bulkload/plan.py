"""What the bulk load will do, table by table, before it does anything: how much there is, how it will be written."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bulkload.estimate import Estimate
from keymap.check import groups_whole, uncut_columns
from keymap.rules import Keymap
from keymap.schema import TableSchema


@dataclass(frozen=True, slots=True)
class TablePlan:
    """One table, by the server's own estimate: rows, bytes in its storage, and chunks of the dump.

    `guarded`: targets whose items several chunks or tables may share, or rows pass to each other, so that each of them
    is a guarded write of its own, which takes more calls than a batch of whole items.
    """

    table: str
    rows: int
    bytes: int
    chunks: int
    guarded: tuple[str, ...]


def plan_tables(
    keymap: Keymap, schemas: Iterable[TableSchema], estimates: Mapping[str, Estimate], chunk_rows: int
) -> list[TablePlan]:
    """The plan of tables that passed keymap.check, in their order."""
    return [_planned(keymap, schema, estimates.get(schema.full_name, Estimate(0, 0)), chunk_rows) for schema in schemas]


def _planned(keymap: Keymap, schema: TableSchema, estimate: Estimate, chunk_rows: int) -> TablePlan:
    whole = groups_whole(keymap, schema, uncut_columns(keymap, schema))
    rules = keymap.rules[schema.full_name]
    guarded = [rule.target.name for rule in rules if not rule.puts and not (whole and rule.slot is not None)]
    return TablePlan(
        table=schema.full_name,
        rows=estimate.rows,
        bytes=estimate.rows * estimate.row_bytes,
        chunks=-(-estimate.rows // chunk_rows),
        guarded=tuple(dict.fromkeys(guarded)),
    )
