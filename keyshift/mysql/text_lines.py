"""The rows of a result as lines of a chunk file, without a Python object for any value.

A line is keymap.wire.values_json of the row as keyshift.mysql.text_rows reads it. The compiled core writes it straight
from the packet; where it was not built, rows are read and written one after the other, which is slower and the same.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Final

from keymap.schema import Column
from keymap.values import Row
from keymap.wire import values_json
from keyshift import native
from keyshift.mysql.text_rows import (
    BAD_VALUE,
    HEADER,
    REMEDY,
    Extra,
    FastRows,
    ReferenceRows,
    UnreadableRow,
    generate,
)
from keyshift.mysql.text_values import TextColumn, text_columns

# Of a block from a place on, with the sequence number there and at most so many rows: the lines, how many, where the
# last one's packet is (-1: none), where it stopped, and the sequence number there.
Scan = Callable[[bytes, int, int, int], tuple[bytes, int, int, int, int]]
ALL: Final = sys.maxsize


class LineForm:
    """How rows of these columns, with `extra` more that are not written, become lines; for any number of results.

    Raises UnsupportedType, naming the column, where there is one that cannot be read exactly.
    """

    def __init__(self, columns: Sequence[Column], extra: int = 0, *, pure: bool = False) -> None:
        known = text_columns(columns)
        core = None if pure else native.load("keyshift.mysql._lines")
        forms, writes = [column.form for column in known], list(map(_writer, known))
        self._scan: Scan = core.LineScanner(forms, writes, extra).scan if core else _plain_scan(known, extra)
        self._reference = ReferenceRows(known, extra)
        self._has_sets = any(column.data_type == "set" for column in columns)
        self.width = self._reference.width

    def scan(self, data: bytes, at: int, sequence: int, most: int) -> tuple[bytes, int, int, int, int]:
        """See Scan. Raises UnreadableRow."""
        try:
            return self._scan(data, at, sequence, most)
        except BAD_VALUE:
            pass
        self._reference.scan(data, at, sequence, [], [])  # says which column it is
        raise UnreadableRow("a row cannot be read", REMEDY)

    def read(self, packet: bytes) -> tuple[Row, Extra]:
        """The row of one packet, without its headers, and its extra columns. Raises UnreadableRow."""
        rows: list[Row] = []
        extras: list[Extra] = []
        self._reference.row(packet, rows, extras)
        return rows[0], extras[0] if extras else ()

    def line(self, packet: bytes) -> bytes:
        """The line of one packet, of any length."""
        return values_json(list(self.read(packet)[0].values()), has_sets=self._has_sets) + b"\n"


class LineRows:
    """Reads rows for keyshift.mysql.result, and gives their lines to `take`: those of `most` rows at most.

    `rows` counts them; `more` tells whether there was one that is not among them.
    """

    def __init__(self, form: LineForm, take: Callable[[bytes], object], most: int = ALL) -> None:
        self.width = form.width
        self.rows, self.more = 0, False
        self._form, self._take, self._most = form, take, most
        self._last = b""

    def scan(self, data: bytes, at: int, sequence: int) -> tuple[int, int]:
        """See keyshift.mysql.result.Packets."""
        lines, rows, last, at, sequence = self._form.scan(data, at, sequence, self._most - self.rows)
        if rows:
            self._last = data[last + HEADER : at]
            self.rows += rows
            self._take(lines)
        return at, sequence

    def row(self, packet: bytes) -> None:
        """See keyshift.mysql.result.Packets."""
        if self.rows >= self._most:
            self.more = True
            return
        self._take(self._form.line(packet))
        self._last = packet
        self.rows += 1

    def last(self) -> tuple[Row, Extra]:
        """The last row that was taken, and its extra columns."""
        return self._form.read(self._last)


def _writer(column: TextColumn) -> Callable[[bytes], bytes]:
    """What makes the JSON of one value."""
    return lambda data: values_json((column.read(data),), has_sets=True)[1:-1]


def _plain_scan(columns: Sequence[TextColumn], extra: int) -> Scan:
    reader = FastRows(columns, extra, generate(columns, extra))

    def scan(data: bytes, at: int, sequence: int, most: int) -> tuple[bytes, int, int, int, int]:
        places = _packets(data, at, most)
        rows: list[Row] = []
        stop, sequence = reader.scan(data[at : places[-1]], 0, sequence, rows, [])
        lines = b"".join(values_json(list(row.values()), has_sets=True) + b"\n" for row in rows)
        return lines, len(rows), places[len(rows) - 1] if rows else -1, at + stop, sequence

    return scan


def _packets(data: bytes, at: int, most: int) -> list[int]:
    """Where the packets from `at` on begin that are whole, `most` at most, and where the last of them ends."""
    places = [at]
    while len(places) <= most and at + HEADER < len(data):
        at += HEADER + int.from_bytes(data[at : at + 3], "little")
        if at > len(data):
            break
        places.append(at)
    return places
