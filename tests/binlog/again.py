"""From canonical values back to what is stored, for the types whose value says all of it."""

import calendar
import re
from collections.abc import Callable, Sequence
from typing import Any

from keymap.values import Row
from keyshift.binlog.fields import Field, Kind
from tests.binlog import encode
from tests.binlog import encode_values as store

TYPES = ("integer", "decimal", "float", "date", "year", "bit", "timestamp", "datetime", "time", "enum", "set", "bytes")


def _numbers(text: str) -> list[int]:
    whole, _, part = text.rstrip("Z").partition(".")
    return [*map(int, re.findall(r"\d+", whole)), int(part.ljust(6, "0"))]


def _date(value: Any, _field: Field) -> bytes:
    year, month, day, _ = _numbers(value)
    return store.date(year, month, day)


def _timestamp(value: Any, field: Field) -> bytes:
    *moment, microsecond = _numbers(value)
    seconds = calendar.timegm((*moment, 0, 0, 0)) if any(moment) else 0
    return store.timestamp2(seconds, microsecond, field.scale)


def _datetime(value: Any, field: Field) -> bytes:
    year, month, day, hour, minute, second, microsecond = _numbers(value)
    return store.datetime2((year, month, day), (hour, minute, second, microsecond), field.scale)


def _time(value: Any, field: Field) -> bytes:
    hour, minute, second, microsecond = _numbers(value)
    return store.time2(-1 if value.startswith("-") else 1, (hour, minute, second, microsecond), field.scale)


def _set(value: Any, field: Field) -> bytes:
    return store.integer(sum(1 << field.labels.index(label) for label in value), field.size)


_ENCODERS: dict[Kind, Callable[[Any, Field], bytes]] = {
    Kind.INT: lambda value, field: store.integer(value, field.size),
    Kind.UINT: lambda value, field: store.integer(value, field.size),
    Kind.FLOAT: lambda value, _field: store.single(float(value)),
    Kind.DOUBLE: lambda value, _field: store.double(float(value)),
    Kind.DECIMAL: lambda value, field: store.decimal(value, field.size, field.scale),
    Kind.DATE: _date,
    Kind.YEAR: lambda value, _field: store.year(value),
    Kind.BIT: lambda value, field: store.bits(value, field.size),
    Kind.TIMESTAMP: _timestamp,
    Kind.DATETIME: _datetime,
    Kind.TIME: _time,
    Kind.ENUM: lambda value, field: store.integer(field.labels.index(value), field.size),
    Kind.SET: _set,
    Kind.BYTES: lambda value, field: store.prefixed(value, field.size),
}


def images(rows: Sequence[Row], fields: Sequence[Field], *, fill: bool) -> bytes:
    """The images of these rows. `fill` sets the bits of the bitmaps that stand for no column."""
    return b"".join(
        encode.image(
            [None if (value := row[field.name]) is None else _ENCODERS[field.kind](value, field) for field in fields],
            fill=fill,
        )
        for row in rows
    )
