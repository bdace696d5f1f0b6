"""TABLE_MAP events: the description of a table that precedes its rows.

Behind the columns' types lie optional fields of type, length and value (binlog_row_metadata). Signedness and character
sets are there even with MINIMAL, the rest with FULL only; MySQL 5.7 and MariaDB's NO_LOG have none. Most are lists over
some of the columns only: the numeric ones, those of character types, those of ENUM and SET. Layout: "Table_map_event"
in MySQL's libbinlogevents/include/rows_event.h; which columns are in which list was seen on servers
(tests/binlog/test_tablemap.py). MariaDB differs in one thing: it logs a character set for GEOMETRY columns too.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from keyshift.binlog.charsets import UnknownCharset, charset_of
from keyshift.binlog.cursor import Cursor
from keyshift.binlog.errors import Malformed
from keyshift.binlog.tables import KeyColumn, LoggedColumn, TableMap

FLOAT, DOUBLE, YEAR, VARCHAR, BIT, TIMESTAMP2, DATETIME2, TIME2, TYPED_ARRAY = 4, 5, 13, 15, 16, 17, 18, 19, 20
TIMESTAMP, DATE, TIME, DATETIME, NEW_DATE = 7, 10, 11, 12, 14  # DATE is today's; the others are from before MySQL 5.6
COMPRESSED_BLOB, COMPRESSED_VARCHAR = 140, 141  # MariaDB's
VECTOR, JSON, DECIMAL, ENUM, SET, BLOB, VAR_STRING, STRING, GEOMETRY = 242, 245, 246, 247, 248, 252, 253, 254, 255
INTEGERS: Final = {1: 1, 2: 2, 9: 3, 3: 4, 8: 8}  # their sizes in bytes
BLOBS: Final = frozenset({249, 250, 251, BLOB})
_META_SIZES: Final = dict.fromkeys(
    (VARCHAR, COMPRESSED_VARCHAR, BIT, DECIMAL, ENUM, SET, VAR_STRING, STRING), 2
) | dict.fromkeys((FLOAT, DOUBLE, TIMESTAMP2, DATETIME2, TIME2, COMPRESSED_BLOB, VECTOR, JSON, GEOMETRY, *BLOBS), 1)
_NUMERIC: Final = frozenset({*INTEGERS, FLOAT, DOUBLE, DECIMAL, YEAR})
_CHARACTER: Final = frozenset({VARCHAR, VAR_STRING, STRING, *BLOBS, COMPRESSED_VARCHAR, COMPRESSED_BLOB, VECTOR})
_LABELLED: Final = frozenset({ENUM, SET})
_EVERY: Final = frozenset(range(256))
_SHORT_STRING: Final = 0x30  # bits that every real type of a STRING has; its length's highest bits are hidden in them

_SIGNEDNESS, _DEFAULT_CHARSET, _COLUMN_CHARSET, _COLUMN_NAME, _SET_VALUES, _ENUM_VALUES, _GEOMETRY_TYPE = range(1, 8)
_SIMPLE_KEY, _PREFIX_KEY, _LABELS_DEFAULT_CHARSET, _LABELS_CHARSET, _VISIBILITY, _DIMENSIONS = range(8, 14)

_Options = dict[int, Cursor]
_Values = Iterable[Any]
# By an option's type: the attribute that it gives, the columns' types that it is about, how it is read.
_Lists = Mapping[int, tuple[str, frozenset[int], Callable[[Cursor, int], _Values]]]


def parse_table_map(body: bytes, *, mariadb: bool = False) -> TableMap:
    """The table map in an event's body, which begins with the table's id, of a server of that family.

    Raises Malformed where it is none.
    """
    try:
        return _parse(Cursor(body, 8), _GEOMETRIES_HAVE_CHARSETS if mariadb else _LISTS)  # behind the id and the flags
    except UnicodeDecodeError as error:
        raise Malformed("a table map holds a name that is not UTF-8") from error
    except UnknownCharset as error:
        raise Malformed(f"a table map: {error}") from error


def _parse(cursor: Cursor, lists: _Lists) -> TableMap:
    database, table = _name(cursor), _name(cursor)
    types = cursor.take(cursor.lenenc())
    metadata = cursor.part(cursor.lenenc())
    described = [_described(kind, metadata) for kind in types]
    if metadata:
        raise Malformed("a table map has more metadata than its columns")
    nulls = int.from_bytes(cursor.take((len(types) + 7) // 8), "little")
    columns = [LoggedColumn(kind, meta, bool(nulls >> at & 1)) for at, (kind, meta) in enumerate(described)]
    options = _options(cursor)
    completed = tuple(_completed(columns, options, lists))
    key = tuple(_primary_key(options, len(columns)))
    return TableMap(database, table, completed, key, full=_COLUMN_NAME in options)


def _name(cursor: Cursor) -> str:
    name = cursor.take(cursor.byte()).decode()
    if cursor.byte():
        raise Malformed("a name in a table map does not end where it should")
    return name


def _described(kind: int, metadata: Cursor) -> tuple[int, int]:
    """A column's type, resolved, and its metadata."""
    if kind == TYPED_ARRAY:
        return kind, _described(metadata.byte(), metadata)[1]
    meta = metadata.number(_META_SIZES.get(kind, 0))
    if kind != STRING:
        return kind, meta
    real = meta & 0xFF | _SHORT_STRING
    if real not in {STRING, ENUM, SET}:
        raise Malformed(f"a table map has a string of unknown type {real}")
    return real, meta


def _options(cursor: Cursor) -> _Options:
    options = {}
    while cursor:
        kind = cursor.byte()
        options[kind] = cursor.part(cursor.lenenc())
    return options


def _completed(columns: Sequence[LoggedColumn], options: _Options, lists: _Lists) -> Iterator[LoggedColumn]:
    """The columns with all that is known about each. Options of unknown types only inform: they are passed over."""
    found: list[dict[str, Any]] = [{} for _ in columns]
    for kind in options.keys() & lists:
        name, types, read = lists[kind]
        chosen = [changes for column, changes in zip(columns, found, strict=True) if column.type in types]
        for changes, value in zip(chosen, _exactly(len(chosen), read(options[kind], len(chosen))), strict=True):
            changes[name] = value
    return (replace(column, **changes) for column, changes in zip(columns, found, strict=True))


def _exactly(count: int, values: _Values) -> list[Any]:
    listed = list(values)
    if len(listed) != count:
        raise Malformed(f"a table map describes {len(listed)} columns where it has {count}")
    return listed


def _bits(part: Cursor, count: int) -> _Values:
    """One bit for each, the highest of a byte first."""
    size = (count + 7) // 8
    bits = int.from_bytes(part.take(size), "big")
    if part:
        raise Malformed("a bitmap in a table map is longer than what it is about")
    return (bool(bits >> (8 * size - 1 - at) & 1) for at in range(count))


def _names(part: Cursor, _count: int) -> _Values:
    while part:
        yield part.text().decode()


def _numbers(part: Cursor, _count: int) -> _Values:
    return part.numbers()


def _label_lists(part: Cursor, _count: int) -> _Values:
    while part:
        yield tuple(part.text() for _ in range(part.lenenc()))


def _charsets(part: Cursor, _count: int) -> _Values:
    return map(charset_of, part.numbers())


def _default_charset(part: Cursor, count: int) -> _Values:
    """The collation of most, then pairs: the index (among these columns) and collation of each that has another."""
    collations = [part.lenenc()] * count
    while part:
        index = part.lenenc()
        if index >= count:
            raise Malformed("a table map has a character set for a column that it has not")
        collations[index] = part.lenenc()
    return map(charset_of, collations)


_LISTS: Final[_Lists] = {
    _SIGNEDNESS: ("unsigned", _NUMERIC, _bits),
    _DEFAULT_CHARSET: ("charset", _CHARACTER, _default_charset),
    _COLUMN_CHARSET: ("charset", _CHARACTER, _charsets),
    _COLUMN_NAME: ("name", _EVERY, _names),
    _SET_VALUES: ("labels", frozenset({SET}), _label_lists),
    _ENUM_VALUES: ("labels", frozenset({ENUM}), _label_lists),
    _GEOMETRY_TYPE: ("geometry", frozenset({GEOMETRY}), _numbers),
    _LABELS_DEFAULT_CHARSET: ("charset", _LABELLED, _default_charset),
    _LABELS_CHARSET: ("charset", _LABELLED, _charsets),
    _VISIBILITY: ("visible", _EVERY, _bits),
    _DIMENSIONS: ("dimensions", frozenset({VECTOR}), _numbers),
}
_GEOMETRIES_HAVE_CHARSETS: Final[_Lists] = {
    **_LISTS,
    _DEFAULT_CHARSET: ("charset", _CHARACTER | {GEOMETRY}, _default_charset),
    _COLUMN_CHARSET: ("charset", _CHARACTER | {GEOMETRY}, _charsets),
}


def _primary_key(options: _Options, count: int) -> Iterator[KeyColumn]:
    if _PREFIX_KEY in options:
        numbers = list(options[_PREFIX_KEY].numbers())
    else:
        numbers = [number for index in options.get(_SIMPLE_KEY, Cursor(b"")).numbers() for number in (index, 0)]
    if len(numbers) % 2 or any(index >= count for index in numbers[::2]):
        raise Malformed("a table map has a primary key of columns that it has not")
    return (KeyColumn(index, prefix) for index, prefix in zip(numbers[::2], numbers[1::2], strict=True))
