"""From a logged column to how its values are read: one Field for every type of MySQL and MariaDB.

What is logged with the rows decides. What no table map tells (that sixteen bytes are a UUID), or what this one was
written without (binlog_row_metadata), comes from the table's schema.
"""

from collections.abc import Callable, Mapping
from typing import Final

from keymap.schema import Column
from keymap.values import UnsupportedType, fraction_digits, labels
from keyshift.binlog import special, stored
from keyshift.binlog import tablemap as types
from keyshift.binlog.charsets import UnknownCharset, decoder
from keyshift.binlog.decimals import decimal
from keyshift.binlog.errors import Malformed, NoText
from keyshift.binlog.fields import Field, Kind, Read
from keyshift.binlog.tables import LoggedColumn

_UTF8: Final = frozenset({"utf8mb4", "utf8mb3", "utf8"})
_BEYOND_UTF8MB3: Final = frozenset({"utf8mb4", "utf16", "utf16le", "utf32", "gb18030"})
_BINARY: Final = "binary"
_DIGITS_MAX: Final = 65  # of a DECIMAL
_FRACTION_MAX: Final = 6  # digits of a second
_SET_BYTES_MAX: Final = 8
_BLOB_WIDTHS: Final = {249: 1, 250: 3, 251: 4}  # TINY, MEDIUM and LONG; a plain BLOB's metadata tells
_REMEDY: Final = "Exclude the table from the keymap, or convert the column to a supported type first"

_Builder = Callable[[LoggedColumn, Column | None, str], Field]


def field_of(column: LoggedColumn, known: Column | None, name: str) -> Field:
    """How the column is read; `known` is what information_schema says of it now, None where nobody asked.

    Raises UnsupportedType, which names column and type, for what cannot be read exactly; Malformed for metadata that
    no server writes.
    """
    build = _BUILDERS.get(column.type)
    if build is None:
        raise _unsupported(column, known, name, "which is not read")
    try:
        return build(column, known, name)
    except UnknownCharset as error:
        raise _unsupported(column, known, name, f"and {error}") from None


def _unsupported(column: LoggedColumn, known: Column | None, name: str, why: str) -> UnsupportedType:
    kind = known.column_type if known else f"number {column.type} of the binlog"
    return UnsupportedType(f"column {name} has type {kind}, {why}", _REMEDY)


def _fixed(kind: Kind, read: Read, size: int = 0) -> _Builder:
    return lambda _column, _known, name: Field(name, kind, read, size)


def _integer(size: int) -> _Builder:
    def build(column: LoggedColumn, known: Column | None, name: str) -> Field:
        unsigned = column.unsigned
        if unsigned is None:
            if known is None:
                raise _unsupported(column, known, name, "and the binlog does not tell whether it is unsigned")
            unsigned = "unsigned" in known.column_type.lower()
        kind = Kind.UINT if unsigned else Kind.INT
        return Field(name, kind, stored.integer(size, signed=not unsigned), size)

    return build


def _decimal(column: LoggedColumn, _known: Column | None, name: str) -> Field:
    precision, scale = column.meta & 0xFF, column.meta >> 8
    if not scale <= precision <= _DIGITS_MAX or not precision:
        raise Malformed(f"a DECIMAL of {precision} digits, {scale} of them behind the point")
    return Field(name, Kind.DECIMAL, decimal(precision, scale), precision, scale)


def _bit(column: LoggedColumn, _known: Column | None, name: str) -> Field:
    size = (column.meta >> 8) + (column.meta & 0xFF > 0)  # whole bytes, and bits beyond them
    return Field(name, Kind.BIT, stored.bits(size), size)


def _fractional(kind: Kind, read_of: Callable[[int], Read]) -> _Builder:
    def build(column: LoggedColumn, _known: Column | None, name: str) -> Field:
        if column.meta > _FRACTION_MAX:
            raise Malformed(f"a time with {column.meta} digits of a second")
        return Field(name, kind, read_of(column.meta), scale=column.meta)

    return build


def _old(read: Read) -> _Builder:
    """Temporal types as before MySQL 5.6. MariaDB's own form of them with fractions is of a size that is not logged."""

    def build(column: LoggedColumn, known: Column | None, name: str) -> Field:
        if known is not None and fraction_digits(known):
            raise _unsupported(column, known, name, "in MariaDB's old format, which is not read")
        return Field(name, Kind.OTHER, read)

    return build


def _charset(column: LoggedColumn, known: Column | None, name: str) -> str:
    """The character set, "binary" for bytes."""
    if column.charset is not None:
        return column.charset
    if known is None:
        raise _unsupported(column, known, name, "and the binlog does not tell its character set")
    return known.charset or _BINARY


def _decode(charset: str, name: str) -> Callable[[bytes], str] | None:
    """None for UTF-8. Raises NoText, naming the column: servers store bytes that are no text, and lose them."""
    if charset in _UTF8:
        return None
    decode = decoder(charset)

    def named(data: bytes) -> str:
        try:
            return decode(data)
        except UnicodeDecodeError:
            raise NoText(f"column {name} holds bytes that are no text in its character set {charset}") from None

    return named


def _string(column: LoggedColumn, known: Column | None, name: str, size: int) -> Field:
    """A string of varying length, whose length is in `size` bytes."""
    charset = _charset(column, known, name)
    if charset == _BINARY:
        return Field(name, Kind.BYTES, stored.byte_string(size), size)
    decode = _decode(charset, name)
    return Field(name, Kind.TEXT, stored.text(size, decode), size, decode=decode)


def _varchar(column: LoggedColumn, known: Column | None, name: str) -> Field:
    return _string(column, known, name, _length_bytes(column.meta))


def _length_bytes(length_max: int) -> int:
    return 1 if length_max <= 0xFF else 2  # noqa: PLR2004 - what one byte holds


def _char(column: LoggedColumn, known: Column | None, name: str) -> Field:
    """CHAR and BINARY, and what MariaDB stores as BINARY. The length's two highest bits are inverted in the type."""
    width = column.meta >> 8 | ((column.meta & 0x30) ^ 0x30) << 4
    size = _length_bytes(width)
    if known is not None and known.data_type in _IN_BINARY:
        return Field(name, Kind.OTHER, _IN_BINARY[known.data_type](size))
    if _charset(column, known, name) == _BINARY:
        return Field(name, Kind.BINARY, stored.padded(size, width), size, width)
    return _string(column, known, name, size)


def _blob(column: LoggedColumn, known: Column | None, name: str) -> Field:
    return _string(column, known, name, _blob_width(column))


def _blob_width(column: LoggedColumn) -> int:
    width = _BLOB_WIDTHS.get(column.type, column.meta)
    if not 1 <= width <= 4:  # noqa: PLR2004
        raise Malformed(f"a BLOB whose length has {width} bytes")
    return width


def _compressed_varchar(column: LoggedColumn, known: Column | None, name: str) -> Field:
    return _compressed(column, known, name, _length_bytes(column.meta))


def _compressed_blob(column: LoggedColumn, known: Column | None, name: str) -> Field:
    return _compressed(column, known, name, _blob_width(column))


def _compressed(column: LoggedColumn, known: Column | None, name: str, size: int) -> Field:
    charset = _charset(column, known, name)
    if charset == _BINARY:
        return Field(name, Kind.OTHER, special.compressed(size, bytes))
    return Field(name, Kind.OTHER, special.compressed(size, _decode(charset, name) or bytes.decode))


def _vector(column: LoggedColumn, _known: Column | None, name: str) -> Field:
    return Field(name, Kind.OTHER, special.vector(_blob_width(column)))


def _bytes(column: LoggedColumn, _known: Column | None, name: str) -> Field:
    width = _blob_width(column)
    return Field(name, Kind.BYTES, stored.byte_string(width), width)


def _json(column: LoggedColumn, _known: Column | None, name: str) -> Field:
    width = _blob_width(column)
    return Field(name, Kind.JSON, stored.json(width), width)


def _enum(column: LoggedColumn, known: Column | None, name: str) -> Field:
    names = ("", *_labels(column, known, name))  # 0 is what an invalid value was stored as
    size = column.meta >> 8
    if size not in {1, 2}:
        raise Malformed(f"an ENUM of {size} bytes")
    return Field(name, Kind.ENUM, stored.enum(size, names), size, labels=names)


def _set(column: LoggedColumn, known: Column | None, name: str) -> Field:
    names = _labels(column, known, name)
    size = column.meta >> 8
    if not 1 <= size <= _SET_BYTES_MAX:
        raise Malformed(f"a SET of {size} bytes")
    return Field(name, Kind.SET, stored.members(size, names), size, labels=names)


def _labels(column: LoggedColumn, known: Column | None, name: str) -> tuple[str, ...]:
    if not column.labels:
        if known is None:
            raise _unsupported(column, known, name, "and the binlog does not tell its values")
        names = labels(known)
        if known.charset in _BEYOND_UTF8MB3 and any("?" in label for label in names):
            what = "and a '?' in its values may stand for a character that only binlog_row_metadata=FULL would tell"
            raise _unsupported(column, known, name, what)
        return names
    charset = _charset(column, known, name)
    decode = bytes.decode if charset == _BINARY else decoder(charset)
    try:
        return tuple(map(decode, column.labels))
    except UnicodeDecodeError:
        raise _unsupported(column, known, name, f"with values that are not in its character set {charset}") from None


_IN_BINARY: Final[Mapping[str, Callable[[int], Read]]] = {  # what only MariaDB has, and logs as BINARY
    "uuid": special.uuid,
    "inet4": special.inet4,
    "inet6": special.inet6,
}

_BUILDERS: Final[Mapping[int, _Builder]] = {
    **{kind: _integer(size) for kind, size in types.INTEGERS.items()},
    types.FLOAT: _fixed(Kind.FLOAT, stored.float32),
    types.DOUBLE: _fixed(Kind.DOUBLE, stored.double),
    types.DECIMAL: _decimal,
    types.BIT: _bit,
    types.YEAR: _fixed(Kind.YEAR, stored.year),
    types.DATE: _fixed(Kind.DATE, stored.date),
    types.NEW_DATE: _fixed(Kind.DATE, stored.date),
    types.TIMESTAMP: _old(special.old_timestamp),
    types.DATETIME: _old(special.old_datetime),
    types.TIME: _old(special.old_time),
    types.TIMESTAMP2: _fractional(Kind.TIMESTAMP, stored.timestamp),
    types.DATETIME2: _fractional(Kind.DATETIME, stored.datetime),
    types.TIME2: _fractional(Kind.TIME, stored.time),
    types.VARCHAR: _varchar,
    types.VAR_STRING: _varchar,
    types.STRING: _char,
    **dict.fromkeys(types.BLOBS, _blob),
    types.COMPRESSED_VARCHAR: _compressed_varchar,
    types.COMPRESSED_BLOB: _compressed_blob,
    types.GEOMETRY: _bytes,
    types.VECTOR: _vector,
    types.JSON: _json,
    types.ENUM: _enum,
    types.SET: _set,
}
