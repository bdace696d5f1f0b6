"""The write units that a load may spend, for each target table on its own: what is set, and what the table takes.

DynamoDB counts a table (with its local indexes) and each of its global indexes apart, and each has its own capacity;
an index that lacks it makes writes to its table fail. So a limit holds for the table and for each global index by
itself, and a write waits for all of them. What was found out by throttles (bulkload/load/rate) is the table's:
DynamoDB's answer does not say reliably which of them it was.

A process is given its share of the whole. Shares are fixed, since processes that do not speak to each other cannot
lend: a process that has nothing to write leaves its share unused.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from bulkload.load.rate import Rate
from keymap.errors import KeyshiftError, Problem, Problems
from keymap.item_units import TABLE, Units
from keymap.targets import Target
from keyshift.aws.capacity import Capacity, read_capacity
from keyshift.aws.clients import DynamoDBClient
from keyshift.process.clock import boottime
from keyshift.process.log import get_logger
from keyshift.process.stop import Stop
from keyshift.process.tasks import BulkloadSettings

_log = get_logger(__name__)

LOOK_SECONDS_MAX: Final = 1.0  # asleep at a time: the limit may have changed meanwhile
TOLD_SECONDS_MIN: Final = 1.0  # that is worth telling: of all calls in flight, for one chunk
REFRESH_SECONDS: Final = 60.0  # between two looks at the tables' capacity: auto scaling acts within minutes

Ceilings = Mapping[tuple[str, str], float]  # units a second by table and global index (TABLE for the table itself)


class Budget:
    """What one process may spend, which is `share` (0 to 1) of `ceilings`. For use by several threads.

    `read_ceilings` gives them anew, where they depend on what the tables are, and may change.
    """

    def __init__(
        self,
        ceilings: Ceilings,
        stop: Stop,
        share: float = 1.0,
        *,
        read_ceilings: Callable[[], Ceilings] | None = None,
        clock: Callable[[], float] = boottime,
    ) -> None:
        self._stop = stop
        self._share = share
        self._read_ceilings = read_ceilings
        self._clock = clock
        self._rates: dict[tuple[str, str], Rate] = {}
        self._waited: dict[str, float] = {}  # seconds, all threads together, since somebody asked
        self._lock = threading.Lock()
        self._refresh_at = clock() + REFRESH_SECONDS
        self._set(ceilings)

    def limited(self, table: str) -> bool:
        """Whether writes to the table may have to wait: whoever asks must then say what they cost."""
        return any(rate.limited for rate in self._of(table).values())

    def wait_seconds(self, table: str) -> float:
        """How long a write to the table that is asked for now would wait, as things are."""
        return max(rate.wait_seconds() for rate in self._of(table).values())

    def units_per_second(self, table: str) -> float | None:
        """What may be spent on the table itself now, None for no limit."""
        return self._of(table)[TABLE].units_per_second

    def take(self, table: str, units: Units) -> None:
        """Wait until so much may be spent, for however long that is. Raises Stopped."""
        self._refresh()
        rates = self._of(table)
        turns = [(rate, rate.ask(units.get(payer, 0.0))) for payer, rate in rates.items()]
        try:
            for rate, ticket in turns:
                while seconds := rate.wait_seconds(ticket):
                    self._wait(table, min(seconds, LOOK_SECONDS_MAX))
        except BaseException:
            self.spent(table, units, {})
            raise

    def waits(self) -> str:
        """What writes have waited for since this was asked last; "" where they have not for a second in all."""
        with self._lock:
            waited, self._waited = self._waited, {}
        table = max(waited, key=lambda name: waited[name], default="")
        return f"write capacity of {table}" if waited.get(table, 0.0) >= TOLD_SECONDS_MIN else ""

    def _wait(self, table: str, seconds: float) -> None:
        with self._lock:
            self._waited[table] = self._waited.get(table, 0.0) + seconds
        self._stop.sleep(seconds)

    def spent(self, table: str, taken: Units, used: Units) -> None:
        """What a write for which `taken` was taken has really used; {} where it was not done."""
        self._spent(table, taken, used, refused=False)

    def throttled(self, table: str, taken: Units, used: Units) -> None:
        """The same of a write that the table refused for want of capacity, or a part of it."""
        self._spent(table, taken, used, refused=True)
        rate = self._of(table)[TABLE]
        if rate.fall():
            _log.info("table_throttled", table=table, units_per_second=round(rate.units_per_second or 0.0, 1))

    def _spent(self, table: str, taken: Units, used: Units, *, refused: bool) -> None:
        for payer, rate in self._of(table).items():
            rate.spent(taken.get(payer, 0.0), used.get(payer, 0.0), refused=refused)

    def _of(self, table: str) -> dict[str, Rate]:
        """The rates of the table and of those of its indexes that have a limit, by what pays."""
        with self._lock:
            if (table, TABLE) not in self._rates:
                self._rates[table, TABLE] = Rate(None, self._clock)
            return {payer: rate for (name, payer), rate in self._rates.items() if name == table}

    def _set(self, ceilings: Ceilings) -> None:
        for place, ceiling in ceilings.items():
            if place in self._rates:
                self._rates[place].cap(ceiling * self._share)
            else:
                self._rates[place] = Rate(ceiling * self._share, self._clock)

    def _refresh(self) -> None:
        if self._read_ceilings is None or self._clock() < self._refresh_at:
            return
        with self._lock:
            if self._clock() < self._refresh_at:
                return  # another thread was faster
            self._refresh_at = self._clock() + REFRESH_SECONDS
        try:
            ceilings = self._read_ceilings()
        except KeyshiftError as error:
            _log.warning("capacity_unknown", error=error.message)  # what was known holds on
        else:
            with self._lock:
                self._set(ceilings)


def budget_for(
    settings: BulkloadSettings, client: DynamoDBClient, targets: Iterable[Target], stop: Stop, share: float = 1.0
) -> Budget:
    """The budget that the settings ask for. Raises KeyshiftError, Problems where a percentage is of nothing known."""
    chosen = list(targets)
    if not settings.write_percent_max:
        return Budget(_absolute(settings.write_units_per_second_max, chosen), stop, share)

    def read() -> Ceilings:
        return ceilings_of(settings, {target.name: read_capacity(client, target.name) for target in chosen})

    return Budget(read(), stop, share, read_ceilings=read)


def ceilings_of(settings: BulkloadSettings, capacities: Mapping[str, Capacity | None]) -> Ceilings:
    """The limits of tables with these capacities. Raises Problems that name the tables whose capacity nobody knows."""
    ceilings: dict[tuple[str, str], float] = {}
    problems = []
    for table, capacity in capacities.items():
        for payer, takes in (capacity.throughputs if capacity else {TABLE: None}).items():
            units = takes.write_units_per_second if takes else None
            if units is None:
                problems.append(Problem(_place(table, payer), _UNKNOWN, _UNKNOWN_REMEDY))
                continue
            share = units * settings.write_percent_max / 100
            ceilings[table, payer] = min(share, settings.write_units_per_second_max or share)
    Problems.raise_if_any(problems)
    return ceilings


def _absolute(units_per_second: int, targets: Iterable[Target]) -> Ceilings:
    if not units_per_second:
        return {}
    return {
        (target.name, payer): units_per_second
        for target in targets
        for payer in (TABLE, *(index.name for index in target.indexes if not index.is_local))
    }


def _place(table: str, payer: str) -> str:
    return f"index {payer} of table {table}" if payer else f"table {table}"


_UNKNOWN: Final = "bulkload.write_percent_max is a part of its capacity, which the endpoint does not tell"
_UNKNOWN_REMEDY: Final = "Set bulkload.write_units_per_second_max in its place"
