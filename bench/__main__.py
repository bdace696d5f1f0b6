"""`make bench`: rows per second of each part beside the naive way, in one run on one machine.

What writes to a sink (calls, load, apply) is measured per second of one core's time: that is what a client costs.
"""

import argparse
import json
import logging
import os
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.measure import Result
from keyshift.process import log

RESULTS = Path(__file__).with_name("results.json")


def main() -> None:
    """Run the groups that were asked for, print the table and write results.json."""
    from bench import apply, calls, capture, decode, dump, load, mapping, table  # noqa: PLC0415 - after the environment is set

    groups = {
        "table": table.measure,
        "decode": decode.measure,
        "mapping": mapping.measure,
        "capture": capture.measure,
        "calls": calls.measure,
        "dump": dump.measure,
        "load": load.measure,
        "apply": apply.measure,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000, help="rows of the table in each group")
    parser.add_argument("groups", nargs="*", choices=[*groups, []], help=f"{', '.join(groups)}; default: all")
    options = parser.parse_args()
    results = [result for name in options.groups or groups for result in groups[name](options.rows)]
    show(results)
    RESULTS.write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n", encoding="utf-8")


def show(results: list[Result]) -> None:
    """Print the table."""
    table = Table(title="One run on one machine")
    for heading in ("part", "what", "figure", "unit", "times", "against"):
        table.add_column(heading, justify="right" if heading in {"figure", "times"} else "left")
    for one in results:
        figure = f"{one.per_second:,.1f}" if one.per_second < 1_000 else f"{one.per_second:,.0f}"
        table.add_row(one.group, one.name, figure, one.unit, f"{one.ratio:.1f}", one.against)
    Console(width=150).print(table)


if __name__ == "__main__":
    # The sink takes any key; the real credentials of whoever runs this are not for it.
    os.environ |= {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_DEFAULT_REGION": "us-east-1"}
    log.configure(level=logging.WARNING)
    main()
