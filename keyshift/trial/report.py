"""What a trial found: figures of each table, target and index, and what is wrong or worth knowing. Data only.

Bytes are DynamoDB's, names included. Of a sample, counts, bytes and units are scaled to the whole table by the server's
estimate of its rows; shares, and what is named, are of the rows that were read.
"""

from dataclasses import dataclass
from typing import NamedTuple

from keymap.errors import Problem
from keyshift.trial.walk import Walked


class Bucket(NamedTuple):
    """How many items have at most `up_to` bytes (None: more than any may have), and more than the bucket before."""

    up_to: int | None
    items: int


@dataclass(frozen=True, slots=True)
class Group:
    """An item that rows share: its key, how many rows, its bytes and those of them that are bookkeeping."""

    key: str
    rows: int
    bytes: int
    bookkeeping_bytes: int


@dataclass(frozen=True, slots=True)
class HotKey:
    """A partition key: its share (0 to 1) of rows and of write units, and its bytes.

    `units_a_second_max` is what the whole table or index can take a second before this key's partition throttles.
    """

    key: str
    rows: int
    rows_share: float
    write_units: int
    units_share: float
    units_a_second_max: float
    bytes: int


@dataclass(frozen=True, slots=True)
class IndexReport:
    """One index: entries, stored bytes, write units of the load, and the partition keys with the most of them."""

    index: str
    local: bool
    items: int
    stored_bytes: int
    write_units: int
    hot_keys: tuple[HotKey, ...]


@dataclass(frozen=True, slots=True)
class TargetReport:
    """One DynamoDB table after the load, and what the load costs there.

    `write_units` are of the table alone, `write_units_failed` those of them that are spent on conditions that fail, and
    `write_units_again` what its guarded writes cost if all of them fail.
    `stored_bytes` has DynamoDB's overhead, of the table and not of its indexes. Costs are in dollars, indexes included.
    """

    target: str
    sampled: bool
    rows: int
    items: int
    data_bytes: int
    bookkeeping_bytes: int
    stored_bytes: int
    sizes: tuple[Bucket, ...]
    largest_groups: tuple[Group, ...]
    partition_keys: int
    hot_keys: tuple[HotKey, ...]
    writes: int
    write_units: int
    write_units_failed: int
    write_units_again: int
    indexes: tuple[IndexReport, ...]
    load_cost: float
    month_cost: float


@dataclass(frozen=True, slots=True)
class Together:
    """All targets, their indexes included (in `items` not)."""

    items: int
    stored_bytes: int
    write_units: int
    load_cost: float
    month_cost: float


@dataclass(frozen=True, slots=True)
class Report:
    """One trial. `errors` would stop the load, or lose something; `notes` are for the author to judge."""

    tables: tuple[Walked, ...]
    targets: tuple[TargetReport, ...]
    errors: tuple[Problem, ...]
    notes: tuple[Problem, ...]

    @property
    def together(self) -> Together:
        """The sums of all targets."""
        indexes = [index for target in self.targets for index in target.indexes]
        return Together(
            items=sum(target.items for target in self.targets),
            stored_bytes=sum(one.stored_bytes for one in self.targets) + sum(one.stored_bytes for one in indexes),
            write_units=sum(one.write_units for one in self.targets) + sum(one.write_units for one in indexes),
            load_cost=sum(target.load_cost for target in self.targets),
            month_cost=sum(target.month_cost for target in self.targets),
        )
