"""The captured tables as the binlog announces them, and the rows that follow: table maps and rows events.

Tables are told by the bytes of their maps, each of which is parsed once. What is not captured costs a lookup, however
its columns look, and whether or not anybody could read it.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from cdc.continuity import LOAD_AGAIN, Lost
from cdc.events import Event, Image, Passed, Place, Rows
from cdc.fit import Altered, fitting
from keymap.errors import KeyshiftError
from keymap.schema import TableSchema
from keyshift.binlog import compressed, packets, rowevents
from keyshift.binlog.columns import field_of
from keyshift.binlog.partial import partial_images
from keyshift.binlog.tablemap import parse_table_map

MAPS_MAX: Final = 2_000  # table maps remembered, of all tables: each ALTER makes another one
REPORT: Final = "Report it with the output of mysqlbinlog around this position"
AGAIN: Final = "and start the migration again (keyshift destroy, then init)"
RELOAD: Final = f"and load every captured table again: {LOAD_AGAIN}"
_ID: Final = packets.TABLE_ID_BYTES
_NO_TABLE: Final = packets.NO_TABLE.to_bytes(_ID, "little")
_NOT_ANNOUNCED: Final = object()
Ignores = Callable[[str, str], bool]


def all_matter(_table: str, _column: str) -> bool:
    """For who knows of no rules: each column may be looked at."""
    return False


class CapturedTables:
    """Of one connection. `schemas` are the captured tables by name, as they are at the place that is being read.

    `described`: table maps must be complete (binlog_row_metadata=FULL); if not, `schemas` supply what they lack. Rows
    up to `known`, a file and an offset in it, were read before and are passed, however their tables looked then.
    `ignores` says of a table and a column whether no rule looks at it.
    """

    def __init__(
        self,
        schemas: Mapping[str, TableSchema],
        *,
        described: bool,
        known: tuple[str, int],
        ignores: Ignores,
    ) -> None:
        self._schemas = schemas
        self._ignores = ignores
        self._described_only = described
        self._known_file, self._known_end = known
        self.mariadb = False  # which family writes the table maps: the format description tells
        self._maps: dict[bytes, rowevents.Table | None] = {}  # by what a table map says but for its id
        self._tables: dict[bytes, rowevents.Table | None] = {_NO_TABLE: None}  # by the id of the newest map

    def forget_maps(self) -> None:
        """After a statement a map of the same bytes may mean another thing."""
        self._maps = {}

    def forget_ids(self) -> None:
        """After a restart of the server, ids stand for other tables."""
        self._tables = {_NO_TABLE: None}

    def announced(self, _kind: int, body: bytes, place: Place) -> None:
        """A table map. Raises KeyshiftError where it does not fit the captured table of that name."""
        if place.file == self._known_file and place.end <= self._known_end:
            self._tables[body[:_ID]] = None
            return
        definition = body[_ID:]
        if definition not in self._maps:
            if len(self._maps) >= MAPS_MAX:
                self._maps.clear()
            self._maps[definition] = self._described(body, place)
        self._tables[body[:_ID]] = self._maps[definition]

    def _described(self, body: bytes, place: Place) -> rowevents.Table | None:
        schema = self._schemas.get(packets.table_name(body))
        if schema is None:
            return None
        table = parse_table_map(body, mariadb=self.mariadb)
        try:
            known = fitting(table, schema, described=self._described_only, ignores=self._ignoring(schema))
        except Altered as difference:
            message = f"table {schema.full_name} was altered: the change at {place} does not fit it: {difference}"
            remedy = f"No statement in the binlog tells of it (sql_log_bin=0?): finish the change, {RELOAD}"
            raise Lost(message, remedy) from None
        both = zip(table.columns, known, strict=True)
        return rowevents.Table(table, [field_of(logged, column, name) for logged, (name, column) in both])

    def _ignoring(self, schema: TableSchema) -> Callable[[str], bool]:
        return partial(self._ignores, schema.full_name)

    def changed(self, kind: int, body: bytes, place: Place) -> Event:
        """A rows event: Rows, or Passed where its table is not captured."""
        table = self._tables.get(body[:_ID], _NOT_ANNOUNCED)
        if table is None:
            return Passed(place)
        if not isinstance(table, rowevents.Table):
            raise KeyshiftError(f"the change at {place} is of a table that the binlog did not announce", REPORT)
        if kind in packets.ROWS_COMPRESSED:
            kind, body = compressed.rows(kind, body)
        header = table.header(kind, body)
        if not header.is_full:
            message = (
                f"a change of table {table.name} at {place} lacks columns: its session did not log full row images"
            )
            raise Lost(message, f"Let every session use binlog_row_image=FULL, {RELOAD}")
        return Rows(place, table.name, _images(header, kind, body, table), has_sets=table.has_sets)


def _images(header: rowevents.RowsHeader, kind: int, body: bytes, table: rowevents.Table) -> list[Image]:
    if kind == packets.PARTIAL_UPDATE:
        return list(partial_images(header, body, table))
    return rowevents.images(header, kind, body, table)
