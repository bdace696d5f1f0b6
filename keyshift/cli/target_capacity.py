"""What the target tables take, as far as somebody tells: for the plan, and for whoever wants to raise it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import click

from bulkload.forecast import Payer
from keymap.errors import KeyshiftError
from keymap.item_units import TABLE
from keyshift.aws.capacity import Capacity, Throughput, read_capacity
from keyshift.cli.wiring import Wiring
from keyshift.process.capacity import CapacitySection, UnitsSection
from keyshift.process.tasks import BulkloadSettings
from keyshift.trial.report import TargetReport


def payers(wiring: Wiring, reports: Iterable[TargetReport]) -> tuple[Payer, ...]:
    """Each target and global index with the load's write units, and what it takes as it is, or is to be made."""
    units = {report.target: _units(report) for report in reports}
    capacities = _capacities(wiring)
    settings = wiring.settings
    return tuple(
        _budgeted(_takes(payer, capacities.get(name), settings.capacity.get(name)), settings.bulkload)
        for name, target in wiring.keymap.targets.items()
        for payer in (
            Payer(name, index, units.get(name, {}).get(index, 0))
            for index in (TABLE, *(one.name for one in target.indexes if not one.is_local))
        )
    )


def _units(report: TargetReport) -> dict[str, int]:
    units = {TABLE: report.write_units}
    for index in report.indexes:
        payer = TABLE if index.local else index.index
        units[payer] = units.get(payer, 0) + index.write_units
    return units


def _capacities(wiring: Wiring) -> Mapping[str, Capacity]:
    """Of the tables that are there. Where nobody can be asked, that is told, and the plan goes by what AWS promises."""
    try:
        found = {name: read_capacity(wiring.clients.dynamodb, name) for name in wiring.keymap.targets}
    except KeyshiftError as error:
        click.echo(f"what the tables take is not known, and assumed: {error.message}", err=True)
        return {}
    return {name: capacity for name, capacity in found.items() if capacity}


def _takes(payer: Payer, capacity: Capacity | None, wanted: CapacitySection | None) -> Payer:
    """With what it takes: a table that is there as it is, one that is to come as the settings want it."""
    if capacity:
        there = capacity.throughputs.get(payer.index)
        return _told(payer, there) if there else payer
    section: UnitsSection | None = wanted
    if wanted and payer.index:
        section = wanted.indexes.get(payer.index)
    return _told(payer, _to_come(section, payer)) if section else payer


def _told(payer: Payer, throughput: Throughput) -> Payer:
    units = throughput.write_units_per_second
    return payer if units is None else replace(payer, units_per_second=units, origin=throughput.origin)


def _to_come(section: UnitsSection, payer: Payer) -> Throughput:
    warm = max(section.warm_write_units or 0, int(payer.units_per_second))
    return Throughput(section.write_units, warm, section.write_units_max)


def _budgeted(payer: Payer, settings: BulkloadSettings) -> Payer:
    limits = list(_limits(payer, settings))
    return replace(payer, units_per_second=min(limits), origin="budget") if limits else payer


def _limits(payer: Payer, settings: BulkloadSettings) -> Iterator[float]:
    if settings.write_percent_max:
        yield payer.units_per_second * settings.write_percent_max / 100
    if 0 < settings.write_units_per_second_max < payer.units_per_second:
        yield settings.write_units_per_second_max
