"""How fast dump and load go, and what they wait for: told by whoever does it, for people. Nobody decides by it.

One item for each job and table, written every few seconds without a condition. What was done is told by the chunks'
records alone (keyshift/control/chunks.py).
"""

from dataclasses import dataclass
from typing import Final

from keyshift.control.store import Store
from keyshift.control.tables import escape

_PACE: Final = "pace#"


@dataclass(frozen=True, slots=True)
class Pace:
    """One table: `rows` done of about `rows_total`, at `rows_per_second` lately; `waits`: for what, "" if it goes on.

    `at_ms` is the wall clock of whoever told it, ms since 1970, 0 where nobody has.
    """

    rows: int = 0
    rows_total: int = 0
    rows_per_second: int = 0
    waits: str = ""
    at_ms: int = 0


def record_pace(store: Store, job: str, table: str, pace: Pace) -> None:
    """Tell how fast `job` (the name of its lease) goes. Repeating it, or coming late, does no harm."""
    changes = {
        "rows": pace.rows,
        "rows_total": pace.rows_total,
        "rows_per_second": pace.rows_per_second,
        "waits": pace.waits or None,
        "at_ms": store.now_ms,
    }
    store.update(_item(job, table), changes, {})


def read_pace(store: Store, job: str, table: str) -> Pace:
    """What was told last."""
    record = store.get(_item(job, table))
    if record is None:
        return Pace()
    rows, total, rate = (record.number(name) for name in ("rows", "rows_total", "rows_per_second"))
    return Pace(rows, total, rate, record.text("waits"), record.at_ms)


def _item(job: str, table: str) -> str:
    return f"{_PACE}{job}#{escape(table)}"
