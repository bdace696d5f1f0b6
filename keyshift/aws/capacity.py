"""What a table and its global indexes take in a second, as DescribeTable tells it, and raising what is kept warm.

Four figures matter, and an endpoint may know none of them. A provisioned table takes its units. One on demand takes at
once what it is *warm* for, which is 4,000 write units for a new one, grows with use and never shrinks; a maximum that
its owner set stands above that. Warm throughput may be raised ahead, for money, and not be lowered again.

Source: the DynamoDB developer guide, "Understanding DynamoDB warm throughput" and "DynamoDB maximum throughput for
on-demand tables".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from keymap.errors import KeyshiftError
from keymap.item_units import TABLE
from keyshift.aws.clients import DynamoDBClient, explaining
from keyshift.aws.own_table import describe_table

_NOT_AWS: Final = "Warm throughput is DynamoDB's own: an endpoint that is only compatible may have none, and need none"


@dataclass(frozen=True, slots=True)
class Throughput:
    """Write units a second of a table or an index, each None where it has none or nobody tells.

    `provisioned_write` only where it is provisioned; `write_max` is its owner's limit where it is on demand.
    """

    provisioned_write: int | None
    warm_write: int | None
    write_max: int | None

    @property
    def write_units_per_second(self) -> int | None:
        """What it takes at once, None where nobody knows."""
        if self.provisioned_write is not None:
            return self.provisioned_write
        known = [units for units in (self.warm_write, self.write_max) if units is not None]
        return min(known) if self.warm_write is not None or self.write_max is not None else None

    @property
    def origin(self) -> str:
        """Where that figure comes from: "provisioned", "warm", "maximum", or "" where there is none."""
        units = self.write_units_per_second
        if units is None:
            return ""
        return (
            "provisioned" if self.provisioned_write is not None else "warm" if units == self.warm_write else "maximum"
        )


@dataclass(frozen=True, slots=True)
class Capacity:
    """One table's, by global index, TABLE for the table itself. `warming`: warm throughput is being raised."""

    throughputs: Mapping[str, Throughput]
    warming: bool = False


def read_capacity(client: DynamoDBClient, name: str) -> Capacity | None:
    """The capacity of a table, None where there is no such table. Raises KeyshiftError where AWS cannot be asked."""
    table = describe_table(client, name)
    return None if table is None else capacity_of(table)


def capacity_of(table: Mapping[str, Any]) -> Capacity:
    """The capacity of a table as DescribeTable tells it."""
    on_demand = table.get("BillingModeSummary", {}).get("BillingMode") == "PAY_PER_REQUEST"
    indexes = {one["IndexName"]: one for one in table.get("GlobalSecondaryIndexes") or ()}
    places = {TABLE: table, **indexes}
    return Capacity(
        {payer: _throughput(place, on_demand=on_demand) for payer, place in places.items()},
        any(place.get("WarmThroughput", {}).get("Status") == "UPDATING" for place in places.values()),
    )


def _throughput(place: Mapping[str, Any], *, on_demand: bool) -> Throughput:
    provisioned = {} if on_demand else place.get("ProvisionedThroughput", {})
    warm, limits = place.get("WarmThroughput", {}), place.get("OnDemandThroughput", {}) if on_demand else {}
    limit = limits.get("MaxWriteRequestUnits", -1)
    return Throughput(
        provisioned.get("WriteCapacityUnits") or None,
        warm.get("WriteUnitsPerSecond") or None,  # ministack tells of none at all
        limit if limit > 0 else None,  # -1 takes a maximum away
    )


def raise_warm(client: DynamoDBClient, name: str, write_units: Mapping[str, int]) -> Capacity:
    """Ask for more warm throughput of a table and its indexes (by name, TABLE for the table); what is told then.

    It takes minutes to hours until it is there, and costs once. Raises KeyshiftError where it cannot be had.
    """
    with explaining(f"raising the warm throughput of table {name}"):
        client.update_table(**warm_request(name, write_units))
    told = read_capacity(client, name)
    if told is None or not _is_raised(told, write_units):
        message = f"the endpoint took the request for table {name} and changed nothing"
        raise KeyshiftError(message, _NOT_AWS)
    return told


def warm_request(name: str, write_units: Mapping[str, int]) -> dict[str, Any]:
    """What UpdateTable is asked."""
    wanted: dict[str, Any] = {"TableName": name}
    if TABLE in write_units:
        wanted["WarmThroughput"] = {"WriteUnitsPerSecond": write_units[TABLE]}
    indexes = [
        {"Update": {"IndexName": index, "WarmThroughput": {"WriteUnitsPerSecond": units}}}
        for index, units in write_units.items()
        if index != TABLE
    ]
    return wanted | ({"GlobalSecondaryIndexUpdates": indexes} if indexes else {})


def _is_raised(told: Capacity, wanted: Mapping[str, int]) -> bool:
    return told.warming or all(
        (told.throughputs[payer].warm_write or 0) >= units
        for payer, units in wanted.items()
        if payer in told.throughputs
    )
