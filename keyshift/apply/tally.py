"""What a worker has done since its last status line, as the fields of that line: counts by operation, lag, age."""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from keyshift.apply.result import BatchResult
from keyshift.process.metric import Metric

METRICS: Final = (
    Metric(
        "keyshift_apply_active",
        "gauge",
        "Count",
        "1 while this worker has its lease and reads its share, 0 while it has none",
    ),
    Metric(
        "keyshift_apply_lag_seconds",
        "gauge",
        "Seconds",
        "of the shard that is furthest behind its end, of those that this worker reads",
    ),
    Metric(
        "keyshift_apply_newest_change_age_seconds",
        "gauge",
        "Seconds",
        "since the newest change that was ever applied happened at the source; it grows while the source is idle",
    ),
    Metric("keyshift_apply_shards", "gauge", "Count", "shards that this worker reads"),
    Metric("keyshift_apply_batches_total", "counter", "Count", "batches handled"),
    Metric("keyshift_apply_records_total", "counter", "Count", "records read from the stream"),
    Metric("keyshift_apply_bytes_total", "counter", "Bytes", "bytes of these records"),
    Metric("keyshift_apply_applied_total", "counter", "Count", "changes applied"),
    Metric("keyshift_apply_set_total", "counter", "Count", "slots written"),
    Metric("keyshift_apply_removed_total", "counter", "Count", "slots removed"),
    Metric("keyshift_apply_stale_total", "counter", "Count", "slots that were newer already: a normal outcome"),
    Metric("keyshift_apply_collided_total", "counter", "Count", "slots that two live rows want"),
    Metric("keyshift_apply_set_aside_total", "counter", "Count", "changes that cannot be applied and were set aside"),
    Metric("keyshift_apply_markers_total", "counter", "Count", "markers of barriers answered"),
    Metric("keyshift_apply_failed_total", "counter", "Count", "batches that end before a change that was not applied"),
)
SLOTS: Final = (
    "set",
    "removed",
    "stale",
    "collided",
    "set_aside",
    "markers",
)  # as a BatchResult names them
_KINDS: Final = ("batches", "records", "bytes", "applied", *SLOTS, "failed")


def counts_of(result: BatchResult, bytes_: int) -> dict[str, int]:
    """What one batch counts for in the counters above; `bytes_` is its compressed size."""
    return {
        "batches": 1,
        "records": result.records,
        "bytes": bytes_,
        "applied": result.applied,
        **{name: getattr(result, name) for name in SLOTS},
        "failed": int(result.error is not None),
    }


class Tally:
    """Counts of batches since the last `line()`. `now_ms` is the wall clock in milliseconds since 1970.

    Every method may be called from any thread.
    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._counts: Counter[str] = Counter()
        self._before: Counter[str] = Counter()  # what earlier lines told
        self._behind_ms: dict[str, int] = {}
        self._newest_ms = 0
        self._newest_version = ""
        self._lock = threading.Lock()

    def batch(self, result: BatchResult, bytes_: int) -> None:
        """A batch was handled; `bytes_` is its compressed size."""
        with self._lock:
            self._counts.update({f"op_{op}": count for op, count in result.operations.items()})
            self._counts.update(counts_of(result, bytes_))
            self._newest_ms = max(self._newest_ms, result.newest_ms)
            self._newest_version = max(self._newest_version, result.newest_version)

    def behind(self, shard: str, milliseconds: int) -> None:
        """How far behind the shard's end the last read was (Kinesis' MillisBehindLatest)."""
        with self._lock:
            self._behind_ms[shard] = milliseconds

    def finished(self, shard: str) -> None:
        """The shard is not read here any more, or has no end that one could be behind of."""
        with self._lock:
            self._behind_ms.pop(shard, None)

    def line(self) -> dict[str, Any]:
        """The fields of the status line; counting begins anew. Lags are in seconds, None when nothing is known.

        `op_c`, `op_u`, `op_d` and `op_r` count changes by Debezium's operations, where there were any. `lag_seconds` is
        the shard that is furthest behind, `newest_change_age_seconds` the time since the newest change that was ever
        applied here happened at the source.
        """
        with self._lock:
            counts, self._counts = self._counts, Counter()
            self._before.update(counts)
            return {
                **{kind: counts[kind] for kind in _KINDS},
                **{name: counts[name] for name in sorted(counts) if name.startswith("op_")},
                "shards": len(self._behind_ms),
                "lag_seconds": self._lag_seconds(),
                "newest_change_age_seconds": self._newest_change_age_seconds(),
                "newest_version": self._newest_version,
            }

    def figures(self) -> dict[str, float | None]:
        """The metrics as they are now; counters count from the beginning."""
        with self._lock:
            return {
                "keyshift_apply_lag_seconds": self._lag_seconds(),
                "keyshift_apply_newest_change_age_seconds": self._newest_change_age_seconds(),
                "keyshift_apply_shards": len(self._behind_ms),
                **{f"keyshift_apply_{kind}_total": self._before[kind] + self._counts[kind] for kind in _KINDS},
            }

    def _lag_seconds(self) -> float | None:
        return _seconds(max(self._behind_ms.values())) if self._behind_ms else None

    def _newest_change_age_seconds(self) -> float | None:
        return _seconds(self._now_ms() - self._newest_ms) if self._newest_ms else None


def _seconds(milliseconds: int) -> float:
    return round(milliseconds / 1000, 1)
