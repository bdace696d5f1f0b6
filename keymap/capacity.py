"""What DynamoDB counts: write units, stored bytes, and what they cost. Arithmetic only.

Sources: the DynamoDB developer guide ("DynamoDB read and write operations"; "Item sizes and formats"; "Item collection
size limit"; "Designing partition keys to distribute your workload": 1,000 write units a second for one partition), and
the page aws.amazon.com/dynamodb/pricing/on-demand.

* A write costs one unit for each KB of the item, rounded up; an update that of the larger of the item before and after.
* A write whose condition fails costs as much as one that succeeds: the size of the item that is there, at least 1.
* Each index that the item is in costs units of its own for what it projects; a failed condition costs none there.
* Stored are the items, and 100 bytes more for each, in the table and in each index.
"""

from dataclasses import dataclass
from typing import Final

WRITE_UNIT_BYTES: Final = 1024
STORED_OVERHEAD_BYTES: Final = 100  # of each item, in the table and in each index
PARTITION_UNITS_MAX: Final = 1_000  # write units a second into one partition, and so under one partition key
COLLECTION_BYTES_MAX: Final = 10 * 1024**3  # of all items under one partition key, in a table with local indexes
_GB: Final = 1024**3
_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Prices:
    """What a million write units cost on demand, and a GB stored for a month, in dollars: where, and when asked."""

    write_units_million: float
    gb_month: float
    region: str
    asked: str

    def writes(self, units: float) -> float:
        """What that many write units cost."""
        return units / _MILLION * self.write_units_million

    def month(self, stored_bytes: float) -> float:
        """What it costs to keep that much for a month; the free first 25 GB of an account are not taken off."""
        return stored_bytes / _GB * self.gb_month


# The Standard table class, after the reduction of November 2024.
ON_DEMAND: Final = Prices(0.625, 0.25, "us-east-1", "2025-07")


def write_units(size: int) -> int:
    """The units of writing an item of that many bytes (or of failing to, on a condition)."""
    return max(1, -(-size // WRITE_UNIT_BYTES))


def stored_bytes(size: int, items: int) -> int:
    """What that many items of together `size` bytes occupy in a table, or in an index."""
    return size + items * STORED_OVERHEAD_BYTES


def units_a_second(share: float) -> float:
    """The most write units a second that a table takes of which one partition key gets that share of all."""
    return PARTITION_UNITS_MAX / share if share else float("inf")
