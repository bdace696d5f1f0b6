"""From the binlog's bytes to events: what each kind means to us, where it lies, and what cannot be read.

Nothing is skipped for want of understanding: an event of a kind that may hide a change is refused with its position
and what to do (docs/design, "Nothing is lost silently").
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from cdc.captured import AGAIN, RELOAD, REPORT, CapturedTables, Ignores, all_matter
from cdc.continuity import Lost
from cdc.events import Begin, Commit, Event, FileHeader, Idle, NewFile, Passed, Place, Prepare, Query, Rows, Waiting
from cdc.grammar import control
from keymap.errors import KeyshiftError
from keymap.schema import TableSchema
from keyshift.binlog import compressed, fingerprint, gtids, packets, payload
from keyshift.binlog.errors import Malformed, NoText
from keyshift.binlog.offsets import Offsets
from keyshift.binlog.query_variables import updated_databases

_BROKEN: Final = (struct.error, LookupError, ValueError, TypeError, ArithmeticError)
_PAYLOAD: Final = bytes([packets.TRANSACTION_PAYLOAD])
_CORRECT: Final = f"Correct the column's text at the source, {AGAIN}"
_HEADER: Final = packets.HEADER.unpack_from
_BODY: Final = slice(packets.HEADER_BYTES, -packets.CHECKSUM_BYTES)
_CONTROL: Final = packets.CONTROL
_new_place: Final = tuple.__new__  # past the NamedTuple's own constructor, which costs as much as all else here
Handler = Callable[[int, bytes, Place], Event | None]


class Decoder:
    """The events of one connection, in order. The other arguments are as in CapturedTables."""

    def __init__(
        self,
        schemas: Mapping[str, TableSchema],
        offsets: Offsets,
        *,
        described: bool = True,
        known: tuple[str, int] = ("", 0),
        ignores: Ignores = all_matter,
    ) -> None:
        self._tables = CapturedTables(schemas, described=described, known=known, ignores=ignores)
        self._offsets = offsets
        self._checksums = False  # known once a file's format description has come
        self._handlers: dict[int, Handler] = {
            packets.TABLE_MAP: self._tables.announced,
            packets.QUERY: self._query,
            packets.EXECUTE_LOAD_QUERY: _load_query,
            packets.XID: _commit,
            packets.GTID: _gtid,
            packets.ANONYMOUS_GTID: _anonymous,
            packets.TAGGED_GTID: _tagged_gtid,
            packets.XA_PREPARE: _prepare,
            packets.INCIDENT: _incident,
            packets.MARIADB_QUERY_COMPRESSED: self._compressed_query,
            **dict.fromkeys(packets.ROWS | packets.ROWS_COMPRESSED | {packets.PARTIAL_UPDATE}, self._tables.changed),
            **dict.fromkeys(packets.SILENT, _passed),
            **dict.fromkeys(fingerprint.LISTS, self._listed),
            packets.MARIADB_START_ENCRYPTION: self._announced_encryption,
        }
        self._fingerprint = ""  # of the file that was begun on this connection, as far as it has come

    def events(self, found: Iterable[bytes]) -> Iterator[Event]:
        """The events in these packets; b"" among them says that the next one has to be waited for.

        Raises KeyshiftError, with the position, where one must not be passed over.
        """
        for data in found:
            if not data:
                yield Waiting(self._here(0))
            elif data[packets.KIND : packets.KIND + 1] == _PAYLOAD:
                yield from self._payload(data)
            elif (event := self.event(data)) is not None:
                yield event

    def event(self, data: bytes) -> Event | None:
        """The event in these bytes; None where it only helps to read what follows. Raises like `events`."""
        try:
            timestamp, kind, server_id, size, log_pos, flags = _HEADER(data)
            if kind in _CONTROL or size != len(data):
                return self._control(packets.header(data), data)
            body = packets.verified(data)[_BODY] if self._checksums else data[_BODY.start :]
            offsets = self._offsets
            begin = offsets.moved(size, log_pos)
            place: Place = _new_place(Place, (offsets.file, begin, offsets.end, timestamp))
            handler = self._handlers.get(kind)
            if handler is not None:
                return handler(kind, body, place)
            if kind == packets.MARIADB_GTID:
                return _mariadb_gtid(place, body, server_id)
            return _unknown(kind, flags, place)
        except _BROKEN as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> KeyshiftError:
        what = str(error) if isinstance(error, Malformed) else type(error).__name__
        where = f"{self._offsets.file}:{self._offsets.end}"
        remedy = _CORRECT if isinstance(error, NoText) else REPORT
        return KeyshiftError(f"the event before {where} cannot be read ({what})", remedy)

    def _body(self, data: bytes) -> bytes:
        return packets.verified(data)[_BODY] if self._checksums else data[_BODY.start :]

    def _control(self, header: packets.Header, data: bytes) -> Event | None:
        """What the source says of files and itself; some of it lies in no file, with a checksum or without."""
        if header.kind == packets.FORMAT:
            self._checksums = packets.has_checksum(data)
            body = self._body(data)
            self._tables.mariadb = packets.is_mariadb(body)
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
        if not header.log_pos:  # repeated by the source, since we did not begin at the file's beginning
            return Passed(self._here(header.timestamp))
        self._fingerprint = fingerprint.begun(header.timestamp)
        return FileHeader(self._here(header.timestamp), self._fingerprint)

    def _listed(self, _kind: int, body: bytes, place: Place) -> Event:
        self._fingerprint = fingerprint.listed(self._fingerprint, body)
        return FileHeader(place, self._fingerprint)

    def _announced_encryption(self, _kind: int, _body: bytes, place: Place) -> Event:
        return FileHeader(place, self._fingerprint)  # between the description and the list

    def _here(self, timestamp: int) -> Place:
        return Place(self._offsets.file, self._offsets.end, self._offsets.end, timestamp)

    def _rotate(self, header: packets.Header, body: bytes) -> Event:
        self._offsets.passed(header)
        self._offsets.rotated(*packets.rotate(body))
        self._tables.forget_ids()
        return NewFile(self._here(header.timestamp))

    def _query(self, _kind: int, body: bytes, place: Place) -> Event:
        event = Query(place, *packets.query(body))
        if control(event.text) is None:
            event.databases = updated_databases(body)
            self._tables.forget_maps()
        return event

    def _compressed_query(self, kind: int, body: bytes, place: Place) -> Event:
        return self._query(kind, compressed.query(body), place)

    def _payload(self, data: bytes) -> Iterator[Event]:
        """A compressed transaction: events within an event, all of which lie where it lies."""
        try:
            header, whole = packets.header(data), self._body(data)
            offset, rows = self._offsets.passed(header), 0
            last: Event | None = None  # held back: it commits, and is true only once all that there is was read
            for inner in payload.events(whole):
                if last is not None:
                    yield last
                head = packets.header(inner)
                place = Place(self._offsets.file, offset, self._offsets.end, head.timestamp)
                handler = self._handlers.get(head.kind)
                body = inner[packets.HEADER_BYTES :]
                last = handler(head.kind, body, place) if handler else _unknown(head.kind, head.flags, place)
                if isinstance(last, Rows):
                    last.first, rows = rows, rows + len(last.images)
            if last is not None:
                yield last
        except _BROKEN as error:
            raise self._unreadable(error) from error


def _unknown(kind: int, flags: int, place: Place) -> Event:
    if flags & packets.IGNORABLE:
        return Passed(place)
    message = f"an event of type {kind} at {place} is not known, so it may hide a change"
    raise KeyshiftError(message, f"Use a version of Keyshift that knows this server's release, {AGAIN}")


def _passed(_kind: int, _body: bytes, place: Place) -> Event:
    return Passed(place)


def _load_query(_kind: int, body: bytes, place: Place) -> Event:
    return Query(place, *packets.load_query(body), updated_databases(body, loads=True))


def _commit(_kind: int, _body: bytes, place: Place) -> Event:
    return Commit(place)


def _prepare(_kind: int, body: bytes, place: Place) -> Event:
    return (Commit if packets.is_one_phase(body) else Prepare)(place)


def _gtid(_kind: int, body: bytes, place: Place) -> Event:
    found = gtids.untagged(body)
    return Begin(place, found.text, committed_us=found.committed_us)


def _anonymous(_kind: int, body: bytes, place: Place) -> Event:
    return Begin(place, "", committed_us=gtids.untagged(body).committed_us)


def _tagged_gtid(_kind: int, body: bytes, place: Place) -> Event:
    found = gtids.tagged(body)
    return Begin(place, found.text, committed_us=found.committed_us)


def _mariadb_gtid(place: Place, body: bytes, server_id: int) -> Event:
    gtid, standalone = gtids.mariadb(body, server_id)
    return Begin(place, gtid, standalone, moot=standalone and gtids.is_moot(body))


def _incident(kind: int, _body: bytes, place: Place) -> Event:
    message = f"the source reports an incident: it lost changes before they were logged (event type {kind} at {place})"
    raise Lost(message, f"See the server's error log, {RELOAD}")
