"""`keyshift demo`: the story at a terminal, with its closing table."""

import tempfile
import time
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from keymap.errors import KeyshiftError
from keyshift.cli.demo.child import ServerError
from keyshift.cli.demo.story import Outcome, tell


class Terminal:
    """Tells the story on a console, each step with the seconds since the beginning."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()

    def step(self, title: str, why: str) -> None:
        """Announce a step."""
        seconds = time.monotonic() - self._began
        self._console.print(f"[dim]{seconds:6.1f} s[/dim]  [bold]{title}[/bold]  {why}", highlight=False)

    def note(self, text: str) -> None:
        """One line of what is happening."""
        self._console.print(f"          {text}", style="dim", highlight=False)


@click.command()
@click.option("--scale", type=click.IntRange(min=1), default=1, show_default=True, help="Times the smallest size.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Keep settings and logs here.")
def demo(scale: int, folder: Path | None) -> int:
    """Migrate a live database on this machine, from init to the switch, and prove that nothing was lost.

    It brings a throw-away database server and AWS-compatible endpoints of its own: no account, no network.
    """
    console = Console()
    kept = folder or Path(tempfile.mkdtemp(prefix="keyshift-demo-"))
    kept.mkdir(parents=True, exist_ok=True)
    try:
        outcome = tell(scale, kept, Terminal(console))
    except (KeyshiftError, ServerError) as error:
        console.print("The demo failed.", style="bold red")
        console.print(str(error), highlight=False, markup=False)
        console.print(f"Settings and logs are in {kept}")
        return 1
    console.print(_table(outcome))
    return 0 if outcome.differences == 0 else 1


def _table(outcome: Outcome) -> Table:
    table = Table(title="A live database, migrated", show_header=False)
    table.add_row("source", outcome.server)
    table.add_row("rows at the switch", f"{outcome.rows:,}")
    table.add_row("items", f"{outcome.items:,}")
    table.add_row("transactions written meanwhile", f"{outcome.transactions_written:,}")
    table.add_row("changes captured", f"{outcome.changes_captured:,}")
    table.add_row("changes applied (a move counts in both its lanes)", f"{outcome.changes_applied:,}")
    table.add_row(
        "differences", f"{outcome.differences}", style="bold green" if not outcome.differences else "bold red"
    )
    table.add_row("write stop", f"{outcome.write_stop_seconds:.1f} seconds")
    table.add_row("all of it", f"{outcome.total_seconds:.0f} seconds")
    return table
