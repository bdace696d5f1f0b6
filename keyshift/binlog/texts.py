"""Tables of the texts that dates and times are put together from, and values that are worth keeping.

Looking a part up is several times faster than formatting it. A number beyond a table raises IndexError: no such part.
"""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Context, Decimal
from typing import Any, Final

from keymap.values import Canonical
from keyshift.binlog import stored
from keyshift.binlog.errors import Malformed

_DATETIME_SIGN: Final = 22  # the highest of a DATETIME's bits above the hour, always set
REMEMBERED_MAX: Final = 4096  # eleven years of days; each takes some hundred bytes
EXACT: Final = Context(prec=70)  # more digits than a DECIMAL has: nothing is ever rounded

SECONDS: Final = [f"{second:02d}" for second in range(64)]
MINUTES: Final = [f"{minute:02d}:" for minute in range(64)]
HOURS: Final = [f"{hour:02d}:" for hour in range(1024)]
CLOCK: Final = [f"{packed >> 6:02d}:{packed & 63:02d}:" for packed in range(2048)]  # by hour in 5 bits, minute in 6
MINUTES_OF_DAY: Final = [f"{minute // 60:02d}:{minute % 60:02d}:" for minute in range(1440)]
YEARS: Final = [stored.year(bytes([byte]), 0)[0] for byte in range(256)]


class Remembered(dict[Any, Any]):
    """Values by what they are made from; made when they are first asked for, and all forgotten when they are many."""

    def __init__(self, make: Callable[[Any], Canonical]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Any) -> Canonical:  # noqa: ANN401 - bytes or a number
        value = self._make(key)
        if len(self) >= REMEMBERED_MAX:
            self.clear()
        self[key] = value
        return value


def _day_of_datetime(packed: int) -> str:
    """From a DATETIME's bits above the hour: a sign, 13 * year + month, the day."""
    if not packed >> _DATETIME_SIGN:
        raise Malformed(stored.NO_TIME)
    year, month = divmod(packed >> 5 & 0x1FFFF, 13)
    return f"{year:04d}-{month:02d}-{packed & 31:02d}T"


DATES: Final = Remembered(lambda packed: stored.date(packed, 0)[0])
FLOATS: Final = Remembered(lambda packed: stored.float32(packed, 0)[0])
DAYS_OF_DATETIME: Final = Remembered(_day_of_datetime)
DAYS_SINCE_1970: Final = Remembered(lambda days: f"{date(1970, 1, 1) + timedelta(days)}T")


def unit(scale: int) -> Decimal:
    """One of the last of so many decimal places."""
    return Decimal(1).scaleb(-scale)


def fraction_tables(scale: int) -> tuple[Any, ...]:
    """Tables of the texts of a second's fraction, behind a divisor: quotient and rest are looked up in one each.

    A fraction is stored with an even number of digits, of which the text has `scale`. One table does for up to two.
    """
    if scale <= 2:  # noqa: PLR2004
        return 100, [f".{number:02d}"[: scale + 1] for number in range(100)]
    width = 2 if scale <= 4 else 3  # noqa: PLR2004
    first = [f".{number:0{width}d}" for number in range(10**width)]
    return 10**width, first, [f"{number:0{width}d}"[: scale - width] for number in range(10**width)]
