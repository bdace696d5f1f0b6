"""How tables and indexes are billed, and what they can take from the beginning, as CreateTable wants it. Pure.

What the settings say of a table stands in the place of what the keymap says of its billing.
"""

from typing import Any

from keymap.prices import NEW_WARM_READ_UNITS, NEW_WARM_WRITE_UNITS, warm_cost
from keymap.targets import Index, Target
from keyshift.process.capacity import CapacitySection, UnitsSection


def table_billing(target: Target, wanted: CapacitySection | None) -> dict[str, Any]:
    """What CreateTable is told of the table itself."""
    units = _table_units(target, wanted)
    mode = "PAY_PER_REQUEST" if units is None else "PROVISIONED"
    return {"BillingMode": mode, **_provisioned(units), **_warm(wanted), **_maxima(wanted)}


def index_billing(target: Target, index: Index, wanted: CapacitySection | None) -> dict[str, Any]:
    """The same of a global index. Of a provisioned table it has units: its own, or as many as the table."""
    of_index = wanted.indexes.get(index.name) if wanted else None
    units = _table_units(target, wanted)
    if units is not None:
        own, keymaps = _units_of(of_index), _pair(index.read_capacity, index.write_capacity)
        units = own or keymaps or units
    return {**_provisioned(units), **_warm(of_index), **_maxima(of_index)}


def creation_cost(wanted: CapacitySection) -> float:
    """What a new table costs, once, for the throughput that is to be warm, its indexes included; in dollars."""
    return sum(_warm_cost(units) for units in (wanted, *wanted.indexes.values()))


def _warm_cost(wanted: UnitsSection) -> float:
    write, read = wanted.write_units or NEW_WARM_WRITE_UNITS, wanted.read_units or NEW_WARM_READ_UNITS
    return warm_cost((wanted.warm_write_units or 0) - write, (wanted.warm_read_units or 0) - read)


def _table_units(target: Target, wanted: CapacitySection | None) -> tuple[int, int] | None:
    """Provisioned read and write units, None on demand."""
    return _units_of(wanted) if wanted else _pair(target.read_capacity, target.write_capacity)


def _units_of(wanted: UnitsSection | None) -> tuple[int, int] | None:
    return _pair(wanted.read_units, wanted.write_units) if wanted else None


def _pair(read: int | None, write: int | None) -> tuple[int, int] | None:
    return None if read is None or write is None else (read, write)


def _provisioned(units: tuple[int, int] | None) -> dict[str, Any]:
    if units is None:
        return {}
    return {"ProvisionedThroughput": {"ReadCapacityUnits": units[0], "WriteCapacityUnits": units[1]}}


def _warm(wanted: UnitsSection | None) -> dict[str, Any]:
    return _given(
        "WarmThroughput",
        ReadUnitsPerSecond=wanted.warm_read_units if wanted else None,
        WriteUnitsPerSecond=wanted.warm_write_units if wanted else None,
    )


def _maxima(wanted: UnitsSection | None) -> dict[str, Any]:
    return _given(
        "OnDemandThroughput",
        MaxReadRequestUnits=wanted.read_units_max if wanted else None,
        MaxWriteRequestUnits=wanted.write_units_max if wanted else None,
    )


def _given(name: str, **units: int | None) -> dict[str, Any]:
    found = {unit: value for unit, value in units.items() if value is not None}
    return {name: found} if found else {}
