"""What tidying shows of itself: tombstones taken away by this process, and how old horizon and last pass are.

Both ages come from the lease's item, so every worker tells the same ones, whichever of them tidies.
"""

import threading
from collections.abc import Callable
from typing import Final

from keyshift.control.record import Record
from keyshift.process.metric import Metric

METRICS: Final = (
    Metric(
        "keyshift_apply_tombstones_removed_total",
        "counter",
        "Count",
        "what deleted rows had left behind and a pass of tidying took away",
    ),
    Metric(
        "keyshift_apply_horizon_age_seconds",
        "gauge",
        "Seconds",
        "since all that was captured by then was shown to be applied: the horizon, up to which tidying takes away",
    ),
    Metric(
        "keyshift_apply_tidied_age_seconds",
        "gauge",
        "Seconds",
        "since a pass of tidying ended, by whichever process",
    ),
)


class TidyTally:
    """The figures of tidying. `now_ms` is the wall clock in milliseconds since 1970.

    Every method may be called from any thread.
    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._removed = self._risen_at_ms = self._tidied_at_ms = 0
        self._lock = threading.Lock()

    def removed(self, tombstones: int) -> None:
        """So many were taken away."""
        with self._lock:
            self._removed += tombstones

    def looked(self, record: Record | None) -> None:
        """The lease's item (keyshift.control.lease.TIDY), as somebody has just seen or written it."""
        if record:
            with self._lock:
                self._risen_at_ms = record.number("risen_at_ms")
                self._tidied_at_ms = record.number("tidied_at_ms")

    def figures(self) -> dict[str, float | None]:
        """The metrics as they are now; no age where there was no pass yet."""
        with self._lock:
            return {
                "keyshift_apply_tombstones_removed_total": self._removed,
                "keyshift_apply_horizon_age_seconds": self._age_seconds(self._risen_at_ms),
                "keyshift_apply_tidied_age_seconds": self._age_seconds(self._tidied_at_ms),
            }

    def _age_seconds(self, at_ms: int) -> float | None:
        return round((self._now_ms() - at_ms) / 1000, 1) if at_ms else None
