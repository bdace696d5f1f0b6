"""How results look: aligned lines for a person, JSON for a machine. All else goes to standard error."""

import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import click

OK: Final = "ok"
FAIL: Final = "FAIL"
NOTE: Final = "note"
_COLOURS: Final = {OK: "green", FAIL: "red", NOTE: "yellow"}


@dataclass(frozen=True, slots=True)
class Line:
    """One finding: its state (OK, FAIL, NOTE), what was looked at, what was seen, and what to do ("" = nothing)."""

    state: str
    name: str
    evidence: str
    remedy: str = ""


def lines(findings: Iterable[Line]) -> None:
    """Print findings below each other, each with its remedy."""
    every = list(findings)
    width = max((len(one.name) for one in every), default=0)
    for one in every:
        state = click.style(f"{one.state:4}", fg=_COLOURS[one.state], bold=one.state == FAIL)
        click.echo(f"{state}  {one.name:{width}}  {one.evidence}")
        if one.remedy:
            click.echo(f"{'':{width + 8}}{click.style('do:', fg='cyan')} {one.remedy}")


def columns(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table: the first column to the left, the others, numbers mostly, to the right."""
    texts = [list(map(_cell, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *texts, strict=True)]
    for number, row in enumerate([list(head), *texts]):
        cells = [
            f"{text:<{width}}" if at == 0 else f"{text:>{width}}"
            for at, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo(click.style("  ".join(cells).rstrip(), bold=number == 0))


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def as_json(answer: object) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(answer, indent=2, default=_plain, ensure_ascii=False))


def compact(answer: object) -> str:
    """A value as JSON on one line."""
    return json.dumps(answer, default=_plain, ensure_ascii=False)


def _plain(value: object) -> Any:  # noqa: ANN401 - what JSON takes
    if isinstance(value, bytes | bytearray):
        return b64encode(value).decode()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"no JSON for {type(value).__name__}")
