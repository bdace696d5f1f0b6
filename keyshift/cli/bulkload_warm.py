"""`keyshift bulkload warm`: what the target tables take at once, and raising it before a load, for money."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click

from keymap.errors import KeyshiftError
from keymap.item_units import TABLE
from keymap.prices import ASKED, REGION, warm_cost
from keyshift.aws.capacity import Capacity, raise_warm, read_capacity
from keyshift.cli import show
from keyshift.cli.wiring import Wiring, pass_wiring

Capacities = Mapping[str, Capacity]
Raises = Mapping[str, Mapping[str, int]]  # wanted warm write units by table and index


@click.command()
@click.option("--table", "tables", multiple=True, metavar="NAME", help="This target table only; may be repeated.")
@click.option("--write-units", type=click.IntRange(min=1), help="Write units a second that each is to take at once.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@pass_wiring
def warm(wiring: Wiring, /, *, tables: tuple[str, ...], write_units: int | None, yes: bool, as_json: bool) -> None:
    """Show what the target tables take at once, and raise it (--write-units), which costs once and is not undone.

    Global indexes are raised with their table, since an index that throttles makes writes to its table fail. What is
    higher already stays so. It is there within minutes to hours; `keyshift bulkload warm` shows it.
    """
    found = _read(wiring, tables)
    raises = _raises(found, write_units) if write_units else {}
    dollars = sum(_cost(found[name], wanted) for name, wanted in raises.items())
    if raises:
        _confirm(found, raises, dollars, yes=yes, as_json=as_json)
        told = {name: raise_warm(wiring.clients.dynamodb, name, wanted) for name, wanted in raises.items()}
        found = {**found, **told}
    if as_json:
        show.as_json(_document(found, raises, dollars))
    else:
        _tell(found)


def _read(wiring: Wiring, tables: tuple[str, ...]) -> dict[str, Capacity]:
    """The capacity of these tables, of all targets if none is named. Raises KeyshiftError where one is none of them."""
    targets = wiring.keymap.targets
    for name in tables:
        if name not in targets:
            raise KeyshiftError(f"the keymap has no target {name}", f"Its targets are {', '.join(targets)}")
    found: dict[str, Capacity] = {}
    for name in tables or targets:
        capacity = read_capacity(wiring.clients.dynamodb, name)
        if capacity is None:
            remedy = "Run `keyshift init`; `capacity` in the settings says what a new table takes (docs/settings.md)"
            raise KeyshiftError(f"there is no table {name}", remedy)
        found[name] = capacity
    return found


def _raises(found: Capacities, write_units: int) -> dict[str, dict[str, int]]:
    """What is to be raised. Raises KeyshiftError where the endpoint knows no warm throughput."""
    raises: dict[str, dict[str, int]] = {}
    for name, capacity in found.items():
        if capacity.throughputs[TABLE].warm_write is None:
            remedy = "It is DynamoDB's own: an endpoint that is only compatible may have none, and need none"
            raise KeyshiftError(f"the endpoint tells of no warm throughput of table {name}", remedy)
        lower = {
            payer: write_units for payer, one in capacity.throughputs.items() if (one.warm_write or 0) < write_units
        }
        if lower:
            raises[name] = lower
    return raises


def _cost(capacity: Capacity, wanted: Mapping[str, int]) -> float:
    return sum(warm_cost(units - (capacity.throughputs[payer].warm_write or 0)) for payer, units in wanted.items())


def _confirm(found: Capacities, raises: Raises, dollars: float, *, yes: bool, as_json: bool) -> None:
    for name, wanted in raises.items():
        for payer, units in wanted.items():
            before = found[name].throughputs[payer].warm_write or 0
            place = f"index {payer} of table {name}" if payer else f"table {name}"
            click.echo(f"{place}: {before:,} write units a second are warm, {units:,} are wanted", err=as_json)
    click.echo(
        f"that costs about ${dollars:,.2f}, once ({REGION}, prices of {ASKED}), and cannot be undone", err=as_json
    )
    if not yes:
        click.confirm("Raise it?", abort=True, err=as_json)


def _document(found: Capacities, raises: Raises, dollars: float) -> dict[str, Any]:
    tables = [
        {
            "table": name,
            "index": payer,
            "warming": capacity.warming,
            **asdict(one),
            "write_units_per_second": one.write_units_per_second,
        }
        for name, capacity in found.items()
        for payer, one in capacity.throughputs.items()
    ]
    return {"tables": tables, "raised": raises, "dollars": {"once": dollars, "region": REGION, "asked": ASKED}}


def _tell(found: Capacities) -> None:
    headings = ("table or index", "takes a second", "by", "provisioned", "warm", "maximum", "warming")
    rows = []
    for name, capacity in found.items():
        for payer, one in capacity.throughputs.items():
            figures = (one.write_units_per_second, one.origin, one.provisioned_write, one.warm_write, one.write_max)
            shown = ["-" if figure in {None, ""} else figure for figure in figures]
            rows.append((f"  index {payer}" if payer else name, *shown, "yes" if capacity.warming else ""))
    show.columns(headings, rows)
