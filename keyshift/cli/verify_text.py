"""A difference as text: each value and each line cut, for an item may have 400 KB.

Where the two sides of a long value have a long beginning in common, both are shown from near where they part. What is
no printable character is written as an escape: items may hold anything, also what a terminal would obey.
"""

from typing import Final

import click

from keymap.patch import Item
from keymap.slots import slot_text
from keyshift.cli import show
from keyshift.cli.preview_text import clean
from keyshift.cutover.compare import Difference

VALUE_LENGTH_MAX: Final = 60  # characters of a value
LINE_LENGTH_MAX: Final = 400  # characters of one side's attributes: a few lines of a terminal
_IN_COMMON: Final = 20  # characters shown of what both sides begin with


def tell_difference(one: Difference) -> None:
    """Print where it is, and both sides of it."""
    slot = f" {_cut(slot_text(one.slot))}" if one.slot else ""
    note = f" ({clean(one.note[:LINE_LENGTH_MAX])})" if one.note else ""  # it may quote what somebody else has written
    key = ", ".join(_cut(_key_text(value)) for value in one.key)
    click.echo(f"{click.style(one.kind.value, bold=True)}: {one.table} ({key}){slot}{note}")
    click.echo(f"    source    {side(one.expected, one.found)}")
    click.echo(f"    DynamoDB  {side(one.found, one.expected)}")


def side(item: Item | None, other: Item | None) -> str:
    """One side in a line, beside the other one: what differs comes first, and what is cut off is counted."""
    if item is None:
        return "nothing"
    beside = other or {}
    names = sorted(item, key=lambda name: item[name] == beside.get(name))
    texts = [f"{_cut(show.compact(name))}: {_value(name, item, beside)}" for name in names]
    kept = length = 0
    for text in texts:
        length += len(text)
        if kept and length > LINE_LENGTH_MAX:
            break
        kept += 1
    more = f", … {len(texts) - kept:,} more attributes" if kept < len(texts) else ""
    return f"{{{', '.join(texts[:kept])}{more}}}"


def _value(name: str, item: Item, other: Item) -> str:
    text, beside = show.compact(item[name]), show.compact(other[name]) if name in other else ""
    if max(len(text), len(beside)) <= VALUE_LENGTH_MAX:
        return clean(text)
    parts_at = next((at for at, both in enumerate(zip(text, beside, strict=False)) if both[0] != both[1]), 0)
    return _cut(text, max(0, parts_at - _IN_COMMON))


def _cut(text: str, begin: int = 0) -> str:
    """At most 60 characters of a text, from `begin` on; where it is not whole, how many there are."""
    shown = clean(text[begin : begin + VALUE_LENGTH_MAX])
    if begin == 0 and len(text) <= VALUE_LENGTH_MAX:
        return shown
    head, tail = "…" if begin else "", "…" if len(text) > begin + VALUE_LENGTH_MAX else ""
    return f"{head}{shown}{tail} ({len(text):,} characters)"


def _key_text(value: object) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)
