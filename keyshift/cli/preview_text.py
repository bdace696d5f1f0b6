"""A preview at a terminal: the row's columns on the left, its items on the right, key attributes marked.

Values are shortened, and what is no printable character is written as an escape: rows may hold anything, also what a
terminal would obey.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from decimal import Decimal

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from keymap.attributes import Attribute
from keymap.errors import KeyshiftError
from keymap.slots import slot_text
from keymap.values import Canonical, Json
from keyshift.cli import show
from keyshift.cli.preview import Made, Sample, TableSample

VALUE_LENGTH_MAX = 72  # characters of a value
PLAIN_WIDTH = 140  # characters of a line where there is no terminal
_KEY, _FAINT, _WRONG = "bold cyan", "dim", "red"
NO_ITEM = "no item: the row meets the conditions of no rule"


def tell(tables: Iterable[TableSample]) -> None:
    """Print the tables, each as it comes."""
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False)
    for table in tables:
        console.print(Text(clean(table.table), style="bold"))
        if table.error is not None:
            console.print(_error(table.error))
        elif not table.samples:
            console.print(Text("the table is empty", style=_FAINT))
        for sample in table.samples:
            console.print(_side_by_side(sample))


def _side_by_side(sample: Sample) -> Table:
    key = ", ".join(map(row_value, sample.key))
    both = Table(box=SIMPLE_HEAD, expand=True, pad_edge=False)
    both.add_column(Text(f"row {key}", style=_FAINT), ratio=2)
    both.add_column(Text("in DynamoDB", style=_FAINT), ratio=3)
    both.add_row(_row(sample), Group(*_items(sample)))
    return both


def _row(sample: Sample) -> Table:
    grid = Table.grid(padding=(0, 1))
    for name, value in sample.row.items():
        grid.add_row(Text(clean(name), style=_FAINT), Text(row_value(value), style=_FAINT if value is None else ""))
    return grid


def _items(sample: Sample) -> Iterator[RenderableType]:
    if sample.error is not None:
        yield _error(sample.error)
    elif not sample.items:
        yield Text(NO_ITEM, style=_FAINT)
    for number, one in enumerate(sample.items):
        if number:
            yield Text("")
        shared = f", {clean(slot_text(one.slot))} of an item that rows share" if one.slot else ""
        yield Text(f"{one.target}{shared}", style=_FAINT)
        yield _item(one)


def _item(one: Made) -> Table:
    grid = Table.grid(padding=(0, 1))
    for name, attribute in one.item.items():
        ((kind, _),) = attribute.items()
        role = one.keys.get(name, "")
        style = _KEY if role else ""
        cells = (clean(name), kind, item_value(attribute), f"← {role}" if role else "")
        grid.add_row(*(Text(cell, style=style) for cell in cells))
    return grid


def _error(error: KeyshiftError) -> Text:
    text = Text(f"no item: {clean(error.message)}", style=_WRONG)
    return text.append(f"\ndo: {clean(error.remedy)}") if error.remedy else text


def row_value(value: Canonical) -> str:
    """A row's value in few characters."""
    if value is None:
        return "NULL"
    if isinstance(value, tuple):
        return shortened(", ".join(value))
    if isinstance(value, bytes):
        return _bytes(value)
    return shortened(
        value.text if isinstance(value, Json) else f"{value:f}" if isinstance(value, Decimal) else str(value)
    )


def item_value(attribute: Attribute) -> str:
    """An attribute's value in few characters."""
    ((kind, value),) = attribute.items()
    if kind in {"S", "N"}:
        return shortened(value)
    if kind == "B":
        return _bytes(value)
    return shortened(json.dumps(value) if kind in {"BOOL", "NULL"} else show.compact(value))


def _bytes(value: bytes) -> str:
    shown = value[: VALUE_LENGTH_MAX // 2].hex()
    return f"0x{shown}" if len(value) * 2 == len(shown) else f"0x{shown}… ({len(value):,} bytes)"


def shortened(text: str) -> str:
    """At most 72 characters of a text, and how many there are."""
    kept = clean(text[:VALUE_LENGTH_MAX])
    return kept if len(text) <= VALUE_LENGTH_MAX else f"{kept}… ({len(text):,} characters)"


def clean(text: str) -> str:
    """A text without what a terminal would obey or not show: such characters as escapes."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
