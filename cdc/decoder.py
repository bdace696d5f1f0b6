"""From packets to events: what each kind means to us, which tables they are about, and what cannot be read.

Rows of tables that are not captured are passed by their table's id. Nothing is skipped for want of understanding: an
event of a kind that may hide a change is refused with its position and what to do (docs/design, "Nothing is lost
silently").
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from cdc import packets
from cdc.events import Begin, Commit, Event, Idle, Image, NewFile, Passed, Place, Prepare, Query, Rows
from cdc.rows import Altered, Reader, prepare
from keymap.errors import KeyshiftError
from keymap.schema import TableSchema

MAPS_MAX: Final = 2_000  # table maps remembered: each ALTER of a captured table makes another one
REPORT: Final = "Report it with the output of mysqlbinlog around this position"
_AGAIN: Final = "and start the migration again (keyshift destroy, then init)"
# What the library and we raise on bytes that are not what they should be.
_BROKEN: Final = (struct.error, LookupError, ValueError, TypeError, AttributeError, ArithmeticError, AssertionError)


class Parser(Protocol):
    """What is left to the library: cdc.binlog.Library."""

    def parsed(self) -> Any:  # noqa: ANN401 - the library's event
        """What it makes of the packet that was read last."""

    def know(self, table_id: int, definition: Any) -> None:  # noqa: ANN401 - the library's table
        """From now on rows with this id are of this table."""

    def forget(self) -> None:
        """No id is known any more."""


@dataclass(frozen=True, slots=True)
class _Table:
    """A captured table as one of its table maps describes it: its name, the library's object, how to read its rows."""

    name: str
    definition: Any
    read: Reader


class Decoder:
    """The events of one connection, in order. `schemas` are the captured tables by name."""

    def __init__(self, parser: Parser, schemas: Mapping[str, TableSchema], offsets: packets.Offsets) -> None:
        self._parser = parser
        self._schemas = schemas
        self._offsets = offsets
        self._maps: dict[tuple[str, bytes], _Table] = {}
        self._tables: dict[int, _Table | None] = {}  # by the id of the newest table map; None: not captured
        self._special: dict[int, Callable[[bytes, packets.Header, Place], Event]] = {
            packets.TABLE_MAP: self._table_map,
            packets.FORMAT: self._format,
            packets.ROTATE: self._rotate,
            packets.HEARTBEAT: self._heartbeat,
            **dict.fromkeys(packets.ROWS, self._rows),
            **dict.fromkeys(packets.UNREADABLE_ROWS, self._unreadable_rows),
            **dict.fromkeys(_REFUSED, self._refuse),
        }

    def event(self, packet: bytes) -> Event:
        """The event in a packet. Raises KeyshiftError, with the position, where it must not be passed over."""
        try:
            header = packets.header(packet)
            if plain := _PLAIN.get(header.kind):
                return plain(self._place(header), packets.body(packet), header)
            special = self._special.get(header.kind, _passed)
            return special(packet, header, self._place(header))
        except _BROKEN as error:
            message = f"the event before {self._offsets.file}:{self._offsets.end} cannot be read"
            raise KeyshiftError(f"{message} ({type(error).__name__})", REPORT) from error

    def _place(self, header: packets.Header) -> Place:
        if header.kind == packets.HEARTBEAT:  # it lies nowhere: its position is the one that it tells
            return Place(self._offsets.file, self._offsets.end, self._offsets.end, 0)
        offset = self._offsets.passed(header)
        return Place(self._offsets.file, offset, self._offsets.end, header.timestamp)

    def _heartbeat(self, packet: bytes, header: packets.Header, _place: Place) -> Event:
        self._offsets.reached(packets.heartbeat(packets.body(packet)), header.log_pos)
        return Idle(Place(self._offsets.file, self._offsets.end, self._offsets.end, 0))

    def _rotate(self, packet: bytes, _header: packets.Header, place: Place) -> Event:
        self._offsets.rotated(*packets.rotate(packets.body(packet)))
        self._tables.clear()  # after a restart of the server, ids stand for other tables
        self._parser.forget()
        return NewFile(Place(self._offsets.file, self._offsets.end, self._offsets.end, place.timestamp))

    def _format(self, packet: bytes, _header: packets.Header, place: Place) -> Event:
        if not packets.has_checksum(packet):
            message = f"binlog file {place.file} was written with binlog_checksum=NONE, which is read wrongly"
            raise KeyshiftError(message, f"Run: SET GLOBAL binlog_checksum = 'CRC32'; {_AGAIN}")
        self._parser.parsed()
        return Passed(place)

    def _table_map(self, packet: bytes, _header: packets.Header, place: Place) -> Event:
        found = packets.table_map(packets.body(packet))
        schema = self._schemas.get(found.table)
        if schema is None:
            self._tables[found.table_id] = None
            return Passed(place)
        key = found.table, found.definition
        if key not in self._maps:
            if len(self._maps) >= MAPS_MAX:
                self._maps.clear()
            self._maps[key] = self._described(schema, place)
        self._tables[found.table_id] = self._maps[key]
        self._parser.know(found.table_id, self._maps[key].definition)
        return Passed(place)

    def _described(self, schema: TableSchema, place: Place) -> _Table:
        definition = self._parser.parsed().get_table()
        try:
            return _Table(schema.full_name, definition, prepare(definition.columns, schema))
        except Altered as difference:
            message = f"table {schema.full_name} was altered: the change at {place} does not fit it: {difference}"
            remedy = f"This version follows no ALTER of a captured table: finish it, {_AGAIN}"
            raise KeyshiftError(message, remedy) from None

    def _captured(self, packet: bytes, place: Place) -> _Table | None:
        table_id = packets.table_id(packets.body(packet))
        if table_id == packets.NO_TABLE:
            return None
        if table_id not in self._tables:
            raise KeyshiftError(f"the change at {place} is of a table that the binlog did not announce", REPORT)
        return self._tables[table_id]

    def _rows(self, packet: bytes, header: packets.Header, place: Place) -> Event:
        table = self._captured(packet, place)
        if table is None:
            return Passed(place)
        event = self._parser.parsed()
        if any(_has_gaps(bitmap, event.number_of_columns) for bitmap in _bitmaps(event)):
            message = (
                f"a change of table {table.name} at {place} lacks columns: its session did not log full row images"
            )
            raise KeyshiftError(message, f"Let every session use binlog_row_image=FULL, {_AGAIN}")
        image = _IMAGE_OF[header.kind]
        rows = event.rows  # once: a second look after an error would give a part of them, and no error
        return Rows(place, table.name, tuple(image(table.read, row) for row in rows))

    def _unreadable_rows(self, packet: bytes, header: packets.Header, place: Place) -> Event:
        table = self._captured(packet, place)
        if table is None:
            return Passed(place)
        what, remedy = _UNREADABLE.get(header.kind, _COMPRESSED)
        message = f"a change of table {table.name} {what} (event type {header.kind} at {place})"
        raise KeyshiftError(message, remedy)

    def _refuse(self, _packet: bytes, header: packets.Header, place: Place) -> Event:
        what, remedy = _REFUSED[header.kind]
        raise KeyshiftError(f"{what} (event type {header.kind} at {place})", remedy)


def _passed(_packet: bytes, _header: packets.Header, place: Place) -> Event:
    return Passed(place)


def _bitmaps(event: Any) -> list[bytes]:  # noqa: ANN401 - the library's event
    """Which columns the images hold, a bit for each."""
    return [event.columns_present_bitmap, *filter(None, [getattr(event, "columns_present_bitmap2", None)])]


def _has_gaps(bitmap: bytes, columns: int) -> bool:
    return int.from_bytes(bitmap, "little") & (1 << columns) - 1 != (1 << columns) - 1


def _inserted(read: Reader, row: Mapping[str, Any]) -> Image:
    return None, read(row["values"])


def _deleted(read: Reader, row: Mapping[str, Any]) -> Image:
    return read(row["values"]), None


def _updated(read: Reader, row: Mapping[str, Any]) -> Image:
    return read(row["before_values"]), read(row["after_values"])


_IMAGE_OF: Final[dict[int, Callable[[Reader, Mapping[str, Any]], Image]]] = {
    **dict.fromkeys(packets.INSERTS, _inserted),
    **dict.fromkeys(packets.UPDATES, _updated),
    **dict.fromkeys(packets.DELETES, _deleted),
}


def _mariadb_begin(place: Place, content: bytes, header: packets.Header) -> Event:
    gtid, standalone = packets.mariadb_gtid(content, header.server_id)
    return Begin(place, gtid, standalone)


_PLAIN: Final[dict[int, Callable[[Place, bytes, packets.Header], Event]]] = {
    packets.GTID: lambda place, content, _: Begin(place, packets.gtid(content)),
    packets.ANONYMOUS_GTID: lambda place, _, __: Begin(place, ""),
    packets.MARIADB_GTID: _mariadb_begin,
    packets.QUERY: lambda place, content, _: Query(place, *packets.query(content)),
    packets.EXECUTE_LOAD_QUERY: lambda place, content, _: Query(place, *packets.load_query(content)),
    packets.XID: lambda place, _, __: Commit(place),
    packets.XA_PREPARE: lambda place, content, _: (Commit if packets.is_one_phase(content) else Prepare)(place),
}

_NO_COMPRESSION = f"Run: SET GLOBAL log_bin_compress = OFF; let sessions reconnect, {_AGAIN}"
_COMPRESSED = ("is compressed, which is not read yet", _NO_COMPRESSION)
_UNREADABLE: Final = {
    packets.PARTIAL_UPDATE: (
        "holds parts of JSON documents only, which is not read yet",
        f"Run: SET GLOBAL binlog_row_value_options = ''; let sessions reconnect, {_AGAIN}",
    ),
}
_REFUSED: Final = {
    packets.INCIDENT: (
        "the source reports an incident: it lost changes before they were logged",
        f"See the server's error log, {_AGAIN}",
    ),
    packets.TRANSACTION_PAYLOAD: (
        "a transaction is compressed, which is not read yet",
        f"Run: SET GLOBAL binlog_transaction_compression = OFF; let sessions reconnect, {_AGAIN}",
    ),
    packets.TAGGED_GTID: (
        "a transaction has a tagged GTID, which is not read yet",
        f"Stop using tags (gtid_next='AUTOMATIC:tag'), {_AGAIN}",
    ),
    packets.MARIADB_QUERY_COMPRESSED: ("a statement is compressed, which is not read yet", _NO_COMPRESSION),
}
