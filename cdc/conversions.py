"""Does a column's new type leave every value as it is? Decided for canonical values, so for items too.

What is asked is whether a row that nobody touched reads the same afterwards, digit for digit: templates have the text
of a value, so that another scale of a DECIMAL is another key.
"""

import re
from typing import Final

from keymap.schema import Column
from keymap.values import fraction_digits, labels

_INTEGERS: Final = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}  # bits
_TEXT_BYTES: Final = {"tinytext": 2**8 - 1, "text": 2**16 - 1, "mediumtext": 2**24 - 1, "longtext": 2**32 - 1}
_BLOB_BYTES: Final = {"tinyblob": 2**8 - 1, "blob": 2**16 - 1, "mediumblob": 2**24 - 1, "longblob": 2**32 - 1}
_CHARACTER_BYTES_MAX: Final = 4
KEEPS_ALL: Final = "utf8mb4"  # to which a SELECT converts every text anyway
_SAME_CHARSET: Final = {"utf8": "utf8mb3"}
_TIMES: Final = frozenset({"time", "datetime", "timestamp"})
_SAME_TYPE: Final = {"geomcollection": "geometrycollection"}


def keeps_values(before: Column, after: Column) -> bool:
    """Whether every value of the column reads the same when its type has been changed from the one to the other."""
    if before.charset is not None and after.charset is not None and not _keeps_characters(before, after):
        return False
    return next((keeps for kinds, keeps in _KEEPS if before.data_type in kinds), _same)(before, after)


def _keeps_characters(before: Column, after: Column) -> bool:
    return _charset(after) in {_charset(before), KEEPS_ALL}


def _charset(column: Column) -> str:
    return _SAME_CHARSET.get(column.charset or "", column.charset or "")


def _limits(column: Column) -> tuple[int, int]:
    """The least and the greatest integer."""
    bits = _INTEGERS[column.data_type]
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if _signs(column) else (0, 2**bits - 1)


def _signs(column: Column) -> bool:
    return "unsigned" not in column.column_type.lower()


def _text_fits(before: Column, after: Column) -> bool:
    """CHAR loses blanks at its end, which VARCHAR keeps; the sizes of TEXT are in bytes, those of VARCHAR are not."""
    old, new = before.data_type, after.data_type
    if new in {"char", "varchar"}:
        return old in {new, "char"} and _numbers(before) <= _numbers(after)
    if new not in _TEXT_BYTES:
        return False
    if old not in _TEXT_BYTES:
        return _numbers(before)[0] * _CHARACTER_BYTES_MAX <= _TEXT_BYTES[new]
    grows = 1 if _charset(before) in {_charset(after), "utf8mb3"} else _CHARACTER_BYTES_MAX
    return _TEXT_BYTES[old] * grows <= _TEXT_BYTES[new]


def _plain(column: Column) -> str:
    return column.column_type.lower().replace(" unsigned", "").replace(" zerofill", "").replace(" ", "")


def _numbers(column: Column) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", column.column_type)))


def _same(before: Column, after: Column) -> bool:
    same = _SAME_TYPE.get(before.data_type, before.data_type) == _SAME_TYPE.get(after.data_type, after.data_type)
    return same and _numbers(before) == _numbers(after)


def _integer_fits(before: Column, after: Column) -> bool:
    if after.data_type not in _INTEGERS:
        return False
    (low, high), (lowest, highest) = _limits(before), _limits(after)
    return lowest <= low and high <= highest


def _bytes_fit(before: Column, after: Column) -> bool:
    return after.data_type in {"varbinary", *_BLOB_BYTES} and _bytes(before) <= _bytes(after)


def _bytes(column: Column) -> int:
    return _BLOB_BYTES[column.data_type] if column.data_type in _BLOB_BYTES else _numbers(column)[0]


def _decimal_fits(before: Column, after: Column) -> bool:
    if after.data_type != "decimal":
        return False
    (digits, scale), (more, same) = _numbers(before), _numbers(after)
    return scale == same and digits <= more and _signs(before) <= _signs(after)


def _same_digits(before: Column, after: Column) -> bool:
    return before.data_type == after.data_type and fraction_digits(before) == fraction_digits(after)


def _labels_begin(before: Column, after: Column) -> bool:
    known = labels(before)
    return before.data_type == after.data_type and labels(after)[: len(known)] == known


def _same_real(before: Column, after: Column) -> bool:
    """(M,D) rounds."""
    return _plain(before) == _plain(after) and _signs(before) <= _signs(after)


_KEEPS: Final = (
    (frozenset(_INTEGERS), _integer_fits),
    (frozenset({"char", "varchar", *_TEXT_BYTES}), _text_fits),
    (frozenset({"varbinary", *_BLOB_BYTES}), _bytes_fit),
    (frozenset({"decimal"}), _decimal_fits),
    (_TIMES, _same_digits),
    (frozenset({"enum", "set"}), _labels_begin),
    (frozenset({"float", "double"}), _same_real),
    (frozenset({"year"}), lambda before, after: before.data_type == after.data_type),
)
