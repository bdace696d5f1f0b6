"""From the binlog's bytes to events: what each kind means to us, which tables they are about, what cannot be read.

Rows are read by the table map that was logged with them; tables that are not captured are passed by their map's bytes.
Nothing is skipped for want of understanding: an event of a kind that may hide a change is refused with its position
and what to do (docs/design, "Nothing is lost silently").
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from cdc.events import Begin, Commit, Event, Idle, NewFile, Passed, Place, Prepare, Query, Rows
from cdc.fit import Altered, require_fit
from keymap.errors import KeyshiftError
from keymap.schema import TableSchema
from keyshift.binlog import compressed, packets, payload, rowevents
from keyshift.binlog.columns import field_of
from keyshift.binlog.errors import Malformed
from keyshift.binlog.offsets import Offsets
from keyshift.binlog.tablemap import parse_table_map

MAPS_MAX: Final = 2_000  # table maps remembered, of all tables: each ALTER makes another one
REPORT: Final = "Report it with the output of mysqlbinlog around this position"
_AGAIN: Final = "and start the migration again (keyshift destroy, then init)"
_BROKEN: Final = (struct.error, LookupError, ValueError, TypeError, ArithmeticError)
_PAYLOAD: Final = bytes([packets.TRANSACTION_PAYLOAD])
Handler = Callable[[int, bytes, Place], Event | None]


class Decoder:
    """The events of one connection, in order. `schemas` are the captured tables by name.

    `described`: table maps must be complete (binlog_row_metadata=FULL); if not, `schemas` supply what they lack. Rows
    up to `known`, a file and an offset in it, were read before and are passed, however their tables looked then.
    """

    def __init__(
        self,
        schemas: Mapping[str, TableSchema],
        offsets: Offsets,
        *,
        described: bool = True,
        known: tuple[str, int] = ("", 0),
    ) -> None:
        self._schemas = schemas
        self._offsets = offsets
        self._described_only = described
        self._known_file, self._known_end = known
        self._checksums = False  # known once a file's format description has come
        self._maps: dict[bytes, rowevents.Table | None] = {}  # by what a table map says but for its id
        self._tables: dict[int, rowevents.Table | None] = {}  # by the id of the newest table map; None: not captured
        self._handlers: dict[int, Handler] = {
            packets.TABLE_MAP: self._table_map,
            packets.QUERY: _query,
            packets.EXECUTE_LOAD_QUERY: _load_query,
            packets.XID: _commit,
            packets.GTID: _gtid,
            packets.ANONYMOUS_GTID: _anonymous,
            packets.TAGGED_GTID: _tagged_gtid,
            packets.XA_PREPARE: _prepare,
            packets.INCIDENT: _incident,
            packets.MARIADB_QUERY_COMPRESSED: self._compressed_query,
            packets.PARTIAL_UPDATE: self._partial,
            **dict.fromkeys(packets.ROWS, self._rows),
            **dict.fromkeys(packets.ROWS_COMPRESSED, self._compressed_rows),
            **dict.fromkeys(packets.SILENT, _passed),
        }

    def events(self, found: Iterable[bytes]) -> Iterator[Event]:
        """The events in these packets. Raises KeyshiftError, with the position, where one must not be passed over."""
        for data in found:
            if data[packets.KIND : packets.KIND + 1] == _PAYLOAD:
                yield from self._payload(data)
            elif (event := self.event(data)) is not None:
                yield event

    def event(self, data: bytes) -> Event | None:
        """The event in these bytes; None where it only helps to read what follows. Raises like `events`."""
        try:
            header = packets.header(data)
            if header.kind in packets.CONTROL:
                return self._control(header, data)
            body = self._body(data)
            offset = self._offsets.passed(header)
            place = Place(self._offsets.file, offset, self._offsets.end, header.timestamp)
            if header.kind == packets.MARIADB_GTID:
                return _mariadb_gtid(place, body, header.server_id)
            return self._handle(header, body, place)
        except _BROKEN as error:
            raise self._unreadable(error) from error

    def _handle(self, header: packets.Header, body: bytes, place: Place) -> Event | None:
        handler = self._handlers.get(header.kind)
        if handler is not None:
            return handler(header.kind, body, place)
        if header.flags & packets.IGNORABLE:
            return Passed(place)
        message = f"an event of type {header.kind} at {place} is not known, so it may hide a change"
        raise KeyshiftError(message, f"Use a version of Keyshift that knows this server's release, {_AGAIN}")

    def _unreadable(self, error: Exception) -> KeyshiftError:
        what = str(error) if isinstance(error, Malformed) else type(error).__name__
        where = f"{self._offsets.file}:{self._offsets.end}"
        return KeyshiftError(f"the event before {where} cannot be read ({what})", REPORT)

    def _body(self, data: bytes) -> bytes:
        if not self._checksums:
            return data[packets.HEADER_BYTES :]
        packets.verified(data)
        return data[packets.HEADER_BYTES : -packets.CHECKSUM_BYTES]

    def _control(self, header: packets.Header, data: bytes) -> Event | None:
        """What the source says of files and itself; some of it lies in no file, with a checksum or without."""
        if header.kind == packets.FORMAT:
            self._checksums = packets.has_checksum(data)
            body = self._body(data)
        else:
            body = packets.unsigned(data)
        if header.kind == packets.ROTATE:
            return self._rotate(header, body)
        if header.kind == packets.HEARTBEAT:
            self._offsets.reached(packets.heartbeat(body), header.log_pos)
            return Idle(self._here(0))
        if header.kind == packets.HEARTBEAT_V2:
            self._offsets.reached(*packets.heartbeat_v2(body))
            return Idle(self._here(0))
        self._offsets.passed(header)
        return Passed(self._here(header.timestamp))

    def _here(self, timestamp: int) -> Place:
        return Place(self._offsets.file, self._offsets.end, self._offsets.end, timestamp)

    def _rotate(self, header: packets.Header, body: bytes) -> Event:
        self._offsets.passed(header)
        self._offsets.rotated(*packets.rotate(body))
        self._tables.clear()  # after a restart of the server, ids stand for other tables
        return NewFile(self._here(header.timestamp))

    def _payload(self, data: bytes) -> Iterator[Event]:
        """A compressed transaction: events within an event, all of which lie where it lies."""
        try:
            header, body = packets.header(data), self._body(data)
            offset, rows = self._offsets.passed(header), 0
            last: Event | None = None  # held back: it commits, and is true only once all that there is was read
            for inner in payload.events(body):
                if last is not None:
                    yield last
                head = packets.header(inner)
                place = Place(self._offsets.file, offset, self._offsets.end, head.timestamp)
                last = self._handle(head, inner[packets.HEADER_BYTES :], place)
                if isinstance(last, Rows):
                    last.first, rows = rows, rows + len(last.images)
            if last is not None:
                yield last
        except _BROKEN as error:
            raise self._unreadable(error) from error

    def _table_map(self, _kind: int, body: bytes, place: Place) -> None:
        key = body[packets.TABLE_ID_BYTES :]
        if place.file == self._known_file and place.end <= self._known_end:
            self._tables[packets.table_id(body)] = None
            return
        if key not in self._maps:
            if len(self._maps) >= MAPS_MAX:
                self._maps.clear()
            self._maps[key] = self._described(body, place)
        self._tables[packets.table_id(body)] = self._maps[key]

    def _described(self, body: bytes, place: Place) -> rowevents.Table | None:
        schema = self._schemas.get(packets.table_name(body))
        if schema is None:
            return None
        table = parse_table_map(body)
        try:
            require_fit(table, schema, described=self._described_only)
        except Altered as difference:
            message = f"table {schema.full_name} was altered: the change at {place} does not fit it: {difference}"
            remedy = f"This version follows no ALTER of a captured table: finish it, {_AGAIN}"
            raise KeyshiftError(message, remedy) from None
        fields = [
            field_of(column, known, known.name) for column, known in zip(table.columns, schema.columns, strict=True)
        ]
        return rowevents.Table(table, tuple(fields))

    def _captured(self, body: bytes, place: Place) -> rowevents.Table | None:
        table_id = packets.table_id(body)
        if table_id == packets.NO_TABLE:
            return None
        if table_id not in self._tables:
            raise KeyshiftError(f"the change at {place} is of a table that the binlog did not announce", REPORT)
        return self._tables[table_id]

    def _rows(self, kind: int, body: bytes, place: Place) -> Event:
        table = self._captured(body, place)
        if table is None:
            return Passed(place)
        header = rowevents.rows_header(kind, body)
        _require_full(header, table, place)
        return Rows(place, table.name, rowevents.images_of(header, kind, body, table))

    def _partial(self, kind: int, body: bytes, place: Place) -> Event:
        table = self._captured(body, place)
        if table is None:
            return Passed(place)
        from keyshift.binlog.partial import partial_images  # noqa: PLC0415

        _require_full(rowevents.rows_header(kind, body), table, place)
        return Rows(place, table.name, [(before, after) for before, after in partial_images(body, table)])

    def _compressed_rows(self, kind: int, body: bytes, place: Place) -> Event:
        if self._captured(body, place) is None:
            return Passed(place)
        return self._rows(*compressed.rows(kind, body), place)

    @staticmethod
    def _compressed_query(_kind: int, body: bytes, place: Place) -> Event:
        return _query(packets.QUERY, compressed.query(body), place)


def _require_full(header: rowevents.RowsHeader, table: rowevents.Table, place: Place) -> None:
    if not header.is_full:
        message = f"a change of table {table.name} at {place} lacks columns:"
        message += " its session did not log full row images"
        raise KeyshiftError(message, f"Let every session use binlog_row_image=FULL, {_AGAIN}")


def _passed(_kind: int, _body: bytes, place: Place) -> Event:
    return Passed(place)


def _query(_kind: int, body: bytes, place: Place) -> Event:
    return Query(place, *packets.query(body))


def _load_query(_kind: int, body: bytes, place: Place) -> Event:
    return Query(place, *packets.load_query(body))


def _commit(_kind: int, _body: bytes, place: Place) -> Event:
    return Commit(place)


def _prepare(_kind: int, body: bytes, place: Place) -> Event:
    return (Commit if packets.is_one_phase(body) else Prepare)(place)


def _gtid(_kind: int, body: bytes, place: Place) -> Event:
    found = packets.gtid(body)
    return Begin(place, found.text, committed_us=found.committed_us)


def _anonymous(_kind: int, body: bytes, place: Place) -> Event:
    return Begin(place, "", committed_us=packets.gtid(body).committed_us)


def _tagged_gtid(_kind: int, body: bytes, place: Place) -> Event:
    found = packets.tagged_gtid(body)
    return Begin(place, found.text, committed_us=found.committed_us)


def _mariadb_gtid(place: Place, body: bytes, server_id: int) -> Event:
    gtid, standalone = packets.mariadb_gtid(body, server_id)
    return Begin(place, gtid, standalone)


def _incident(kind: int, _body: bytes, place: Place) -> Event:
    message = f"the source reports an incident: it lost changes before they were logged (event type {kind} at {place})"
    raise KeyshiftError(message, f"See the server's error log, {_AGAIN}")
