"""Hypothesis strategies: columns of dates and times, also as they were stored before MySQL 5.6."""

from typing import Any

from hypothesis import strategies as st

from tests.binlog import encode
from tests.binlog import encode_values as store
from tests.binlog.drawn import Drawn, Maker, Value, of_column
from tests.binlog.encode import Column

_DATES = st.tuples(st.integers(0, 9999), st.integers(0, 12), st.integers(0, 31)) | st.sampled_from(
    [(0, 0, 0), (2024, 0, 0), (2024, 2, 31), (9999, 12, 31), (1000, 1, 1)]
)
_CLOCKS = st.tuples(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
_SPANS = st.tuples(st.integers(0, 838), st.integers(0, 59), st.integers(0, 59)) | st.just((838, 59, 59))
_DIGITS = st.integers(0, 6)


def _date_text(date: tuple[int, int, int]) -> str:
    return "{:04d}-{:02d}-{:02d}".format(*date)


def _clock_text(clock: tuple[int, int, int], microsecond: int, digits: int) -> str:
    return "{:02d}:{:02d}:{:02d}".format(*clock) + (f".{microsecond:06d}"[: digits + 1] if digits else "")


def _microseconds(digits: int) -> st.SearchStrategy[int]:
    step = 10 ** (6 - digits)
    top = 10**digits - 1
    return (st.integers(0, top) | st.sampled_from([0, min(1, top), top])).map(lambda number: number * step)


def _date(draw: st.DrawFn, name: str) -> Drawn:
    kind = draw(st.sampled_from([encode.DATE, encode.NEWDATE]))
    values = _DATES.map(lambda date: Value(store.date(*date), _date_text(date)))
    return of_column(Column(name, kind), "date", "date", values)


def _year(_draw: st.DrawFn, name: str) -> Drawn:
    years = (st.just(0) | st.integers(1901, 2155)).map(lambda year: Value(store.year(year), year))
    return of_column(Column(name, encode.YEAR, unsigned=True), "year", "year(4)", years)


def _datetime(draw: st.DrawFn, name: str) -> Drawn:
    digits = draw(_DIGITS)

    def value(drawn: tuple[Any, Any, int]) -> Value:
        date, clock, microsecond = drawn
        data = store.datetime2(date, (*clock, microsecond), digits)
        return Value(data, f"{_date_text(date)}T{_clock_text(clock, microsecond, digits)}")

    values = st.tuples(_DATES, _CLOCKS, _microseconds(digits)).map(value)
    return of_column(Column(name, encode.DATETIME2, bytes([digits])), "datetime", _full("datetime", digits), values)


def _time(draw: st.DrawFn, name: str) -> Drawn:
    digits = draw(_DIGITS)

    def value(drawn: tuple[int, Any, int]) -> Value:
        sign, clock, microsecond = drawn
        minus = "-" if sign < 0 and (any(clock) or microsecond) else ""
        data = store.time2(sign, (*clock, microsecond), digits)
        return Value(data, minus + _clock_text(clock, microsecond, digits))

    values = st.tuples(st.sampled_from([1, -1]), _SPANS, _microseconds(digits)).map(value)
    return of_column(Column(name, encode.TIME2, bytes([digits])), "time", _full("time", digits), values)


def _timestamp(draw: st.DrawFn, name: str) -> Drawn:
    digits = draw(_DIGITS)

    def value(drawn: tuple[int, int]) -> Value:
        seconds, microsecond = drawn
        if not seconds:
            return Value(store.timestamp2(0, 0, digits), f"0000-00-00T{_clock_text((0, 0, 0), 0, digits)}Z")
        data = store.timestamp2(seconds, microsecond, digits)
        return Value(data, _moment(seconds) + f".{microsecond:06d}"[: digits + 1] * bool(digits) + "Z")

    values = st.tuples(_SECONDS, _microseconds(digits)).map(value)
    return of_column(Column(name, encode.TIMESTAMP2, bytes([digits])), "timestamp", _full("timestamp", digits), values)


_SECONDS = st.integers(0, (1 << 31) - 1) | st.sampled_from([0, 1, 951_782_400, (1 << 31) - 1])


def _moment(seconds: int) -> str:
    """ISO 8601 of a Unix time, by the proleptic calendar's arithmetic rather than by datetime."""
    days, rest = divmod(seconds, 86_400)
    shifted = days + 719_468  # since 0000-03-01
    era, day_of_era = divmod(shifted, 146_097)
    year = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year + year // 4 - year // 100)
    month = (5 * day_of_year + 2) // 153
    date = (
        year + era * 400 + (month >= 10),
        month + 3 if month < 10 else month - 9,
        day_of_year - (153 * month + 2) // 5 + 1,
    )
    return f"{_date_text(date)}T{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"


def _full(word: str, digits: int) -> str:
    return f"{word}({digits})" if digits else word


def _old_moment(draw: st.DrawFn, name: str) -> Drawn:
    """The forms before MySQL 5.6, which a table keeps until it is rebuilt. No fractions."""
    kind = draw(st.sampled_from(["timestamp", "datetime", "time"]))
    if kind == "timestamp":
        zero = "0000-00-00T00:00:00"
        values = _SECONDS.map(lambda s: Value(store.integer(s, 4), (_moment(s) if s else zero) + "Z"))
        return of_column(Column(name, encode.TIMESTAMP), kind, kind, values)
    if kind == "datetime":
        pairs = st.tuples(_DATES, _CLOCKS)
        values = pairs.map(
            lambda one: Value(store.old_datetime(*one), f"{_date_text(one[0])}T{_clock_text(one[1], 0, 0)}")
        )
        return of_column(Column(name, encode.DATETIME), kind, kind, values)
    spans = st.tuples(st.sampled_from([1, -1]), _SPANS)
    values = spans.map(
        lambda one: Value(store.old_time(*one), ("-" if one[0] < 0 and any(one[1]) else "") + _clock_text(one[1], 0, 0))
    )
    return of_column(Column(name, encode.TIME), kind, kind, values)


MOMENTS: dict[str, Maker] = {
    "date": _date,
    "year": _year,
    "datetime": _datetime,
    "time": _time,
    "timestamp": _timestamp,
    "old moment": _old_moment,
}
