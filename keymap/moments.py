"""Dates and times within templates: reformatting, and seconds since 1970.

They work on canonical text: ``2024-02-29``, ``2024-02-29T23:59:59.123456``, and with ``Z`` at its end for a TIMESTAMP.
Nothing here depends on the machine: no locale, and the zones are those of the tzdata package, not of the system, so
that the load, the capture and the Lambda function agree.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from zoneinfo import ZoneInfo

from keymap.kinds import MOMENTS, Kind, Unfit, kind_of_value, wrong
from keymap.values import Canonical

_MOMENT = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(Z)?)?", re.ASCII).fullmatch
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_WANTED = "a DATE, DATETIME or TIMESTAMP"
_REMEDY = "Use a column of one of these types"
_PARTIAL = "Filter such rows out, or correct them in the source"

Found = re.Match[str]  # groups: year, month, day, hour, minute, second, fraction, Z
_YEAR, _MONTH, _DAY, _HOUR, _MINUTE, _SECONDS, _FRACTION, _UTC = range(1, 9)


def kind_of_text(text: str) -> Kind:
    """The kind of moment that a text is, else "text"."""
    found = _MOMENT(text)
    if not found:
        return "text"
    return "timestamp" if found[_UTC] else "datetime" if found[_HOUR] else "date"


def _found(value: Canonical) -> Found:
    found = _MOMENT(value) if isinstance(value, str) else None
    if not found:
        raise wrong(_WANTED, kind_of_value(value), _REMEDY)
    return found


def _taken(kind: Kind) -> None:
    if kind not in MOMENTS and kind != "any":
        raise wrong(_WANTED, kind, _REMEDY)


def _given(group: int, code: str) -> Callable[[Found], str]:
    """A part of the date as it stands. Zeros for year, month and day mean that there is none."""

    def text(found: Found) -> str:
        part = found[group]
        if part is None or (group <= _DAY and not int(part)):
            raise Unfit(f"needs what {code} stands for, and the date is zero, partial or without a time", _PARTIAL)
        return part

    return text


def _computed(compute: Callable[[date], str], code: str) -> Callable[[Found], str]:
    """What follows from the whole date."""

    def text(found: Found) -> str:
        try:
            return compute(date(int(found[_YEAR]), int(found[_MONTH]), int(found[_DAY])))
        except ValueError:
            raise Unfit(f"needs a whole and real date for {code}, and this is none", _PARTIAL) from None

    return text


def _two_digits(found: Found) -> str:
    return _given(_YEAR, "%y")(found)[2:]


def _microseconds(found: Found) -> str:
    _given(_HOUR, "%f")(found)
    return (found[_FRACTION] or "").ljust(6, "0")


_CODES: Mapping[str, tuple[Callable[[Found], str], int]] = MappingProxyType(
    {  # how it is made, and its width in characters
        "%Y": (_given(_YEAR, "%Y"), 4),
        "%y": (_two_digits, 2),
        "%m": (_given(_MONTH, "%m"), 2),
        "%d": (_given(_DAY, "%d"), 2),
        "%H": (_given(_HOUR, "%H"), 2),
        "%M": (_given(_MINUTE, "%M"), 2),
        "%S": (_given(_SECONDS, "%S"), 2),
        "%f": (_microseconds, 6),
        "%j": (_computed(lambda day: f"{day.timetuple().tm_yday:03d}", "%j"), 3),
        "%G": (_computed(lambda day: f"{day.isocalendar().year:04d}", "%G"), 4),
        "%V": (_computed(lambda day: f"{day.isocalendar().week:02d}", "%V"), 2),
        "%u": (_computed(lambda day: str(day.isoweekday()), "%u"), 1),
        "%%": (lambda _: "%", 1),
    }
)
_OF_A_TIME = frozenset({"%H", "%M", "%S", "%f"})


class DateFormat:
    """A format such as ``%Y-%m``, taken apart once. Raises ValueError for a code that is not known."""

    def __init__(self, text: str) -> None:
        pieces = re.findall(r"%.?|[^%]+", text, re.DOTALL)
        unknown = [piece for piece in pieces if piece[0] == "%" and piece not in _CODES]
        if unknown:
            raise ValueError(f"date code {unknown[0]!r} is not known; there are {' '.join(_CODES)}")
        self._codes = frozenset(pieces) & _CODES.keys()
        if not self._codes - {"%%"}:
            raise ValueError(f"the format holds no date code; there are {' '.join(_CODES)}")
        self._makers = tuple(_CODES[piece][0] if piece in _CODES else _literal(piece) for piece in pieces)
        self.width = sum(_CODES[piece][1] if piece in _CODES else len(piece) for piece in pieces)

    def __call__(self, value: Canonical) -> str:
        """The date in this format; a TIMESTAMP's is that of UTC. Raises Unfit."""
        found = _found(value)
        return "".join([make(found) for make in self._makers])

    def judge(self, kind: Kind) -> Kind:
        """The kind of the result. Raises Unfit for a kind that has no date, or not enough of one."""
        _taken(kind)
        if kind == "date" and self._codes & _OF_A_TIME:
            codes = " ".join(sorted(self._codes & _OF_A_TIME))
            raise Unfit(f"is asked for {codes}, and a DATE has no time", "Leave these codes out")
        return "text"


def _literal(text: str) -> Callable[[Found], str]:
    return lambda _: text


class Epoch:
    """Whole seconds since 1970, rounded down. Raises ValueError for a zone that is not known.

    A local time that the clocks of the zone skip counts by the offset before the change (02:30 is 03:30 of summer
    time); of one that they show twice, the first counts. This is what Python's fold=0 means (PEP 495).
    """

    def __init__(self, name: str | None) -> None:
        self._zone = None if name is None else zone(name)

    def __call__(self, value: Canonical) -> int:
        """The seconds. Raises Unfit for zero, partial and unreal dates, and for a zone missing or superfluous."""
        found = _found(value)
        self.judge("timestamp" if found[_UTC] else "datetime" if found[_HOUR] else "date")
        numbers = [int(found[group] or 0) for group in range(_YEAR, _SECONDS + 1)]  # the fraction is rounded away
        try:
            moment = datetime(*numbers, tzinfo=self._zone or UTC)  # type: ignore[arg-type, misc]  # six numbers
        except ValueError:
            raise Unfit("needs a whole and real date, and this is none", _PARTIAL) from None
        return (moment - _EPOCH) // _SECOND

    def judge(self, kind: Kind) -> Kind:
        """The kind of the result. Raises Unfit where a zone is needed and not named, or named and not needed."""
        _taken(kind)
        if kind == "timestamp" and self._zone:
            raise Unfit("is given a zone, and a TIMESTAMP is an instant that needs none", "Write epoch without zone")
        if kind in {"date", "datetime"} and not self._zone:
            what = f"needs a zone for a {kind.upper()}, which has none"
            raise Unfit(what, "Name the one that it was written in, as in epoch(zone='Europe/Berlin')")
        return "integer"


@lru_cache
def _zone_names() -> tuple[str, ...]:
    return tuple(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


@lru_cache
def zone(name: str) -> ZoneInfo:
    """A time zone of the tzdata package by its IANA name. Raises ValueError."""
    if name not in _zone_names():
        close = get_close_matches(name, _zone_names(), n=3)
        hint = f"perhaps {' or '.join(close)}" if close else "it is an IANA name, such as Europe/Berlin or UTC"
        raise ValueError(f"zone {name!r} is not known: {hint}")
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)
