"""How long the load will take, what it will cost, and whether the changes are kept for so long. Arithmetic only.

It is a plan, not a promise: rows are the server's estimate, and rates are those of one process on two small cores
(docs/performance.md). So the time is doubled before it is compared with what retention allows.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bulkload.imports.allowed import OBJECT_BYTES, TABLE_BYTES_MAX
from bulkload.plan import TablePlan
from keymap.capacity import ON_DEMAND
from keymap.errors import Problem
from keymap.prices import NEW_WARM_WRITE_UNITS, Stream, import_cost, lambda_cost, s3_cost

# A fifth of the rows, and less than half of the bytes, that one reader took of the bench's table, on the machine of its
# source (docs/performance.md). Other sources are further away, and read from disk.
DUMP_ROWS_PER_SECOND: Final = 100_000
DUMP_BYTES_PER_SECOND: Final = 25_000_000
LOAD_ROWS_PER_SECOND: Final = 50_000  # by the clock, into a sink: most often it is the tables that decide
CONVERT_ROWS_PER_SECOND: Final = 15_000  # into files of an import; where few rows share items, twice as many
# Of one batch with distinct keys: 16 writes under way, each answered within 6 ms. The processor would do many times as
# much. The Lambda function applies many batches side by side.
APPLY_CHANGES_PER_SECOND: Final = 2_500
MARGIN: Final = 2.0  # estimates of rows are off by 40 % and more, and the source is busy when it matters
COMPRESSION: Final = 3.0  # of chunks and packs, at least
JSON_SIZE: Final = 1.8  # of an item's bytes as DynamoDB JSON, at most: 13 bytes for each attribute (decision 0029)
CHANGE_OVERHEAD_BYTES: Final = 200  # of a change's line beside its two row images
LAMBDA_MEMORY_BYTES: Final = 1769 * 1024 * 1024  # what the function is given (keyshift/deploy)
BATCHES_PER_SHARD: Final = 10  # its parallelization factor
ON_DEMAND_SHARDS: Final = 4  # that a new on-demand stream has (AWS's guide)
_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class Payer:
    """A target table (`index` "") or one of its global indexes: the load's write units, and how many it takes a second.

    `origin` of the latter: what keyshift.aws.capacity says, "budget" (the settings'), or "assumed" where nobody tells.
    """

    table: str
    index: str
    write_units: int
    units_per_second: float = NEW_WARM_WRITE_UNITS
    origin: str = "assumed"


@dataclass(frozen=True, slots=True)
class Work:
    """What there is to do. `payers`: all that has a capacity of its own; their units are 0 if nobody has tried rows.

    `shards` are the stream's, 0 where it is on demand; of one that is there `open_shards` are, in either mode.
    `rows_per_second_max` and `bytes_per_second_max` are the dump's limits (0: none); `changes_per_second` is what the
    application writes to the captured tables. `item_bytes` are those of all items by target, bookkeeping included;
    `imported`: they come in by imports from S3.
    """

    tables: tuple[TablePlan, ...]
    payers: tuple[Payer, ...]
    month_cost: float
    shards: int
    rows_per_second_max: int
    bytes_per_second_max: int
    changes_per_second: float
    item_bytes: Mapping[str, int] = field(default_factory=dict)
    imported: bool = False
    open_shards: int = 0

    @property
    def readers(self) -> int:
        """Shards that are read side by side."""
        return self.shards or self.open_shards or ON_DEMAND_SHARDS

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(table.rows for table in self.tables)

    @property
    def bytes(self) -> int:
        """Of all tables, in the source's storage."""
        return sum(table.bytes for table in self.tables)

    @property
    def import_bytes(self) -> float:
        """Of the lines of all files of imports, before compression."""
        return sum(self.item_bytes.values()) * JSON_SIZE

    @property
    def apply_changes_per_second(self) -> float:
        """How many changes the Lambda function applies in a second: by its batches at once, and what tables take."""
        batches = self.readers * BATCHES_PER_SHARD
        tables = sum(payer.units_per_second for payer in self.payers if not payer.index)
        return min(APPLY_CHANGES_PER_SECOND * batches, tables)

    @property
    def write_units(self) -> int:
        """Of all tables and indexes."""
        return sum(payer.write_units for payer in self.payers)

    @property
    def write_seconds(self) -> float:
        """How long the tables take, one after the other; a table and its indexes are written to together."""
        slowest: dict[str, float] = {}
        for payer in self.payers:
            seconds = payer.write_units / payer.units_per_second
            slowest[payer.table] = max(slowest.get(payer.table, 0.0), seconds)
        return sum(slowest.values())

    def wanted_units_per_second(self, payer: Payer, load_hours: float = 0.0) -> int:
        """What it would have to take for the load to end in so many hours; 0: for nobody to wait for it."""
        seconds = load_hours * _HOUR or self.rows / LOAD_ROWS_PER_SECOND
        return math.ceil(payer.write_units / seconds) if seconds else 0

    @property
    def units_per_row(self) -> float:
        """Write units of one row, on average."""
        return self.write_units / self.rows if self.rows else 0.0


@dataclass(frozen=True, slots=True)
class Hours:
    """Dump, load, and catching up with what changed meanwhile (None: never, changes come faster)."""

    dump: float
    load: float
    catch_up: float | None

    @property
    def needed(self) -> float | None:
        """For how long changes must be kept: everything, with a margin."""
        return None if self.catch_up is None else MARGIN * (self.dump + self.load + self.catch_up)


@dataclass(frozen=True, slots=True)
class Costs:
    """In dollars, until replay has caught up; `dynamodb_month` is for keeping the items for a month.

    `load_local` and `load_import` are what bringing the rows in costs with either engine: one of them is in `dynamodb`.
    """

    kinesis: float
    lambda_: float
    s3: float
    dynamodb: float
    dynamodb_month: float
    load_local: float
    load_import: float

    @property
    def together(self) -> float:
        """What moving costs: without keeping the items."""
        return self.kinesis + self.lambda_ + self.s3 + self.dynamodb


def hours(work: Work) -> Hours:
    """How long each part takes."""
    dump = _longest(_unlimited(work), *_limited(work)) / _HOUR
    load = _load_seconds(work) / _HOUR
    spare = work.apply_changes_per_second - work.changes_per_second
    catch_up = (dump + load) * work.changes_per_second / spare if spare > 0 else None
    return Hours(dump, load, catch_up)


def _load_seconds(work: Work) -> float:
    """Of an import, what it takes until AWS has its files: how long that takes then is not told before."""
    if work.imported:
        return work.rows / CONVERT_ROWS_PER_SECOND
    return _longest(work.rows / LOAD_ROWS_PER_SECOND, work.write_seconds)


def _unlimited(work: Work) -> float:
    """Seconds that the dump takes where nothing holds it back."""
    return _longest(work.rows / DUMP_ROWS_PER_SECOND, work.bytes / DUMP_BYTES_PER_SECOND)


def _limited(work: Work) -> Iterator[float]:
    """Seconds that the dump takes by each of its limits."""
    if work.rows_per_second_max:
        yield work.rows / work.rows_per_second_max
    if work.bytes_per_second_max:
        yield work.bytes / work.bytes_per_second_max


def _longest(*seconds: float) -> float:
    return max(seconds)


def costs(work: Work, taken: Hours, retention_hours: int) -> Costs:
    """What it costs. Each change counts as a record of its own: it cannot cost more."""
    kept = taken.dump + taken.load + (taken.catch_up or 0)
    changes = work.changes_per_second * kept * _HOUR
    change_bytes = (2 * work.bytes / work.rows if work.rows else 0) + CHANGE_OVERHEAD_BYTES
    stream = Stream(work.shards, retention_hours, kept, changes, changes * change_bytes / COMPRESSION)
    calls = min(changes, work.readers * BATCHES_PER_SHARD * kept * _HOUR)
    per_call = changes / APPLY_CHANGES_PER_SECOND / calls if calls else 0.0
    chunks = sum(table.chunks + 1 for table in work.tables)
    local, imported = ON_DEMAND.writes(work.write_units), import_cost(work.import_bytes)
    files = work.import_bytes if work.imported else 0.0
    return Costs(
        kinesis=stream.cost,
        lambda_=lambda_cost(calls, per_call, LAMBDA_MEMORY_BYTES),
        s3=s3_cost(chunks + files / OBJECT_BYTES, (work.bytes + files) / COMPRESSION, kept),
        dynamodb=(imported if work.imported else local) + ON_DEMAND.writes(changes * work.units_per_row),
        dynamodb_month=work.month_cost,
        load_local=local,
        load_import=imported,
    )


def refusals(work: Work, stream_hours: int, binlog_hours: float | None) -> list[Problem]:
    """Why this load must not begin: changes would expire before it has ended, or a table is too large to be imported.

    `binlog_hours` None: kept for ever.
    """
    return [*_expiring(work, stream_hours, binlog_hours), *_too_large(work)]


def _too_large(work: Work) -> Iterator[Problem]:
    for table, size in work.item_bytes.items() if work.imported else ():
        if size * JSON_SIZE > TABLE_BYTES_MAX:
            what = (
                f"its items may fill {size * JSON_SIZE:,.0f} bytes of files, and one import reads {TABLE_BYTES_MAX:,}"
            )
            yield Problem(f"table {table}", what, "Set bulkload.engine to local")


def _expiring(work: Work, stream_hours: int, binlog_hours: float | None) -> list[Problem]:
    needed = hours(work).needed
    if needed is None:
        what = f"changes come faster than they can be applied ({work.apply_changes_per_second:,.0f} a second)"
        remedy = "Count the captured tables' changes only (--changes-per-second), and give the stream more shards"
        return [Problem("bulk load", what, remedy)]
    kept: Sequence[tuple[str, float, str]] = (
        ("the stream", stream_hours, _KEEP_LONGER.format(hours=needed)),
        (
            "the binlog",
            needed if binlog_hours is None else binlog_hours,
            f"Keep the binlog for {needed:.0f} hours (`keyshift cdc check` says how)",
        ),
    )
    return list(_expired(kept, needed, _FASTER if max(_limited(work), default=0.0) > _unlimited(work) else ""))


_KEEP_LONGER: Final = (
    "Raise stream.retention_hours to {hours:.0f} (8760 is Kinesis' limit), and where the stream is there run `keyshift "
    "init` again, or raise it there if this migration did not make it"
)
_FASTER: Final = ", or raise the dump's limits (`keyshift bulkload throttle` shows them, and changes them)"


def _expired(kept: Iterable[tuple[str, float, str]], needed: float, faster: str) -> Iterator[Problem]:
    for place, has, remedy in kept:
        if has < needed:
            what = f"it keeps changes for {has:g} hours; the load and catching up may take {needed:.1f}"
            yield Problem(place, f"{what} (the estimate, doubled)", f"{remedy}{faster}")
