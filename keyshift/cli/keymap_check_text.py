"""What a trial of a keymap found, for a person and for a machine (docs/keymap-check.md says what each figure means)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import click

from keymap.capacity import ON_DEMAND
from keymap.errors import Problem
from keyshift.cli import show
from keyshift.trial.report import HotKey, Report, TargetReport
from keyshift.trial.walk import Walked

_UNITS = ("B", "KB", "MB", "GB", "TB")
_STEP = 1024


def document(report: Report) -> dict[str, Any]:
    """The report as JSON."""
    return {
        "tables": [asdict(table) for table in report.tables],
        "targets": [_target(target) for target in report.targets],
        "together": asdict(report.together),
        "prices": asdict(ON_DEMAND),
        "errors": list(map(asdict, report.errors)),
        "notes": list(map(asdict, report.notes)),
    }


def _target(target: TargetReport) -> dict[str, Any]:
    return asdict(target) | {"sizes": [bucket._asdict() for bucket in target.sizes]}


def tell(report: Report) -> None:
    """The report as text: what was read, figures, notes. Errors are for standard error."""
    if not report.errors:
        click.echo("it fits the source's tables")
    if report.tables:
        click.echo("rows tried: " + ", ".join(map(_walked, report.tables)))
    if not all(table.whole for table in report.tables):
        click.echo("a sample finds what is common; --all tries every row, and finds what is rare")
    if report.targets:
        _tell_figures(report)
        click.echo()
    show.lines(_note(note) for note in report.notes)


def _walked(one: Walked) -> str:
    return f"{one.rows:,} of {one.table}" + ("" if one.whole else f" (a sample of about {one.rows_all:,})")


def _note(note: Problem) -> show.Line:
    return show.Line(show.NOTE, note.where, note.what, note.remedy)


_HEAD = (
    "in DynamoDB",
    "rows",
    "items",
    "stored",
    "bookkeeping",
    "write units",
    "failed",
    "if repeated",
    "load $",
    "month $",
)


def _tell_figures(report: Report) -> None:
    targets = report.targets
    _section(_HEAD, [*(row for target in targets for row in _totals(target)), _together(report)])
    prices = f"{ON_DEMAND.region}, on demand, prices of {ON_DEMAND.asked}"
    sampled = "; of samples, scaled by the server's estimate of the rows" if any(one.sampled for one in targets) else ""
    click.echo(f"({prices}{sampled})")
    _section(("items of", *_bounds(targets[0])), ([one.target, *(b.items for b in one.sizes)] for one in targets))
    groups = [(one.target, group) for one in targets for group in one.largest_groups]
    if groups:
        head = ("largest shared items", "rows", "bytes", "bookkeeping")
        rows = ((f"{name} {one.key}", one.rows, one.bytes, one.bookkeeping_bytes) for name, one in groups)
        _section(head, rows)
    _section(("busiest partition keys", "rows", "of all", "of units", "units/s at most"), _hot_rows(targets))


def _section(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    click.echo()
    show.columns(head, rows)


def _totals(target: TargetReport) -> Iterator[Sequence[object]]:
    counts = (target.rows, target.items, size(target.stored_bytes), size(target.bookkeeping_bytes))
    costs = (f"{target.load_cost:,.2f}", f"{target.month_cost:,.2f}")
    yield (target.target, *counts, target.write_units, target.write_units_failed, target.write_units_again, *costs)
    for index in target.indexes:
        kind = "local index" if index.local else "index"
        yield f"  {kind} {index.index}", "", index.items, size(index.stored_bytes), "", index.write_units, *[""] * 4


def _together(report: Report) -> Sequence[object]:
    whole = report.together
    costs = (f"{whole.load_cost:,.2f}", f"{whole.month_cost:,.2f}")
    return "together, with indexes", "", whole.items, size(whole.stored_bytes), "", whole.write_units, "", "", *costs


def _bounds(target: TargetReport) -> list[str]:
    return ["more" if bucket.up_to is None else f"to {size(bucket.up_to)}" for bucket in target.sizes]


def _hot_rows(targets: Iterable[TargetReport]) -> Iterator[Sequence[object]]:
    for target in targets:
        yield from _hot(target.target, target.hot_keys)
        for index in target.indexes:
            yield from _hot(f"{target.target}/{index.index}", index.hot_keys)


def _hot(name: str, keys: Iterable[HotKey]) -> Iterator[Sequence[object]]:
    for one in keys:
        shares = (f"{one.rows_share:.1%}", f"{one.units_share:.1%}")
        yield (f"{name} {one.key}", one.rows, *shares, round(one.units_a_second_max))


def size(count: float) -> str:
    """Bytes in the unit of which there are at least one, as DynamoDB counts them (1 KB is 1,024)."""
    for unit in _UNITS[:-1]:
        if count < _STEP:
            return f"{count:,.0f} {unit}" if unit == "B" or count == int(count) else f"{count:,.1f} {unit}"
        count /= _STEP
    return f"{count:,.1f} {_UNITS[-1]}"
