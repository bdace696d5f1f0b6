"""An encoder of binlog events that knows nothing of our decoder: table maps, rows events, whole events.

Written from MySQL's documentation of the format (mysql::binlog::event::Table_map_event, Rows_event) and MariaDB's.
What it builds is right by the books; what a server builds is tested on servers.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

TINY, SHORT, LONG, FLOAT, DOUBLE, TIMESTAMP, LONGLONG, INT24 = 1, 2, 3, 4, 5, 7, 8, 9
DATE, TIME, DATETIME, YEAR, NEWDATE, VARCHAR, BIT = 10, 11, 12, 13, 14, 15, 16
TIMESTAMP2, DATETIME2, TIME2 = 17, 18, 19
BLOB_COMPRESSED, VARCHAR_COMPRESSED = 140, 141
VECTOR, JSON, NEWDECIMAL, ENUM, SET, BLOB, VAR_STRING, STRING, GEOMETRY = 242, 245, 246, 247, 248, 252, 253, 254, 255

NUMERIC = frozenset({TINY, SHORT, INT24, LONG, LONGLONG, NEWDECIMAL, FLOAT, DOUBLE, YEAR})  # those with a sign logged
BINARY_COLLATION = 63

QUERY_EVENT, ROTATE_EVENT, TABLE_MAP_EVENT, GTID_EVENT, PARTIAL_UPDATE_EVENT, PAYLOAD_EVENT = 2, 4, 19, 33, 39, 40
GTID_TAGGED_EVENT, MARIADB_GTID_EVENT = 42, 162
Kind = Literal["insert", "update", "delete"]
ROWS_EVENT: dict[tuple[Kind, int], int] = {
    ("insert", 1): 23,
    ("update", 1): 24,
    ("delete", 1): 25,
    ("insert", 2): 30,
    ("update", 2): 31,
    ("delete", 2): 32,
}
Metadata = Literal["FULL", "MINIMAL", "NONE"]
Flavour = Literal["mysql", "mariadb"]
_CHARACTER: dict[Flavour, frozenset[int]] = {  # the columns that the character set fields count
    "mysql": frozenset({STRING, VAR_STRING, VARCHAR, BLOB, VECTOR}),
    "mariadb": frozenset({STRING, VAR_STRING, VARCHAR, BLOB, GEOMETRY, BLOB_COMPRESSED, VARCHAR_COMPRESSED}),
}
_FIELD = {
    "signedness": 1,
    "default_charset": 2,
    "column_charset": 3,
    "column_name": 4,
    "set_values": 5,
    "enum_values": 6,
    "geometry": 7,
    "primary_key": 8,
    "prefix_key": 9,
    "label_default_charset": 10,
    "label_column_charset": 11,
    "visibility": 12,
    "dimensions": 13,
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column as the log describes it. `meta` are its bytes in the table map, empty for types that have none."""

    name: str
    type: int
    meta: bytes = b""
    nullable: bool = True
    unsigned: bool = False
    collation: int = BINARY_COLLATION
    labels: tuple[bytes, ...] = ()
    visible: bool = True
    geometry: int = 0
    dimensions: int = 0


def lenenc(number: int) -> bytes:
    """A length-encoded integer."""
    if number < 251:
        return bytes([number])
    for mark, size in ((0xFC, 2), (0xFD, 3)):
        if number < 1 << 8 * size:
            return bytes([mark]) + number.to_bytes(size, "little")
    return b"\xfe" + number.to_bytes(8, "little")


def text(data: bytes) -> bytes:
    """A length-encoded string."""
    return lenenc(len(data)) + data


def bitmap(flags: Sequence[bool], *, fill: bool = False) -> bytes:
    """Bits from the lowest of the first byte on: NULLs and presence. `fill` sets those beyond the last flag too."""
    size = (len(flags) + 7) // 8
    bits = sum(1 << at for at, flag in enumerate(flags) if flag)
    return (bits | (-1 << len(flags) if fill else 0) & ((1 << 8 * size) - 1)).to_bytes(size, "little")


def reversed_bitmap(flags: Sequence[bool]) -> bytes:
    """Bits from the highest of the first byte on: signs and visibility."""
    found = bytearray((len(flags) + 7) // 8)
    for at, flag in enumerate(flags):
        found[at // 8] |= flag << 7 - at % 8
    return bytes(found)


def string_meta(type_: int, length: int) -> bytes:
    """Metadata of the type STRING (CHAR, BINARY, ENUM, SET): the real type, with two bits of a length over 255."""
    return bytes([type_ ^ (length & 0x300) >> 4, length & 0xFF])


def table_map(
    columns: Sequence[Column],
    *,
    database: str = "db",
    table: str = "t",
    table_id: int = 1,
    metadata: Metadata = "FULL",
    flavour: Flavour = "mysql",
    primary_key: Sequence[tuple[int, int]] = (),
    compact_charsets: bool | None = None,
) -> bytes:
    """A TABLE_MAP event's body. The key is (index, characters of its prefix or 0).

    `compact_charsets` logs a default and the columns that differ from it, False every column's own, None what is less.
    """
    types = bytes(STRING if column.type in {ENUM, SET} else column.type for column in columns)
    meta = b"".join(column.meta for column in columns)
    names = (database.encode(), table.encode())
    return b"".join(
        [
            table_id.to_bytes(6, "little") + struct.pack("<H", 1),
            *(bytes([len(name)]) + name + b"\0" for name in names),
            lenenc(len(columns)) + types + text(meta),
            bitmap([column.nullable for column in columns]),
            *_minimal(columns, metadata, flavour, compact=compact_charsets),
            *_full(columns, metadata, flavour, primary_key, compact=compact_charsets),
        ]
    )


def _minimal(columns: Sequence[Column], metadata: Metadata, flavour: Flavour, *, compact: bool | None) -> list[bytes]:
    if metadata == "NONE":
        return []
    numeric = [column.unsigned for column in columns if column.type in NUMERIC]
    character = [column.collation for column in columns if column.type in _CHARACTER[flavour]]
    geometry = [lenenc(column.geometry) for column in columns if column.type == GEOMETRY]
    dimensions = [lenenc(column.dimensions) for column in columns if column.type == VECTOR]
    return [
        _field("signedness", reversed_bitmap(numeric)) if numeric else b"",
        _charsets("default_charset", "column_charset", character, compact=compact),
        _field("geometry", b"".join(geometry)) if geometry else b"",
        _field("dimensions", b"".join(dimensions)) if dimensions else b"",
    ]


def _full(
    columns: Sequence[Column],
    metadata: Metadata,
    flavour: Flavour,
    primary_key: Sequence[tuple[int, int]],
    *,
    compact: bool | None,
) -> list[bytes]:
    if metadata != "FULL":
        return []
    sets = [_labels(column) for column in columns if column.type == SET]
    enums = [_labels(column) for column in columns if column.type == ENUM]
    labelled = [column.collation for column in columns if column.type in {ENUM, SET}]
    visible = reversed_bitmap([column.visible for column in columns])
    return [
        _field("column_name", b"".join(text(column.name.encode()) for column in columns)),
        _charsets("label_default_charset", "label_column_charset", labelled, compact=compact),
        _field("set_values", b"".join(sets)) if sets else b"",
        _field("enum_values", b"".join(enums)) if enums else b"",
        _key(primary_key) if primary_key else b"",
        _field("visibility", visible) if flavour == "mysql" else b"",
    ]


def _field(name: str, value: bytes) -> bytes:
    return bytes([_FIELD[name]]) + text(value)


def _labels(column: Column) -> bytes:
    return lenenc(len(column.labels)) + b"".join(map(text, column.labels))


def _charsets(default: str, each: str, collations: Sequence[int], *, compact: bool | None) -> bytes:
    if not collations:
        return b""
    common = max(collations, key=collations.count)
    less = 1 + 2 * (len(collations) - collations.count(common)) < len(collations)
    if not (less if compact is None else compact):
        return _field(each, b"".join(map(lenenc, collations)))
    others = [lenenc(at) + lenenc(one) for at, one in enumerate(collations) if one != common]
    return _field(default, lenenc(common) + b"".join(others))


def _key(primary_key: Sequence[tuple[int, int]]) -> bytes:
    if any(prefix for _, prefix in primary_key):
        return _field("prefix_key", b"".join(lenenc(index) + lenenc(prefix) for index, prefix in primary_key))
    return _field("primary_key", b"".join(lenenc(index) for index, _ in primary_key))


Image = Sequence[bytes | None]  # the stored values of the columns that are present, None for NULL


def image(values: Image, *, fill: bool = False) -> bytes:
    """One row image: which of the present columns are NULL, then the others' values."""
    nulls = bitmap([value is None for value in values], fill=fill)
    return nulls + b"".join(value for value in values if value is not None)


def rows(
    images: Sequence[Image],
    columns: int,
    *,
    kind: Kind = "insert",
    version: int = 2,
    table_id: int = 1,
    extra: bytes = b"",
    present: Sequence[bool] | None = None,
    present_after: Sequence[bool] | None = None,
    flavour: Flavour = "mysql",
) -> bytes:
    """A WRITE, UPDATE or DELETE rows event's body; an update's images alternate, before and after.

    Bits that stand for no column are set by MySQL where it says what is present, by MariaDB where it says what is NULL.
    """
    fill = flavour == "mysql"
    all_of_them = [True] * columns
    bitmaps = bitmap(present or all_of_them, fill=fill)
    if kind == "update":
        bitmaps += bitmap(present_after or all_of_them, fill=fill)
    head = table_id.to_bytes(6, "little") + struct.pack("<H", 1)
    if version == 2:
        head += struct.pack("<H", 2 + len(extra)) + extra
    return head + lenenc(columns) + bitmaps + b"".join(image(one, fill=not fill) for one in images)


def event(kind: int, body: bytes, *, checksum: bool = True, timestamp: int = 1, end: int = 0, flags: int = 0) -> bytes:
    """A whole event: header of 19 bytes, body, CRC32 or none. `end` is where it ends in its file."""
    size = 19 + len(body) + 4 * checksum
    data = struct.pack("<IBIIIH", timestamp, kind, 1, size, end or 4 + size, flags) + body
    return data + struct.pack("<I", zlib.crc32(data)) if checksum else data
