"""Captured rows as lines of packs: those of keymap.wire.encode_change, written from their parts.

What all rows of an event have in common is written once for all of them, and no object is made of a change: this is
the daemon's work for each row, and most of what it costs. A test holds the lines to encode_change's, byte by byte.
"""

from typing import Final

from cdc.events import Rows
from keymap.position import file_number
from keymap.values import Row
from keymap.version import OFFSET_DIGITS, ROW_DIGITS, version
from keymap.wire import dumps, row_json

_INSERTED: Final = b'{"op":"c","before":null,"after":'
_DELETED: Final = b'{"op":"d","before":'
_UPDATED: Final = b'{"op":"u","before":'
_AFTER: Final = b',"after":'
_NOTHING_AFTER: Final = b',"after":null'
_OFFSET_END: Final = 10**OFFSET_DIGITS
_ROW_END: Final = 10**ROW_DIGITS


class Lines:
    """Writes lines, event by event. `server` is the source's identity, `epoch` the one that versions are made in."""

    def __init__(self, epoch: int, server: str) -> None:
        self._epoch = epoch
        self._server = dumps(server)
        self._file = self._numbers = ""
        self._source = self._end = b""
        self._heads: dict[str, bytes] = {}  # by table, as long as the file is the same
        self._version = ""
        self._has_sets = True

    def begin(self, event: Rows, gtid: str, ts_ms: int) -> None:
        """The lines that follow are of this event.

        `gtid` is the transaction's, "" where it has none; `ts_ms` when it was committed, in milliseconds since 1970.
        Raises OverflowError where a version does not fit its width.
        """
        file, offset, _, _ = event.place
        if file != self._file:
            self._enter(file)
        if offset >= _OFFSET_END or event.first + len(event.images) >= _ROW_END:
            raise OverflowError(f"the version of a row at {event.place} is out of range")
        self._version = self._numbers + "%013d." % offset  # noqa: UP031 - OFFSET_DIGITS; twice as fast as format()
        self._has_sets = event.has_sets
        self._source = b'%b%d,"row":' % (self._heads.get(event.table) or self._head(event.table), offset)
        self._end = b',"gtid":%b,"server_uuid":%b,"ts_ms":%d},"ts_ms":%d,"version":"%b' % (
            dumps(gtid),
            self._server,
            ts_ms,
            ts_ms,
            self._version.encode(),
        )

    def _enter(self, file: str) -> None:
        self._file, self._heads = file, {}
        self._numbers = version(self._epoch, file_number(file), 0, 0)[: -(OFFSET_DIGITS + 1 + ROW_DIGITS)]

    def _head(self, table: str) -> bytes:
        """The beginning of `source`."""
        database, _, name = table.partition(".")
        names = dumps(database), dumps(name), dumps(self._file)
        self._heads[table] = head = b',"source":{"db":%b,"table":%b,"file":%b,"pos":' % names
        return head

    def line(self, before: Row | None, after: Row | None, ordinal: int) -> tuple[str, bytes]:
        """The version and the line of the row with that ordinal."""
        row = "%09d" % ordinal  # noqa: UP031 - ROW_DIGITS of them; twice as fast as format()
        images = _images(before, after, has_sets=self._has_sets)
        return self._version + row, b'%b%b%d%b%b"}' % (images, self._source, ordinal, self._end, row.encode())


def _images(before: Row | None, after: Row | None, *, has_sets: bool) -> bytes:
    if before is None:
        assert after is not None
        return _INSERTED + row_json(after, has_sets=has_sets)
    old = row_json(before, has_sets=has_sets)
    if after is None:
        return _DELETED + old + _NOTHING_AFTER
    return _UPDATED + old + _AFTER + row_json(after, has_sets=has_sets)
