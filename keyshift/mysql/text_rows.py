"""Rows from the packets of a text result set, many at a time: one function, written for the columns of one table.

A row packet is four bytes of header (length in three, lowest first, and a sequence number that counts on by one) and,
per column, either the byte 0xFB for NULL or a length and that many bytes. A length is one byte up to 0xFA, else 0xFC,
0xFD or 0xFE and 2, 3 or 8 bytes. Source: MySQL's "Protocol::ProtocolText::ResultsetRow"; MariaDB's is the same.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from struct import Struct
from typing import Any, Protocol

from keymap.errors import KeyshiftError
from keymap.schema import Column
from keymap.values import Row, json_text, shortest_float32
from keyshift import native
from keyshift.mysql.text_values import Form, TextColumn, text_columns

Extra = tuple[bytes | None, ...]

HEADER = 4
PACKET_MAX = 0xFFFFFF  # a packet of this length goes on in the next one
SPECIAL = 0xFE  # a packet that begins with this byte or 0xFF is no row, or begins with a value of 16 MiB or more
_NULL = 0xFB
_LENGTHS = {0xFC: 2, 0xFD: 3, 0xFE: 8}
# What wrong bytes make the readers of values raise: ValueError (UnicodeDecodeError too), decimal's ArithmeticError.
BAD_VALUE = (ValueError, ArithmeticError, IndexError, TypeError)


class UnreadableRow(KeyshiftError):
    """A row that is not what the table's columns say. No part of its result is given."""


class TextRows(Protocol):
    """A reader for the columns of one table, followed in each row by some extra ones that are given as bytes.

    Both methods append to `rows`, and to `extras` where there are extra columns. Raises UnreadableRow.
    """

    @property
    def width(self) -> int:
        """How many columns the result must have, extra ones included."""

    def scan(self, data: bytes, at: int, sequence: int, rows: list[Row], extras: list[Extra]) -> tuple[int, int]:
        """Read packets from `at` on while they are whole, plain rows and `sequence` numbers them.

        Gives where it stopped, and the sequence number that the packet there should have.
        """

    def row(self, packet: bytes, rows: list[Row], extras: list[Extra]) -> None:
        """Read one row packet of any length, without its headers."""


def compile_text(columns: Sequence[Column], extra: int = 0) -> TextRows:
    """The fastest reader there is for rows of these columns and `extra` more.

    Raises UnsupportedType, naming the column, where there is one that cannot be read exactly.
    """
    known = text_columns(columns)
    core = native.load("keyshift.mysql._text")
    return FastRows(known, extra, core.Scanner(known, extra).scan if core else generate(known, extra))


class ReferenceRows:
    """The plain loop over `TextColumn.read`: what the fast readers must equal. It names the column that is wrong."""

    def __init__(self, columns: Sequence[TextColumn], extra: int = 0) -> None:
        self._columns, self._extra = tuple(columns), extra
        self.width = len(self._columns) + extra

    def scan(self, data: bytes, at: int, sequence: int, rows: list[Row], extras: list[Extra]) -> tuple[int, int]:
        """See TextRows."""
        while at + HEADER < len(data):
            begin, length = at + HEADER, int.from_bytes(data[at : at + 3], "little")
            if length in {0, PACKET_MAX} or begin + length > len(data):
                break
            if data[at + 3] != sequence or data[begin] >= SPECIAL:
                break
            at = begin + length
            sequence = (sequence + 1) % 256
            self.row(data[begin:at], rows, extras)
        return at, sequence

    def row(self, packet: bytes, rows: list[Row], extras: list[Extra]) -> None:
        """See TextRows."""
        values = split(packet, self.width)
        row: Row = {}
        for column, value in zip(self._columns, values, strict=False):
            try:
                row[column.name] = None if value is None else column.read(value)
            except UnicodeDecodeError:
                raise UnreadableRow(f"column {column.name} holds bytes that are no text", REMEDY_TEXT) from None
            except BAD_VALUE as error:
                kind = type(error).__name__
                raise UnreadableRow(f"column {column.name} came in a form it cannot have ({kind})", REMEDY) from None
        if self._extra:
            extras.append(values[len(self._columns) :])
        rows.append(row)


REMEDY = "Check that the table was not altered meanwhile, and that no proxy changes what the server sends"
REMEDY_TEXT = "Correct the rows whose text is not in the column's character set, or make the column a binary type"


def split(packet: bytes, width: int) -> Extra:
    """The values of one row packet, None for NULL. Raises UnreadableRow where it has not exactly `width` of them."""
    at, values = 0, []
    try:
        for _ in range(width):
            begin, at = span(packet, at)
            values.append(None if at < begin else packet[begin:at])
            at = max(begin, at)
    except IndexError:
        at = -1
    if at != len(packet):
        raise UnreadableRow(f"a row does not have the {width} columns that were selected", REMEDY)
    return tuple(values)


def span(data: bytes, at: int) -> tuple[int, int]:
    """Where the value at `at` begins and ends; for NULL it ends before it begins. Raises IndexError behind the end."""
    first = data[at]
    at += 1
    if first < _NULL:
        return at, at + first
    if first == _NULL:
        return at, -1
    size = _LENGTHS.get(first, 0)
    if not size or at + size > len(data):
        raise IndexError
    return at + size, at + size + int.from_bytes(data[at : at + size], "little")


Scan = Callable[[bytes, int, int, list[Row], list[Extra]], tuple[int, int]]


class FastRows:
    """A reader by a fast `scan`, generated or compiled, which raises BAD_VALUE on bytes that are wrong."""

    def __init__(self, columns: Sequence[TextColumn], extra: int, scan: Scan) -> None:
        self._reference = ReferenceRows(columns, extra)
        self._scan = scan
        self.width = self._reference.width
        self.row = self._reference.row  # packets of 16 MiB are few

    def scan(self, data: bytes, at: int, sequence: int, rows: list[Row], extras: list[Extra]) -> tuple[int, int]:
        """See TextRows."""
        try:
            return self._scan(data, at, sequence, rows, extras)
        except BAD_VALUE:
            pass
        self._reference.scan(data, at, sequence, [], [])  # says which column it is
        raise UnreadableRow("a row cannot be read", REMEDY)


_HEAD = """\
def scan(data, at, sequence, rows, extras):
    size = len(data)
    append, keep = rows.append, extras.append
    while at + 4 < size:
        head, = header(data, at)
        p = at + 4
        end = p + (head & 0xFFFFFF)
        if end > size or head >> 24 != sequence or data[p] >= 0xFE or p == end or end - p == 0xFFFFFF:
            break
"""
_SHORT = """\
        if (n := data[p]) < 0xFB:
            v{number} = {short}
        elif n == 0xFB:
            v{number} = None
            p += 1
        else:
            b, p = span(data, p)
            v{number} = {long}
"""
_TAIL = """\
        if p != end:
            raise ValueError
        {keep}append({{{items}}})
        at = end
        sequence = sequence + 1 & 0xFF
    return at, sequence
"""
# What makes the value of a slice of `data`. int and float take bytes; bytes.decode is the fastest way to text.
_EXPRESSIONS = {
    Form.INT: "int({data})",
    Form.DECIMAL: "Decimal({data}.decode())",
    Form.DOUBLE: "Decimal(repr(float({data})))",
    Form.FLOAT: "Decimal(shortest_float32(float({data})))",
    Form.TEXT: "{data}.decode()",
    Form.BYTES: "{data}",
    Form.DATETIME: "{data}.decode().replace(' ', 'T', 1)",
    Form.TIMESTAMP: "{data}.decode().replace(' ', 'T', 1) + 'Z'",
    Form.JSON: "json_text({data}.decode())",
}


def generate(columns: Sequence[TextColumn], extra: int = 0) -> Scan:
    """A scan in Python: one loop, written for these columns."""
    known: dict[str, Any] = {
        "Decimal": Decimal,
        "header": Struct("<I").unpack_from,
        "json_text": json_text,
        "shortest_float32": shortest_float32,
        "span": span,
    }
    lines = [_HEAD]
    for number, column in enumerate(columns):
        known[f"read{number}"] = column.read
        lines.append(_value(number, _EXPRESSIONS.get(column.form, f"read{number}({{data}})")))
    last = range(len(columns), len(columns) + extra)
    lines += [_value(number, "{data}") for number in last]
    keep = f"keep(({', '.join(f'v{number}' for number in last)},)); " if extra else ""
    items = ", ".join(f"{column.name!r}: v{number}" for number, column in enumerate(columns))
    lines.append(_TAIL.format(keep=keep, items=items))
    exec("".join(lines), known)  # noqa: S102 - names appear in it as constants only, by repr
    scan: Scan = known["scan"]
    return scan


def _value(number: int, expression: str) -> str:
    short, long = expression.format(data="data[p + 1 : (p := p + 1 + n)]"), expression.format(data="data[b:p]")
    return _SHORT.format(number=number, short=short, long=long)
