"""What a migration costs beside DynamoDB's own writes: Kinesis, Lambda, S3, and warm throughput. Arithmetic only.

Sources: the pages aws.amazon.com/kinesis/data-streams/pricing, …/lambda/pricing, …/s3/pricing and …/dynamodb/pricing.
What warm throughput is raised by costs once what as many provisioned units cost for an hour; what a table has by
itself, which for a new one on demand is 4,000 write units and 12,000 read units, is free. DynamoDB's import from S3
costs by what its files hold before compression.
All prices, and DynamoDB's in keymap/capacity.py, are of one region and one date: `REGION`, `ASKED`.
"""

from dataclasses import dataclass
from typing import Final

from keymap.capacity import ON_DEMAND

REGION: Final = ON_DEMAND.region
ASKED: Final = ON_DEMAND.asked

PAYLOAD_UNIT_BYTES: Final = 25 * 1024  # Kinesis counts each record in units of 25 KB
DAY_HOURS: Final = 24  # of retention in a shard's price
WEEK_HOURS: Final = 168  # up to here retention is "extended", beyond it is "long-term", by the GB
MONTH_HOURS: Final = 730
_MILLION: Final = 1_000_000
_GB: Final = 1024**3


@dataclass(frozen=True, slots=True)
class ServicePrices:
    """In dollars: Kinesis by shard, on demand, and kept for longer; Lambda; S3; units of DynamoDB that are kept warm,
    and its import from S3.

    Each name ends with what it is for; a warm unit is paid for once.
    """

    shard_hour: float
    extended_shard_hour: float
    payload_units_million: float
    on_demand_hour: float
    on_demand_in_gb: float
    on_demand_out_gb: float
    on_demand_extended_gb_month: float
    long_term_gb_month: float
    lambda_requests_million: float
    lambda_gb_second: float
    s3_puts_thousand: float
    s3_gets_thousand: float
    s3_gb_month: float
    warm_write_unit: float
    warm_read_unit: float
    import_gb: float


PRICES: Final = ServicePrices(
    shard_hour=0.015,
    extended_shard_hour=0.02,
    payload_units_million=0.014,
    on_demand_hour=0.04,
    on_demand_in_gb=0.08,
    on_demand_out_gb=0.04,
    on_demand_extended_gb_month=0.10,
    long_term_gb_month=0.023,
    lambda_requests_million=0.20,
    lambda_gb_second=0.0000166667,
    s3_puts_thousand=0.005,
    s3_gets_thousand=0.0004,
    s3_gb_month=0.023,
    warm_write_unit=0.00065,
    warm_read_unit=0.00013,
    import_gb=0.15,
)
NEW_WARM_WRITE_UNITS: Final = 4_000  # of a new table or index on demand, a second
NEW_WARM_READ_UNITS: Final = 12_000


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream for `hours`: shards (0: on demand), retention, and what goes through it: records and their bytes."""

    shards: int
    retention_hours: int
    hours: float
    records: float
    bytes: float

    @property
    def cost(self) -> float:
        """In dollars; what is read is read once."""
        kept_long = max(0, self.retention_hours - WEEK_HOURS)
        long_term = self._kept_gb(kept_long) * PRICES.long_term_gb_month * min(kept_long, self.hours) / MONTH_HOURS
        return (self._provisioned() if self.shards else self._on_demand()) + long_term

    def _provisioned(self) -> float:
        hour = PRICES.shard_hour + (PRICES.extended_shard_hour if self.retention_hours > DAY_HOURS else 0)
        units = max(self.records, self.bytes / PAYLOAD_UNIT_BYTES)
        return self.shards * self.hours * hour + units / _MILLION * PRICES.payload_units_million

    def _on_demand(self) -> float:
        through = self.bytes / _GB * (PRICES.on_demand_in_gb + PRICES.on_demand_out_gb)
        kept_hours = min(self.retention_hours, WEEK_HOURS) - DAY_HOURS
        kept = self._kept_gb(kept_hours) * min(kept_hours, self.hours) / MONTH_HOURS
        return self.hours * PRICES.on_demand_hour + through + kept * PRICES.on_demand_extended_gb_month

    def _kept_gb(self, hours: float) -> float:
        """What lies in the stream beyond its first day, of at most so many hours."""
        return self.bytes / _GB * min(1.0, max(0.0, hours) / self.hours) if self.hours else 0.0


def lambda_cost(invocations: float, seconds: float, memory_bytes: int) -> float:
    """Of a function with that much memory, called so often, each call taking so many seconds."""
    gb_seconds = invocations * seconds * memory_bytes / _GB
    return invocations / _MILLION * PRICES.lambda_requests_million + gb_seconds * PRICES.lambda_gb_second


def s3_cost(objects: float, stored_bytes: float, hours: float) -> float:
    """Of objects that are put once, read once, and kept for so long."""
    requests = objects / 1000 * (PRICES.s3_puts_thousand + PRICES.s3_gets_thousand)
    return requests + stored_bytes / _GB * PRICES.s3_gb_month * hours / MONTH_HOURS


def warm_cost(more_write_units: int, more_read_units: int = 0) -> float:
    """What it costs, once, to raise warm throughput by so many units; by fewer than none, nothing."""
    return max(0, more_write_units) * PRICES.warm_write_unit + max(0, more_read_units) * PRICES.warm_read_unit


def import_cost(raw_bytes: float) -> float:
    """Of DynamoDB's import of files that hold so much before compression."""
    return raw_bytes / _GB * PRICES.import_gb
